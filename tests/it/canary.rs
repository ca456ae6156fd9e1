//! `--canary`, `--read-back` and `--verify`: what was linked is read, and what is not right stops the run or is reported.
//!
//! Goal: one wrong value of the first rows stops everything after them. Method: the engine in virtual time over the
//! simulator, with a service in between that stores something else than it was sent; and the built binary.

use std::fmt::Write as _;
use std::sync::Arc;

use cognito_link::clock::{Clock, UnixMs};
use cognito_link::domain::canary::CanaryFinding;
use cognito_link::domain::event::{RunEvent, RunObserver};
use cognito_link::domain::identity::{Destination, DestinationUser, ExternalIdentity, Personal, ProviderName};
use cognito_link::domain::row::Row;
use cognito_link::domain::run::{RunOutcome, RunReport, StopCause};
use cognito_link::domain::state::RowState;
use cognito_link::engine::testing::{self, EngineRun, RowList, open_ledger, row_to};
use cognito_link::engine::{EngineOptions, IncomingRow, ServicePorts};
use cognito_link::ledger::storage::MemoryStorage;
use cognito_link::limits::{SETTLE_LATER_WAITS_MS, SETTLE_WAITS_MS};
use cognito_link::service::in_process::InProcessService;
use cognito_link::service::{
    IdentityLinker, LinkRequest, MappedAttributes, PoolFacts, PoolUser, PortFuture, ProviderPage, UserDirectory,
    UserPage, UserQuery,
};
use cognito_sim::{Account, Behavior, Latency, NewUser, Pool, PoolSettings, Quota, SharedAccount};
use serde_json::{Value, json};

use crate::harness::{Fate, Home, Proxy, Simulator, csv, pairs, pool_file};

const POOL: &str = testing::POOL;
const START: UnixMs = 1_795_000_000_000;
const ROWS: u64 = 20;
const ROW_COUNT: usize = 20;
const CANARY: usize = 3;

/// What the service does with the link call for row 2.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mischief {
    None,
    /// It stores the value in lower case.
    StoresOtherwise,
    /// It links another user.
    LinksAnotherUser,
    /// It reports success and does nothing.
    DoesNothing,
}

/// A service that reports success for whatever it does.
struct Mischievous {
    inner: Arc<InProcessService>,
    mischief: Mischief,
}

impl IdentityLinker for Mischievous {
    fn link(&self, mut request: LinkRequest) -> PortFuture<'_, ()> {
        let source = &request.source;
        if source.value().expose() == "Id000002x" {
            match self.mischief {
                Mischief::None => {}
                Mischief::StoresOtherwise => {
                    let value = Personal::from_service("id000002x");
                    request.source =
                        ExternalIdentity::new(source.provider().clone(), source.attribute().clone(), value).unwrap();
                }
                Mischief::LinksAnotherUser => {
                    let value = Personal::from_service("user-9");
                    request.destination = DestinationUser { provider: ProviderName::native(), value };
                }
                Mischief::DoesNothing => {
                    // As a repeated link of another row, which the service accepts.
                    let value = Personal::from_service("Id000001x");
                    request.source =
                        ExternalIdentity::new(source.provider().clone(), source.attribute().clone(), value).unwrap();
                    let value = Personal::from_service("user-1");
                    request.destination = DestinationUser { provider: ProviderName::native(), value };
                }
            }
        }
        self.inner.link(request)
    }
}

impl UserDirectory for Mischievous {
    fn describe_pool(&self) -> PortFuture<'_, PoolFacts> {
        self.inner.describe_pool()
    }

    fn list_providers(&self, token: Option<String>) -> PortFuture<'_, ProviderPage> {
        self.inner.list_providers(token)
    }

    fn mapped_attributes(&self, provider: ProviderName) -> PortFuture<'_, MappedAttributes> {
        self.inner.mapped_attributes(provider)
    }

    fn list_users(&self, query: UserQuery) -> PortFuture<'_, UserPage> {
        self.inner.list_users(query)
    }

    fn get_user(&self, username: Personal) -> PortFuture<'_, Option<PoolUser>> {
        self.inner.get_user(username)
    }
}

