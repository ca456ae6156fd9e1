"""Our own `link` against ministack, an emulator with other texts: 500 pairs, refusals, and a repeat."""

import csv
import json
import pathlib
import subprocess
import sys
import urllib.request
from concurrent.futures import ThreadPoolExecutor

import boto3
from botocore.config import Config

from checks import Checks, wait_for

USERS = 300
PAIRS = 500


def fill(cognito):
    pool_id = cognito.create_user_pool(PoolName="clients")["UserPool"]["Id"]
    scopes = {"client_id": "c", "client_secret": "s", "authorize_scopes": "openid"}
    oidc = {**scopes, "attributes_request_method": "GET", "oidc_issuer": "https://example.com"}
    for name, kind, details in [
        ("Google", "Google", scopes),
        ("Okta", "OIDC", oidc),
        ("Corp", "SAML", {"MetadataURL": "https://example.com/metadata"}),
    ]:
        cognito.create_identity_provider(
            UserPoolId=pool_id, ProviderName=name, ProviderType=kind, ProviderDetails=details)

    def make(number):
        cognito.admin_create_user(UserPoolId=pool_id, Username=f"user-{number:03}", MessageAction="SUPPRESS")

    with ThreadPoolExecutor(4) as threads:
        list(threads.map(make, range(USERS)))
    return pool_id


def write(path, pairs):
    with open(path, "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["destination_username", "source_provider", "source_value"])
        writer.writerows(pairs)


def held(cognito, pool_id):
    """Who holds which identity."""
    found = {}
    for page in cognito.get_paginator("list_users").paginate(UserPoolId=pool_id):
        for user in page["Users"]:
            texts = [attribute["Value"] for attribute in user["Attributes"] if attribute["Name"] == "identities"]
            for identity in json.loads(texts[0]) if texts else []:
                found[identity["providerName"], identity["userId"]] = user["Username"]
    return found


def main(url, binary, work, results):
    checks = Checks(results, "emulator")
    if not wait_for(url, 30):
        checks.check("ministack answers", False, url)
        return
    reset = urllib.request.Request(f"{url}/_ministack/reset", b"", method="POST")
    urllib.request.urlopen(reset, timeout=10).close()
    config = Config(retries={"total_max_attempts": 1}, connect_timeout=5, read_timeout=20)
    cognito = boto3.client("cognito-idp", endpoint_url=url, config=config)
    pool_id = fill(cognito)
    folder = pathlib.Path(work)

    def run(name, pairs):
        """Links pairs with a ledger of their own; exit status, summary, and the refused rows' codes."""
        path = folder / f"{name}.csv"
        write(path, pairs)
        command = [binary, "link", str(path), "--yes", "--user-pool-id", pool_id, "--endpoint-url", url,
                   "--rate", "400", "--output", "json", "--no-progress"]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
        ledger = folder / f"{name}.csv.ledger"
        report = subprocess.run([binary, "report", str(ledger), "--output", "json"],
                                capture_output=True, text=True, timeout=60, check=False)
        try:
            return done.returncode, json.loads(done.stdout), report.stdout
        except ValueError:
            checks.check(f"{name} prints its result", False, done.stdout + done.stderr)
            return done.returncode, {}, report.stdout

    # Users 0 to 249 get two identities each.
    providers = ["Google", "Okta", "Corp"]
    pairs = [(f"user-{n // 2:03}", providers[n % 3], f"Id-{n:04}") for n in range(PAIRS)]
    status, summary, _ = run("pairs", pairs)
    checks.equal("500 pairs are linked", (status, count(summary, "linked")), (0, PAIRS))
    expected = {(provider, value): username for username, provider, value in pairs}
    checks.equal("the emulator holds them all", held(cognito, pool_id), expected)
    status, summary, _ = run("again", pairs)
    settled = count(summary, "linked") + count(summary, "already_linked")
    checks.equal("a repeat succeeds", (status, settled), (0, PAIRS))
    checks.equal("and changes nothing", held(cognito, pool_id), expected)

    full = [("user-299", "Okta", f"Full-{n}") for n in range(6)]
    others = [("user-298", "Google", "Id-0000"), ("nobody", "Google", "New-1")]
    status, summary, report = run("refused", full + others)
    checks.equal("refusals are told by the exit status", status, 3)
    checks.equal("five of six are linked", (count(summary, "linked"), count(summary, "refused")), (5, 3))
    for code in ["too_many_identities", "linked_elsewhere", "user_not_found"]:
        checks.check(f"{code} is recognised", f'"{code}"' in report, report)
    checks.equal("nobody lost an identity", {k: v for k, v in held(cognito, pool_id).items() if k in expected}, expected)


def count(summary, state):
    """A state's count, wherever the summary has it."""
    if isinstance(summary, dict):
        if isinstance(summary.get(state), int):
            return summary[state]
        found = [count(value, state) for value in summary.values()]
        return next((number for number in found if number is not None), None)
    return None


if __name__ == "__main__":
    main(*sys.argv[1:])
