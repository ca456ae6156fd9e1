"""Runs each client against one simulator, and prints what became of the rows, as the simulator counts it.

    compare.py BINARY FOLDER NODE CHARTS

NODE and CHARTS may be empty.
"""

import csv
import html
import json
import os
import pathlib
import subprocess
import sys
import time
import urllib.request

POOL = "sim-local-1_Example01"
QUOTA = 100
ROWS_WITH_QUOTA = 2_000
ROWS_WITHOUT_QUOTA = 5_000
CLIENT_SECONDS_MAX = 90
HERE = pathlib.Path(__file__).parent


class Simulator:
    """One server for all clients. With --create-on-reference users exist as soon as they are named."""

    def __init__(self, binary, *options):
        command = [binary, "simulate", "--create-on-reference", *options]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        self.url = self.process.stdout.readline().strip()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait(timeout=10)

    def counts(self):
        with urllib.request.urlopen(f"{self.url}/_simulator/stats", timeout=10) as answer:
            stats = json.load(answer)
        calls = stats["operations"].get("AdminLinkProviderForUser", {})
        return {"linked": stats["identities_linked"], "calls": calls.get("calls", 0), "throttled": calls.get("throttled", 0)}


def write_rows(path, first, count):
    """Rows of one client: users and identities that no other client has."""
    with open(path, "w", newline="", encoding="utf-8") as file:
        rows = csv.writer(file)
        rows.writerow(("destination_username", "source_provider", "source_value"))
        rows.writerows((f"user-{n:07}", "Google", f"1074385{n:013}7") for n in range(first, first + count))


def measured(simulator, command, count):
    """Runs a client; returns its CPU time with that of its children, and what the simulator counted meanwhile."""
    before, start = simulator.counts(), time.monotonic()
    cpu_before = os.times()
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=CLIENT_SECONDS_MAX, check=False)
        if done.returncode != 0:
            print(f"{command[0]}: status {done.returncode}\n{done.stderr[-2_000:]}", file=sys.stderr)
    except subprocess.TimeoutExpired:
        print(f"{command[0]}: stopped after {CLIENT_SECONDS_MAX} s", file=sys.stderr)
    seconds, cpu_after, after = time.monotonic() - start, os.times(), simulator.counts()
    cpu = cpu_after.children_user + cpu_after.children_system - cpu_before.children_user - cpu_before.children_system
    linked, calls, throttled = (after[name] - before[name] for name in ("linked", "calls", "throttled"))
    return {
        "lost": count - linked,
        "links_a_second": linked / seconds,
        "cpu_ms": 1_000 * cpu / max(linked, 1),
        "throttled": 100 * throttled / max(calls, 1),
    }


def clients(binary, folder, node):
    """Names, and commands for a server and a file."""
    boto3, aiobotocore = (folder / name / "bin" / "python" for name in ("boto3", "aiobotocore"))

    def link(rate):
        def command(url, file):
            options = ["--rate", rate, "--user-pool-id", POOL, "--endpoint-url", url, "--yes", "--no-progress"]
            return [binary, "link", file, "--ledger", f"{file}.ledger", *options]

        return command

    found = {
        "boto3, default": lambda url, file: [boto3, HERE / "client_boto3.py", url, POOL, file, "default"],
        "boto3, adaptive": lambda url, file: [boto3, HERE / "client_boto3.py", url, POOL, file, "adaptive"],
        "aiobotocore": lambda url, file: [aiobotocore, HERE / "client_aiobotocore.py", url, POOL, file],
    }
    if node:
        found["AWS SDK for JavaScript"] = lambda url, file: [node, folder / "js" / "client.mjs", url, POOL, file]
    return found | {"`link --rate max`": link("max")}


def compare(title, simulator, commands, folder, count):
    figures = {}
    for place, (name, command) in enumerate(commands.items()):
        file = folder / f"rows-{count}-{place}.csv"
        write_rows(file, (place + 1) * 100_000, count)
        figures[name] = measured(simulator, [str(part) for part in command(simulator.url, file)], count)
    print(f"\n### {title}\n\n| client | links a second | CPU a link | throttled | rows lost of {count:,} |")
    print("| --- | --- | --- | --- | --- |")
    for name, one in figures.items():
        print(f"| {name} | {one['links_a_second']:,.0f} | {one['cpu_ms']:.2f} ms | {one['throttled']:.1f} % | {one['lost']:,} |")
    sys.stdout.flush()
    return figures


def chart(path, title, figures, member, text):
    """Bars, one below the other."""
    longest = max(one[member] for one in figures.values()) or 1
    height = 40 + 26 * len(figures)
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 720 {height}" role="img">',
        f"<title>{title}</title>",
        "<style>text{font:12px sans-serif;fill:#666}.title{font-weight:bold;fill:#444}</style>",
        f'<rect width="720" height="{height}" fill="#fff"/>',
        f'<text class="title" x="10" y="20">{title}</text>',
    ]
    for place, (name, one) in enumerate(figures.items()):
        top, width = 32 + 26 * place, 420 * one[member] / longest
        color = "#1668c7" if name.startswith("`") else "#999"
        lines.append(f'<text x="180" y="{top + 14}" text-anchor="end">{html.escape(name.strip("`"))}</text>')
        lines.append(f'<rect x="190" y="{top}" width="{width:.1f}" height="18" fill="{color}"/>')
        lines.append(f'<text x="{196 + width:.0f}" y="{top + 14}">{text(one[member])}</text>')
    path.write_text("\n".join([*lines, "</svg>"]) + "\n", encoding="utf-8")


def main(binary, folder, node, charts):
    folder = pathlib.Path(folder)
    commands = clients(binary, folder, node)
    with Simulator(binary, "--quota", str(QUOTA)) as simulator:
        title = f"A quota of {QUOTA} links a second, latency 20 to 200 ms"
        limited = compare(title, simulator, commands, folder, ROWS_WITH_QUOTA)
    with Simulator(binary, "--quota", "off", "--latency", "off") as simulator:
        free = compare("No quota and no latency", simulator, commands, folder, ROWS_WITHOUT_QUOTA)
    if charts:
        charts = pathlib.Path(charts)
        lost = f"Rows lost of {ROWS_WITH_QUOTA:,}, at a quota of {QUOTA} a second"
        chart(charts / "peers-lost.svg", lost, limited, "lost", lambda count: f"{count:,}")
        chart(charts / "peers-cpu.svg", "CPU time of a link, without a quota", free, "cpu_ms", lambda ms: f"{ms:.2f} ms")


if __name__ == "__main__":
    main(*sys.argv[1:])