fn row(number: u64) -> Row {
    row_to(number, Destination::Username(Personal::from_service(&format!("user-{number}"))))
}

fn account(behaviors: &[Behavior], list_lag_ms: u64) -> SharedAccount {
    account_of(1..=ROWS, behaviors, list_lag_ms)
}

fn account_of(users: impl Iterator<Item = u64>, behaviors: &[Behavior], list_lag_ms: u64) -> SharedAccount {
    let mut pool = Pool::new(PoolSettings::new(POOL));
    pool.ensure_provider("Google").unwrap();
    for number in users {
        pool.add_user(NewUser::named(&format!("user-{number}"))).unwrap();
    }
    let account = Account::new(1).with_pool(pool).with_quota(Quota::off()).with_latency(Latency::between(50, 50));
    let account = if list_lag_ms > 0 { account.with_list_lag_ms(list_lag_ms) } else { account };
    SharedAccount::new(account.with_behaviors(behaviors.iter().copied()))
}

/// What was found of the canary rows.
#[derive(Default)]
struct Findings(Vec<(u64, CanaryFinding)>);

impl RunObserver for Findings {
    fn on(&mut self, event: &RunEvent) {
        if let RunEvent::CanaryChecked { number, finding, .. } = event {
            self.0.push((number.0, *finding));
        }
    }
}

/// A run over rows 1 to 20, of which the first three are the canary.
fn run(world: &SharedAccount, disk: &MemoryStorage, mischief: Mischief, at: UnixMs) -> (RunReport, Findings) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    let mut findings = Findings::default();
    let report = runtime.block_on(async {
        let clock = Clock::starting_at(at);
        let inner = InProcessService::sharing(world.clone(), clock, POOL);
        let service = Arc::new(Mischievous { inner, mischief });
        let source = RowList::new((1..=ROWS).map(row).map(IncomingRow::Row)).in_batches_of(CANARY).canary_first();
        let run = EngineRun::new(disk, POOL, ServicePorts::linking(service), clock).source(source);
        run.observer(&mut findings).run().await
    });
    findings.0.sort_unstable_by_key(|(row, _)| *row);
    (report, findings)
}

fn states(disk: &MemoryStorage) -> Vec<RowState> {
    let ledger = open_ledger(disk, POOL, Clock::starting_at(START));
    (1..=ROWS).map(|number| ledger.state(row(number).key)).collect()
}

#[test]
fn a_canary_that_is_right_lets_the_other_rows_follow() {
    use CanaryFinding::{DoneBefore, Right};
    // A list that lags is looked at again.
    for list_lag_ms in [0, 9_000, 50_000] {
        let (world, disk) = (account(&[], list_lag_ms), MemoryStorage::default());
        let (report, findings) = run(&world, &disk, Mischief::None, START);
        assert_eq!((&report.ended, report.counts.linked), (&RunOutcome::Completed, ROWS), "lag {list_lag_ms}");
        assert_eq!(findings.0, [(1, Right), (2, Right), (3, Right)]);
        assert_eq!(report.writes, ROWS);
        assert!(list_lag_ms > 0 || report.reads == CANARY as u64, "only the canary is read: {}", report.reads);
        // Rows that are done count, and are not called again.
        let (report, findings) = run(&world, &disk, Mischief::None, START + 600_000);
        assert_eq!((report.writes, report.reads), (0, 0));
        assert_eq!(findings.0, [(1, DoneBefore), (2, DoneBefore), (3, DoneBefore)]);
    }
}

