//! The decisions of a run, event by event: no runtime, no socket. Time is what the test says.

use super::*;
use crate::clock::Clock;
use crate::domain::control::WindowState;
use crate::domain::event::RunObserver;
use crate::domain::identity::{Destination, Personal};
use crate::domain::outlook::WindowOutlook;
use crate::engine::ServicePorts;
use crate::engine::link_job::LinkStep;
use crate::engine::name_search::ReadCall;
use crate::engine::row_progress::WriteCall;
use crate::engine::testing::{POOL, binding, open_ledger, row_to};
use crate::engine::worker::CallResult;
use crate::foresight::preflight::PoolKnowledge;
use crate::ledger::Ledger;
use crate::ledger::record::RunId;
use crate::ledger::storage::MemoryStorage;
use crate::limits::{DRAIN_MS_MAX, SIGNAL_ECHO_MS};
use crate::pace::Pace;
use crate::service::{
    Answer, AnswerMeta, CallFault, IdentityLinker, LinkRequest, MappedAttributes, PoolFacts, PoolUser, PortFuture,
    ProviderPage, Transport, UserDirectory, UserPage, UserQuery,
};

/// A service that is never called: the test answers for it.
struct NoService;

impl UserDirectory for NoService {
    fn describe_pool(&self) -> PortFuture<'_, PoolFacts> {
        unreachable!()
    }
    fn list_providers(&self, _: Option<String>) -> PortFuture<'_, ProviderPage> {
        unreachable!()
    }
    fn mapped_attributes(&self, _: crate::domain::identity::ProviderName) -> PortFuture<'_, MappedAttributes> {
        unreachable!()
    }
    fn list_users(&self, _: UserQuery) -> PortFuture<'_, UserPage> {
        unreachable!()
    }
    fn get_user(&self, _: Personal) -> PortFuture<'_, Option<PoolUser>> {
        unreachable!()
    }
}

impl IdentityLinker for NoService {
    fn link(&self, _: LinkRequest) -> PortFuture<'_, ()> {
        unreachable!()
    }
}

/// Keeps every event.
#[derive(Default)]
struct Events(Vec<RunEvent>);

impl RunObserver for Events {
    fn on(&mut self, event: &RunEvent) {
        self.0.push(event.clone());
    }
}

/// The parts that outlive a dispatcher.
struct Setup {
    disk: MemoryStorage,
    ledger: Ledger,
    knowledge: PoolKnowledge,
    events: Events,
    clock: Clock,
}

impl Setup {
    fn new() -> Self {
        let (disk, clock) = (MemoryStorage::default(), Clock::starting_at(1_795_000_000_000));
        let ledger = open_ledger(&disk, POOL, clock);
        let mut knowledge = PoolKnowledge::default();
        let google = crate::domain::identity::ProviderName::parse("Google").unwrap();
        knowledge.providers.insert(google, "Google".to_owned());
        Self { disk, ledger, knowledge, events: Events::default(), clock }
    }

    fn dispatcher(&mut self) -> Dispatcher<'_> {
        let unpaced = Pace::unbounded();
        self.dispatcher_with(crate::engine::EngineOptions {
            writes: unpaced,
            reads: unpaced,
            attempts_max: 2,
            ..crate::engine::EngineOptions::default()
        })
    }

    fn dispatcher_with(&mut self, options: crate::engine::EngineOptions) -> Dispatcher<'_> {
        Dispatcher::new(RunContext {
            pool: binding(POOL).pool,
            simulated: true,
            knowledge: &self.knowledge,
            services: ServicePorts::linking(std::sync::Arc::new(NoService)),
            ledger: &mut self.ledger,
            run: RunId(1),
            options,
            later_limits: None,
            control: None,
            clock: self.clock,
            observer: &mut self.events,
            undo_observer: None,
        })
    }
}

fn rows_read(rows: Vec<IncomingRow>) -> EngineEvent {
    EngineEvent::RowsRead(rows.into())
}

fn to_user(number: u64) -> IncomingRow {
    IncomingRow::Row(row_to(number, Destination::Username(Personal::from_service(&format!("user-{number}")))))
}

fn to_email(number: u64) -> IncomingRow {
    IncomingRow::Row(row_to(number, Destination::Email(Personal::from_service(&format!("{number}@example.com")))))
}

#[expect(clippy::needless_pass_by_value, reason = "a call that is done is done once")]
fn done(start: StartCall, result: CallResult) -> EngineEvent {
    let StartCall { job, slot, .. } = start;
    EngineEvent::CallsDone(vec![FinishedCall { job, slot, result, sent_unix_ms: 0, answered_unix_ms: 0 }])
}

fn linked() -> CallResult {
    CallResult::Linked(Ok(Answer { value: (), meta: AnswerMeta::default() }))
}

fn throttled() -> CallResult {
    let (code, message) = ("TooManyRequestsException".to_owned(), "Rate exceeded".to_owned());
    CallResult::Linked(Err(CallFault::Answered {
        status: 400,
        code,
        message,
        retry_after: None,
        meta: AnswerMeta::default(),
    }))
}

fn lost_link() -> CallResult {
    CallResult::Linked(Err(lost()))
}

fn lost() -> CallFault {
    CallFault::Transport { kind: Transport::Timeout, detail: "timeout".into() }
}

