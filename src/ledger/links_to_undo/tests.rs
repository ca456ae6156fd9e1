use super::*;
use crate::domain::identity::{AttributeName, DestinationUser, ExternalIdentity};
use crate::domain::outcome::{LinkOutcome, UndoOutcome};
use crate::ledger::damage_tests::{edits_of_lines, sealed};
use crate::ledger::storage::MemoryStorage;
use crate::ledger::tests::{opened, row, user};
use crate::ledger::{Ledger, LedgerError, RowTrace};

fn link(ledger: &mut Ledger, number: u64, outcome: &LinkOutcome, at: UnixMs) {
    let row = row(number);
    ledger.announce(&row, &user(&row), at).unwrap();
    ledger.settle(row.number, row.key, outcome, 1, None, at + 1).unwrap();
}

fn linked(ledger: &mut Ledger, number: u64, at: UnixMs) {
    link(ledger, number, &LinkOutcome::Linked { recovered: false }, at);
}

fn announce_unlink(ledger: &mut Ledger, number: u64) {
    let row = row(number);
    ledger.announce_unlink(&row, &user(&row), &row.link.source, 900).unwrap();
}

fn undo(ledger: &mut Ledger, number: u64) {
    announce_unlink(ledger, number);
    let row = row(number);
    ledger.settle_unlink(row.number, row.key, &UndoOutcome::Undone, RowTrace::default(), 901).unwrap();
}

/// Numbers of the rows in the order in which they are to be unlinked, and how many there are.
fn found(storage: &MemoryStorage, selection: &UndoSelection) -> (Vec<u64>, UndoSelectionCounts) {
    let (ledger, _) = opened(&MemoryStorage::holding(storage.bytes()));
    let (mut links, found) = LinksToUndo::find(Box::new(storage.clone()), ledger.view(), selection).unwrap();
    let mut numbers = Vec::new();
    loop {
        let batch = links.next_batch(2).unwrap();
        if batch.is_empty() {
            return (numbers, found);
        }
        for link in batch {
            let wanted = row(link.row.number.0);
            assert_eq!((link.row.key, &link.row.link), (wanted.key, &wanted.link));
            assert_eq!(link.settled, link.announced + 1);
            numbers.push(link.row.number.0);
        }
    }
}

#[test]
fn a_link_keeps_its_first_announcement_and_the_name_of_its_user() {
    let storage = MemoryStorage::default();
    let (mut ledger, _) = opened(&storage);
    let row = row(1);
    ledger.announce(&row, &user(&row), 100).unwrap();
    let text = crate::domain::outcome::ServiceText { code: "timeout".into(), message: String::new() };
    ledger.settle(row.number, row.key, &LinkOutcome::InDoubt { text }, 1, None, 110).unwrap();
    ledger.announce(&row, &user(&row), 200).unwrap();
    let name = Personal::from_service("Alice");
    let trace = RowTrace { attempts: 1, username: Some(&name), ..RowTrace::default() };
    ledger.settle_traced(row.number, row.key, &LinkOutcome::Linked { recovered: false }, trace, 210).unwrap();
    ledger.sync().unwrap();
    let (mut links, _) =
        LinksToUndo::find(Box::new(storage.clone()), ledger.view(), &UndoSelection::default()).unwrap();
    let [link] = links.next_batch(2).unwrap().try_into().unwrap();
    assert_eq!((link.announced, link.settled, link.username), (100, 210, Some(name)));
}