#[test]
fn one_wrong_value_stops_before_the_second_batch() {
    for (mischief, expected) in [
        (Mischief::StoresOtherwise, CanaryFinding::StoredOtherwise),
        (Mischief::LinksAnotherUser, CanaryFinding::NotOnUser),
        (Mischief::DoesNothing, CanaryFinding::NotOnUser),
    ] {
        let (world, disk) = (account(&[Behavior::RepeatSucceeds], 0), MemoryStorage::default());
        let (report, findings) = run(&world, &disk, mischief, START);
        let RunOutcome::Stopped(stop) = &report.ended else { panic!("{mischief:?}: {report:?}") };
        assert_eq!(stop.cause, StopCause::Canary);
        assert!(stop.detail.starts_with("canary: row 2: the service reported success, and the user"), "{stop}");
        assert!(findings.0.contains(&(2, expected)), "{mischief:?}: {:?}", findings.0);
        assert_eq!(report.writes, CANARY as u64, "{mischief:?}");
        let mut expected = vec![RowState::Unprocessed; ROW_COUNT];
        // A ledger claims no link that the pool does not show.
        expected[..CANARY].copy_from_slice(&[RowState::Linked, RowState::InDoubt, RowState::Linked]);
        assert_eq!(states(&disk), expected, "{mischief:?}");
        assert_eq!(report.counts.balance(), Ok(()));
    }
}

#[test]
fn a_canary_row_that_is_refused_stops_as_well() {
    let (world, disk) = (account_of((1..=ROWS).filter(|number| *number != 3), &[], 0), MemoryStorage::default());
    let (report, findings) = run(&world, &disk, Mischief::None, START);
    let RunOutcome::Stopped(stop) = &report.ended else { panic!("{report:?}") };
    assert_eq!(stop.detail, "canary: row 3: refused as user_not_found; the rows after the canary were not sent");
    assert!(findings.0.contains(&(3, CanaryFinding::NotLinked)), "{:?}", findings.0);
    assert!(report.counts.linked <= 2 && report.writes <= CANARY as u64, "{report:?}");
}

/// The service answers a link that stood before with success. Whoever reads it back sees its date.
#[test]
fn a_link_that_stood_before_is_not_claimed_where_it_is_read_back() {
    let stood_before = |world: &SharedAccount| {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        runtime.block_on(async {
            let service = InProcessService::sharing(world.clone(), Clock::starting_at(START), POOL);
            for number in [1, 7, 8] {
                let row = row(number);
                let destination = DestinationUser {
                    provider: ProviderName::native(),
                    value: Personal::from_service(&format!("user-{number}")),
                };
                service.link(LinkRequest { destination, source: row.link.source }).await.unwrap();
            }
        });
    };
    let already = |disk: &MemoryStorage| -> Vec<usize> {
        let states = states(disk).into_iter().zip(1..);
        states.filter(|(state, _)| *state == RowState::AlreadyLinked).map(|(_, number)| number).collect()
    };
    // The canary sees one, and from then on every row is read back.
    let (world, disk) = (account(&[Behavior::RepeatSucceeds], 0), MemoryStorage::default());
    stood_before(&world);
    let (report, findings) = run(&world, &disk, Mischief::None, START + 86_400_000);
    assert_eq!(findings.0[0], (1, CanaryFinding::StoodBefore));
    // A list that lags may show the older link in place of a new one: the row of the canary is looked at until no list lags,
    // and each of the others a second time.
    let further_looks = (SETTLE_WAITS_MS.len() + SETTLE_LATER_WAITS_MS.len()) as u64 + 2;
    let reads = ROWS + further_looks;
    assert_eq!((already(&disk), report.ended, report.reads), (vec![1, 7, 8], RunOutcome::Completed, reads));

    // Without a canary, by the option.
    for (reads_back, expected) in [(true, vec![1, 7, 8]), (false, vec![])] {
        let (world, disk) = (account(&[Behavior::RepeatSucceeds], 0), MemoryStorage::default());
        stood_before(&world);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        runtime.block_on(async {
            let clock = Clock::starting_at(START + 86_400_000);
            let ports = ServicePorts::linking(InProcessService::sharing(world.clone(), clock, POOL));
            let options = EngineOptions { reads_back, ..testing::options(1) };
            EngineRun::new(&disk, POOL, ports, clock).rows((1..=ROWS).map(row)).options(options).run().await
        });
        assert_eq!(already(&disk), expected, "reads back: {reads_back}");
    }
}