fn expired() -> CallFault {
    let (code, message) = ("ExpiredTokenException".to_owned(), String::new());
    CallFault::Answered { status: 400, code, message, retry_after: None, meta: AnswerMeta::default() }
}

fn only(mut actions: Actions) -> StartCall {
    assert_eq!(actions.start_calls.len(), 1, "{actions:?}");
    actions.start_calls.remove(0)
}

fn wait_end(actions: &Actions) -> Instant {
    match actions.next {
        Next::Wait { until, .. } => until,
        Next::EndRun => panic!("the run ends"),
    }
}

/// The states of rows 1 to `count` as the disk has them after a crash at this moment.
fn durable_states(disk: &MemoryStorage, count: u64, clock: Clock) -> Vec<RowState> {
    let ledger = open_ledger(&disk.after_crash(0), POOL, clock);
    let key = |number| match to_user(number) {
        IncomingRow::Row(row) => row.key,
        _ => unreachable!(),
    };
    (1..=count).map(|number| ledger.state(key(number))).collect()
}

#[test]
fn a_row_is_announced_durably_then_called_then_settled() {
    let (mut setup, now) = (Setup::new(), Instant::now());
    let (disk, clock) = (setup.disk.clone(), setup.clock);
    let mut dispatcher = setup.dispatcher();
    let actions = dispatcher.handle(EngineEvent::TimerDue, now).unwrap();
    assert!(actions.start_calls.is_empty() && matches!(actions.next, Next::Wait { accepts_rows: true, .. }));
    let actions = dispatcher.handle(rows_read(vec![to_user(1)]), now).unwrap();
    assert_eq!(durable_states(&disk, 1, clock), [RowState::InDoubt], "on disk before the call is sent");
    let start = only(actions);
    assert!(matches!(&start.call, Call::Write(WriteCall::Link(request)) if request.destination.username() == "user-1"));
    let actions = dispatcher.handle(EngineEvent::InputEnded, now).unwrap();
    assert!(matches!(actions.next, Next::Wait { accepts_rows: false, .. }), "its answer is waited for");
    let actions = dispatcher.handle(done(start, linked()), now).unwrap();
    assert_eq!(actions.next, Next::EndRun);
    let report = dispatcher.end(now);
    assert_eq!((report.counts.linked, report.writes, report.counts.balance()), (1, 1, Ok(())));
    assert_eq!(durable_states(&disk, 1, clock), [RowState::Linked]);
    let settled = setup.events.0.iter().filter(|event| matches!(event, RunEvent::Settled { .. })).count();
    assert_eq!(settled, 1);
}

#[test]
fn one_sync_is_paid_for_many_announcements() {
    let (mut setup, now) = (Setup::new(), Instant::now());
    let (disk, clock) = (setup.disk.clone(), setup.clock);
    // Two syncs: of the announcements of all rows together, and of their results.
    disk.fail_after_syncs(2);
    let mut dispatcher = setup.dispatcher();
    let actions = dispatcher.handle(rows_read((1..=8).map(to_user).collect()), now).unwrap();
    assert_eq!(actions.start_calls.len(), 8);
    assert_eq!(durable_states(&disk, 8, clock), [RowState::InDoubt; 8]);
    let mut sync_at = now;
    for start in actions.start_calls {
        sync_at = wait_end(&dispatcher.handle(done(start, linked()), now).unwrap());
    }
    assert_eq!(durable_states(&disk, 8, clock), [RowState::InDoubt; 8], "results wait for one another");
    assert!(sync_at <= now + Duration::from_millis(crate::limits::SYNC_INTERVAL_MS));
    dispatcher.handle(EngineEvent::TimerDue, now + Duration::from_millis(crate::limits::SYNC_INTERVAL_MS)).unwrap();
    assert_eq!(durable_states(&disk, 8, clock), [RowState::Linked; 8]);
}

#[test]
fn concurrency_is_a_bound() {
    let (mut setup, now) = (Setup::new(), Instant::now());
    let mut dispatcher = setup.dispatcher();
    dispatcher.context.options.concurrency = 2;
    let mut actions = dispatcher.handle(rows_read((1..=3).map(to_user).collect()), now).unwrap();
    assert_eq!(actions.start_calls.len(), 2);
    let first = actions.start_calls.remove(0);
    assert_eq!(dispatcher.handle(EngineEvent::TimerDue, now).unwrap().start_calls.len(), 0);
    assert_eq!(dispatcher.handle(done(first, linked()), now).unwrap().start_calls.len(), 1);
}

#[test]
fn rows_of_one_user_wait_for_each_other_and_for_the_spacing_of_writes() {
    let (mut setup, now) = (Setup::new(), Instant::now());
    let spacing = Duration::from_millis(WRITE_SPACING_PER_USER_MS);
    let mut dispatcher = setup.dispatcher();
    let to_alice = |number| IncomingRow::Row(row_to(number, Destination::Username(Personal::from_service("alice"))));
    let start = only(dispatcher.handle(rows_read(vec![to_alice(1), to_alice(2)]), now).unwrap());
    let actions = dispatcher.handle(done(start, linked()), now).unwrap();
    assert!(actions.start_calls.is_empty() && wait_end(&actions) <= now + spacing);
    assert_eq!(dispatcher.handle(EngineEvent::TimerDue, now + spacing).unwrap().start_calls.len(), 1);
}