#[test]
fn a_later_row_of_the_same_identity_is_known() {
    let storage = MemoryStorage::default();
    let (mut ledger, _) = opened(&storage);
    let mut at = 0;
    let mut link = |ledger: &mut Ledger, destination: Destination, user: &str, value: &str| {
        let (provider, value) = (ProviderName::parse("Okta").unwrap(), Personal::from_service(value));
        let source = ExternalIdentity::new(provider, AttributeName::subject(), value).unwrap();
        let row = crate::engine::testing::row_of("sim-local-1_Example01", 1, Link { destination, source });
        let sent = DestinationUser { provider: ProviderName::native(), value: Personal::from_service(user) };
        ledger.announce(&row, &sent, at).unwrap();
        ledger.settle(row.number, row.key, &LinkOutcome::Linked { recovered: false }, 1, None, at + 1).unwrap();
        at += 100;
    };
    for (user, value) in [("ann", "1"), ("bob", "1"), ("ann", "2"), ("eve", "3")] {
        link(&mut ledger, Destination::Username(Personal::from_service(user)), user, value);
    }
    // Another row for the same user, which the file names by an address.
    link(&mut ledger, Destination::Email(Personal::from_service("eve@example.com")), "eve", "3");
    ledger.sync().unwrap();
    let (mut links, _) =
        LinksToUndo::find(Box::new(storage.clone()), ledger.view(), &UndoSelection::default()).unwrap();
    let links = links.next_batch(9).unwrap();
    let elsewhere: Vec<(&str, bool)> =
        links.iter().map(|link| (link.row.link.destination.value().expose(), link.linked_elsewhere_later)).collect();
    assert_eq!(elsewhere, [("eve", false), ("eve", false), ("ann", false), ("bob", false), ("ann", true)]);
}

#[test]
fn last_links_that_every_list_shows_are_forgotten() {
    let mut last = LastLinks::default();
    let newest = 3 * LAST_LINKS as u64 - 1;
    for identity in 0..=newest {
        last.add(NamedHashes { identity, user: 1 }, UnixMs::try_from(identity).unwrap() * 100);
    }
    assert!(last.users.len() <= LAST_LINKS + 1, "{}", last.users.len());
    let is_on_another_user = |identity, user| last.is_on_another_user(NamedHashes { identity, user });
    assert!(is_on_another_user(newest, 2) && !is_on_another_user(newest, 1));
    assert!(!is_on_another_user(0, 2));
}

/// A ledger with rows in every state: 1, 2, 6 and 9 are links to undo, 5 is one that somebody else could have made.
fn example() -> MemoryStorage {
    let storage = MemoryStorage::default();
    let (mut ledger, _) = opened(&storage);
    for (number, at) in [(1, 100), (2, 200), (6, 300), (7, 400), (8, 500), (9, 600)] {
        linked(&mut ledger, number, at);
    }
    link(&mut ledger, 3, &LinkOutcome::AlreadyLinked, 610);
    link(&mut ledger, 5, &LinkOutcome::Linked { recovered: true }, 620);
    let four = row(4);
    ledger.announce(&four, &user(&four), 630).unwrap();
    undo(&mut ledger, 7);
    for at in [640, 700] {
        undo(&mut ledger, 2);
        linked(&mut ledger, 2, at);
    }
    announce_unlink(&mut ledger, 8);
    announce_unlink(&mut ledger, 6);
    ledger.withdraw_unlink(row(6).number, row(6).key, 910).unwrap();
    ledger.sync().unwrap();
    storage
}

#[test]
fn only_what_this_ledger_linked_and_the_newest_first() {
    let (numbers, counts) = found(&example(), &UndoSelection::default());
    // 8 is in doubt and comes first; 2 was linked anew, and is the newest of the others.
    assert_eq!(numbers, [8, 2, 9, 6, 1]);
    assert_eq!(counts, UndoSelectionCounts { selected: 5, in_doubt: 1, recovered: 1, not_selected: 0 });
    let (numbers, counts) = found(&example(), &UndoSelection { include_recovered: true, ..UndoSelection::default() });
    assert_eq!((numbers.as_slice(), counts.recovered), (&[8, 2, 5, 9, 6, 1][..], 0));
}