#[test]
fn a_rehearsal_reads_back_by_the_option() {
    let home = Home::new();
    home.write("pairs.csv", csv(&pairs(0..20)));
    for (more, reads) in [(&[][..], 0), (&["--read-back"], 20)] {
        let rehearsal = ["link", "pairs.csv", "--simulate", "--rehearse", "--canary", "0", "--output", "json"];
        let report = home.run(&[&rehearsal, more].concat()).left_with(0).json();
        assert_eq!(report["reads"], reads, "{more:?}: {report}");
    }
}

const FAST: [&str; 4] = ["--rate", "1000", "--output", "json"];

fn findings(run: &Value) -> Vec<(u64, String, String)> {
    let text = |row: &Value, name: &str| row[name].as_str().unwrap().to_owned();
    let rows = run["canary"].as_array().unwrap_or_else(|| panic!("no canary in {run}"));
    rows.iter().map(|row| (row["row"].as_u64().unwrap(), text(row, "source_provider"), text(row, "finding"))).collect()
}

#[test]
fn the_program_takes_rows_of_every_provider_first() {
    let home = Home::new();
    // Rows 1 and 4 are of Okta, the others of Google.
    let people = pairs(0..5);
    let users: Vec<&str> = people.iter().map(|pair| pair.username.as_str()).collect();
    home.write("pairs.csv", csv(&people));
    home.write("pool.json", pool_file(&users));
    let simulator = Simulator::start(&home, &["--pool-file", "pool.json", "--latency", "off", "--quota", "off"]);

    // One row of each provider, whatever N is; a part of the input is enough.
    let part = ["pairs.csv", "--canary", "1", "--rows", "1-3"];
    let run = home.link(&simulator.url, &[&part, &FAST[..]].concat()).left_with(3);
    let right = |row, provider: &str| (row, provider.to_owned(), "right".to_owned());
    assert_eq!(findings(&run.json()), [right(1, "Okta"), right(2, "Google")]);
    assert_eq!(run.json()["canary"][0]["destination"], "p***0", "{}", run.stdout);
    assert!(run.stderr.contains("canary: row 1 Okta 0***z on p***0: the user holds the identity as it was sent"));
    assert!(
        run.stderr.contains("canary: 2 rows right, at least one of each provider with rows to link; the rest follows")
    );

    // The next run tests the rows that are left, not those that are done; the settings name the canary as well.
    home.write("settings.toml", "canary = 4\n");
    let whole = ["pairs.csv", "--config", "settings.toml", "--verify"];
    let run = home.link(&simulator.url, &[&whole, &FAST[..]].concat()).left_with(0).json();
    let found: Vec<(u64, String)> = findings(&run).into_iter().map(|(row, _, finding)| (row, finding)).collect();
    let expected = [(4, "right"), (5, "right")];
    assert_eq!(found, expected.map(|(row, finding)| (row, finding.to_owned())));
    assert_eq!((&run["writes"], &run["rows"]["linked"]), (&2.into(), &5.into()), "{run}");
    assert_eq!(
        (&run["verification"]["row_count"], &run["verification"]["difference_count"]),
        (&5.into(), &0.into()),
        "{run}"
    );
    simulator.linked_once(5);

    for (bad, said) in [("101", "from 0 to 100"), ("x", "a number of rows")] {
        home.link(&simulator.url, &["pairs.csv", "--canary", bad]).refused_with(2, said);
    }
    // Nothing to send: no canary.
    let run = home.link(&simulator.url, &[&["pairs.csv", "--canary", "3"], &FAST[..]].concat()).left_with(0).json();
    assert_eq!((&run["canary"], &run["verification"]), (&Value::Null, &Value::Null), "{run}");
}