#[test]
fn a_doubtful_call_is_read_back_before_anything_else_happens_to_its_row() {
    let (mut setup, now) = (Setup::new(), Instant::now());
    let mut dispatcher = setup.dispatcher();
    let start = only(dispatcher.handle(rows_read(vec![to_user(1)]), now).unwrap());
    let actions = dispatcher.handle(done(start, lost_link()), now).unwrap();
    assert!(actions.start_calls.is_empty(), "it may still be at work");
    let later = now + Duration::from_secs(1);
    let start = only(dispatcher.handle(EngineEvent::TimerDue, later).unwrap());
    assert!(matches!(start.call, Call::Read(ReadCall::List(_))));
}

#[test]
fn a_run_that_drains_accounts_for_every_row_it_has_read() {
    let (mut setup, now) = (Setup::new(), Instant::now());
    let (disk, clock) = (setup.disk.clone(), setup.clock);
    let mut dispatcher = setup.dispatcher();
    dispatcher.context.options.concurrency = 3;
    // Row 1 is read back, row 2 is in flight, rows 3 and 4 are to be looked up, row 5 is announced and not sent; row 6
    // waits for the lane of row 1.
    let starts = dispatcher.handle(rows_read(vec![to_user(1), to_user(2), to_email(3)]), now).unwrap();
    let mut starts = starts.start_calls.into_iter();
    let (look_up, first, second) = (starts.next().unwrap(), starts.next().unwrap(), starts.next().unwrap());
    assert!(matches!(look_up.call, Call::Read(_)) && matches!(first.call, Call::Write(_)));
    let same_user = IncomingRow::Row(row_to(6, Destination::Username(Personal::from_service("user-1"))));
    let batch = vec![to_email(4), to_user(5), same_user];
    assert!(dispatcher.handle(rows_read(batch), now).unwrap().start_calls.is_empty(), "no slot is free");
    dispatcher.handle(EngineEvent::Signal(Signal::Terminate), now).unwrap();
    let actions = dispatcher.handle(done(first, lost_link()), now).unwrap();
    assert!(actions.start_calls.is_empty(), "row 4 is not looked up any more, and row 5 is not sent");
    dispatcher.handle(done(look_up, CallResult::Users(Err(lost()))), now).unwrap();
    let actions = dispatcher.handle(done(second, linked()), now).unwrap();
    assert!(matches!(actions.next, Next::Wait { accepts_rows: false, .. }), "row 1 is being settled");
    let read_back = only(dispatcher.handle(EngineEvent::TimerDue, now + Duration::from_secs(1)).unwrap());
    let user = PoolUser {
        status: String::new(),
        email_verified: true,
        identities: vec![crate::service::LinkedIdentity {
            user_id: Personal::from_service("Id000001x"),
            provider_name: "Google".into(),
            provider_type: "Google".into(),
            issuer: None,
            primary: false,
            created_unix_ms: None,
        }],
        ..PoolUser::named("user-1")
    };
    let page = UserPage { users: vec![user], next_token: None };
    let answer = CallResult::Users(Ok(Answer { value: page, meta: AnswerMeta::default() }));
    let actions = dispatcher.handle(done(read_back, answer), now + Duration::from_secs(1)).unwrap();
    assert_eq!(actions.next, Next::EndRun);
    let report = dispatcher.end(now);
    assert_eq!(report.ended, RunOutcome::Interrupted(Signal::Terminate));
    let counts = report.counts;
    assert_eq!((counts.read, counts.linked, counts.unprocessed, counts.balance()), (6, 2, 4, Ok(())));
    let states = durable_states(&disk, 5, clock);
    let unprocessed = RowState::Unprocessed;
    assert_eq!(states, [RowState::Linked, RowState::Linked, unprocessed, unprocessed, unprocessed]);
}

/// Row 1 shows a link that is older than its call, row 2 shows none yet, and a list may lag for longer than a drain lasts.
#[test]
fn a_drain_leaves_rows_in_doubt_whose_list_may_lag() {
    for is_canary in [false, true] {
        let (mut setup, now) = (Setup::new(), Instant::now());
        let (disk, clock) = (setup.disk.clone(), setup.clock);
        let mut dispatcher = setup.dispatcher();
        dispatcher.confirms_links = true;
        let batch = RowBatch { rows: vec![to_user(1), to_user(2)], is_canary };
        let starts = dispatcher.handle(EngineEvent::RowsRead(batch), now).unwrap().start_calls;
        let mut reads = Vec::new();
        for start in starts {
            reads.push(only(dispatcher.handle(done(start, linked()), now).unwrap()));
        }
        let second = reads.pop().unwrap();
        let older = crate::service::LinkedIdentity {
            user_id: Personal::from_service("Id000001x"),
            provider_name: "Google".into(),
            provider_type: "Google".into(),
            issuer: None,
            primary: false,
            created_unix_ms: Some(clock.unix_ms() - 86_400_000),
        };
        let page = UserPage {
            users: vec![PoolUser { identities: vec![older], ..PoolUser::named("user-1") }],
            next_token: None,
        };
        let answer = CallResult::Users(Ok(Answer { value: page, meta: AnswerMeta::default() }));
        let actions = dispatcher.handle(done(reads.pop().unwrap(), answer), now).unwrap();
        assert!(actions.start_calls.is_empty(), "the list may lag: there is a second look");
        dispatcher.handle(EngineEvent::Signal(Signal::Interrupt), now).unwrap();
        dispatcher.handle(done(second, CallResult::Users(Err(lost()))), now).unwrap();
        let end = now + Duration::from_millis(DRAIN_MS_MAX);
        assert_eq!(dispatcher.handle(EngineEvent::TimerDue, end).unwrap().next, Next::EndRun);
        let counts = dispatcher.end(end).counts;
        let expected = [RowState::InDoubt; 2];
        assert_eq!((counts.already_linked, counts.in_doubt, counts.balance()), (0, 2, Ok(())), "{is_canary}");
        assert_eq!(durable_states(&disk, 2, clock), expected, "canary: {is_canary}");
    }
}

