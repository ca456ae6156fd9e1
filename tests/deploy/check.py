"""deploy/ and the program: the roles allow what `policy` prints, the commands parse, names resolve, the image builds.

    check.py ROOT BINARY FOLDER RESULTS
"""

import json
import os
import pathlib
import re
import shutil
import subprocess
import sys

import hcl2
from cfnlint.decode.cfn_yaml import load as load_template

from checks import Checks

POOL = "us-east-1_AbCdEfGhI"
ACCOUNT = "123456789012"
# What is left of an expression of a template in a command, by its name.
VALUES = {"Input": "/data/people.csv", "UserPoolId": POOL, "Rate": "20"}
VARIABLES = {"input": "/data/people.csv", "user_pool_id": POOL, "rate": "20"}


class Program:
    def __init__(self, binary, folder):
        self.binary, self.folder = binary, folder

    def run(self, *arguments):
        # What AWS Batch sets in an array job.
        environment = {**os.environ, "AWS_BATCH_JOB_ARRAY_INDEX": "0", "AWS_BATCH_JOB_ARRAY_SIZE": "4"}
        command = [self.binary, *arguments]
        return subprocess.run(command, cwd=self.folder, env=environment, capture_output=True, text=True, timeout=30,
                              check=False)

    def actions(self, *arguments):
        """What `policy` allows."""
        done = self.run("policy", *arguments, "--account", ACCOUNT, "--user-pool-id", POOL)
        return {action for statement in json.loads(done.stdout)["Statement"] for action in statement["Action"]}

    def parses(self, checks, name, arguments):
        """The input is not there, which is the first thing that a command finds after its arguments."""
        done = self.run(*arguments)
        holds = done.returncode == 2 and VALUES["Input"] in done.stderr and "--help" not in done.stderr
        checks.check(f"the command of {name} parses", holds, f"{arguments}: {done.stderr}")


def resolved(node, applies):
    """A template's node with parameters in their place, and conditions decided."""
    if isinstance(node, dict):
        if list(node) == ["Fn::If"]:
            return resolved(node["Fn::If"][1 if applies else 2], applies)
        if list(node) == ["Ref"]:
            return None if node["Ref"] == "AWS::NoValue" else VALUES.get(node["Ref"], node["Ref"])
        if list(node) == ["Fn::Sub"]:
            return re.sub(r"\$\{(\w+)\}", lambda found: VALUES.get(found[1], found[0]), node["Fn::Sub"])
        return {key: resolved(value, applies) for key, value in node.items()}
    if isinstance(node, list):
        return [value for value in (resolved(value, applies) for value in node) if value is not None]
    return node


def template_actions(role):
    """The actions of `cognito-idp` that a role has; every one must be for the one pool."""
    found = set()
    for policy in role["Properties"]["Policies"]:
        for statement in policy["PolicyDocument"]["Statement"]:
            actions = statement["Action"] if isinstance(statement["Action"], list) else [statement["Action"]]
            of_pools = {action for action in actions if action.startswith("cognito-idp:")}
            assert not of_pools or statement["Resource"].endswith(f":userpool/{POOL}"), statement
            found |= of_pools
    return found


def cloudformation(checks, program, root):
    template = load_template(str(root / "deploy/cloudformation/cognito-link.yaml"))
    template = json.loads(json.dumps(template))
    for applies, reconcile in ((True, ("reconcile", "--with", "apply")), (False, ("reconcile",))):
        resources = resolved(template["Resources"], applies)
        for role, policy in (("LinkRole", ("link",)), ("ReconcileRole", reconcile)):
            wanted = program.actions(*policy)
            checks.equal(f"{role} of the template allows what `policy {' '.join(policy)}` prints",
                         template_actions(resources[role]), wanted)
        container = resources["ReconcileTask"]["Properties"]["ContainerDefinitions"][0]
        program.parses(checks, f"the template's task, apply: {applies}", container["Command"])
        checks.equal(f"a task of the template writes, apply: {applies}", "--apply" in container["Command"], applies)
    program.parses(checks, "the template's job", resources["LinkJob"]["Properties"]["ContainerProperties"]["Command"])
    # The JSON files for the AWS CLI say the same in other letters.
    rules = json.loads((root / "deploy/aws/batch-job-definition.json").read_text())["retryStrategy"]["evaluateOnExit"]
    lower = [{key[0].lower() + key[1:]: value for key, value in rule.items()}
             for rule in resources["LinkJob"]["Properties"]["RetryStrategy"]["EvaluateOnExit"]]
    checks.equal("the job is tried again when deploy/aws says so", lower, rules)
    pattern = json.loads(json.loads((root / "deploy/aws/ecs-failed-rule.json").read_text())["EventPattern"])
    ours = resources["TaskFailed"]["Properties"]["EventPattern"]
    pattern["detail"]["group"] = ours["detail"]["group"]
    checks.equal("the rule listens to what deploy/aws listens to", ours, pattern)


