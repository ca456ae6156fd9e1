//! Any sequence of events, crashes and openings: the ledger has the states that a plain map has.
#![no_main]

use std::collections::BTreeMap;

use cognito_link::domain::identity::{Destination, DestinationUser, Personal, ProviderName};
use cognito_link::domain::outcome::{LinkOutcome, RefusalCode, ServiceText, UndoOutcome};
use cognito_link::domain::row::{Row, RowKey};
use cognito_link::domain::state::RowState;
use cognito_link::engine::testing::{binding, row_to};
use cognito_link::ledger::storage::MemoryStorage;
use cognito_link::ledger::{Ledger, RowTrace};
use cognito_link_fuzz::POOL;
use libfuzzer_sys::fuzz_target;

const ROWS: u64 = 4;

fn open(disk: &MemoryStorage) -> Ledger {
    Ledger::on_storage(Box::new(disk.clone()), &binding(POOL), 0).expect("the ledger is whole").0
}

fn text() -> ServiceText {
    ServiceText { code: "Code".to_owned(), message: "a \"text\"\n".to_owned() }
}

/// What an event makes of a state; `None` where it cannot happen.
fn next(state: RowState, event: u8) -> Option<RowState> {
    use RowState::{AlreadyLinked, Failed, InDoubt, Kept, Linked, Refused, Undone, Unlinking, Unprocessed};
    match (state, event) {
        (Unprocessed | Failed | Refused(_) | Undone | InDoubt, 0) => Some(InDoubt),
        (InDoubt, 1) => Some(Linked),
        (InDoubt, 2) => Some(AlreadyLinked),
        (InDoubt, 3) => Some(Refused(RefusalCode::LinkedElsewhere)),
        (InDoubt, 4) => Some(Failed),
        (InDoubt, 5) => Some(InDoubt),
        (Linked | Kept(_) | Unlinking, 6) => Some(Unlinking),
        (Unlinking, 7) => Some(Undone),
        (Unlinking, 8) => Some(Kept(RefusalCode::Moved)),
        (Unlinking, 9) => Some(Linked),
        (Unlinking, 10) => Some(Unlinking),
        _ => None,
    }
}

fn record(ledger: &mut Ledger, row: &Row, event: u8, at: i64) {
    let user = DestinationUser {
        provider: ProviderName::parse("Cognito").expect("a valid name"),
        value: Personal::from_service("user"),
    };
    let trace = RowTrace { attempts: 1, ..RowTrace::default() };
    let link = |outcome| (Some(outcome), None);
    let undo = |outcome| (None, Some(outcome));
    let (link, undo) = match event {
        0 => return ledger.announce(row, &user, at).expect("the disk works"),
        6 => return ledger.announce_unlink(row, &user, &row.link.source, at).expect("the disk works"),
        1 => link(LinkOutcome::Linked { recovered: at % 2 == 0 }),
        2 => link(LinkOutcome::AlreadyLinked),
        3 => link(LinkOutcome::Refused { code: RefusalCode::LinkedElsewhere, text: Some(text()) }),
        4 => link(LinkOutcome::Failed { text: text() }),
        5 => link(LinkOutcome::InDoubt { text: text() }),
        7 => undo(UndoOutcome::Undone),
        8 => undo(UndoOutcome::Refused { code: RefusalCode::Moved, text: None }),
        9 => undo(UndoOutcome::Failed { text: text() }),
        _ => undo(UndoOutcome::InDoubt { text: text() }),
    };
    if let Some(outcome) = link {
        ledger.settle_traced(row.number, row.key, &outcome, trace, at).expect("the disk works");
    }
    if let Some(outcome) = undo {
        ledger.settle_unlink(row.number, row.key, &outcome, trace, at).expect("the disk works");
    }
}

fuzz_target!(|bytes: &[u8]| {
    let rows: Vec<Row> =
        (0..ROWS).map(|n| row_to(n + 1, Destination::Username(Personal::from_service(&format!("user-{n}"))))).collect();
    let mut disk = MemoryStorage::default();
    let mut ledger = open(&disk);
    let mut model: BTreeMap<RowKey, RowState> = rows.iter().map(|row| (row.key, RowState::Unprocessed)).collect();
    let mut synced = model.clone();
    for (at, byte) in (1..).zip(bytes) {
        let row = &rows[usize::from(byte >> 4) % rows.len()];
        match byte & 15 {
            event @ 0..=10 => {
                let Some(state) = next(model[&row.key], event) else { continue };
                record(&mut ledger, row, event, at);
                model.insert(row.key, state);
            }
            11 | 12 => {
                ledger.sync().expect("the disk works");
                synced = model.clone();
            }
            // Power loss.
            13 => {
                drop(ledger);
                disk = disk.after_crash(0);
                ledger = open(&disk);
                model = synced.clone();
            }
            _ => {
                ledger.sync().expect("the disk works");
                drop(ledger);
                synced = model.clone();
                ledger = open(&disk);
            }
        }
        for (key, state) in &model {
            assert_eq!(ledger.state(*key), *state, "after event {byte:#04x}");
        }
        assert_eq!(ledger.view().counts().balance(), Ok(()));
    }
});
