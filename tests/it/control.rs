//! A run that is controlled while it goes: how soon a request holds, and what the ledger says of it.
//!
//! The engine is tested in virtual time, where a second is exact; the socket, the signal and the pause file once with the
//! built binary.

#![allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_precision_loss,
    reason = "small numbers of calls"
)]

use std::io::{Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::time::Duration;

use cognito_link::clock::{Clock, UnixMs, sleep};
use cognito_link::domain::control::{ControlAction, ControlRequest, ControlSource, Hold, LocalTime, WindowState};
use cognito_link::domain::event::{RunEvent, RunObserver, RunSnapshot, WaitReason};
use cognito_link::domain::identity::{Destination, DestinationUser, Personal, ProviderName};
use cognito_link::domain::run::{RunOutcome, RunReport};
use cognito_link::engine::testing::{self, EngineRun, open_ledger, row_to};
use cognito_link::engine::{ControlMessage, EngineOptions, ServicePorts};
use cognito_link::ledger::UndoSelection;
use cognito_link::ledger::storage::MemoryStorage;
use cognito_link::pace::Pace;
use cognito_link::service::in_process::InProcessService;
use cognito_link::service::{IdentityLinker, IdentityUnlinker, LinkRequest, UnlinkRequest};
use cognito_sim::{Account, Category, Latency, Pool, PoolSettings, Quota, SharedAccount};
use serde_json::Value;
use tokio::sync::{mpsc, oneshot};

use crate::harness::{Fate, Gate, Home, Proxy, Running, Simulator, csv, pairs, pool_file, wait_for};

const POOL: &str = testing::POOL;
const START: UnixMs = 1_795_000_000_000;

fn world(quota: f64) -> SharedAccount {
    let mut pool = Pool::new(PoolSettings::new(POOL)).creating_on_reference();
    pool.ensure_provider("Google").unwrap();
    let quota = Quota::documented().with_rate(Category::UserUpdate, quota, quota.max(1.0));
    SharedAccount::new(Account::new(7).with_pool(pool).with_quota(quota).with_latency(Latency::usual()))
}

/// Writes so far at each moment, and what was shown then.
struct Watch {
    clock: Clock,
    seen: Vec<(Duration, RunSnapshot)>,
}

impl RunObserver for Watch {
    fn on(&mut self, event: &RunEvent) {
        if let RunEvent::Tick(snapshot) = event {
            self.seen.push((self.clock.elapsed(), (**snapshot).clone()));
        }
    }
}

impl Watch {
    /// Writes that were sent in a span of seconds.
    fn writes_between(&self, from: f64, to: f64) -> u64 {
        self.at(to).writes - self.at(from).writes
    }

    fn at(&self, seconds: f64) -> &RunSnapshot {
        let at = Duration::from_secs_f64(seconds);
        self.seen.iter().rev().find(|(elapsed, _)| *elapsed <= at).map(|(_, snapshot)| snapshot).unwrap()
    }
}

fn request(action: ControlAction) -> ControlMessage {
    let request = ControlRequest { action, source: ControlSource::Socket, user: Some("ops".to_owned()) };
    ControlMessage { request, reply: None }
}

/// A run with these requests at these seconds, over a quota.
fn controlled(
    quota: f64,
    pace: Pace,
    rows: u64,
    requests: &[(f64, ControlAction)],
) -> (RunReport, Watch, MemoryStorage) {
    controlled_in(&world(quota), pace, rows, requests)
}

fn controlled_in(
    world: &SharedAccount,
    pace: Pace,
    rows: u64,
    requests: &[(f64, ControlAction)],
) -> (RunReport, Watch, MemoryStorage) {
    let (report, watch, disk) = controlled_until(world, pace, rows, requests, Duration::from_hours(24));
    (report.unwrap(), watch, disk)
}

/// The same for a run that dies after this time; then without a report.
fn controlled_until(
    world: &SharedAccount,
    pace: Pace,
    rows: u64,
    requests: &[(f64, ControlAction)],
    dies_after: Duration,
) -> (Option<RunReport>, Watch, MemoryStorage) {
    let disk = MemoryStorage::default();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    let (report, watch) = runtime.block_on(async {
        let clock = Clock::starting_at(START);
        let mut watch = Watch { clock, seen: Vec::new() };
        let services = ServicePorts::linking(InProcessService::sharing(world.clone(), clock, POOL));
        let rows = (1..=rows).map(|number| {
            let user = Personal::parse(&format!("user-{number}"), 128).unwrap();
            row_to(number, Destination::Username(user))
        });
        let rows: Vec<_> = rows.collect();
        let (sender, receiver) = mpsc::channel(16);
        let requests = requests.to_vec();
        let total = Some(rows.len() as u64);
        let options = EngineOptions { writes: pace, concurrency: 50, total, ..testing::options(7) };
        let run = EngineRun::new(&disk, POOL, services, clock).rows(rows).options(options).control(receiver);
        tokio::spawn(async move {
            let mut now = 0.0;
            for (at, action) in requests {
                sleep(Duration::from_secs_f64(at - now)).await;
                now = at;
                sender.send(request(action)).await.unwrap();
            }
            std::future::pending::<()>().await;
        });
        let report = run.observer(&mut watch).run_until_crash(dies_after).await;
        (report, watch)
    });
    (report, watch, disk)
}

/// The records of control in a ledger: what, how fast, from where and by whom.
fn recorded(disk: &MemoryStorage) -> Vec<(String, Option<u64>, String, Option<String>)> {
    let text = String::from_utf8(disk.bytes()).unwrap();
    let lines = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let changes = lines.filter(|line| line["type"] == "control");
    changes
        .map(|line| {
            let text = |name: &str| line[name].as_str().map(str::to_owned);
            assert!(line["at"].as_i64() >= Some(START) && line["run_id"].is_string(), "{line}");
            (text("change").unwrap(), line["milli"].as_u64(), text("source").unwrap(), text("user"))
        })
        .collect()
}

fn by_ops(change: &str, milli: Option<u64>) -> (String, Option<u64>, String, Option<String>) {
    (change.to_owned(), milli, "socket".to_owned(), Some("ops".to_owned()))
}

#[test]
fn a_pause_holds_within_a_second_and_a_resume_goes_on_within_a_second() {
    for rate in [25.0, 1.0] {
        let requests = [(20.0, ControlAction::Pause), (140.0, ControlAction::Resume)];
        let rows = (rate * 60.0) as u64;
        let (report, watch, disk) = controlled(100.0, Pace::at(rate), rows, &requests);
        assert!(matches!(report.ended, RunOutcome::Completed), "{:?}", report.ended);
        assert_eq!(report.counts.linked, rows);
        assert_eq!(watch.writes_between(20.2, 139.9), 0, "{rate}/s");
        assert!(watch.writes_between(140.0, 141.1) >= 1, "{rate}/s");
        let after = watch.writes_between(140.0, 150.0) as f64;
        assert!((after - 10.0 * rate).abs() <= 0.1 * rate + 2.0, "{rate}/s: no burst, and no slow start: {after}");
        let held = watch.at(100.0);
        assert_eq!(held.waiting, Some(WaitReason::Held(Hold::Operator)));
        assert_eq!((held.in_flight, held.remaining), (0, None));
        assert_eq!(recorded(&disk), [by_ops("pause", None), by_ops("resume", None)]);
    }
}

#[test]
fn a_pause_holds_while_the_service_throttles_and_is_no_time_of_being_stuck() {
    for quota in [25.0, 1.0] {
        let requests = [(30.0, ControlAction::Pause), (150.0, ControlAction::Resume)];
        let (report, watch, _) = controlled(quota, Pace::at(quota * 3.0), (quota * 60.0) as u64, &requests);
        assert!(matches!(report.ended, RunOutcome::Completed), "{quota}/s: {:?}", report.ended);
        assert!(watch.at(30.0).throttled > 0, "{quota}/s: throttled before the pause");
        assert_eq!(watch.writes_between(30.2, 149.9), 0, "{quota}/s");
        assert!(watch.writes_between(150.0, 152.0) >= 1, "{quota}/s");
    }
}

#[test]
fn a_rate_holds_within_a_second_up_and_down() {
    let requests = [
        (20.0, ControlAction::SetRate(1.0)),
        (60.0, ControlAction::SetRate(25.0)),
        (80.0, ControlAction::SetRate(50.0)),
        (100.0, ControlAction::ClearRate),
    ];
    let (report, watch, disk) = controlled(100.0, Pace::at(20.0), 3_000, &requests);
    assert_eq!(report.counts.linked, 3_000);
    for (from, to, rate) in
        [(10.0, 20.0, 20.0), (21.0, 59.0, 1.0), (61.0, 79.0, 25.0), (81.0, 99.0, 50.0), (101.0, 110.0, 20.0)]
    {
        let writes = watch.writes_between(from, to) as f64;
        let expected = rate * (to - from);
        assert!((writes - expected).abs() <= 0.05 * expected + 2.0, "{from} to {to} s at {rate}/s: {writes} writes");
    }
    assert!((watch.at(24.0).done_per_second - 1.0).abs() < 0.5, "{:?}", watch.at(24.0).done_per_second);
    let expected = [("rate", Some(1_000)), ("rate", Some(25_000)), ("rate", Some(50_000)), ("own_rate", None)];
    assert_eq!(recorded(&disk), expected.map(|(change, milli)| by_ops(change, milli)));
}

#[test]
fn a_pause_holds_while_all_workers_wait() {
    // Fifty calls in flight, each of which takes two seconds: at 25/s all workers wait.
    let world = {
        let mut pool = Pool::new(PoolSettings::new(POOL)).creating_on_reference();
        pool.ensure_provider("Google").unwrap();
        let slow = Latency::between(2_000, 2_000);
        SharedAccount::new(Account::new(7).with_pool(pool).with_quota(Quota::off()).with_latency(slow))
    };
    let disk = MemoryStorage::default();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    let (answered, watch) = runtime.block_on(async {
        let clock = Clock::starting_at(START);
        let mut watch = Watch { clock, seen: Vec::new() };
        let services = ServicePorts::linking(InProcessService::sharing(world, clock, POOL));
        let rows = (1..=400).map(|number| {
            let user = Personal::parse(&format!("user-{number}"), 128).unwrap();
            row_to(number, Destination::Username(user))
        });
        let options = EngineOptions { writes: Pace::at(100.0), concurrency: 50, ..testing::options(7) };
        let (sender, receiver) = mpsc::channel(16);
        let run = EngineRun::new(&disk, POOL, services, clock).rows(rows).options(options).control(receiver);
        let asking = tokio::spawn(async move {
            sleep(Duration::from_secs(5)).await;
            let asked = clock.now();
            let (reply, answer) = oneshot::channel();
            let message = ControlMessage { reply: Some(reply), ..request(ControlAction::Pause) };
            sender.send(message).await.unwrap();
            let state = answer.await.unwrap();
            let waited = clock.now() - asked;
            sleep(Duration::from_mins(1)).await;
            sender.send(request(ControlAction::Resume)).await.unwrap();
            (state, waited)
        });
        run.observer(&mut watch).run().await;
        (asking.await.unwrap(), watch)
    });
    let (state, waited) = answered;
    assert!(waited < Duration::from_millis(10), "answered after {waited:?}");
    assert_eq!((state.in_flight, state.waiting), (50, Some(WaitReason::Held(Hold::Operator))));
    assert_eq!(watch.writes_between(5.2, 64.9), 0);
    assert_eq!(watch.at(10.0).in_flight, 0, "what was in flight is finished");
}

#[test]
fn what_was_announced_ahead_is_withdrawn_before_a_pause() {
    let requests = [(10.0, ControlAction::Pause), (3_600.0, ControlAction::Drain)];
    let (report, watch, disk) = controlled(200.0, Pace::at(100.0), 5_000, &requests);
    let RunOutcome::Stopped(stop) = &report.ended else { panic!("{:?}", report.ended) };
    assert_eq!(stop.detail, "a drain was requested by ops; a rerun resumes from here");
    assert_eq!(stop.cause.as_str(), "drained");
    assert_eq!(watch.writes_between(10.2, 3_600.0), 0);
    let ledger = open_ledger(&disk, POOL, Clock::starting_at(START));
    assert_eq!(ledger.view().counts().in_doubt, 0);
    assert_eq!(ledger.view().counts().linked, report.counts.linked);
    assert!(report.counts.linked > 500 && report.counts.linked == report.writes, "{:?}", report.counts);
    assert_eq!(recorded(&disk), [by_ops("pause", None), by_ops("drain", None)]);
}

/// Somebody else's link of that time would be taken for this run's.
#[test]
fn a_run_that_dies_while_it_is_held_leaves_no_row_announced() {
    for (quota, pace) in [(200.0, 100.0), (25.0, 100.0), (1.0, 25.0)] {
        for pause_at in [10.0, 30.0, 30.1, 47.3] {
            let dies_after = Duration::from_mins(10);
            let requests = [(pause_at, ControlAction::Pause)];
            let (report, watch, disk) = controlled_until(&world(quota), Pace::at(pace), 10_000, &requests, dies_after);
            assert!(report.is_none(), "{quota}/s: {report:?}");
            let before = watch.at(pause_at);
            assert!(quota > pace || before.throttled > 0, "{quota}/s: throttled before the pause");
            let ledger = open_ledger(&disk.after_crash(0), POOL, Clock::starting_at(START));
            let counts = ledger.view().counts();
            assert_eq!(counts.in_doubt, 0, "{quota}/s, paused after {pause_at} s");
            assert!(counts.linked > 0, "{quota}/s: {counts:?}");
        }
    }
}

#[test]
fn a_drain_ends_a_run_within_a_second_also_while_the_service_throttles() {
    for (quota, pace) in [(100.0, 25.0), (100.0, 1.0), (5.0, 25.0), (1.0, 25.0)] {
        let (report, _, disk) = controlled(quota, Pace::at(pace), 2_000, &[(30.0, ControlAction::Drain)]);
        assert!(matches!(report.ended, RunOutcome::Stopped(_)), "{:?}", report.ended);
        assert!(report.elapsed < Duration::from_secs(31), "{quota}/s, {pace}/s: {:?}", report.elapsed);
        assert_eq!(report.counts.in_doubt, 0);
        assert_eq!(recorded(&disk), [by_ops("drain", None)]);
    }
}

#[test]
fn a_closed_window_holds_the_run_and_an_open_one_limits_it() {
    let opens = Some(LocalTime { unix_ms: START + 60_000, offset_seconds: 3_600 });
    let requests = [
        (20.0, ControlAction::SetWindow(WindowState::Closed { opens })),
        (30.0, ControlAction::Resume),
        (60.0, ControlAction::SetWindow(WindowState::Open { rate: Some(2.0) })),
        (70.0, ControlAction::SetRate(10.0)),
        (100.0, ControlAction::SetWindow(WindowState::Open { rate: None })),
    ];
    let (report, watch, _) = controlled(100.0, Pace::at(20.0), 1_000, &requests);
    assert_eq!(report.counts.linked, 1_000);
    assert_eq!(watch.writes_between(20.2, 59.9), 0, "a person does not open a window");
    assert_eq!(watch.at(40.0).waiting, Some(WaitReason::Held(Hold::Window { opens })));
    for (from, to, rate) in [(61.0, 99.0, 2.0), (101.0, 110.0, 10.0)] {
        let writes = watch.writes_between(from, to) as f64;
        assert!((writes - rate * (to - from)).abs() <= 3.0, "{from} to {to} s at {rate}/s: {writes} writes");
    }
}

#[test]
fn an_undo_is_controlled_likewise() {
    let world = world(100.0);
    let (_, _, disk) = controlled_in(&world, Pace::at(50.0), 100, &[]);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    let (report, watch) = runtime.block_on(async {
        let clock = Clock::starting_at(START + 3_600_000);
        let mut watch = Watch { clock, seen: Vec::new() };
        let services = ServicePorts::unlinking(InProcessService::sharing(world, clock, POOL));
        let (sender, receiver) = mpsc::channel(16);
        let options = EngineOptions { writes: Pace::at(5.0), ..testing::options(8) };
        let run = EngineRun::new(&disk, POOL, services, clock).links(UndoSelection::default()).options(options);
        sender.send(request(ControlAction::Pause)).await.unwrap();
        tokio::spawn(async move {
            sleep(Duration::from_secs(100)).await;
            sender.send(request(ControlAction::Resume)).await.unwrap();
        });
        let report = run.control(receiver).observer(&mut watch).run().await;
        (report, watch)
    });
    assert_eq!((watch.at(99.0).writes, watch.at(99.0).reads), (0, 0), "nothing is sent, and nothing read");
    assert!(report.elapsed > Duration::from_secs(100) && report.counts.undone == 100, "{report:?}");
    assert!(recorded(&disk).contains(&by_ops("pause", None)));
}

/// Others link each user again, as soon as their own link is gone; nothing of theirs is unlinked.
#[test]
fn an_undo_reads_every_user_again_after_a_pause() {
    const LINKS: u64 = 100;
    for pause_ms in [3_000, 5_010, 5_100] {
        let world = world(100.0);
        let (_, _, disk) = controlled_in(&world, Pace::at(50.0), LINKS, &[]);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        let (report, relinked) = runtime.block_on(async {
            let clock = Clock::starting_at(START + 3_600_000);
            let service = InProcessService::sharing(world.clone(), clock, POOL);
            let (sender, receiver) = mpsc::channel(16);
            let options = EngineOptions { writes: Pace::at(5.0), ..testing::options(8) };
            let ports = ServicePorts::unlinking(Arc::clone(&service));
            let run = EngineRun::new(&disk, POOL, ports, clock).links(UndoSelection::default()).options(options);
            let others = tokio::spawn(async move {
                sleep(Duration::from_millis(pause_ms)).await;
                sender.send(request(ControlAction::Pause)).await.unwrap();
                sleep(Duration::from_mins(10)).await;
                let mut relinked = 0;
                for number in 1..=LINKS {
                    let value = Personal::from_service(&format!("user-{number}"));
                    let source = row_to(number, Destination::Username(value.clone())).link.source;
                    if service.unlink(UnlinkRequest { identity: source.clone() }).await.is_ok() {
                        let destination = DestinationUser { provider: ProviderName::native(), value };
                        service.link(LinkRequest { destination, source }).await.unwrap();
                        relinked += 1;
                    }
                }
                sleep(Duration::from_hours(8)).await;
                sender.send(request(ControlAction::Resume)).await.unwrap();
                relinked
            });
            let report = run.control(receiver).run().await;
            (report, others.await.unwrap())
        });
        assert!((50..LINKS).contains(&relinked), "some before the pause: {relinked}");
        assert_eq!((report.counts.undone, report.counts.refused), (LINKS - relinked, relinked), "{report:?}");
        let held = world.with(|account| account.held_identities(POOL).count() as u64);
        assert_eq!(held, relinked, "paused after {pause_ms} ms");
    }
}

/// A run over the simulator that has linked some rows, and has many left.
fn live_run(home: &Home, options: &[&str]) -> (Simulator, Running) {
    home.write("pairs.csv", csv(&pairs(0..2_000)));
    home.write("pool.json", pool_file(&[]));
    let simulator = Simulator::quick(home);
    let arguments = [&["pairs.csv", "--rate", "25", "--output", "json"], options].concat();
    let running = home.start_link(&simulator.url, &arguments);
    wait_for("some links", || (simulator.link_calls() > 5).then_some(()));
    (simulator, running)
}

fn control(home: &Home, request: &[&str]) -> Value {
    let arguments = [&["control", "pairs.csv.ledger"], request, &["--output", "json"]].concat();
    let finished = home.run(&arguments).left_with(0);
    serde_json::from_str(&finished.stdout).unwrap_or_else(|error| panic!("{error}: {finished:#?}"))
}

#[test]
fn a_live_run_is_reported_paused_slowed_and_drained_over_its_socket() {
    let home = Home::new();
    let (simulator, running) = live_run(&home, &[]);
    let socket = home.path("pairs.csv.ledger.control");
    assert_eq!(std::fs::metadata(&socket).unwrap().permissions().mode() & 0o777, 0o600);
    let state = control(&home, &["status"]);
    assert_eq!((&state["kind"], &state["pid"]), (&"run_state".into(), &running.pid().into()), "{state}");
    assert_eq!(state["rows_total"], 2_000);
    wait_for("an estimate", || control(&home, &["status"])["remaining_ms"].as_u64());
    let report = home.run(&["report", "pairs.csv.ledger"]).left_with(0);
    assert!(report.stdout.contains(&format!("live (pid {}): ", running.pid())), "{report:#?}");
    assert!(report.stdout.contains(" left"), "{report:#?}");

    assert_eq!(control(&home, &["pause"])["state"], "paused");
    // What was in flight is answered soon.
    wait_for("the calls in flight", || (control(&home, &["status"])["in_flight"] == 0).then_some(()));
    let paused_at = simulator.link_calls();
    let rate = control(&home, &["rate", "200"])["rate_per_second"].as_f64().unwrap();
    assert!((190.0..=200.0).contains(&rate), "it starts a little below the limit, and never passes it: {rate}");
    assert_eq!(simulator.link_calls(), paused_at, "a rate resumes nothing");
    control(&home, &["resume"]);
    wait_for("more links", || (simulator.link_calls() > paused_at + 100).then_some(()));
    assert_eq!(control(&home, &["drain"])["state"], "draining");
    let finished = running.wait().left_with(9);
    assert!(finished.stderr.contains("a drain was requested by "), "{finished:#?}");
    assert_eq!(finished.json()["error"]["code"], "drained", "{finished:#?}");
    assert!(!socket.exists(), "a run takes its socket along");

    let changes: Vec<String> = home
        .ledger("pairs.csv.ledger")
        .lines()
        .filter(|line| line["type"] == "control")
        .inspect(|line| assert!(line["user"].is_string() && line["source"] == "socket", "{line}"))
        .map(|line| line["change"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(changes, ["pause", "rate", "resume", "drain"]);
    home.run(&["verify", "pairs.csv.ledger"]).left_with(0);
    let nobody = home.run(&["control", "pairs.csv.ledger", "status"]);
    nobody.refused_with(7, "no run is live");
    let report = home.run(&["report", "pairs.csv.ledger", "--html", "page.html"]).left_with(0);
    assert!(!report.stdout.contains("live"), "{report:#?}");
    let listed: Vec<&str> = report.stdout.lines().filter(|line| line.contains(" (socket by ")).collect();
    assert!(listed.len() == 4 && listed[1].contains(" rate: at most 200/s (socket by "), "{report:#?}");
    assert_eq!(home.read("page.html").matches(" (socket by ").count(), 4);
    let report = home.run(&["report", "pairs.csv.ledger", "--output", "json"]).left_with(0).json();
    let changes = report["runs"][0]["control_changes"].as_array().unwrap();
    assert_eq!((&changes[1]["change"], &changes[1]["rate_per_second"]), (&"rate".into(), &200.0.into()), "{report}");
    assert!(changes.iter().all(|change| change["user"].is_string() && change["source"] == "socket"), "{report}");
}

#[test]
fn the_socket_of_a_killed_run_is_in_nobodys_way() {
    let home = Home::new();
    let (simulator, running) = live_run(&home, &[]);
    running.kill();
    assert!(home.path("pairs.csv.ledger.control").exists());
    home.run(&["control", "pairs.csv.ledger", "status"]).refused_with(7, "no run is live");
    let report = home.run(&["report", "pairs.csv.ledger"]).left_with(0);
    assert!(report.stdout.contains("cut short"), "{report:#?}");
    let again = home.start_link(&simulator.url, &["pairs.csv", "--rate", "1000"]);
    wait_for("the new run to answer", || {
        home.run(&["control", "pairs.csv.ledger", "status"]).code.filter(|code| *code == 0)
    });
    assert_eq!(control(&home, &["status"])["pid"], again.pid());
    again.wait().left_with(0);
}

#[test]
fn sigusr1_prints_the_state_and_ends_nothing() {
    let home = Home::new();
    let (_simulator, running) = live_run(&home, &["--quiet"]);
    running.signal("USR1");
    wait_for("the state", || running.stderr().contains("state: ").then_some(()));
    assert!(running.stderr().contains(" of 2,000 rows done"), "{}", running.stderr());
    running.signal("INT");
    running.wait().left_with(130);
}

#[test]
fn a_pause_file_holds_a_run_as_long_as_it_exists() {
    let home = Home::new();
    let (simulator, running) = live_run(&home, &["--pause-file", "pause"]);
    home.write("pause", "");
    wait_for("the pause", || running.stderr().contains("paused (pause file)").then_some(()));
    let state = control(&home, &["status"]);
    assert_eq!((&state["state"], &state["reason"]), (&"paused".into(), &"pause_file".into()));
    wait_for("the calls in flight", || (control(&home, &["status"])["in_flight"] == 0).then_some(()));
    let paused_at = simulator.link_calls();
    std::fs::remove_file(home.path("pause")).unwrap();
    wait_for("more links", || (simulator.link_calls() > paused_at).then_some(()));
    running.signal("INT");
    running.wait().left_with(130);
}

/// A `reconcile --apply` that waits for the pool's list of users.
fn scanning(home: &Home, gate: &Gate, more: &[&str]) -> (Simulator, Proxy, Running) {
    home.write("pairs.csv", csv(&pairs(0..20)));
    let names: Vec<String> = pairs(0..20).into_iter().map(|pair| pair.username).collect();
    home.write("pool.json", pool_file(&names.iter().map(String::as_str).collect::<Vec<_>>()));
    let simulator = Simulator::start(home, &["--pool-file", "pool.json", "--latency", "off", "--quota", "off"]);
    let waiting = gate.clone();
    let proxy = Proxy::before("ListUsers", simulator.address(), move |_, _| {
        waiting.pass();
        Fate::Passes
    });
    let options = ["pairs.csv", "--apply", "--yes", "--max-changes-pct", "100", "--log-format", "json"];
    let running = home.start_on_pool("reconcile", &proxy.url, &[&options, more].concat());
    wait_for("the scan", || running.stderr().contains(r#""code":"scanning""#).then_some(()));
    (simulator, proxy, running)
}

#[test]
fn a_command_before_its_run_reports_what_it_does_and_goes_on() {
    let (home, gate) = (Home::new(), Gate::default());
    let (simulator, _proxy, running) = scanning(&home, &gate, &["--rate", "1000"]);
    let state = control(&home, &["status"]);
    assert_eq!((&state["state"], &state["pid"]), (&"preparing".into(), &running.pid().into()), "{state}");
    let text = home.run(&["control", "pairs.csv.ledger", "status"]).left_with(0).stdout;
    assert!(text.starts_with("reconcile run ") && text.contains("): reading the pool: 0"), "{text}");
    let paused = home.run(&["control", "pairs.csv.ledger", "pause"]);
    paused.refused_with(7, "the run has not begun: it answers `status` and `drain` until then");
    let reports = || running.stderr().matches("\"message\":\"reading the pool: 0 of ").count();
    let before = reports();
    running.signal("USR1");
    wait_for("the state", || (reports() > before).then_some(()));
    gate.open();
    let finished = running.wait().left_with(0);
    assert_eq!(simulator.link_calls(), 20, "{finished:#?}");
    assert!(!home.path("pairs.csv.ledger.control").exists());
    home.run(&["verify", "pairs.csv.ledger"]).left_with(0);
}

#[test]
fn a_drain_before_the_run_ends_the_command_and_sends_nothing() {
    let (home, gate) = (Home::new(), Gate::default());
    let options = ["--output", "json", "--on-end", "cat > end.json", "--metrics-file", "metrics"];
    let (simulator, _proxy, running) = scanning(&home, &gate, &options);
    for _ in 0..2 {
        // A second one is answered likewise, if it is in time.
        let drained = home.run(&["control", "pairs.csv.ledger", "drain"]);
        assert!(drained.code == Some(7) || drained.stdout.contains("reading the pool"), "{drained:#?}");
    }
    let finished = running.wait().left_with(9);
    assert!(finished.stderr.contains(r#""code":"drained""#), "{finished:#?}");
    assert!(finished.stderr.contains("; nothing was sent"), "{finished:#?}");
    assert!(finished.stdout.starts_with(r#"{"kind":"error_report""#), "{finished:#?}");
    assert_eq!(home.read("end.json"), finished.stdout, "the hook has the result");
    assert!(home.read("metrics").contains("cognito_link_running"), "{}", home.read("metrics"));
    gate.open();
    assert_eq!(simulator.link_calls(), 0);
    assert!(!home.path("pairs.csv.ledger.control").exists());
    home.run(&["control", "pairs.csv.ledger", "status"]).refused_with(7, "no run is live");
}

/// Somebody has connected during the preparation, and sends the request when the run has begun.
#[test]
fn a_late_request_to_the_preparation_is_not_answered_as_a_drain_of_the_run() {
    let (home, gate) = (Home::new(), Gate::default());
    let (simulator, _proxy, running) = scanning(&home, &gate, &["--rate", "5"]);
    let mut late = UnixStream::connect(home.path("pairs.csv.ledger.control")).unwrap();
    // Connections are accepted in their order.
    control(&home, &["status"]);
    gate.open();
    wait_for("a link", || (simulator.link_calls() > 0).then_some(()));
    let mut answer = String::new();
    // It may have hung up.
    let _ = late.write_all(b"{\"command\":\"drain\"}\n").and_then(|()| late.read_to_string(&mut answer));
    assert!(answer.is_empty() || answer.contains("the run has just begun"), "{answer}");
    assert_eq!(control(&home, &["drain"])["state"], "draining");
    running.wait().left_with(9);
    assert!((1..20).contains(&simulator.link_calls()), "{}", simulator.link_calls());
}

#[test]
fn a_command_that_begins_no_run_takes_its_socket_along() {
    let (home, gate) = (Home::new(), Gate::default());
    let (simulator, _proxy, running) = scanning(&home, &gate, &["--max-changes", "1"]);
    assert_eq!(control(&home, &["status"])["state"], "preparing");
    gate.open();
    let finished = running.wait().left_with(9);
    assert!(finished.stderr.contains("max_changes") || finished.stderr.contains("--max-changes"), "{finished:#?}");
    assert_eq!(simulator.link_calls(), 0);
    assert!(!home.path("pairs.csv.ledger.control").exists());
}

/// A `link` that resumes has its ledger before it reads the quota.
#[test]
fn a_link_before_its_run_is_reported_and_drained() {
    let (home, gate) = (Home::new(), Gate::default());
    home.write("pairs.csv", csv(&pairs(0..5)));
    home.write("pool.json", pool_file(&[]));
    let simulator = Simulator::quick(&home);
    home.link(&simulator.url, &["pairs.csv"]).left_with(0);
    home.write("pairs.csv", csv(&pairs(0..20)));
    let waiting = gate.clone();
    let proxy = Proxy::before("GetProvisionedLimit", simulator.address(), move |_, _| {
        waiting.pass();
        Fate::Passes
    });
    let options = ["pairs.csv", "--yes", "--output", "json", "--on-stop", "cat > stop.json"];
    let running = home.start_on_pool("link", &proxy.url, &options);
    wait_for("the socket", || home.path("pairs.csv.ledger.control").exists().then_some(()));
    let state = control(&home, &["status"]);
    assert_eq!((&state["state"], &state["command"]), (&"preparing".into(), &"link".into()), "{state}");
    assert_eq!(control(&home, &["drain"])["state"], "draining");
    let finished = running.wait().left_with(9);
    assert!(finished.stdout.contains(r#""error":{"code":"drained""#), "{finished:#?}");
    assert_eq!(home.read("stop.json"), finished.stdout);
    gate.open();
    assert_eq!(simulator.link_calls(), 5);
}

#[test]
fn a_simulator_answers_with_what_it_serves() {
    let home = Home::new();
    home.write("pairs.csv", csv(&pairs(0..2)));
    home.write("pool.json", pool_file(&[]));
    let arguments = ["simulate", "--listen", "127.0.0.1:0", "--pool-file", "pool.json", "--create-on-reference"];
    let quick = ["--latency", "off", "--quota", "off", "--output", "json", "--log-format", "json", "--quiet"];
    let running = Running::start(home.program(&[&arguments[..], &quick].concat()));
    let result: Value = wait_for("the address", || serde_json::from_str(&running.stdout()).ok());
    let url = result["url"].as_str().unwrap().to_owned();
    let answer = |number: usize| {
        running.signal("USR1");
        wait_for("an answer", || {
            running.stderr().lines().filter(|line| line.contains("serving")).nth(number).map(str::to_owned)
        })
    };
    let before = answer(0);
    assert!(before.contains(&format!("serving {url}: 0 calls so far")), "{before}");
    assert!(before.contains(r#""event":"progress","code":"phase""#), "{before}");
    home.link(&url, &["pairs.csv", "--rate", "1000"]).left_with(0);
    let after = answer(1);
    assert!(!after.contains(" 0 calls"), "{after}");
    running.signal("TERM");
    running.wait().left_with(0);
}