#[test]
fn a_wrong_column_stops_at_the_canary_with_and_without_a_plan_and_in_a_rehearsal() {
    let home = Home::new();
    let mut text = "staff_no,username,provider,source_value\n".to_owned();
    for pair in pairs(0..30) {
        writeln!(text, "staff-{},{},{},{}", pair.value, pair.username, pair.provider, pair.value).unwrap();
    }
    home.write("pairs.csv", text);
    let people = pairs(0..30);
    let users: Vec<&str> = people.iter().map(|pair| pair.username.as_str()).collect();
    home.write("pool.json", pool_file(&users));
    let (wrong, right) = (["--map", "destination_username=staff_no"], ["--map", "destination_username=username"]);
    let provider = ["--map", "source_provider=provider"];
    let canary = ["link", "pairs.csv", "--canary", "5", "--simulate", "--pool-file", "pool.json", "--simulate-latency"];
    let link = |more: &[&str], status: i32| {
        home.run(&[&canary[..], &["off", "--yes"], &provider[..], more, &FAST].concat()).left_with(status)
    };
    for more in [&wrong[..], &[wrong[0], wrong[1], "--rehearse"]] {
        let run = link(more, 9);
        assert_eq!((&run.json()["error"]["code"], &run.json()["exit_status"]), (&"canary".into(), &9.into()));
        let (writes, refused) =
            (run.json()["writes"].as_u64().unwrap(), run.json()["rows"]["refused"].as_u64().unwrap());
        assert!((1..=5).contains(&writes) && refused >= 1, "{}", run.stdout);
        assert!(
            run.stderr.contains("refused as user_not_found; the rows after the canary were not sent"),
            "{}",
            run.stderr
        );
    }
    let rehearsed = link(&[right[0], right[1], "--rehearse"], 0).json();
    assert_eq!((rehearsed["canary"].as_array().unwrap().len(), &rehearsed["rows"]["linked"]), (5, &30.into()));

    // With a plan: only rows that the plan links are of the canary.
    let plan = ["validate", "pairs.csv", "--simulate", "--pool-file", "pool.json", "--save-plan", "pairs.plan"];
    home.run(&[&plan, &provider[..], &right[..]].concat()).left_with(0);
    let planned = link(&[right[0], right[1], "--plan", "pairs.plan", "--verify"], 0).json();
    assert_eq!((planned["canary"].as_array().unwrap().len(), &planned["rows"]["linked"]), (5, &30.into()), "{planned}");
    assert_eq!((&planned["writes"], &planned["plan_missed"]), (&30.into(), &0.into()), "{planned}");
    assert_eq!(planned["verification"]["difference_count"], 0, "{planned}");
}

