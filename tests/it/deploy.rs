//! The files of `deploy/`: their commands are commands of this program, and they hold what `docs/scheduling.md` promises.
//!
//! Whether schedulers can read them is a question for `tests/clients/deploy.py`, which has their schemas.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use clap::Parser as _;
use cognito_link::commands::Cli;
use cognito_link::exit::Exit;
use cognito_link::limits::DRAIN_MS_MAX;
use serde_json::Value;

const CRONJOB: &str = "deploy/kubernetes/reconcile-cronjob.yaml";
const INDEXED_JOB: &str = "deploy/kubernetes/link-indexed-job.yaml";
const ECS_TASK: &str = "deploy/aws/ecs-task-definition.json";
const BATCH_JOB: &str = "deploy/aws/batch-job-definition.json";
const SERVICE: &str = "deploy/systemd/cognito-link-reconcile.service";
const DOCKERFILE: &str = "deploy/Dockerfile";
/// Seconds that the ledger and the summary get beyond the calls in flight.
const SECONDS_AFTER_DRAIN: u64 = 5;

fn read(name: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(name))
        .unwrap_or_else(|error| panic!("{name}: {error}"))
}

fn json(name: &str) -> Value {
    serde_json::from_str(&read(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// What stands behind `key` on each line that begins with it, indentation and list marks aside.
fn values<'a>(text: &'a str, key: &str) -> Vec<&'a str> {
    let lines = text.lines().map(|line| line.trim_start().trim_start_matches("- "));
    lines.filter_map(|line| line.strip_prefix(key)).map(str::trim).collect()
}

fn value<'a>(text: &'a str, key: &str) -> &'a str {
    match values(text, key)[..] {
        [value] => value,
        ref found => panic!("{key} stands {} times", found.len()),
    }
}

/// The list under `args:`, one argument a line.
fn yaml_arguments(text: &str) -> Vec<String> {
    let list = text.lines().skip_while(|line| line.trim() != "args:").skip(1);
    list.map_while(|line| line.trim().strip_prefix("- ")).map(str::to_owned).collect()
}

fn json_arguments(command: &Value) -> Vec<String> {
    command.as_array().unwrap().iter().map(|argument| argument.as_str().unwrap().to_owned()).collect()
}

/// The arguments of the program in every file that starts it.
fn commands() -> Vec<(&'static str, Vec<String>)> {
    let service = read(SERVICE);
    let started = value(&service, "ExecStart=").split(' ').skip(1).map(str::to_owned).collect();
    vec![
        (CRONJOB, yaml_arguments(&read(CRONJOB))),
        (INDEXED_JOB, yaml_arguments(&read(INDEXED_JOB))),
        (ECS_TASK, json_arguments(&json(ECS_TASK)["containerDefinitions"][0]["command"])),
        (BATCH_JOB, json_arguments(&json(BATCH_JOB)["containerProperties"]["command"])),
        (SERVICE, started),
    ]
}

#[test]
fn every_command_is_one_of_the_program() {
    for (name, arguments) in commands() {
        assert!(["link", "reconcile"].contains(&arguments[0].as_str()), "{name}: {arguments:?}");
        assert!(arguments.iter().any(|argument| argument == "--yes"), "{name}: nobody is there to be asked");
        let parsed = Cli::try_parse_from(["cognito-link"].into_iter().chain(arguments.iter().map(String::as_str)));
        if let Err(error) = parsed {
            panic!("{name}: {error}");
        }
    }
}

#[test]
fn a_command_that_is_wrong_does_not_parse() {
    assert!(Cli::try_parse_from(["cognito-link", "link", "people.csv", "--shards=auto"]).is_err());
    let text = "  args:\n    - link\n    - --yes\n  securityContext:\n    - no\n";
    assert_eq!(yaml_arguments(text), ["link", "--yes"]);
}

#[test]
fn whoever_stops_it_waits_until_it_has_drained() {
    let least = DRAIN_MS_MAX / 1_000 + SECONDS_AFTER_DRAIN;
    let task = json(ECS_TASK);
    let patience = [
        (CRONJOB, value(&read(CRONJOB), "terminationGracePeriodSeconds:").parse().unwrap()),
        (INDEXED_JOB, value(&read(INDEXED_JOB), "terminationGracePeriodSeconds:").parse().unwrap()),
        (SERVICE, value(&read(SERVICE), "TimeoutStopSec=").parse().unwrap()),
        (ECS_TASK, task["containerDefinitions"][0]["stopTimeout"].as_u64().unwrap()),
    ];
    for (name, seconds) in patience {
        assert!(seconds >= least, "{name} waits {seconds} s, and the program may need {least} s");
    }
    let told = format!("at most {} s", DRAIN_MS_MAX / 1_000);
    assert!(read("docs/scheduling.md").contains(&told), "docs/scheduling.md: {told}");
}

/// The statuses on the `values:` line that follows an action.
fn statuses_of(text: &str, action: &str) -> BTreeSet<u8> {
    let mut found = BTreeSet::new();
    for rule in text.split("- action: ").filter(|rule| rule.starts_with(&format!("{action}\n"))) {
        let list = values(rule, "values:").into_iter().flat_map(|list| list.trim_matches(['[', ']']).split(", "));
        found.extend(list.map(|status| status.parse::<u8>().unwrap()));
    }
    found
}