#[test]
fn the_second_signal_leaves_and_a_drain_is_bounded() {
    for second in [true, false] {
        let (mut setup, now) = (Setup::new(), Instant::now());
        let mut dispatcher = setup.dispatcher();
        let start = dispatcher.handle(rows_read(vec![to_user(1)]), now).unwrap();
        assert_eq!(start.start_calls.len(), 1);
        let actions = dispatcher.handle(EngineEvent::Signal(Signal::Interrupt), now).unwrap();
        assert!(wait_end(&actions) > now);
        let actions = dispatcher.handle(EngineEvent::Signal(Signal::Interrupt), now).unwrap();
        assert!(wait_end(&actions) > now, "an echo");
        let actions = if second {
            let later = now + Duration::from_millis(SIGNAL_ECHO_MS);
            dispatcher.handle(EngineEvent::Signal(Signal::Interrupt), later).unwrap()
        } else {
            dispatcher.handle(EngineEvent::TimerDue, now + Duration::from_millis(DRAIN_MS_MAX)).unwrap()
        };
        assert_eq!(actions.next, Next::EndRun);
        let counts = dispatcher.end(now).counts;
        assert_eq!((counts.in_doubt, counts.balance()), (1, Ok(())), "its call may have taken effect");
        let draining =
            setup.events.0.iter().filter(|event| matches!(event, RunEvent::Draining { in_flight: 1 })).count();
        assert_eq!(draining, 1);
    }
}

#[test]
fn a_drain_does_not_wait_for_rows_that_cannot_be_read_any_more() {
    let (mut setup, now) = (Setup::new(), Instant::now());
    let mut dispatcher = setup.dispatcher();
    let start = only(dispatcher.handle(rows_read(vec![to_user(1)]), now).unwrap());
    dispatcher.handle(EngineEvent::Signal(Signal::Terminate), now).unwrap();
    dispatcher.handle(done(start, lost_link()), now).unwrap();
    let later = now + Duration::from_secs(1);
    let read_back = only(dispatcher.handle(EngineEvent::TimerDue, later).unwrap());
    let actions = dispatcher.handle(done(read_back, CallResult::Users(Err(expired()))), later).unwrap();
    assert_eq!(actions.next, Next::EndRun, "without credentials, nothing can be read back");
    assert_eq!(dispatcher.end(later).counts.in_doubt, 1);
}

#[test]
fn a_link_whose_user_the_ledger_does_not_name_gets_a_result() {
    let (mut setup, now) = (Setup::new(), Instant::now());
    let IncomingRow::Row(row) = to_email(1) else { unreachable!() };
    let user = crate::domain::identity::DestinationUser {
        provider: crate::domain::identity::ProviderName::native(),
        value: Personal::from_service("alice"),
    };
    setup.ledger.announce(&row, &user, 0).unwrap();
    setup.ledger.settle(row.number, row.key, &LinkOutcome::Linked { recovered: false }, 1, None, 0).unwrap();
    let mut dispatcher = setup.dispatcher();
    let link = LinkToUndo { row, announced: 0, settled: 0, username: None, linked_elsewhere_later: false };
    let actions = dispatcher.handle(rows_read(vec![IncomingRow::LedgerLink(link)]), now).unwrap();
    assert!(actions.start_calls.is_empty());
    assert_eq!(dispatcher.handle(EngineEvent::InputEnded, now).unwrap().next, Next::EndRun);
    let counts = dispatcher.end(now).counts;
    assert_eq!((counts.failed, counts.balance()), (1, Ok(())));
}

