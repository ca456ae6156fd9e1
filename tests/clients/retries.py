"""What becomes of the same rows under the same quota: boto3 with each kind of its retries, and our own `link`.

    retries.py BINARY FOLDER RESULTS

Each client has a simulated pool of its own, which lets 25 writes a second through. Prints a table.
"""

import csv
import json
import pathlib
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from checks import Checks, get_json

POOL = "sim-local-1_Example01"
QUOTA = 25
ROWS = 1_000
# As scripts have them: a pool of threads, each of which sends a row, waits for its answer and takes the next.
THREADS = 32


class Simulator:
    """A process with a pool of its own: social providers, and users that are there as soon as they are named."""

    def __init__(self, binary):
        # With --create-on-reference the pool has the social providers already.
        command = [binary, "simulate", "--quota", str(QUOTA), "--create-on-reference"]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        self.url = self.process.stdout.readline().strip()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait(timeout=10)

    def stats(self):
        return get_json(f"{self.url}/_simulator/stats")


def pairs():
    return [(f"user-{number:05}", "Google", f"1074385{number:013}7") for number in range(ROWS)]


def with_boto(mode):
    """A script's way: every row once, and what boto3 gives up on is lost. No mode is boto3 as it comes."""

    def work(url):
        retries = {"mode": mode} if mode else None
        config = Config(retries=retries, max_pool_connections=THREADS, connect_timeout=5, read_timeout=20)
        cognito = boto3.client("cognito-idp", endpoint_url=url, config=config)

        def link(pair):
            destination, provider, value = pair
            source = {"ProviderName": provider, "ProviderAttributeName": "Cognito_Subject", "ProviderAttributeValue": value}
            user = {"ProviderName": "Cognito", "ProviderAttributeValue": destination}
            try:
                cognito.admin_link_provider_for_user(UserPoolId=POOL, DestinationUser=user, SourceUser=source)
            except (ClientError, BotoCoreError):
                return False
            return True

        with ThreadPoolExecutor(THREADS) as threads:
            return sum(threads.map(link, pairs()))

    return work


def with_link(binary, folder, rate):
    """Ours; how many rows it says are linked."""

    def work(url):
        command = [binary, "link", str(folder / "rows.csv"), "--ledger", str(folder / f"rows.{rate}.ledger"), "--rate", rate,
                   "--user-pool-id", POOL, "--endpoint-url", url, "--yes", "--no-progress", "--output", "json"]
        done = subprocess.run(command, capture_output=True, text=True, timeout=150, check=False)
        if done.returncode != 0:
            print(done.stderr, file=sys.stderr)
            return 0
        return json.loads(done.stdout)["rows"]["linked"]

    return work


def run(simulator, name, work):
    """What was left undone is told by the simulator, not by the client."""
    with simulator:
        start = time.monotonic()
        claimed = work(simulator.url)
        seconds = time.monotonic() - start
        stats = simulator.stats()
    seen = stats["operations"]["AdminLinkProviderForUser"]
    share = 100 * seen.get("throttled", 0) / seen["calls"]
    lost = ROWS - stats["identities_linked"]
    return {"client": name, "claimed": claimed, "lost": lost, "calls": seen["calls"], "share": share, "seconds": seconds}


def table(figures):
    print(f"{ROWS:,} rows, {QUOTA} writes a second, boto3 {boto3.__version__} with {THREADS} threads:\n")
    print("| client | rows | lost | calls sent | throttled | seconds |")
    print("| --- | --- | --- | --- | --- | --- |")
    for one in figures:
        print(f"| {one['client']} | {ROWS:,} | {one['lost']:,} | {one['calls']:,} | {one['share']:.1f} % | {one['seconds']:.0f} |")
    print(flush=True)


def main(binary, folder, results):
    checks = Checks(results, "retries")
    folder = pathlib.Path(folder)
    with open(folder / "rows.csv", "w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([("destination_username", "source_provider", "source_value"), *pairs()])
    shipped = boto3.client("cognito-idp").meta.config.retries["mode"]
    # These three wait more than they work, so they do not mind each other; the other two want the cores.
    patient = {
        "boto3, adaptive": with_boto("adaptive"),
        "`link --rate max`": with_link(binary, folder, "max"),
        "`link`": with_link(binary, folder, "auto"),
    }
    hasty = {f"boto3, its default ({shipped})": with_boto(None), "boto3, legacy": with_boto("legacy")}
    with ThreadPoolExecutor(len(patient)) as threads:
        running = [threads.submit(run, Simulator(binary), name, work) for name, work in patient.items()]
        waited_for = [one.result() for one in running]
    default, legacy = [run(Simulator(binary), name, work) for name, work in hasty.items()]
    adaptive, at_most, ours = waited_for
    table([default, legacy, adaptive, at_most, ours])

    for one in [default, legacy, adaptive, at_most, ours]:
        checks.equal(f"{one['client']}: what it takes for linked is linked", one["claimed"], ROWS - one["lost"])
    for one in [at_most, ours]:
        checks.equal(f"{one['client']} loses no row", one["lost"], 0)
    checks.check("link --rate max is hardly throttled", at_most["share"] <= 3, at_most)
    checks.equal("link is not throttled", ours["share"], 0)
    for one in [default, legacy]:
        checks.check(f"{one['client']} gives rows up", one["lost"] > 0, one)


if __name__ == "__main__":
    main(*sys.argv[1:])
