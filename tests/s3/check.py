"""Drives the program with inputs and results at S3. `check.py BINARY FOLDER`, from tests/s3/run."""

import gzip
import json
import logging
import os
import pathlib
import subprocess
import sys
import time

import boto3
from moto.server import ThreadedMotoServer

from proxy import Faults, range_start, serve

PART = 1024 * 1024
BUCKET = "exports"

binary, folder = sys.argv[1], pathlib.Path(sys.argv[2])
passed = failed = 0


def check(name, holds, seen=""):
    global passed, failed
    if holds:
        passed += 1
    else:
        failed += 1
        print(f"FAIL {name}: {seen}", flush=True)


def equal(name, seen, expected):
    check(name, seen == expected, f"{seen!r} in place of {expected!r}")


logging.getLogger("werkzeug").setLevel(logging.ERROR)
moto = ThreadedMotoServer(ip_address="127.0.0.1", port=0)
moto.start()
moto_port = moto.get_host_and_port()[1]
faults = Faults()
proxy_port = serve(faults, moto_port)
s3 = boto3.client("s3", endpoint_url=f"http://127.0.0.1:{moto_port}", region_name="us-east-1")
s3.create_bucket(Bucket=BUCKET)
environment = {**os.environ, "AWS_ENDPOINT_URL_S3": f"http://127.0.0.1:{proxy_port}", "TMPDIR": str(folder)}
SIMULATED = ["--simulate", "--simulate-quota", "off", "--simulate-latency", "off", "--rate", "5000", "--yes"]


def put(key, content):
    return s3.put_object(Bucket=BUCKET, Key=key, Body=content)["ETag"].strip('"')


def get(key):
    return s3.get_object(Bucket=BUCKET, Key=key)["Body"].read()


def run(*arguments):
    """The exit status, the result in JSON, and stderr."""
    start = time.monotonic()
    done = subprocess.run(
        [binary, *map(str, arguments), "--output", "json"], env=environment, capture_output=True, text=True, cwd=folder)
    took = time.monotonic() - start
    result = json.loads(done.stdout) if done.stdout.startswith("{") else {}
    return done.returncode, result, done.stderr, took


def message(result):
    return json.dumps(result.get("error", result))


def pairs(count, name="user", filler=""):
    """Rows that are as long as the filler makes them: a column that the program does not know is skipped."""
    rows = (f"{name}-{row:06},Okta,{name}-id-{row:06},{filler}" for row in range(count))
    return "\n".join(["destination_username,source_provider,source_value,comment", *rows, ""]).encode()


def lines_of(ledger):
    return [json.loads(line) for line in open(folder / ledger, encoding="utf-8")]


# An input at S3 is read as a file is.
long = pairs(6_000, filler="x" * 500)
(folder / "pairs.csv").write_bytes(long)
put("pairs.csv", long)
put("2026/Äußere pairs.csv.gz", gzip.compress(long))
_, expected, _, _ = run("validate", "pairs.csv")
for key in ["pairs.csv", "2026/Äußere pairs.csv.gz"]:
    faults.reset()
    status, result, stderr, _ = run("validate", f"s3://{BUCKET}/{key}")
    equal(f"validate {key}: status", status, 0)
    equal(f"validate {key}: rows", result.get("rows"), expected["rows"])
    equal(f"validate {key}: input", result.get("input"), f"s3://{BUCKET}/{key}")
check("all reads name the version", all(request[2] for request in faults.gets()), faults.gets())

# Connections that break in the middle.
faults.reset()
faults.cut_after = 300_000
status, result, stderr, took = run("validate", f"s3://{BUCKET}/pairs.csv")
equal("cut connections: status", status, 0)
equal("cut connections: rows", result.get("rows"), expected["rows"])
starts = {range_start(request) for request in faults.gets()}
check("cut connections: reads go on where they were cut", 300_000 in starts and PART + 300_000 in starts, starts)
check("cut connections: every read names the version", all(request[2] for request in faults.gets()), faults.gets())
check("cut connections: no wait while there is progress", took < 20, took)

# Errors that pass, and errors that do not.
faults.reset()
faults.fail("GET", 503, "SlowDown", times=2)
faults.fail("HEAD", 500, "InternalError", times=1)
status, result, _, _ = run("validate", f"s3://{BUCKET}/pairs.csv")
equal("503 that passes", (status, result.get("rows")), (0, expected["rows"]))
for name, method, answer, expected_status, text in [
    ("503 that stays", "GET", (503, "SlowDown"), 7, "S3 answered 503 SlowDown, also after 6 attempts"),
    ("no right to read", "GET", (403, "AccessDenied"), 7, "need s3:GetObject"),
    ("no right to look", "HEAD", (403, ""), 7, "need s3:GetObject"),
    ("expired token", "GET", (400, "ExpiredToken"), 7, "the credentials are not accepted"),
]:
    faults.reset()
    faults.fail(method, *answer)
    status, result, stderr, took = run("validate", f"s3://{BUCKET}/pairs.csv")
    equal(f"{name}: status", status, expected_status)
    check(f"{name}: text", text in message(result), message(result))
    check(f"{name}: in time", took < 60, took)