#[test]
fn the_status_says_what_is_waited_for() {
    let progress = Duration::from_millis(PROGRESS_INTERVAL_MS);
    let (mut setup, now) = (Setup::new(), Instant::now());
    let mut dispatcher = setup.dispatcher();
    dispatcher.context.options.concurrency = 1;
    let waiting = |dispatcher: &mut Dispatcher<'_>, at: Instant| {
        dispatcher.next_progress = at;
        let Actions { start_calls, .. } = dispatcher.handle(EngineEvent::TimerDue, at).unwrap();
        start_calls
    };
    waiting(&mut dispatcher, now);
    let link = only(dispatcher.handle(rows_read(vec![to_email(1)]), now).unwrap());
    // The look-up fails and is repeated after its back-off; then a link call is lost, and is read back after a while.
    let more = dispatcher.handle(rows_read(vec![to_user(2)]), now).unwrap();
    assert!(more.start_calls.is_empty());
    waiting(&mut dispatcher, now + progress);
    let second = only(dispatcher.handle(done(link, CallResult::Users(Err(lost()))), now + progress).unwrap());
    let third = dispatcher.handle(done(second, linked()), now + progress).unwrap();
    assert!(third.start_calls.is_empty());
    waiting(&mut dispatcher, now + progress);
    let look_up = waiting(&mut dispatcher, now + progress + Duration::from_secs(1)).remove(0);
    let page = UserPage { users: vec![], next_token: None };
    let nobody = CallResult::Users(Ok(Answer { value: page, meta: AnswerMeta::default() }));
    let at = now + 20 * progress;
    dispatcher.handle(done(look_up, nobody), at).unwrap();
    let start = only(dispatcher.handle(rows_read(vec![to_user(3)]), at).unwrap());
    dispatcher.handle(done(start, lost_link()), at).unwrap();
    waiting(&mut dispatcher, at);
    let reasons: Vec<_> = setup
        .events
        .0
        .iter()
        .filter_map(|event| match event {
            RunEvent::Tick(snapshot) => Some(match snapshot.waiting {
                Some(WaitReason::Held(_)) => "held",
                Some(WaitReason::Input) => "input",
                Some(WaitReason::Concurrency) => "concurrency",
                Some(WaitReason::BackOff(_)) => "back-off",
                Some(WaitReason::Settling(_)) => "settling",
                Some(WaitReason::CoolDown(_)) => "cool-down",
                Some(WaitReason::Rate(_)) => "rate",
                None => "nothing",
            }),
            _ => None,
        })
        .collect();
    assert_eq!(reasons.first(), Some(&"input"));
    for reason in ["concurrency", "back-off", "settling"] {
        assert!(reasons.contains(&reason), "{reasons:?}");
    }
}

#[test]
fn a_bound_drains_the_run() {
    let (mut setup, now) = (Setup::new(), Instant::now());
    let mut dispatcher = setup.dispatcher();
    dispatcher.context.options.duration_max = Some(Duration::from_mins(1));
    assert!(matches!(dispatcher.handle(EngineEvent::TimerDue, now).unwrap().next, Next::Wait { .. }));
    let late = Instant::now() + Duration::from_mins(1);
    assert_eq!(dispatcher.handle(EngineEvent::TimerDue, late).unwrap().next, Next::EndRun);
    let report = dispatcher.end(late);
    assert!(matches!(report.ended, RunOutcome::Stopped(stop) if stop.detail.starts_with("--max-duration has passed")));
}

#[test]
fn a_cool_down_of_reads_is_a_reason_too() {
    let (mut setup, now) = (Setup::new(), Instant::now());
    let dispatcher = setup.dispatcher();
    let at = now + Duration::from_secs(3);
    let reason = dispatcher.waiting(SendPause::CoolDownUntil(at), SendPause::QueueEmpty, now);
    assert!(matches!(reason, Some(WaitReason::CoolDown(pause)) if pause == Duration::from_secs(3)), "{reason:?}");
    // A rate of less than a call a second looks like a run that hangs.
    for (ms, is_shown) in [(999, false), (5_000, true)] {
        let at = now + Duration::from_millis(ms);
        let reason = dispatcher.waiting(SendPause::QueueEmpty, SendPause::PaceUntil(at), now);
        assert_eq!(matches!(reason, Some(WaitReason::Rate(_))), is_shown, "{ms}: {reason:?}");
    }
}

/// An earlier call for the row may have worked before the provider was deleted.
#[test]
fn a_row_whose_provider_is_gone_is_refused_only_where_no_call_can_have_worked() {
    let native = crate::domain::identity::DestinationUser {
        provider: crate::domain::identity::ProviderName::native(),
        value: Personal::from_service("alice"),
    };
    let IncomingRow::Row(row) = to_user(1) else { unreachable!() };
    let link = RowAnnouncement::Link { destination: native.clone() };
    let unlink = RowAnnouncement::Unlink { destination: native, identity: row.link.source };
    for (announcement, effect, expected) in [
        (&link, UnknownEffect::None, RowState::Refused(RefusalCode::ProviderNotFound)),
        (&link, UnknownEffect::OfOldCall, RowState::InDoubt),
        (&link, UnknownEffect::OfRecentCall, RowState::InDoubt),
        (&unlink, UnknownEffect::None, RowState::Kept(RefusalCode::ProviderNotFound)),
        (&unlink, UnknownEffect::OfRecentCall, RowState::Unlinking),
    ] {
        let state = match result_without_provider(announcement, effect) {
            RowResult::Link(outcome) => outcome.state(),
            RowResult::Undo(outcome) => outcome.state(),
        };
        assert_eq!(state, expected, "{effect:?}");
    }
}