#[test]
fn a_selection_narrows_but_for_what_is_in_doubt() {
    let google = BTreeSet::from([ProviderName::parse("Google").unwrap()]);
    let okta = BTreeSet::from([ProviderName::parse("Okta").unwrap()]);
    for (selection, expected) in [
        (UndoSelection { since: Some(600), ..UndoSelection::default() }, &[8, 2, 9][..]),
        (UndoSelection { since: Some(601), ..UndoSelection::default() }, &[8, 2]),
        (UndoSelection { rows: vec![1..=1, 6..=9], ..UndoSelection::default() }, &[8, 9, 6, 1]),
        (UndoSelection { providers: google, rows: vec![1..=2], ..UndoSelection::default() }, &[8, 2, 1]),
        (UndoSelection { providers: okta, ..UndoSelection::default() }, &[8]),
    ] {
        let (numbers, counts) = found(&example(), &selection);
        assert_eq!(numbers, expected, "{selection:?}");
        assert_eq!(counts.selected, expected.len() as u64);
    }
}

/// By somebody who knows how to compute the hashes.
#[test]
fn a_native_user_is_never_named() {
    let text = String::from_utf8(example().bytes()).unwrap();
    let edited = text.replacen(r#""source_provider":"Google""#, r#""source_provider":"Cognito""#, 1);
    assert_ne!(edited, text);
    let edited: Vec<&str> = edited.split_inclusive('\n').collect();
    let storage = MemoryStorage::holding(sealed(&edited).concat());
    let (ledger, _) = opened(&MemoryStorage::holding(storage.bytes()));
    let selection = UndoSelection { rows: vec![1..=1], ..UndoSelection::default() };
    let (mut links, found) = LinksToUndo::find(Box::new(storage), ledger.view(), &selection).unwrap();
    assert_eq!((found.selected, links.next_batch(1).unwrap().len()), (2, 1));
    let error = links.next_batch(1).map(drop).unwrap_err();
    assert!(
        matches!(&error, LedgerError::Damaged { line: 2, reason, .. } if reason.contains("native user")),
        "{error}"
    );
}

/// The ledger is checked when the links are found, and the lines of a link are read again when its turn comes.
#[test]
fn no_link_is_named_by_a_ledger_that_is_edited_meanwhile() {
    let storage = example();
    let bytes = storage.bytes();
    let (ledger, _) = opened(&MemoryStorage::holding(bytes.clone()));
    let selection = UndoSelection { rows: vec![1..=1], ..UndoSelection::default() };
    let edits = edits_of_lines(&bytes, &["announced", "settled"], row(1).key);
    for (edited, damaged) in edits {
        let (mut links, _) = LinksToUndo::find(Box::new(storage.clone()), ledger.view(), &selection).unwrap();
        assert_eq!(links.next_batch(1).unwrap().len(), 1, "the one in doubt");
        storage.overwrite(edited);
        let error = links.next_batch(1).map(drop).unwrap_err();
        let LedgerError::Damaged { line, offset, .. } = error else { panic!("{error}") };
        assert_eq!((line, offset), damaged);
        storage.overwrite(bytes.clone());
    }
    let (mut links, _) = LinksToUndo::find(Box::new(storage.clone()), ledger.view(), &selection).unwrap();
    assert_eq!(links.next_batch(9).unwrap().len(), 2, "as it was checked");
}

/// Two whole lines of other links, in the places of those that were checked.
#[test]
fn the_lines_of_another_link_in_its_place_are_damage() {
    let storage = MemoryStorage::default();
    let (mut ledger, _) = opened(&storage);
    linked(&mut ledger, 1, 100);
    linked(&mut ledger, 2, 100);
    ledger.sync().unwrap();
    let (mut links, _) =
        LinksToUndo::find(Box::new(storage.clone()), ledger.view(), &UndoSelection::default()).unwrap();
    let bytes = storage.bytes();
    let parts: Vec<&[u8]> = bytes.split_inclusive(|byte| *byte == b'\n').collect();
    assert_eq!((parts.len(), parts[1].len(), parts[2].len()), (5, parts[3].len(), parts[4].len()));
    storage.overwrite([parts[0], parts[3], parts[4], parts[1], parts[2]].concat());
    let error = links.next_batch(1).map(drop).unwrap_err();
    assert!(matches!(error, LedgerError::Damaged { line: 2, .. }), "{error}");
}