def text_of(value):
    """A string of HCL without its quotes and with our values in place of variables."""
    value = re.sub(r"\$\{var\.(\w+)\}", lambda found: VARIABLES.get(found[1], found[0]), value)
    return value.strip('"')


def strings_in(expression):
    """The strings in an expression of lists, without names of variables around them."""
    expression = re.sub(r"(?<![{\w.])var\.input\b", '"${var.input}"', expression)
    return [text_of(found) for found in re.findall(r'"[^"]*"', expression)]


def terraform(checks, program, root):
    folder = root / "deploy/terraform"
    files = {path.name: path for path in sorted(folder.glob("*.tf"))}
    parsed = {name: hcl2.loads(path.read_text()) for name, path in files.items()}
    text = "\n".join(path.read_text() for path in files.values())
    declared = {name.strip('"') for block in parsed["variables.tf"]["variable"] for name in block}
    checks.equal("every variable of the module is declared, and used", set(re.findall(r"\bvar\.(\w+)", text)), declared)
    for block in parsed["variables.tf"]["variable"]:
        for name, body in block.items():
            checks.check(f"the variable {name} has a type and a description", {"type", "description"} <= set(body))
    there = set()
    for kind, prefix in (("resource", ""), ("data", "data.")):
        for block in parsed["main.tf"][kind]:
            for sort, names in block.items():
                there |= {f"{prefix}{sort.strip(chr(34))}.{name.strip(chr(34))}" for name in names}
    # References in text that is not code: comments, and strings without their interpolations.
    code = re.sub(r"#.*", "", text)
    named = set(re.findall(r"\b((?:data\.)?aws_\w+\.\w+)", code))
    checks.equal("every resource that the module names is there", {name for name in named if name not in there}, set())
    values = {name for name in parsed["main.tf"]["locals"][0] if not name.startswith("__")}
    checks.equal("every local value is there, and used", set(re.findall(r"\blocal\.(\w+)", code)), values)

    values = parsed["main.tf"]["locals"][0]
    reading = {text_of(action) for action in values["actions_reconcile"]}
    writing = reading | set(strings_in(values["actions_link"]))
    checks.equal("the module's reading actions are those of `policy reconcile`", reading, program.actions("reconcile"))
    for policy in (("link",), ("reconcile", "--with", "apply")):
        checks.equal(f"the module's writing actions are those of `policy {policy[0]}`", writing, program.actions(*policy))
    program.parses(checks, "the module's job", [text_of(argument) for argument in values["command_link"]])
    plain, _, applied = values["command_reconcile"].partition("var.apply ?")
    program.parses(checks, "the module's task", strings_in(plain))
    checks.check("the module's task only reads without apply", "--apply" not in strings_in(plain))
    program.parses(checks, "the module's task that applies", strings_in(plain) + strings_in(applied))
    checks.check("the module has the alarm for a task that never started", 'stopCode = ["TaskFailedToStart"]' in text)


def image(checks, root, folder):
    """Lays out what the first stage copies, and lets cargo read it: a file that is missing fails here, not in a build."""
    stage = pathlib.Path(folder) / "stage"
    stage.mkdir()
    for line in (root / "deploy/Dockerfile").read_text().splitlines():
        words = line.split()
        if words[:1] != ["COPY"] or words[1].startswith("--from"):
            continue
        *sources, target = words[1:]
        for source in sources:
            to = stage / source if target == "./" else stage / target
            to.parent.mkdir(parents=True, exist_ok=True)
            if (root / source).is_dir():
                shutil.copytree(root / source, to)
            else:
                shutil.copy(root / source, to)
    command = ["cargo", "metadata", "--locked", "--offline", "--no-deps", "--format-version", "1"]
    done = subprocess.run(command, cwd=stage, capture_output=True, text=True, timeout=60, check=False)
    checks.check("cargo accepts what the image copies", done.returncode == 0, done.stderr)
    targets = [target for package in json.loads(done.stdout or '{"packages": []}')["packages"] for target in package["targets"]]
    missing = [target["src_path"] for target in targets
               if {"bin", "lib", "custom-build"} & set(target["kind"]) and not pathlib.Path(target["src_path"]).exists()]
    checks.equal("every target that the image builds is there", missing, [])
    kinds = {kind for target in targets for kind in target["kind"]}
    checks.check("the image has the build script", "custom-build" in kinds, kinds)


def main(root, binary, folder, results):
    checks = Checks(results, "deploy")
    root = pathlib.Path(root)
    program = Program(binary, folder)
    cloudformation(checks, program, root)
    terraform(checks, program, root)
    image(checks, root, folder)


if __name__ == "__main__":
    main(*sys.argv[1:])
