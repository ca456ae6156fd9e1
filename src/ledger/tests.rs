use std::ops::ControlFlow;

use proptest::prelude::*;
use tempfile::TempDir;

use super::record::{EndedAs, RunId};
use super::storage::{FileAccess, FileSource, MemoryStorage};
use super::*;
use crate::domain::counts::Counts;
use crate::domain::endpoint::CustomEndpoint;
use crate::domain::finding::FindingCode;
use crate::domain::identity::{AttributeName, Destination, ExternalIdentity, Personal, PoolId, ProviderName};
use crate::domain::outcome::{RefusalCode, ServiceText};
use crate::domain::row::Link;
use crate::limits::{LEDGER_BUFFER_BYTES, LEDGER_LINE_BYTES_MAX, LEDGER_READ_BYTES};

pub(super) fn binding() -> Binding {
    Binding::new(PoolId::parse("us-east-1_Abc").unwrap(), false, None)
}

pub(super) fn row(number: u64) -> Row {
    let subject = Personal::parse(&format!("subject-{number}"), 128).unwrap();
    let source = ExternalIdentity::new(ProviderName::parse("Google").unwrap(), AttributeName::subject(), subject);
    let destination = Destination::Username(Personal::parse(&format!("user-{number}"), 128).unwrap());
    let link = Link { destination, source: source.unwrap() };
    Row { number: RowNumber(number), key: RowKey::of(&binding().pool, &link), link }
}

pub(super) fn user(row: &Row) -> DestinationUser {
    DestinationUser { provider: ProviderName::parse("Cognito").unwrap(), value: row.link.destination.value().clone() }
}

pub(super) fn text(message: &str) -> ServiceText {
    ServiceText { code: "InvalidParameterException".into(), message: message.into() }
}

pub(super) fn opened(storage: &MemoryStorage) -> (Ledger, Opened) {
    Ledger::on_storage(Box::new(storage.clone()), &binding(), 1_000).unwrap()
}

pub(super) fn refused(bytes: &[u8]) -> LedgerError {
    let storage = MemoryStorage::holding(bytes.to_vec());
    let error = Ledger::on_storage(Box::new(storage.clone()), &binding(), 1_000).map(|_| ()).unwrap_err();
    assert_eq!(storage.bytes(), bytes, "what is refused is left as it was");
    error
}

fn linked(ledger: &mut Ledger, number: u64, at: UnixMs) {
    let row = row(number);
    ledger.announce(&row, &user(&row), at).unwrap();
    ledger.settle(row.number, row.key, &LinkOutcome::Linked { recovered: false }, 1, Some("id"), at + 1).unwrap();
}

#[test]
fn a_row_is_followed_through_several_runs() {
    let storage = MemoryStorage::default();
    let (row, outcome) = (row(1), LinkOutcome::InDoubt { text: text("timeout") });
    let (mut ledger, first) = opened(&storage);
    assert_eq!(first, Opened { created: true, cut_bytes: 0, rows: 0, access: FileAccess::default() });
    assert_eq!((ledger.state(row.key), ledger.announced_at(row.key)), (RowState::Unprocessed, None));
    ledger.announce(&row, &user(&row), 50).unwrap();
    ledger.settle(row.number, row.key, &outcome, 5, None, 60).unwrap();
    ledger.announce(&row, &user(&row), 70).unwrap();
    assert_eq!((ledger.state(row.key), ledger.announced_at(row.key)), (RowState::InDoubt, Some(50)));
    ledger.sync().unwrap();

    let (mut ledger, second) = opened(&storage);
    assert_eq!(second, Opened { created: false, cut_bytes: 0, rows: 1, access: FileAccess::default() });
    assert_eq!((ledger.state(row.key), ledger.announced_at(row.key)), (RowState::InDoubt, Some(50)));
    ledger.settle(row.number, row.key, &LinkOutcome::Failed { text: text("") }, 0, None, 80).unwrap();
    ledger.announce(&row, &user(&row), 90).unwrap();
    assert_eq!(ledger.announced_at(row.key), Some(90), "it was out of doubt meanwhile");
    ledger.withdraw(row.number, row.key, 91).unwrap();
    ledger.sync().unwrap();

    let (ledger, third) = opened(&storage);
    assert_eq!((ledger.state(row.key), third.rows), (RowState::Unprocessed, 0));
}