#[test]
fn exit_statuses_decide_what_is_tried_again() {
    // Nothing sends SIGINT or SIGHUP to a pod.
    let told = |exit: &&Exit| !matches!(exit, Exit::Success | Exit::HungUp | Exit::Interrupted | Exit::Terminated);
    let failures: BTreeSet<u8> = Exit::ALL.iter().filter(told).map(|exit| exit.status()).collect();
    let again = BTreeSet::from([Exit::Terminated.status()]);
    let cronjob = read(CRONJOB);
    assert_eq!((statuses_of(&cronjob, "FailJob"), statuses_of(&cronjob, "Ignore")), (failures.clone(), again.clone()));
    // A run that was stopped by a bound may be tried again, a few times.
    let indexed = read(INDEXED_JOB);
    let for_good: BTreeSet<u8> = failures.into_iter().filter(|status| *status != Exit::Bound.status()).collect();
    assert_eq!((statuses_of(&indexed, "FailIndex"), statuses_of(&indexed, "Ignore")), (for_good, again));
    let batch = json(BATCH_JOB);
    let rules = batch["retryStrategy"]["evaluateOnExit"].as_array().unwrap();
    assert!(rules.iter().all(|rule| rule["onExitCode"].is_null() || rule["onExitCode"] == "143"), "{rules:?}");
    assert_eq!(rules.last().unwrap()["action"], "EXIT", "what no rule names is tried again otherwise");
    let doc = read("docs/scheduling.md");
    for exit in Exit::ALL {
        let row = format!("\n| {} |", exit.status());
        assert!(doc.contains(&row), "docs/scheduling.md, Exit statuses: no row for {}", exit.status());
    }
}

#[test]
fn two_runs_of_a_schedule_stay_apart() {
    let cronjob = read(CRONJOB);
    let spec = [("concurrencyPolicy:", "Forbid"), ("backoffLimit:", "0"), ("restartPolicy:", "Never")];
    for (key, wanted) in spec.into_iter().chain([("podReplacementPolicy:", "Failed")]) {
        assert_eq!(value(&cronjob, key), wanted, "{CRONJOB}: {key}");
    }
    // systemd never starts a service that runs; it must not be told to start another when one ends.
    assert_eq!((value(&read(SERVICE), "Type="), value(&read(SERVICE), "Restart=")), ("oneshot", "no"));
}

#[test]
fn shards_are_as_many_as_the_machines() {
    let job = read(INDEXED_JOB);
    let machines = value(&job, "completions:");
    assert_eq!(value(&job, "completionMode:"), "Indexed");
    assert_eq!(value(&job, "parallelism:"), machines);
    assert_eq!(value(&job, "--shard=auto/"), machines);
    // AWS Batch tells the program how many there are.
    assert!(json_arguments(&json(BATCH_JOB)["containerProperties"]["command"]).contains(&"--shard=auto".to_owned()));
    assert!(json("deploy/aws/batch-array-job.json")["arrayProperties"]["size"].as_u64().unwrap() >= 2);
}

#[test]
fn containers_have_no_rights_and_a_root_that_is_read_only() {
    for name in [CRONJOB, INDEXED_JOB] {
        let text = read(name);
        for (key, wanted) in [
            ("readOnlyRootFilesystem:", "true"),
            ("runAsNonRoot:", "true"),
            ("runAsUser:", "65532"),
            ("allowPrivilegeEscalation:", "false"),
            ("drop:", "[ALL]"),
            // Else the program is the first process, which SIGTERM does not end before it listens.
            ("shareProcessNamespace:", "true"),
        ] {
            assert_eq!(value(&text, key), wanted, "{name}: {key}");
        }
    }
    for container in [&json(ECS_TASK)["containerDefinitions"][0], &json(BATCH_JOB)["containerProperties"]] {
        assert_eq!(container["readonlyRootFilesystem"], true);
        assert_eq!(container["user"], "65532:65532");
        assert_eq!(container["linuxParameters"]["initProcessEnabled"], true);
    }
    assert_eq!(value(&read(DOCKERFILE), "USER "), "65532:65532");
}

#[test]
fn the_image_can_be_built_from_what_it_copies() {
    let dockerfile = read(DOCKERFILE);
    let ignored = read("deploy/Dockerfile.dockerignore");
    let copied = values(&dockerfile, "COPY ").into_iter().filter(|rest| !rest.starts_with("--from"));
    let sources = copied.flat_map(|rest| rest.rsplit_once(' ').unwrap().0.split(' '));
    for source in sources {
        assert!(Path::new(env!("CARGO_MANIFEST_DIR")).join(source).exists(), "{DOCKERFILE}: {source} is not there");
        assert!(ignored.lines().any(|line| line == format!("!{source}")), "Dockerfile.dockerignore: no line !{source}");
    }
    let version = |text: &str| text.split('.').map(|part| part.parse::<u32>().unwrap()).collect::<Vec<_>>();
    let manifest = read("Cargo.toml");
    let least = value(&manifest, "rust-version = ").trim_matches('"');
    let used = value(&dockerfile, "ARG RUST_VERSION=");
    assert!(version(used) >= version(least), "{DOCKERFILE}: Rust {used}, and Cargo.toml wants {least}");
}