#[test]
fn a_link_that_is_gone_from_the_pool_is_a_difference() {
    let home = Home::new();
    home.write("pairs.csv", csv(&pairs(0..4)));
    let people = pairs(0..4);
    let users: Vec<&str> = people.iter().map(|pair| pair.username.as_str()).collect();
    home.write("pool.json", pool_file(&users));
    let simulator = Simulator::start(&home, &["--pool-file", "pool.json", "--latency", "off", "--quota", "off"]);
    home.link(&simulator.url, &[&["pairs.csv", "--verify"], &FAST[..]].concat()).left_with(0);
    simulator.stop();

    // Another pool in its place, in which somebody has unlinked the second row.
    home.write("others.csv", csv(&[people[0].clone(), people[2].clone(), people[3].clone()]));
    let simulator = Simulator::start(&home, &["--pool-file", "pool.json", "--latency", "off", "--quota", "off"]);
    home.link(&simulator.url, &[&["others.csv"], &FAST[..]].concat()).left_with(0);
    let run = home.link(&simulator.url, &[&["pairs.csv", "--verify"], &FAST[..]].concat()).left_with(5);
    let verification = &run.json()["verification"];
    assert_eq!(
        (&verification["row_count"], &verification["difference_count"]),
        (&4.into(), &1.into()),
        "{verification}"
    );
    let differing = &verification["differing_rows"];
    assert_eq!(
        (&differing[0]["row"], &differing[0]["ledger_state"], &differing[0]["standing"]),
        (&json!(2), &json!("linked"), &json!("missing"))
    );
    assert!(run.stderr.contains("linked in the ledger, missing in the pool"), "{}", run.stderr);
    assert_eq!((&run.json()["writes"], &run.json()["exit_status"]), (&0.into(), &5.into()));

    // The links of the ledger are compared whichever rows the input of a later run has.
    let ledger = ["--ledger", "pairs.csv.ledger", "--verify"];
    home.write("more.csv", csv(&[people[0].clone()]));
    let run = home.link(&simulator.url, &[&["more.csv"], &ledger[..], &FAST].concat()).left_with(5);
    let verification = &run.json()["verification"];
    assert_eq!(
        (&verification["row_count"], &verification["difference_count"], &verification["superseded_links"]),
        (&4.into(), &1.into(), &0.into()),
        "{verification}"
    );
    assert_eq!(verification["differing_rows"][0]["row"], 2, "{verification}");
    home.write("pairs.csv", csv(&[people[0].clone(), people[2].clone()]));
    let shrunk = ["pairs.csv", "--verify", "--max-shrink", "100"];
    let run = home.link(&simulator.url, &[&shrunk[..], &FAST].concat()).left_with(5);
    let verification = &run.json()["verification"];
    assert_eq!(
        (&verification["superseded_links"], &verification["difference_count"]),
        (&1.into(), &1.into()),
        "of two superseded links one is gone: {verification}"
    );
}

#[test]
fn a_comparison_that_fails_leaves_the_result_of_the_run() {
    let home = Home::new();
    home.write("pairs.csv", csv(&pairs(0..4)));
    let simulator = Simulator::quick(&home);
    let denied = |_: usize, _: &str| Fate::Answered(400, "AccessDeniedException", "no".to_owned());
    let proxy = Proxy::before("ListUsers", simulator.address(), denied);
    home.write("end.sh", "cat > end.json");
    let options = ["pairs.csv", "--verify", "--metrics-file", "link.prom", "--on-end", "sh end.sh"];
    let run = home.link(&proxy.url, &[&options, &FAST[..]].concat()).left_with(7);
    let result = run.json();
    assert_eq!((&result["rows"]["linked"], &result["verification"]), (&4.into(), &Value::Null), "{run:#?}");
    assert_eq!(result["verification_error"]["code"], "access_denied", "{run:#?}");
    let metrics = std::fs::read_to_string(home.path("link.prom")).unwrap();
    assert!(
        metrics.lines().any(|line| line.starts_with("cognito_link_exit_status{") && line.ends_with(" 7")),
        "{metrics}"
    );
    let hook: Value = serde_json::from_str(&std::fs::read_to_string(home.path("end.json")).unwrap()).unwrap();
    assert_eq!(hook, result);
}

#[test]
fn a_signal_interrupts_the_comparison_and_not_the_result() {
    let home = Home::new();
    home.write("pairs.csv", csv(&pairs(0..4)));
    let simulator = Simulator::quick(&home);
    let (called, is_called) = std::sync::mpsc::channel();
    let proxy = Proxy::before("ListUsers", simulator.address(), {
        let called = std::sync::Mutex::new(called);
        move |_, _| {
            let _ = called.lock().unwrap().send(());
            Fate::Unanswered
        }
    });
    let running = home.start_link(&proxy.url, &[&["pairs.csv", "--verify"], &FAST[..]].concat());
    is_called.recv_timeout(std::time::Duration::from_secs(30)).unwrap();
    running.signal("TERM");
    let run = running.wait().left_with(143);
    let result = run.json();
    assert_eq!((&result["rows"]["linked"], &result["ended"]), (&4.into(), &"completed".into()), "{run:#?}");
    assert_eq!(result["verification_error"]["code"], "interrupted", "{run:#?}");
}