faults.reset()
for address, expected_status in [(f"s3://{BUCKET}/none.csv", 2), ("s3://no-such-bucket/none.csv", 2)]:
    status, result, _, _ = run("validate", address)
    equal(f"{address}: status", status, expected_status)
    check(f"{address}: text", "there is no such object, or no such bucket" in message(result), message(result))
for arguments in [
    ["validate", "s3://exports"],
    ["link", f"s3://{BUCKET}/pairs.csv", *SIMULATED],
    ["link", f"s3://{BUCKET}/pairs.csv", *SIMULATED, "--ledger", f"s3://{BUCKET}/run.ledger"],
    ["report", f"s3://{BUCKET}/run.ledger"],
]:
    status, _, stderr, _ = run(*arguments)
    equal(f"{' '.join(arguments)}: a usage error", status, 2)
check("a ledger at S3: the reason", "a run must lock it" in stderr, stderr)

# A run, its copies and its reports.
faults.reset()
etag = put("run.csv", pairs(400))
copy = f"s3://{BUCKET}/runs/run.ledger"
link = ["link", f"s3://{BUCKET}/run.csv", *SIMULATED, "--ledger", "run.ledger", "--ledger-copy", copy]
status, result, stderr, _ = run(*link)
equal("link: status", status, 0)
equal("link: linked", result.get("rows", {}).get("linked"), 400)
starts_of_runs = [line for line in lines_of("run.ledger") if line["type"] == "run_started"]
equal("the ledger has the ETag", [line["origin"]["input_etag"] for line in starts_of_runs], [etag])
equal("the copy is the ledger", get("runs/run.ledger"), (folder / "run.ledger").read_bytes())
check("more than one copy", sum(request[0] == "PUT" for request in faults.requests) == 2, faults.requests)
(folder / "copied.ledger").write_bytes(get("runs/run.ledger"))
status, result, _, _ = run("verify", "copied.ledger", f"s3://{BUCKET}/run.csv")
equal("the copy can be verified", status, 0)
status, result, _, _ = run(*link)
equal("again: nothing is left to do", (status, result.get("rows", {}).get("linked")), (0, 400))

report = ["report", "run.ledger", "--show-values"]
run(*report, "--csv", "rows.csv", "--html", "page.html")
status, result, stderr, _ = run(*report, "--csv", f"s3://{BUCKET}/rows.csv", "--html", f"s3://{BUCKET}/page.html")
equal("report: status", status, 0)
equal("report: the rows", get("rows.csv"), (folder / "rows.csv").read_bytes())
check("report: the page", b"<html" in get("page.html"), get("page.html")[:100])
put("rows.csv", b"old")
status, result, _, _ = run(*report, "--csv", f"s3://{BUCKET}/rows.csv")
equal("an existing object is not replaced", (status, get("rows.csv")), (2, b"old"))
status, _, _, _ = run(*report, "--csv", f"s3://{BUCKET}/rows.csv", "--force")
equal("unless that is forced", (status, get("rows.csv")), (0, (folder / "rows.csv").read_bytes()))
faults.fail("PUT", 403, "AccessDenied")
status, result, _, _ = run(*report, "--csv", f"s3://{BUCKET}/rows2.csv")
equal("no right to write: status", status, 7)
text = message(result)
check("no right to write: text", "need s3:PutObject" in text and "; the content is in " in text, text)
kept = [path for path in folder.iterdir() if path.name.startswith("cognito-link-")]
equal("no right to write: the content is kept", [path.read_bytes() for path in kept],
      [(folder / "rows.csv").read_bytes()])

# Plans, choices and approvals.
faults.reset()
native = [{"username": name, "attributes": {"email": "two@example.com", "email_verified": "true"}}
          for name in ["one", "two"]]
pool = {"version": 1, "pool": {"id": "sim-local-1_Plans0001"}, "providers": [{"name": "Okta", "type": "OIDC"}],
        "users": native}
(folder / "pool.json").write_text(json.dumps(pool))
rows = b"destination_email,source_provider,source_value\ntwo@example.com,Okta,00u1abcdefghijklmnop\n"
put("people.csv", rows)
(folder / "people.csv").write_bytes(rows)
people, options = f"s3://{BUCKET}/people.csv", ["--pool-file", "pool.json", *SIMULATED[:-3]]
status, result, _, _ = run("validate", people, *options, "--split", "split")
equal("ambiguous: status", status, 3)
choices = (folder / "split" / "choices.csv").read_text().splitlines()
at = choices[0].split(",").index("choose")
lines = [line.split(",") for line in choices]
put("choices.csv", "\n".join(",".join(["x" if number == 2 and cell == at else text for cell, text in enumerate(line)])
                             for number, line in enumerate(lines)).encode())
