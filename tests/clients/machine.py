"""Results, events and metrics of our own program, judged by independent readers: jsonschema and prometheus_client.

    machine.py URL BINARY SCHEMAS WORK RESULTS
"""

import json
import pathlib
import subprocess
import sys

import jsonschema
from prometheus_client.parser import text_string_to_metric_families

from checks import Checks

POOL = "sim-local-1_Example01"


def main(url, binary, schemas, work, results):
    checks = Checks(results, "machine")
    folder = pathlib.Path(work) / "machine"
    folder.mkdir()
    validators = {}
    for path in sorted(pathlib.Path(schemas).glob("*.json")):
        schema = json.loads(path.read_text(encoding="utf-8"))
        jsonschema.Draft202012Validator.check_schema(schema)
        validators[path.stem] = jsonschema.Draft202012Validator(schema)
    checks.check("there are schemas", len(validators) >= 16, sorted(validators))
    header = "destination_username,source_provider,source_value\n"
    rows = "".join(f"machine-{number},Okta,00uMachine{number}\n" for number in range(20))
    (folder / "pairs.csv").write_text(header + rows, encoding="utf-8")
    on_pool = ["--endpoint-url", url, "--user-pool-id", POOL]

    def run(status, command, *arguments):
        line = [binary, command, *arguments, "--output", "json", "--log-format", "json"]
        done = subprocess.run(line, cwd=folder, capture_output=True, text=True, timeout=50, check=False)
        checks.equal(f"{command} ends with {status}", done.returncode, status)
        name = "error" if '"kind":"error_report"' in done.stdout else command
        for what, schema, texts in [("result", name, [done.stdout]), ("events", "event", done.stderr.splitlines())]:
            errors = []
            for text in texts:
                try:
                    errors += [error.message for error in validators[schema].iter_errors(json.loads(text))]
                except ValueError as error:
                    errors.append(f"{error}: {text}")
            checks.equal(f"the {what} of {command} are valid", errors, [])
        return json.loads(done.stdout)

    run(0, "doctor", *on_pool)
    # This simulator makes a user when a link names it, so none is there yet.
    run(3, "validate", "pairs.csv", *on_pool)
    metrics = ["--metrics-file", "link.prom", "--metrics", "emf"]
    result = run(0, "link", "pairs.csv", "--yes", "--rate", "200", *on_pool, *metrics)
    report = run(0, "report", "pairs.csv.ledger")
    run(0, "verify", "pairs.csv.ledger")
    run(0, "reconcile", "pairs.csv", *on_pool)
    run(0, "undo", "pairs.csv.ledger", "--dry-run", *on_pool)
    run(0, "duplicates", *on_pool)
    run(0, "export", "--out", "links.csv", *on_pool)
    run(0, "explain")
    run(0, "template", "csv")
    run(0, "schema")
    run(2, "link", "missing.csv", *on_pool)
    run(2, "link", "--bogus")
    for name in validators:
        printed = subprocess.run([binary, "schema", name], capture_output=True, text=True, timeout=20, check=True)
        shipped = pathlib.Path(schemas, f"{name}.json").read_text(encoding="utf-8")
        checks.check(f"schema {name} prints the shipped file", printed.stdout == shipped)

    families = list(text_string_to_metric_families((folder / "link.prom").read_text(encoding="utf-8")))
    lint(checks, families)
    samples = [sample for family in families for sample in family.samples]
    states = {s.labels["state"]: s.value for s in samples if s.name == "cognito_link_rows"}
    checks.equal("rows are those of the ledger", states, {state: report["rows"][state] for state in states})
    calls = {s.labels["kind"]: s.value for s in samples if s.name == "cognito_link_calls_total"}
    checks.equal("calls are those of the result", calls, {"write": result["writes"], "read": result["reads"]})


def lint(checks, families):
    """The rules of `promtool check metrics`."""
    checks.check("there are metrics", len(families) > 10, families)
    seen = set()
    for family in families:
        for sample in family.samples:
            name = sample.name
            checks.check(f"{name} has a help text", bool(family.documentation), family)
            checks.check(f"{name} has a type", family.type in ("counter", "gauge"), family.type)
            is_counter = family.type == "counter"
            checks.check(f"{name} ends in _total if it counts", name.endswith("_total") == is_counter, family.type)
            bad = [u for u in ("milliseconds", "minutes", "hours", "_ms", "percent") if u in name]
            checks.equal(f"{name} has a base unit", bad, [])
            kinds = [k for k in ("gauge", "counter", "_count", "_sum", "_bucket") if name.endswith(k)]
            checks.equal(f"{name} does not name its type", kinds, [])
            checks.check(f"{name} is in snake case", name == name.lower() and name.startswith("cognito_link_"))
            key = (name, tuple(sorted(sample.labels.items())))
            checks.check(f"{name} occurs once", key not in seen, key)
            seen.add(key)


if __name__ == "__main__":
    main(*sys.argv[1:])