/// `undo` compares both times of a link with the service's date.
#[test]
fn an_announcement_and_its_result_have_times_of_one_clock() {
    const AHEAD_MS: i64 = 3_600_000;
    let (mut setup, now) = (Setup::new(), Instant::now());
    let ours = setup.clock.unix_ms();
    let meta = AnswerMeta { server_unix_ms: Some((ours + AHEAD_MS) / 1_000 * 1_000), ..AnswerMeta::default() };
    setup.knowledge.skew.observe_answer(ours, ours, &meta);
    let disk = setup.disk.clone();
    let mut dispatcher = setup.dispatcher();
    let start = only(dispatcher.handle(rows_read(vec![to_user(1)]), now).unwrap());
    dispatcher.handle(done(start, linked()), now).unwrap();
    dispatcher.handle(EngineEvent::InputEnded, now).unwrap();
    dispatcher.end(now);
    let text = String::from_utf8(disk.bytes()).unwrap();
    let time_of = |kind: &str| {
        let line = text.lines().find(|line| line.contains(&format!("\"type\":\"{kind}\""))).unwrap();
        serde_json::from_str::<serde_json::Value>(line).unwrap()["at"].as_i64().unwrap()
    };
    for kind in ["announced", "settled"] {
        let ahead = time_of(kind) - ours;
        assert!((ahead - AHEAD_MS).abs() <= 2_000, "{kind}: {ahead}");
    }
    assert!(time_of("announced") <= time_of("settled"));
}

/// The next run announces the row again, and ends before it is settled: the run after that knows of the unlink too.
#[test]
fn that_a_link_was_unlinked_is_known_until_every_list_shows_it() {
    let (mut setup, now) = (Setup::new(), Instant::now());
    let at = setup.clock.unix_ms();
    let IncomingRow::Row(row) = to_user(1) else { unreachable!() };
    let user = crate::domain::identity::DestinationUser {
        provider: crate::domain::identity::ProviderName::native(),
        value: Personal::from_service("user-1"),
    };
    let identity = row.link.source.clone();
    setup.ledger.announce(&row, &user, at - 9_000).unwrap();
    setup.ledger.settle(row.number, row.key, &LinkOutcome::Linked { recovered: false }, 1, None, at - 8_000).unwrap();
    setup.ledger.announce_unlink(&row, &user, &identity, at - 7_000).unwrap();
    setup.ledger.settle_unlink(row.number, row.key, &UndoOutcome::Undone, RowTrace::default(), at - 6_000).unwrap();
    setup.ledger.announce(&row, &user, at - 5_000).unwrap();
    setup.ledger.flush().unwrap();
    setup.ledger = open_ledger(&setup.disk.after_crash(usize::MAX), POOL, setup.clock);
    let mut dispatcher = setup.dispatcher();
    dispatcher.handle(rows_read(vec![to_user(1)]), now).unwrap();
    let job = dispatcher.rows.iter().next().unwrap();
    assert!(matches!(job, Job::Link(job) if job.unlinked_at == Some(at - 6_000)), "{job:?}");
}

fn control(action: ControlAction) -> EngineEvent {
    let request = ControlRequest { action, source: crate::domain::control::ControlSource::Socket, user: None };
    EngineEvent::Control(ControlMessage { request, reply: None })
}

#[test]
fn a_held_run_sends_nothing_and_withdraws_what_it_announced_ahead() {
    let (mut setup, now) = (Setup::new(), Instant::now());
    let mut dispatcher = setup.dispatcher();
    dispatcher.context.options.concurrency = 1;
    let rows = (1..=5).map(to_user).collect();
    let start = only(dispatcher.handle(rows_read(rows), now).unwrap());
    let held = dispatcher.handle(control(ControlAction::Pause), now).unwrap();
    assert!(held.start_calls.is_empty());
    assert_eq!(dispatcher.context.ledger.view().counts().in_doubt, 1, "only the row in flight stays announced");
    let answered = dispatcher.handle(done(start, linked()), now).unwrap();
    assert!(answered.start_calls.is_empty(), "an answer is taken, and nothing is sent");
    let resumed = dispatcher.handle(control(ControlAction::Resume), now).unwrap();
    let start = only(resumed);
    let Call::Write(WriteCall::Link(request)) = &start.call else { panic!("{start:?}") };
    assert_eq!(request.source.value().expose(), "Id000002x", "in the order of the input");
    dispatcher.handle(done(start, linked()), now).unwrap();
    dispatcher.handle(control(ControlAction::Pause), now).unwrap();
    let drained = dispatcher.handle(control(ControlAction::Drain), now).unwrap();
    assert!(drained.start_calls.is_empty());
    let changes = setup.events.0.iter().filter(|event| matches!(event, RunEvent::Controlled { .. })).count();
    assert_eq!(changes, 4);
}

/// The pace has a clock of its own, which these tests do not move.
fn end_cool_down(dispatcher: &mut Dispatcher<'_>) {
    dispatcher.writes = CallPacer::new(dispatcher.context.clock, Pace::unbounded());
}

fn found(name: &str) -> CallResult {
    let number = name.trim_start_matches("user-");
    let email = Some(Personal::from_service(&format!("{number}@example.com")));
    let user = PoolUser { email, email_verified: true, ..PoolUser::named(name) };
    let page = UserPage { users: vec![user], next_token: None };
    CallResult::Users(Ok(Answer { value: page, meta: AnswerMeta::default() }))
}