planned = ["--choices", f"s3://{BUCKET}/choices.csv", "--save-plan", f"s3://{BUCKET}/plan"]
status, result, stderr, _ = run("validate", people, *options, *planned)
equal("a plan at S3: status", status, 0)
digest = result.get("forecast", {}).get("plan_digest")
check("a plan at S3: it is there", b'"plan":' in get("plan"), get("plan")[:80])
subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(folder / "key")], check=True)
public = (folder / "key.pub").read_text()
(folder / "signers").write_text(f"boss@example.com {public}")
link_people = ["link", people, *options, "--rate", "5000", "--yes", "--ledger", "plan.ledger"]
follow = [*link_people, "--plan", f"s3://{BUCKET}/plan", "--require-approval", "signers"]
status, result, _, _ = run(*follow)
equal("a plan at S3 that is not approved", status, 6)
check("a plan at S3 that is not approved: text", f"there is no s3://{BUCKET}/plan.sig" in message(result), message(result))
status, _, stderr, _ = run("plan", "approve", f"s3://{BUCKET}/plan", "--key", "key")
equal("an approval at S3: status", status, 0)
check("an approval at S3: it is there", b"SSH SIGNATURE" in get("plan.sig"), stderr)
status, result, stderr, _ = run(*follow)
equal("a plan at S3 is followed", (status, result.get("rows", {}).get("linked")), (0, 1))
check("a plan at S3: the chosen user", '"destination_value":"two"' in (folder / "plan.ledger").read_text(), stderr)
started = [line["origin"] for line in lines_of("plan.ledger") if line["type"] == "run_started"]
check("a plan at S3: the ledger has its digest", digest and [origin.get("plan_digest") for origin in started] == [digest],
      (digest, started))
put("plan", get("plan").replace(b"link", b"lonk"))
status, result, _, _ = run(*follow)
equal("a plan at S3 that was changed", status, 6)
check("a plan at S3 that was changed: text", "is damaged or was edited" in message(result), message(result))
status, result, _, _ = run(*link_people, "--plan", f"s3://{BUCKET}/no-plan")
equal("no plan at S3", status, 2)
check("no plan at S3: text", "there is no such object, or no such bucket" in message(result), message(result))
faults.fail("GET", 403, "AccessDenied")
status, result, _, _ = run("validate", "people.csv", *options, "--choices", f"s3://{BUCKET}/choices.csv")
equal("no right to read choices", status, 7)
check("no right to read choices: text", "choices.csv" in message(result) and "need s3:GetObject" in message(result),
      message(result))
faults.reset()

# A copy that cannot be made ends the command before its first call, and at the end it is a warning.
faults.reset()
faults.fail("PUT", 403, "AccessDenied")
denied = ["link", f"s3://{BUCKET}/run.csv", *SIMULATED, "--ledger", "denied.ledger", "--ledger-copy", copy]
status, result, _, _ = run(*denied)
equal("no right to copy: status", status, 7)
equal("no right to copy: nothing was sent", [line["type"] for line in lines_of("denied.ledger")], ["header"])
faults.reset()
faults.fail("PUT", 403, "AccessDenied", after=1)
late = ["link", f"s3://{BUCKET}/run.csv", *SIMULATED, "--ledger", "late.ledger", "--ledger-copy", f"{copy}.late"]
status, result, stderr, _ = run(*late)
equal("no copy at the end: status", (status, result.get("rows", {}).get("linked")), (0, 400))
check("no copy at the end: a warning", "the copy of the ledger is not up to date" in stderr, stderr)

# An object that is replaced while a run reads it.
faults.reset()
other = pairs(6_000, name="other", filler="x" * 500)
first_reading = -(-len(long) // PART)
replaced_at = []


def replace(number):
    # After the first reading and the header of the others, when the second part of the working reading is asked for.
    if not replaced_at and number > first_reading and range_start(faults.gets()[-1]) == PART and seen_parts(PART) == 2:
        put("long.csv", other)
        replaced_at.append(number)


def seen_parts(start):
    return sum(range_start(request) == start for request in faults.gets())


put("long.csv", long)
faults.before = replace
status, result, stderr, _ = run("link", f"s3://{BUCKET}/long.csv", *SIMULATED, "--ledger", "changed.ledger")
equal("a changed object: it was replaced during the run", len(replaced_at), 1)
equal("a changed object: status", status, 6)
check("a changed object: text", "was changed after it was checked" in stderr + message(result), stderr + message(result))
lines = lines_of("changed.ledger")
announced = [line for line in lines if line["type"] == "announced"]
check("a changed object: rows of the first part only", 0 < len(announced) <= PART // 500, len(announced))
check("a changed object: nothing of the other one", "other-" not in (folder / "changed.ledger").read_text())
faults.reset()
put("long.csv", long)
status, result, _, _ = run("link", f"s3://{BUCKET}/long.csv", *SIMULATED, "--ledger", "changed.ledger")
equal("a changed object: it goes on when it is as it was", (status, result.get("rows", {}).get("linked")), (0, 6_000))

moto.stop()
print(f"{passed} passed, {failed} failed")
sys.exit(1 if failed else 0)
