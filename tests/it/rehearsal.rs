//! A run against something that stands in for AWS never counts as the real run.
//!
//! Goal: with the same ledger or plan, the run against another endpoint is refused before anything is sent. Method: two
//! simulators with the pool id of a real Region; the second stands for the real service.

use super::harness::{Finished, Home, POOL, Running, Simulator, csv, give_credentials, pairs, pool_file};

const REAL_POOL: &str = "us-east-1_Rehearse1";

struct Scene {
    home: Home,
    rehearsal: Simulator,
    real: Simulator,
}

impl Scene {
    fn new() -> Self {
        let home = Home::new();
        home.write("pool.json", pool_file(&[]).replace(POOL, REAL_POOL));
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