#[test]
fn what_cannot_happen_is_refused_and_not_written() {
    let storage = MemoryStorage::default();
    let (mut ledger, _) = opened(&storage);
    linked(&mut ledger, 1, 50);
    ledger.sync().unwrap();
    let before = storage.bytes();
    let (done, fresh) = (row(1), row(2));
    let recovered = LinkOutcome::Linked { recovered: true };
    let results = [
        ledger.announce(&done, &user(&done), 60),
        ledger.settle(done.number, done.key, &LinkOutcome::AlreadyLinked, 1, None, 60),
        ledger.withdraw(fresh.number, fresh.key, 60),
        ledger.settle(fresh.number, fresh.key, &recovered, 1, None, 60),
        ledger.settle(fresh.number, fresh.key, &LinkOutcome::InDoubt { text: text("") }, 1, None, 60),
    ];
    assert!(results.iter().all(|result| matches!(result, Err(LedgerError::Illegal { .. }))), "{results:?}");
    ledger.sync().unwrap();
    assert_eq!(storage.bytes(), before);
    assert_eq!((ledger.state(done.key), ledger.state(fresh.key)), (RowState::Linked, RowState::Unprocessed));
    let message = results[0].as_ref().unwrap_err().to_string();
    assert!(
        message.starts_with(&format!(
            "row 1 ({}): the record (a link call was announced) cannot follow the state of the row (linked)",
            done.key
        )),
        "{message}"
    );
}

#[test]
fn a_link_that_is_seen_to_be_gone_can_be_made_again() {
    let storage = MemoryStorage::default();
    let (mut ledger, _) = opened(&storage);
    linked(&mut ledger, 1, 50);
    let row = row(1);
    ledger.withdraw(row.number, row.key, 60).unwrap();
    assert_eq!(ledger.state(row.key), RowState::Unprocessed);
    linked(&mut ledger, 1, 70);
    ledger.sync().unwrap();
    assert_eq!(opened(&storage).0.state(row.key), RowState::Linked);
}

#[test]
fn lines_wait_for_flush_and_count_until_sync() {
    let storage = MemoryStorage::default();
    let (mut ledger, _) = opened(&storage);
    let header_bytes = storage.bytes().len();
    assert_eq!(storage.after_crash(0).bytes().len(), header_bytes, "a new ledger is durable at once");
    linked(&mut ledger, 1, 50);
    assert_eq!((storage.bytes().len(), ledger.unsynced_lines()), (header_bytes, 2));
    ledger.flush().unwrap();
    assert!(storage.bytes().len() > header_bytes && storage.after_crash(0).bytes().len() == header_bytes);
    assert_eq!(ledger.unsynced_lines(), 2);
    ledger.sync().unwrap();
    assert_eq!((storage.after_crash(0).bytes(), ledger.unsynced_lines()), (storage.bytes(), 0));
    for number in 2.. {
        linked(&mut ledger, number, 50);
        let waiting = storage.bytes().len() - header_bytes;
        if waiting > LEDGER_BUFFER_BYTES {
            break;
        }
        assert!(number < 2_000, "the buffer is bounded");
    }
}

#[test]
fn a_ledger_longer_than_the_read_buffer_is_read_in_pieces() {
    let storage = MemoryStorage::default();
    let (mut ledger, _) = opened(&storage);
    let count = (3 * LEDGER_READ_BYTES / 250) as u64;
    for number in 1..=count {
        linked(&mut ledger, number, 50);
    }
    ledger.sync().unwrap();
    assert!(storage.bytes().len() > 3 * LEDGER_READ_BYTES);
    let (ledger, found) = opened(&storage);
    assert_eq!((found.rows, found.cut_bytes), (count, 0));
    assert!((1..=count).all(|number| ledger.state(row(number).key) == RowState::Linked));
}

