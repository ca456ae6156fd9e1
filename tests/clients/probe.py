"""`probe` against ministack, an emulator that behaves otherwise: an honest report, and no pool is left."""

import json
import subprocess
import sys

import boto3
from botocore.config import Config

from checks import Checks, wait_for


def main(url, binary, results):
    checks = Checks(results, "probe")
    if not wait_for(url, 30):
        checks.check("ministack answers", False, url)
        return
    cognito = boto3.client("cognito-idp", endpoint_url=url, config=Config(retries={"total_max_attempts": 1}))

    def pools():
        return sorted(pool["Id"] for pool in cognito.list_user_pools(MaxResults=60)["UserPools"])

    before = pools()
    command = [binary, "probe", "--yes", "--region", "us-east-1", "--endpoint-url", url, "--rate", "200"]
    done = subprocess.run([*command, "--output", "json"], capture_output=True, text=True, timeout=110, check=False)
    checks.equal("it ends well", done.returncode, 0)
    try:
        report = json.loads(done.stdout)
    except ValueError:
        checks.check("it prints its report", False, done.stdout + done.stderr)
        return
    checks.equal("it judges every assumption", len(report["assumptions"]), 22)
    checks.equal("it leaves no pool", pools(), before)
    found = {finding["assumption"]: finding for finding in report["assumptions"]}
    for name, behaviors in [
        ("name-case", ["names-keep-case"]),
        ("repeat-refused", ["repeat-succeeds"]),
        ("held-refused", ["held-is-alias-exists"]),
        ("limit-is-five", ["limit-is-attribute-names"]),
    ]:
        checks.equal(f"{name} differs", (found[name]["result"], found[name]["behaviors"]), ("differs", behaviors))
    for name in ["federated-name", "merging-no-effect", "own-counts"]:
        checks.equal(f"{name} needs a sign-in", found[name]["result"], "could_not_tell")
    for finding in report["assumptions"]:
        checks.check(f"{finding['assumption']} has an answer", bool(finding["answer"]), finding)
        print(f"{finding['result']:14} {finding['assumption']}: {finding['answer']}")


if __name__ == "__main__":
    main(*sys.argv[1:])
