//! A run against something that stands in for AWS never counts as the real run, and a run says whose pool it writes to.
//!
//! Goal: with the same ledger or plan, the run against another endpoint is refused before anything is sent. Method: two
//! simulators with the pool id of a real Region; the second stands for the real service.

use super::harness::{Fate, Finished, Home, POOL, Proxy, Running, Simulator, csv, give_credentials, pairs, pool_file};

const REAL_POOL: &str = "us-east-1_Rehearse1";
const POOL_NAME: &str = "Customers";

struct Scene {
    home: Home,
    rehearsal: Simulator,
    real: Simulator,
}

impl Scene {
    fn new() -> Self {
        let home = Home::new();
        home.write(
            "pool.json",
            pool_file(&[]).replace(POOL, REAL_POOL).replace("\"id\":", "\"name\":\"Customers\",\"id\":"),
        );
        home.write("people.csv", csv(&pairs(0..35)));
        let start = || {
            let options = ["--pool-file", "pool.json", "--create-on-reference", "--latency", "off", "--quota", "off"];
            Simulator::start(&home, &options)
        };
        let (rehearsal, real) = (start(), start());
        Self { home, rehearsal, real }
    }

    /// Runs a command on the pool, with the endpoint in a variable.
    fn run(&self, (variable, url): (&str, &str), arguments: &[&str]) -> Finished {
        let mut command = self.home.program(arguments);
        command.args(["--user-pool-id", REAL_POOL]).env(variable, url);
        give_credentials(&mut command);
        Running::start(command).wait()
    }

    fn link(&self, endpoint: (&str, &str), more: &[&str]) -> Finished {
        self.run(endpoint, &[&["link", "people.csv", "--yes", "--rate", "200"], more].concat())
    }
}

const GENERAL: &str = "AWS_ENDPOINT_URL";
const OF_SERVICE: &str = "AWS_ENDPOINT_URL_COGNITO_IDENTITY_PROVIDER";

#[test]
fn a_run_against_a_simulator_never_counts_as_the_real_one() {
    let scene = Scene::new();
    let Scene { home, rehearsal, real } = &scene;
    let first = scene.link((GENERAL, &rehearsal.url), &[]).left_with(0);
    rehearsal.linked_once(35);
    let (line, _) = first.stderr.split_once('\n').unwrap();
    let expected = format!("note: this run is for simulated pool {REAL_POOL} at {}", rehearsal.url);
    assert!(line.starts_with(&expected), "{}", first.stderr);
    assert_eq!(home.ledger("people.csv.ledger").first_line()["binding"]["endpoint"], rehearsal.url.as_str());
    for variable in [GENERAL, OF_SERVICE] {
        let refused = scene.link((variable, &real.url), &[]).left_with(6);
        assert!(refused.stderr.contains(&rehearsal.url) && refused.stderr.contains(&real.url), "{}", refused.stderr);
    }
    let undo = scene.run((GENERAL, &real.url), &["undo", "people.csv.ledger", "--yes"]).left_with(6);
    assert!(undo.stderr.contains("belongs to simulated pool"), "{}", undo.stderr);
    let apply = ["reconcile", "people.csv", "--apply", "--yes"];
    scene.run((OF_SERVICE, &real.url), &apply).left_with(6);
    assert_eq!(real.link_calls(), 0);
    // The same endpoint resumes, and another ledger works.
    scene.link((OF_SERVICE, &rehearsal.url), &[]).left_with(0);
    assert_eq!(rehearsal.link_calls(), 35);
    scene.link((GENERAL, &real.url), &["--ledger", "real.ledger"]).left_with(0);
    real.linked_once(35);
}

#[test]
fn a_plan_of_a_simulator_is_refused_for_the_real_pool() {
    let scene = Scene::new();
    let Scene { rehearsal, real, .. } = &scene;
    // The users must be there for a scan to find them.
    scene.link((GENERAL, &rehearsal.url), &[]).left_with(0);
    let plan = ["validate", "people.csv", "--save-plan", "people.plan"];
    scene.run((GENERAL, &rehearsal.url), &plan).left_with(0);
    let refused = scene.link((GENERAL, &real.url), &["--plan", "people.plan", "--ledger", "real.ledger"]).left_with(6);
    let expected = format!("the plan is for simulated pool {REAL_POOL} at {}", rehearsal.url);
    assert!(refused.stderr.contains(&expected), "{}", refused.stderr);
    assert_eq!(real.link_calls(), 0);
}

/// Runs `link` on the simulator's pool, and returns what it left.
fn link_at(home: &Home, url: &str, more: &[&str]) -> Finished {
    let mut command = home.program(&["link", "people.csv", "--endpoint-url", url, "--user-pool-id", REAL_POOL]);
    command.args(more);
    give_credentials(&mut command);
    Running::start(command).wait()
}