#[test]
fn a_user_who_was_looked_up_before_a_pause_is_looked_up_again_after_it() {
    for is_announced in [true, false] {
        let (mut setup, now) = (Setup::new(), Instant::now());
        let mut dispatcher = setup.dispatcher();
        let look_up = only(dispatcher.handle(rows_read(vec![to_email(1)]), now).unwrap());
        if is_announced {
            // The call is throttled, and the answer comes while the run is held.
            let link = only(dispatcher.handle(done(look_up, found("user-1")), now).unwrap());
            dispatcher.handle(control(ControlAction::Pause), now).unwrap();
            dispatcher.handle(done(link, throttled()), now).unwrap();
            end_cool_down(&mut dispatcher);
        } else {
            dispatcher.handle(control(ControlAction::Pause), now).unwrap();
            dispatcher.handle(done(look_up, found("user-1")), now).unwrap();
        }
        assert_eq!(dispatcher.context.ledger.view().counts().in_doubt, 0, "{is_announced}");
        let later = now + Duration::from_hours(8);
        let look_up = only(dispatcher.handle(control(ControlAction::Resume), later).unwrap());
        assert!(matches!(look_up.call, Call::Read(_)), "{look_up:?}");
        let link = only(dispatcher.handle(done(look_up, found("user-1")), later).unwrap());
        assert!(matches!(link.call, Call::Write(_)), "{link:?}");
    }
}

/// The row holds the lane of the first user, so the call for the other one is left to the next run.
#[test]
fn an_address_that_another_user_has_after_a_pause_is_not_linked() {
    let (mut setup, now) = (Setup::new(), Instant::now());
    let mut dispatcher = setup.dispatcher();
    let look_up = only(dispatcher.handle(rows_read(vec![to_email(1)]), now).unwrap());
    dispatcher.handle(control(ControlAction::Pause), now).unwrap();
    dispatcher.handle(done(look_up, found("user-1")), now).unwrap();
    let look_up = only(dispatcher.handle(control(ControlAction::Resume), now).unwrap());
    let other = PoolUser {
        email: Some(Personal::from_service("1@example.com")),
        email_verified: true,
        ..PoolUser::named("bob")
    };
    let page = UserPage { users: vec![other], next_token: None };
    let answer = CallResult::Users(Ok(Answer { value: page, meta: AnswerMeta::default() }));
    assert!(dispatcher.handle(done(look_up, answer), now).unwrap().start_calls.is_empty());
    let counts = &dispatcher.counters.counts;
    assert_eq!((counts.failed, counts.linked), (1, 0), "{counts:?}");
}

#[test]
fn a_row_in_back_off_does_not_stay_announced_while_the_run_is_held() {
    let (mut setup, now) = (Setup::new(), Instant::now());
    let mut dispatcher = setup.dispatcher();
    let link = only(dispatcher.handle(rows_read(vec![to_user(1)]), now).unwrap());
    dispatcher.handle(done(link, throttled()), now).unwrap();
    end_cool_down(&mut dispatcher);
    let again = only(dispatcher.handle(EngineEvent::TimerDue, now).unwrap());
    // The second refusal in a row is a back-off.
    dispatcher.handle(done(again, throttled()), now).unwrap();
    assert!(dispatcher.rows.next_timer().is_some());
    assert_eq!(dispatcher.context.ledger.view().counts().in_doubt, 1);
    dispatcher.handle(control(ControlAction::Pause), now).unwrap();
    assert_eq!(dispatcher.context.ledger.view().counts().in_doubt, 0);
    end_cool_down(&mut dispatcher);
    let later = now + Duration::from_hours(1);
    dispatcher.handle(EngineEvent::TimerDue, later).unwrap();
    let link = only(dispatcher.handle(control(ControlAction::Resume), later).unwrap());
    assert_eq!(dispatcher.context.ledger.view().counts().in_doubt, 1, "announced again");
    dispatcher.handle(done(link, linked()), later).unwrap();
    assert_eq!(dispatcher.counters.counts.linked, 1);
}

/// The call may have taken effect, so the row stays announced; what the pool shows after the pause decides.
#[test]
fn a_row_whose_call_was_lost_is_read_again_after_a_pause() {
    let (mut setup, now) = (Setup::new(), Instant::now());
    let mut dispatcher = setup.dispatcher();
    let link = only(dispatcher.handle(rows_read(vec![to_user(1)]), now).unwrap());
    let mut actions = dispatcher.handle(done(link, lost_link()), now).unwrap();
    let mut at = now;
    // Read until the call would be made again, and waits for that.
    while !matches!(dispatcher.rows.iter().next(), Some(Job::Link(job)) if matches!(job.step, LinkStep::Call { .. })) {
        actions = if let Some(read) = actions.start_calls.pop() {
            dispatcher.handle(done(read, found("user-1")), at).unwrap()
        } else {
            at = wait_end(&actions);
            dispatcher.handle(EngineEvent::TimerDue, at).unwrap()
        };
    }
    dispatcher.handle(control(ControlAction::Pause), at).unwrap();
    assert_eq!(dispatcher.context.ledger.view().counts().in_doubt, 1);
    let later = at + Duration::from_hours(1);
    dispatcher.handle(EngineEvent::TimerDue, later).unwrap();
    let read = only(dispatcher.handle(control(ControlAction::Resume), later).unwrap());
    assert!(matches!(read.call, Call::Read(_)), "{read:?}");
}