#[test]
fn after_a_failure_nothing_is_written_any_more() {
    for fail in [MemoryStorage::fail_after_appends, MemoryStorage::fail_after_syncs] {
        let storage = MemoryStorage::default();
        let (mut ledger, _) = opened(&storage);
        linked(&mut ledger, 1, 50);
        fail(&storage, 0);
        let first = ledger.sync().unwrap_err();
        assert!(matches!(first, LedgerError::Io { .. }), "{first}");
        let written = storage.bytes();
        fail(&storage, u64::MAX);
        let row = row(2);
        let later = [
            ledger.announce(&row, &user(&row), 60),
            ledger.settle(row.number, row.key, &LinkOutcome::AlreadyLinked, 1, None, 60),
            ledger.flush(),
            ledger.sync(),
        ];
        assert!(later.iter().all(|result| result.as_ref() == Err(&first)), "{later:?}");
        assert_eq!((storage.bytes(), ledger.state(row.key)), (written, RowState::Unprocessed));
    }
    let storage = MemoryStorage::default();
    storage.fail_after_syncs(0);
    assert!(Ledger::on_storage(Box::new(storage), &binding(), 0).is_err());
}

#[test]
fn texts_from_outside_are_cut_and_values_to_be_sent_never() {
    let storage = MemoryStorage::default();
    let (mut ledger, _) = opened(&storage);
    let long = ServiceText { code: "\u{1}".repeat(5_000), message: "\u{1}".repeat(5_000) };
    let outcome = LinkOutcome::Refused { code: RefusalCode::Unrecognised, text: Some(long) };
    let (one, mut two) = (row(1), row(2));
    ledger.settle(one.number, one.key, &outcome, 1, Some(&"\u{1}".repeat(5_000)), 5).unwrap();
    let finding = Finding {
        code: FindingCode::RaggedRow,
        severity: FindingCode::RaggedRow.severity(),
        row: Some(RowNumber(3)),
        line: 4,
        field: 0,
        column: "\u{1}".repeat(5_000),
        message: String::new(),
    };
    ledger.invalid(RowNumber(3), one.key, &finding, 5).unwrap();
    two.link.destination = Destination::Username(Personal::from_service(&"x".repeat(LEDGER_LINE_BYTES_MAX)));
    let waiting = ledger.unsynced_lines();
    let error = ledger.announce(&two, &user(&two), 5).unwrap_err();
    assert!(matches!(error, LedgerError::LineTooLong { .. }), "{error}");
    assert_eq!((ledger.unsynced_lines(), ledger.state(two.key)), (waiting, RowState::Unprocessed));
    ledger.sync().unwrap();
    let (ledger, _) = opened(&storage);
    assert_eq!(ledger.state(one.key), RowState::Refused(RefusalCode::Unrecognised));
    assert_eq!(cut_after("h\u{e9}llo", 2), "h\u{e9}");
}

#[test]
fn a_ledger_belongs_to_one_pool_real_or_simulated() {
    let storage = MemoryStorage::default();
    drop(opened(&storage));
    let other_pool = Binding { pool: PoolId::parse("us-east-1_Other").unwrap(), ..binding() };
    let elsewhere = Binding { endpoint: CustomEndpoint::of_url("http://127.0.0.1:4566"), ..binding() };
    for (wanted, words) in [
        (other_pool, "belongs to real pool us-east-1_Abc, and this run is for real pool us-east-1_Other"),
        (Binding { simulated: true, ..binding() }, "real pool us-east-1_Abc, and this run is for simulated pool"),
        (elsewhere, "real pool us-east-1_Abc, and this run is for pool us-east-1_Abc at http://127.0.0.1:4566"),
    ] {
        let error = Ledger::on_storage(Box::new(storage.clone()), &wanted, 0).map(|_| ()).unwrap_err();
        assert!(matches!(error, LedgerError::Mismatch { .. }) && error.to_string().contains(words), "{error}");
    }
}

