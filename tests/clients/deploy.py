"""The files of deploy/ against what will read them: AWS's service models, and the schemas of Kubernetes.

    deploy.py DEPLOY RESULTS
"""

import json
import pathlib
import subprocess
import sys

import boto3
from botocore.validate import ParamValidator

from checks import Checks

# Each is the whole input of one operation.
AWS = {
    "batch-array-job.json": ("batch", "SubmitJob"),
    "batch-job-definition.json": ("batch", "RegisterJobDefinition"),
    "ecs-failed-rule.json": ("events", "PutRule"),
    "ecs-task-definition.json": ("ecs", "RegisterTaskDefinition"),
    "eventbridge-schedule.json": ("scheduler", "CreateSchedule"),
}
# The oldest that knows every field, and the newest whose schemas are installed.
KUBERNETES = ["1.29", "1.37"]


def aws(checks, folder):
    there = sorted(path.name for path in folder.glob("*"))
    checks.equal("every file of deploy/aws is an operation's input", there, sorted(AWS))
    for name, (service, operation) in AWS.items():
        shape = boto3.client(service).meta.service_model.operation_model(operation).input_shape
        report = ParamValidator().validate(json.loads((folder / name).read_text()), shape)
        checks.check(f"{name} is an input of {operation}", not report.has_errors(), report.generate_report())
    # A rule's pattern is a text that holds JSON; what is in it stands nowhere else.
    pattern = json.loads(json.loads((folder / "ecs-failed-rule.json").read_text())["EventPattern"])
    family = json.loads((folder / "ecs-task-definition.json").read_text())["family"]
    checks.equal("the rule listens to the family of the task", pattern["detail"]["group"], [f"family:{family}"])


def kubernetes(checks, folder):
    program = pathlib.Path(sys.executable).parent / "kubernetes-validate"
    # Kustomize reads this one and not the API, so it has no schema.
    kustomization = folder / "kustomization.yaml"
    listed = [line.split("- ")[1] for line in kustomization.read_text().splitlines() if line.startswith("  - ")]
    there = sorted(path for path in folder.glob("*") if path != kustomization)
    checks.check("the kustomization names files that are there", set(listed) <= {path.name for path in there}, listed)
    for path in there:
        for version in KUBERNETES:
            command = [program, "--strict", "--kubernetes-version", version, path]
            done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
            checks.check(f"{path.name} fits Kubernetes {version}", done.returncode == 0, done.stdout + done.stderr)


def main(deploy, results):
    checks = Checks(results, "deploy")
    aws(checks, pathlib.Path(deploy) / "aws")
    kubernetes(checks, pathlib.Path(deploy) / "kubernetes")


if __name__ == "__main__":
    main(*sys.argv[1:])