#[test]
fn a_run_says_whose_pool_it_writes_to() {
    let Scene { home, real, .. } = Scene::new();
    let finished = link_at(&home, &real.url, &["--yes", "--expect-account", "000000000000"]).left_with(0);
    let (line, _) = finished.stderr.split_once('\n').unwrap();
    let at = format!("note: this run is for simulated pool {REAL_POOL} at {}, which is no endpoint of AWS: ", real.url);
    let details = line.strip_prefix(&at).unwrap_or_else(|| panic!("{line}"));
    let expected = "users, Region us-east-1, account 000000000000, as arn:aws:iam::000000000000:user/simulated";
    assert!(details.ends_with(expected), "{details}");
    let ledger = home.ledger("people.csv.ledger");
    let origin = ledger.run_origin();
    assert_eq!(origin["account"], "000000000000");
    assert_eq!(origin["principal"], "arn:aws:iam::000000000000:user/simulated");
    assert_eq!((&origin["region"], &origin["endpoint"]), (&"us-east-1".into(), &real.url.as_str().into()));
    assert_eq!((&origin["arguments"][0], &origin["arguments"][1]), (&"link".into(), &"people.csv".into()));
    assert!(origin["host"].is_string() && origin["users"].is_u64() && origin["pool_name"].is_string(), "{origin}");
}

/// An emulator is not marked in the result of a run, so even a quiet one says where it writes.
#[test]
fn a_quiet_run_says_that_it_does_not_write_to_aws() {
    let Scene { home, real, .. } = Scene::new();
    let emulator = Proxy::before("Service", real.address(), |_, _| {
        Fate::Rewritten(|head, body| {
            let kept = head.split_inclusive("\r\n").filter(|line| !line.to_lowercase().starts_with("x-cognito-sim"));
            kept.collect::<String>() + body
        })
    });
    let finished = link_at(&home, &emulator.url, &["--yes", "--quiet"]).left_with(0);
    let warned =
        format!("warning: this run is for pool {REAL_POOL} at {}, which is no endpoint of AWS: ", emulator.url);
    assert!(finished.stderr.contains(&warned), "{finished:#?}");
}

#[test]
fn an_account_that_is_not_the_expected_one_gets_no_link() {
    let Scene { home, real, .. } = Scene::new();
    let other = link_at(&home, &real.url, &["--yes", "--expect-account", "123456789012"]).left_with(6);
    assert!(other.stderr.contains("belong to account 000000000000"), "{}", other.stderr);
    // Without an answer of STS the account is not known: that stops only a run that expects one.
    let unanswered = |more: &[&str]| {
        let mut command = home.program(&["link", "people.csv", "--yes", "--endpoint-url", &real.url]);
        command.args(["--user-pool-id", REAL_POOL]).args(more).env("AWS_ENDPOINT_URL_STS", "http://127.0.0.1:9");
        give_credentials(&mut command);
        Running::start(command).wait()
    };
    assert!(unanswered(&["--expect-account", "000000000000"]).left_with(6).stderr.contains("is not known"));
    assert_eq!(real.link_calls(), 0);
    assert!(unanswered(&[]).left_with(0).stderr.contains("note: the account is not known: GetCallerIdentity"));
    real.linked_once(35);
}

#[test]
fn a_protected_pool_is_confirmed_by_its_name() {
    let Scene { home, real, .. } = Scene::new();
    home.write("pool.toml", format!("user-pool-id = \"{REAL_POOL}\"\nprotected = true\n"));
    let protected = |more: &[&str]| link_at(&home, &real.url, &[&["--config", "pool.toml"], more].concat());
    assert!(protected(&["--yes"]).left_with(2).stderr.contains("is protected, so --yes is not enough"));
    assert!(protected(&["--yes", "--confirm", "Other"]).left_with(2).stderr.contains("is not the name of pool"));
    protected(&[]).left_with(2);
    assert_eq!(real.link_calls(), 0);
    let undo = ["undo", "people.csv.ledger", "--config", "pool.toml", "--endpoint-url", &real.url, "--yes"];
    protected(&["--confirm", POOL_NAME]).left_with(0);
    real.linked_once(35);
    let mut command = home.program(&undo);
    give_credentials(&mut command);
    let refused = Running::start(command).wait().left_with(2);
    assert!(refused.stderr.contains("is protected"), "{}", refused.stderr);
    // Another pool than that of the settings is not protected by them.
    home.write("other.toml", "user-pool-id = \"us-east-1_Other1\"\nprotected = true\n");
    link_at(&home, &real.url, &["--config", "other.toml", "--yes"]).left_with(0);
}

#[test]
fn an_unchanged_wait_is_one_line_of_a_rehearsal() {
    let home = Home::new();
    home.write("pairs.csv", csv(&pairs(0..100)));
    // More than one night's work, so that whole days are waited.
    let words = ["link", "pairs.csv", "--simulate", "--rehearse", "--yes", "--rate", "1", "--window", "00:00-00:01"];
    let finished = home.run(&words).left_with(0);
    let waits: Vec<&str> = finished.stderr.lines().filter(|line| line.contains("waiting for the window")).collect();
    let days: std::collections::BTreeSet<&str> = waits.iter().filter_map(|line| line.split("until ").nth(1)).collect();
    assert!(!days.is_empty() && days.len() == waits.len(), "{} lines: {days:?}", waits.len());
}