pub(super) fn run(number: u64) -> RunStart {
    let tool = TOOL_VERSION.to_owned();
    RunStart {
        run: RunId(number),
        command: "link".into(),
        input: "pairs.csv".into(),
        at: 5,
        tool,
        limit: None,
        shard: None,
        rows: None,
        origin: None,
    }
}

fn end(number: u64) -> RunEnd {
    let counts = Counts { read: 1, linked: 1, ..Counts::default() };
    RunEnd {
        run: RunId(number),
        at: 9,
        ended: EndedAs::Completed,
        counts,
        writes: 1,
        reads: 0,
        throttled: 0,
        pace_milli: None,
    }
}

#[test]
fn a_file_is_locked_while_open_and_can_be_read_meanwhile() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("pairs.csv.ledger");
    let (mut ledger, _) = Ledger::open(&path, &binding(), 1_000).unwrap();
    ledger.run_started(&run(1)).unwrap();
    linked(&mut ledger, 1, 50);
    ledger.run_ended(&end(1)).unwrap();
    assert_eq!(ledger.last_run(), Some(&LastRun { start: run(1), end: Some(end(1)) }));
    ledger.run_started(&run(2)).unwrap();
    let open = row(2);
    ledger.announce(&open, &user(&open), 60).unwrap();
    ledger.sync().unwrap();
    let locked = Ledger::open(&path, &binding(), 1_000).map(|_| ()).unwrap_err();
    assert!(matches!(locked, LedgerError::Locked { .. }), "{locked}");

    let contents = load_contents(&path).unwrap();
    assert_eq!((contents.header.binding, contents.header.created), (binding(), 1_000));
    assert_eq!(contents.last_run, Some(LastRun { start: run(2), end: None }));
    assert_eq!((contents.view.state(row(1).key), contents.view.state(open.key)), (RowState::Linked, RowState::InDoubt));
    let counts = contents.view.counts();
    assert_eq!((counts.read, counts.linked, counts.in_doubt), (2, 1, 1));

    drop(ledger);
    let (ledger, again) = Ledger::open(&path, &binding(), 2_000).unwrap();
    assert_eq!(again, Opened { created: false, cut_bytes: 0, rows: 2, access: FileAccess::default() });
    assert_eq!(ledger.view().counts(), counts);
}

#[test]
fn records_are_read_in_order_and_no_further_than_wanted() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("ledger");
    let (mut ledger, _) = Ledger::open(&path, &binding(), 1_000).unwrap();
    ledger.run_started(&run(1)).unwrap();
    linked(&mut ledger, 1, 50);
    ledger.sync().unwrap();
    let mut file = std::fs::OpenOptions::new().append(true).open(&path).unwrap();
    std::io::Write::write_all(&mut file, b"{\"type\":\"a").unwrap();

    let mut kinds = Vec::new();
    let mut sent = None;
    let header = read_records(&path, &mut |record| {
        if let LedgerRecord::Announced(intent) = &record {
            sent = Some((intent.destination().unwrap(), intent.source().unwrap()));
        }
        kinds.push(format!("{record:?}").split('(').next().map(str::to_owned));
        ControlFlow::Continue(())
    });
    assert_eq!(header.unwrap().binding, binding());
    let loaded = contents::load(&FileSource::open(&path).unwrap(), None).unwrap();
    assert_eq!((loaded.whole_lines.count, loaded.torn_bytes), (4, 10));
    assert_eq!(kinds, ["Header", "RunStarted", "Announced", "Settled"].map(|kind| Some(kind.to_owned())));
    assert_eq!(sent, Some((user(&row(1)), row(1).link.source)));
    let mut seen = 0;
    let stopped = read_records(&path, &mut |_| {
        seen += 1;
        if seen == 3 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    });
    assert_eq!((stopped.unwrap().created, seen), (1_000, 3));
    let empty = folder.path().join("empty");
    std::fs::write(&empty, "").unwrap();
    assert!(matches!(load_contents(&empty), Err(LedgerError::NotALedger { .. })));
    assert!(matches!(read_records(&empty, &mut |_| ControlFlow::Continue(())), Err(LedgerError::NotALedger { .. })));
}

