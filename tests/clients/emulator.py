"""Our own `link`, `reconcile` and `undo` against ministack, an emulator with other texts: 500 pairs, refusals, repeats."""

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


def subject(provider, number):
    """An identity as the provider gives it: Google's are 21 digits."""
    return f"1074385{number:013}7" if provider == "Google" else f"Id-{number:04}"


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
        # An older link is read again after a minute, and two rows of a user come one after the other.
        done = subprocess.run(command, capture_output=True, text=True, timeout=240, check=False)
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
    pairs = [(f"user-{n // 2:03}", providers[n % 3], subject(providers[n % 3], n)) for n in range(PAIRS)]
    status, summary, _ = run("pairs", pairs)
    checks.equal("500 pairs are linked", (status, count(summary, "linked")), (0, PAIRS))
    expected = {(provider, value): username for username, provider, value in pairs}
    checks.equal("the emulator holds them all", held(cognito, pool_id), expected)
    status, summary, _ = run("again", pairs)
    # The emulator answers a repeated link with success, so only reading back tells that the links stood before.
    checks.equal("a repeat is seen as one", (status, count(summary, "already_linked")), (0, PAIRS))
    checks.equal("and changes nothing", held(cognito, pool_id), expected)

    reconcile(checks, cognito, pool_id, url, binary, folder, pairs)
    checks.equal("the emulator holds what it held before", held(cognito, pool_id), expected)

    # Six for one user in one file are told before anything is sent, so the sixth comes by itself.
    full = [("user-299", "Okta", subject("Okta", 9000 + n)) for n in range(5)]
    status, summary, _ = run("full", full)
    checks.equal("five identities are one user's limit", (status, count(summary, "linked")), (0, 5))
    others = [("user-299", "Okta", subject("Okta", 9005)), ("user-298", "Google", subject("Google", 0)), ("nobody", "Google", subject("Google", 1000))]
    status, summary, report = run("refused", others)
    checks.equal("refusals are told by the exit status", status, 3)
    checks.equal("all three are refused", (count(summary, "linked"), count(summary, "refused")), (0, 3))
    for code in ["too_many_identities", "linked_elsewhere", "user_not_found"]:
        checks.check(f"{code} is recognized", f'"{code}"' in report, report)
    checks.equal("nobody lost an identity", {k: v for k, v in held(cognito, pool_id).items() if k in expected}, expected)


def reconcile(checks, cognito, pool_id, url, binary, folder, pairs):
    """File and pool compared, made equal, taken apart again by undo, and compared and made equal once more."""
    path, ledger = folder / "compared.csv", folder / "compared.ledger"
    write(path, pairs)

    def call(command, *options):
        done = subprocess.run([binary, command, *map(str, options), "--user-pool-id", pool_id, "--endpoint-url", url,
                               "--output", "json", "--no-progress"],
                              capture_output=True, text=True, timeout=60, check=False)
        try:
            return done.returncode, json.loads(done.stdout)
        except ValueError:
            checks.check(f"{command} prints its result", False, done.stdout + done.stderr)
            return done.returncode, {}

    def rows(report):
        found = report.get("rows", {})
        return found.get("linked"), found.get("missing"), report.get("extra")

    status, report = call("reconcile", path, "--exit-on-drift")
    checks.equal("no drift after the links", (status, *rows(report)), (0, PAIRS, 0, 0))
    gone = [pairs[n] for n in range(0, 40, 2)]
    for _, provider, value in gone:
        cognito.admin_disable_provider_for_user(UserPoolId=pool_id, User={
            "ProviderName": provider, "ProviderAttributeName": "Cognito_Subject", "ProviderAttributeValue": value})
    status, report = call("reconcile", path, "--exit-on-drift")
    checks.equal("20 links are missing", (status, *rows(report)), (5, PAIRS - 20, 20, 0))
    write(folder / "fewer.csv", pairs[40:])
    status, report = call("reconcile", folder / "fewer.csv", "--exit-on-drift")
    checks.equal("20 links are extra to a shorter file", (status, *rows(report)), (5, PAIRS - 40, 0, 20))

    apply = [path, "--apply", "--yes", "--ledger", ledger, "--rate", "400"]
    status, report = call("reconcile", *apply)
    checks.equal("they are linked again", (status, count(report.get("applied"), "linked")), (0, 20))
    status, report = call("reconcile", *apply)
    checks.equal("a second run has nothing to do", (status, report.get("applied")), (0, None))
    status, _ = call("undo", ledger, "--yes", "--rate", "400")
    checks.equal("undo unlinks what this ledger linked", status, 0)
    status, report = call("reconcile", path)
    checks.equal("and reconcile sees it", (status, *rows(report)), (0, PAIRS - 20, 20, 0))
    status, report = call("reconcile", *apply)
    checks.equal("and links them once more", (status, count(report.get("applied"), "linked")), (0, 20))


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