fn accepts_rows(actions: &Actions) -> bool {
    matches!(actions.next, Next::Wait { accepts_rows: true, .. })
}

/// What a canary row's user shows after the call.
fn holding(name: &str, value: &str) -> CallResult {
    let held = crate::service::LinkedIdentity {
        user_id: Personal::from_service(value),
        provider_name: "Google".into(),
        provider_type: "Google".into(),
        issuer: None,
        primary: false,
        created_unix_ms: None,
    };
    let user = PoolUser { identities: vec![held], ..PoolUser::named(name) };
    let page = UserPage { users: vec![user], next_token: None };
    CallResult::Users(Ok(Answer { value: page, meta: AnswerMeta::default() }))
}

#[test]
fn the_canary_ends_with_its_last_row_however_that_row_ends() {
    let (mut setup, now) = (Setup::new(), Instant::now());
    let mut dispatcher = setup.dispatcher();
    // The same row twice: the second is done once the first is.
    let batch = RowBatch { rows: vec![to_user(1), to_user(1)], is_canary: true };
    let actions = dispatcher.handle(EngineEvent::RowsRead(batch), now).unwrap();
    assert!(!accepts_rows(&actions));
    let actions = dispatcher.handle(done(only(actions), linked()), now).unwrap();
    assert!(!accepts_rows(&actions), "the link is not seen yet");
    dispatcher.handle(done(only(actions), holding("user-1", "Id000001x")), now).unwrap();
    let actions = dispatcher.handle(EngineEvent::TimerDue, now + Duration::from_secs(1)).unwrap();
    assert!(accepts_rows(&actions) && actions.start_calls.is_empty(), "{actions:?}");
    let findings: Vec<CanaryFinding> = (setup.events.0.iter())
        .filter_map(|event| match event {
            RunEvent::CanaryChecked { finding, .. } => Some(*finding),
            _ => None,
        })
        .collect();
    assert_eq!(findings, [CanaryFinding::Right, CanaryFinding::DoneBefore]);
}

/// Open for the first ten seconds of every hour, at 5 writes a second.
#[derive(Debug)]
struct StartOfHour;

const HOUR_MS: i64 = 3_600_000;

impl WindowOutlook for StartOfHour {
    fn at(&self, unix_ms: i64) -> (WindowState, Option<i64>) {
        match unix_ms.rem_euclid(HOUR_MS) {
            past @ ..10_000 => (WindowState::Open { rate: Some(5.0) }, Some(unix_ms - past + 10_000)),
            past => (WindowState::Closed { opens: None }, Some(unix_ms - past + HOUR_MS)),
        }
    }
}

#[test]
fn the_time_left_has_the_closed_hours_of_the_windows() {
    let mut setup = Setup::new();
    let now_ms = setup.clock.unix_ms();
    let (mut dispatcher, now) = {
        let options = crate::engine::EngineOptions {
            writes: Pace::at(20.0),
            total: Some(120),
            windows: Some(std::sync::Arc::new(StartOfHour)),
            ..crate::engine::EngineOptions::default()
        };
        (setup.dispatcher_with(options), crate::clock::Instant::now())
    };
    let (state, next) = StartOfHour.at(now_ms);
    assert!(matches!(state, WindowState::Closed { .. }));
    dispatcher.handle(control(ControlAction::SetWindow(state)), now).unwrap();
    let left = |dispatcher: &mut Dispatcher<'_>| dispatcher.snapshot(SendPause::Held, SendPause::Held, now).remaining;
    // 120 rows at 5/s: two windows of 10 s, and 4 s of a third one.
    let until_open = u64::try_from(next.unwrap() - now_ms).unwrap();
    let expected = Duration::from_millis(until_open) + Duration::from_hours(2) + Duration::from_secs(4);
    assert_eq!(left(&mut dispatcher), Some(expected));
    // A lower limit holds in every window: 2/s are 20 rows in each.
    dispatcher.handle(control(ControlAction::SetRate(2.0)), now).unwrap();
    let expected = Duration::from_millis(until_open) + Duration::from_hours(5) + Duration::from_secs(10);
    assert_eq!(left(&mut dispatcher), Some(expected));
    dispatcher.handle(control(ControlAction::Pause), now).unwrap();
    assert_eq!(left(&mut dispatcher), None, "nobody knows when a person resumes");
}

#[test]
fn rows_without_a_result_are_unprocessed_in_every_snapshot() {
    let mut setup = Setup::new();
    let (mut dispatcher, now) = (setup.dispatcher(), crate::clock::Instant::now());
    let started = dispatcher.handle(rows_read(vec![to_user(1), to_user(2), to_user(3)]), now).unwrap();
    let call = started.start_calls.into_iter().next().unwrap();
    let counts = |dispatcher: &mut Dispatcher<'_>| dispatcher.snapshot(SendPause::Held, SendPause::Held, now).counts;
    let before = counts(&mut dispatcher);
    assert_eq!((before.read, before.unprocessed, before.done()), (3, 3, 0));
    dispatcher.handle(done(call, linked()), now).unwrap();
    let after = counts(&mut dispatcher);
    assert_eq!((after.read, after.linked, after.unprocessed, after.done()), (3, 1, 2, 1));
    assert!(after.balance().is_ok());
}