/// Something that the engine may do with a row.
#[derive(Debug, Clone)]
enum LedgerCall {
    Announce,
    Withdraw,
    Settle(LinkOutcome),
    AnnounceUnlink,
    WithdrawUnlink,
    SettleUnlink(UndoOutcome),
}

fn any_step() -> impl Strategy<Value = LedgerCall> {
    let said = || text("no \"such\" user\n\u{e9}\u{1f600}");
    let outcomes = vec![
        LinkOutcome::Linked { recovered: false },
        LinkOutcome::Linked { recovered: true },
        LinkOutcome::AlreadyLinked,
        LinkOutcome::Refused { code: RefusalCode::AliasExists, text: Some(said()) },
        LinkOutcome::Refused { code: RefusalCode::UserNotFound, text: None },
        LinkOutcome::Failed { text: said() },
        LinkOutcome::InDoubt { text: said() },
    ];
    let undo_outcomes = vec![
        UndoOutcome::Undone,
        UndoOutcome::Refused { code: RefusalCode::Moved, text: None },
        UndoOutcome::Failed { text: said() },
        UndoOutcome::InDoubt { text: said() },
    ];
    prop_oneof![
        3 => Just(LedgerCall::Announce),
        1 => Just(LedgerCall::Withdraw),
        3 => prop::sample::select(outcomes).prop_map(LedgerCall::Settle),
        3 => Just(LedgerCall::AnnounceUnlink),
        1 => Just(LedgerCall::WithdrawUnlink),
        2 => prop::sample::select(undo_outcomes).prop_map(LedgerCall::SettleUnlink),
    ]
}

fn take_step(ledger: &mut Ledger, row: &Row, step: &LedgerCall, at: UnixMs) -> Result<(), LedgerError> {
    let (number, key) = (row.number, row.key);
    match step {
        LedgerCall::Announce => ledger.announce(row, &user(row), at),
        LedgerCall::Withdraw => ledger.withdraw(number, key, at),
        LedgerCall::Settle(outcome) => ledger.settle(number, key, outcome, 2, Some("id"), at),
        LedgerCall::AnnounceUnlink => ledger.announce_unlink(row, &user(row), &row.link.source, at),
        LedgerCall::WithdrawUnlink => ledger.withdraw_unlink(number, key, at),
        LedgerCall::SettleUnlink(outcome) => {
            ledger.settle_unlink(number, key, outcome, RowTrace { attempts: 1, ..RowTrace::default() }, at)
        }
    }
}

proptest! {
    /// Whatever is recorded, reading the file back gives the view that the ledger had live; what is refused leaves none.
    #[test]
    fn what_is_read_back_is_what_was_recorded(
        steps in prop::collection::vec((1..5_u64, any_step(), 0..1_000_i64), 0..80),
    ) {
        let storage = MemoryStorage::default();
        let (mut ledger, _) = opened(&storage);
        let mut recorded = 0;
        for (number, step, at) in &steps {
            recorded += usize::from(take_step(&mut ledger, &row(*number), step, *at).is_ok());
        }
        prop_assert_eq!(ledger.unsynced_lines(), recorded);
        ledger.sync().unwrap();
        let (again, found) = opened(&storage);
        prop_assert_eq!((found.created, found.cut_bytes), (false, 0));
        for key in (1..5).map(|number| row(number).key) {
            prop_assert_eq!((again.state(key), again.announced_at(key)), (ledger.state(key), ledger.announced_at(key)));
        }
        prop_assert_eq!(again.view().counts(), ledger.view().counts());
    }
}
