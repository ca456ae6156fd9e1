//! What crashes, editors and bad disks do to a ledger.

#![allow(clippy::print_stdout, reason = "the figures of docs/reliability.md")]

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::storage::{MemoryStorage, StorageOperation};
use super::tests::{binding, opened, refused, row, run, text, user};
use super::*;
use crate::domain::finding::FindingCode;
use crate::domain::outcome::RefusalCode;
use crate::limits::{LEDGER_LINE_BYTES_MAX, LEDGER_REREADS_MAX};
use crate::seed::Rng;

const ROWS: u64 = 5;

type States = BTreeMap<RowKey, (RowState, Option<UnixMs>)>;

fn states(ledger: &Ledger) -> States {
    (1..=ROWS).map(|number| row(number).key).map(|key| (key, (ledger.state(key), ledger.announced_at(key)))).collect()
}

/// A ledger with random events, and after each line its length and where every row stood.
fn written(seed: u64, event_count: usize) -> (Vec<u8>, Vec<(usize, States)>) {
    let mut rng = Rng::new(seed);
    let storage = MemoryStorage::default();
    let (mut ledger, _) = opened(&storage);
    let mut steps = vec![(storage.bytes().len(), states(&ledger))];
    for _ in 0..2_000 {
        if steps.len() > event_count {
            break;
        }
        let at = 2_000 + rng.below(1_000).cast_signed();
        if random_event(&mut ledger, &mut rng, at).is_ok() {
            ledger.sync().unwrap();
            steps.push((storage.bytes().len(), states(&ledger)));
        }
    }
    assert_eq!(steps.len(), event_count + 1, "some rows are left that something may happen to");
    (storage.bytes(), steps)
}

fn random_event(ledger: &mut Ledger, rng: &mut Rng, at: UnixMs) -> Result<(), LedgerError> {
    let row = row(1 + rng.below(ROWS));
    let (number, key) = (row.number, row.key);
    let said = text("Invalid \"SourceUser\" \u{e9}");
    let outcome = match rng.below(20) {
        0..=5 => return ledger.announce(&row, &user(&row), at),
        6..=7 => return ledger.withdraw(number, key, at),
        8 => LinkOutcome::Linked { recovered: rng.chance(0.5) },
        9 => LinkOutcome::AlreadyLinked,
        10..=12 => LinkOutcome::Refused { code: RefusalCode::AliasExists, text: Some(said) },
        13..=15 => LinkOutcome::Failed { text: said },
        _ => LinkOutcome::InDoubt { text: said },
    };
    ledger.settle(number, key, &outcome, 2, Some("request-id"), at)
}

/// Where every row stood after the last line that is whole in the first `bytes`; a line end more or less is the same.
fn stood(steps: &[(usize, States)], bytes: usize) -> &States {
    &steps.iter().rev().find(|(end, _)| end - 1 <= bytes).unwrap().1
}

#[test]
fn a_ledger_that_is_cut_anywhere_goes_on_from_its_whole_lines() {
    let mut cuts = 0;
    for seed in 0..5 {
        let (bytes, steps) = written(seed, 20);
        let from = steps[steps.len() - 5].0;
        for cut in from..=bytes.len() {
            let nuls = [0, 1, 5_000][cut % 3];
            let mut left = bytes[..cut].to_vec();
            left.resize(cut + nuls, 0);
            let storage = MemoryStorage::holding(left);
            let (mut ledger, found) = opened(&storage);
            assert_eq!(states(&ledger), *stood(&steps, cut), "seed {seed}, cut at {cut}");
            let whole = steps.iter().rev().map(|(end, _)| *end).find(|end| end - 1 <= cut).unwrap().min(cut);
            assert_eq!(found, Opened { created: false, cut_bytes: (cut - whole + nuls) as u64, ..found });

            let fresh = row(ROWS + 1);
            ledger.announce(&fresh, &user(&fresh), 9_000).unwrap();
            ledger.sync().unwrap();
            let (again, found) = opened(&storage);
            assert_eq!((states(&again), found.cut_bytes), (stood(&steps, cut).clone(), 0));
            assert_eq!(again.announced_at(fresh.key), Some(9_000));
            cuts += 1;
        }
    }
    println!("{cuts} cuts at every byte of the last 5 lines of 5 ledgers: all go on from their whole lines");
    assert!(cuts > 2_000, "{cuts}");
}

#[test]
fn a_crash_during_creation_leaves_nothing_in_the_way() {
    let storage = MemoryStorage::default();
    drop(opened(&storage));
    let header = storage.bytes();
    for cut in 0..=header.len() {
        let (ledger, found) = opened(&MemoryStorage::holding(header[..cut].to_vec()));
        let whole = cut + 1 >= header.len();
        let cut_bytes = if whole { 0 } else { cut as u64 };
        assert_eq!(
            (found, ledger.unsynced_lines()),
            (Opened { created: !whole, cut_bytes, rows: 0, ..found }, 0),
            "cut at {cut}"
        );
    }
    let (_, found) = opened(&MemoryStorage::holding(vec![0; 4_096]));
    assert_eq!(found, Opened { created: true, cut_bytes: 4_096, rows: 0, ..found });
}

#[test]
fn nothing_announced_and_synced_is_forgotten_in_a_power_failure() {
    let storage = MemoryStorage::default();
    let (mut ledger, _) = opened(&storage);
    let row = row(1);
    ledger.announce(&row, &user(&row), 50).unwrap();
    ledger.sync().unwrap();
    let synced = storage.bytes().len();
    ledger.settle(row.number, row.key, &LinkOutcome::Linked { recovered: false }, 1, None, 60).unwrap();
    ledger.flush().unwrap();
    for kept in 0..storage.bytes().len() - synced - 1 {
        let (ledger, _) = opened(&storage.after_crash(kept));
        assert_eq!((ledger.state(row.key), ledger.announced_at(row.key)), (RowState::InDoubt, Some(50)));
    }
    assert_eq!(opened(&storage.after_crash(usize::MAX)).0.state(row.key), RowState::Linked);
}

#[test]
fn tails_of_all_kinds() {
    let (bytes, steps) = written(3, 12);
    let last_line = &bytes[steps[steps.len() - 2].0..];
    let whole = |tail: &[u8]| [&bytes[..], tail].concat();
    let cases = [
        (whole(&vec![0; 200_000]), 200_000),
        (whole(b"\0\0\0\n"), 4),
        (whole(b"\0\n\0\0"), 4),
        (whole(b"{\"key\":\"12\0\0\0\n"), 14),
        (whole(b"{\"withdrawn\":\"\xc3"), 15),
        (bytes.strip_suffix(b"\n").unwrap().to_vec(), 0),
        (whole(b"\0\0"), 2),
    ];
    for (left, cut_bytes) in cases {
        let storage = MemoryStorage::holding(left);
        let (ledger, found) = opened(&storage);
        assert_eq!((states(&ledger), found.cut_bytes), (steps.last().unwrap().1.clone(), cut_bytes));
        assert_eq!(storage.bytes(), bytes, "mended to the byte");
    }
    let too_long = vec![b'x'; LEDGER_LINE_BYTES_MAX + 1];
    for tail in [&b"\n"[..], b"{}\n", b"{\"key\":\"12\n", &too_long] {
        let error = refused(&whole(tail));
        let wanted = (bytes.len() as u64, steps.len() as u64 + 1);
        assert!(matches!(error, LedgerError::Damaged { offset, line, .. } if (offset, line) == wanted), "{error}");
    }
    let error = refused(&[&bytes[..], b"\0\0\n", last_line].concat());
    assert!(matches!(error, LedgerError::Damaged { .. }), "NULs in the middle: {error}");
}

/// How a ledger with other bytes is found at its next opening.
#[derive(Debug, PartialEq, Eq)]
enum Found {
    Refused,
    /// The last line is taken for one that a crash has left, and cut with a warning.
    LastLineCut,
    Unnoticed,
}

fn found(bytes: Vec<u8>, last_line: &[u8]) -> Found {
    match Ledger::on_storage(Box::new(MemoryStorage::holding(bytes)), &binding(), 0) {
        Err(error) => {
            let message = error.to_string();
            assert!(!message.contains("user-") && !message.contains("subject-"), "{message}");
            Found::Refused
        }
        Ok((_, opened)) if opened.cut_bytes == 0 => Found::Unnoticed,
        Ok((_, opened)) => {
            assert_eq!(opened.cut_bytes, last_line.len() as u64);
            Found::LastLineCut
        }
    }
}

fn lines_of(bytes: &[u8]) -> Vec<&[u8]> {
    bytes.split_inclusive(|byte| *byte == b'\n').collect()
}

/// Every bit of a small ledger. What is not refused is exactly what looks like a crash in the last line: its line end is
/// no line end any more, or one of its bytes is NUL.
#[test]
fn every_flipped_bit_is_found() {
    let (bytes, _) = written(20, 12);
    let last_line = *lines_of(&bytes).last().unwrap();
    let last_start = bytes.len() - last_line.len();
    let (mut refused, mut cut) = (0, 0);
    for place in 0..bytes.len() {
        for bit in 0..8 {
            let mut left = bytes.clone();
            left[place] ^= 1 << bit;
            let looks_torn = place == bytes.len() - 1 || place >= last_start && left[place] == 0;
            let expected = if looks_torn { Found::LastLineCut } else { Found::Refused };
            assert_eq!(found(left, last_line), expected, "bit {bit} of byte {place}");
            if looks_torn { cut += 1 } else { refused += 1 }
        }
    }
    println!("{} flips: {refused} refused, {cut} cut as a torn last line, 0 unnoticed", refused + cut);
    assert!(refused > 20_000 && cut < 20, "{refused} {cut}");
}

/// What no chain can show is that whole lines are missing at the end. Then the ledger ends with a head that it had before.
#[test]
fn every_line_that_is_cut_doubled_or_swapped_is_found() {
    let (bytes, _) = written(21, 24);
    let lines = lines_of(&bytes);
    let last = lines.len() - 1;
    let mut refused = 0;
    let mut check = |left: Vec<&[u8]>, what: &str| {
        assert_eq!(found(left.concat(), b""), Found::Refused, "{what}");
        refused += 1;
    };
    for at in 0..lines.len() {
        for other in 0..at {
            let mut swapped = lines.clone();
            swapped.swap(at, other);
            check(swapped, &format!("lines {other} and {at} swapped"));
        }
        for target in 0..=lines.len() {
            let mut doubled = lines.clone();
            doubled.insert(target, lines[at]);
            check(doubled, &format!("line {at} copied before line {target}"));
        }
        let mut cut = lines.clone();
        cut.remove(at);
        if at < last {
            check(cut, &format!("line {at} cut out"));
        } else {
            assert_eq!(found(cut.concat(), b""), Found::Unnoticed, "the whole last line");
        }
    }
    println!("{refused} ledgers with lines swapped, copied or cut out: all refused");
    assert!(refused > 900, "{refused}");
}

/// Any other change anywhere before the last line, unless it puts NULs into the last line, as a crash does.
#[test]
fn ten_thousand_random_damages_are_found() {
    let storage = MemoryStorage::default();
    let (mut ledger, _) = opened(&storage);
    for number in 1..=60 {
        let row = row(number);
        ledger.announce(&row, &user(&row), 50).unwrap();
        ledger.settle(row.number, row.key, &LinkOutcome::Linked { recovered: false }, 1, Some("id"), 60).unwrap();
    }
    ledger.sync().unwrap();
    let bytes = storage.bytes();
    let lines = lines_of(&bytes);
    let before_last = bytes.len() - lines.last().unwrap().len();
    let mut rng = Rng::new(7);
    let mut pick = |bound: usize| usize::try_from(rng.below(bound as u64)).unwrap();
    let mut refused = 0;
    while refused < 10_000 {
        let (at, count) = (pick(before_last), 1 + pick(400));
        let end = (at + count).min(before_last);
        let mut left = bytes.clone();
        match pick(6) {
            0 => left[at] = u8::try_from(pick(256)).unwrap(),
            1 => drop(left.drain(at..end)),
            2 => drop(left.splice(at..at, vec![b'7'; count])),
            3 => left[at..end].fill(0),
            4 => left.copy_within(at..end, pick(before_last - (end - at))),
            _ => left[at..end].reverse(),
        }
        let last_line_has_nuls = lines_of(&left).last().is_some_and(|line| line.contains(&0));
        if left == bytes || last_line_has_nuls {
            continue;
        }
        assert_eq!(found(left, b""), Found::Refused, "{count} bytes at {at}");
        refused += 1;
    }
    println!("{refused} random damages of {} bytes: all refused", bytes.len());
}

/// A ledger that an editor or `git` has changed only in its line ends, or a program in the order of members, is refused:
/// nobody can say then what else was changed.
#[test]
fn other_line_ends_and_other_spacing_are_damage() {
    let (bytes, _) = written(4, 12);
    let text = String::from_utf8(bytes).unwrap();
    for edited in [text.replace('\n', "\r\n"), text.replacen("\":", "\": ", 1), format!("{text} \n")] {
        assert_eq!(found(edited.into_bytes(), b""), Found::Refused);
    }
}

#[test]
fn what_is_no_ledger_of_this_version_is_refused() {
    let header = |format| format!(r#"{{"type":"header","cognito_link_ledger":{format},"created_at":1}}"#);
    let csv = "destination_username,source_provider\nalice,Google\n";
    for text in [csv, "alice", "{}", "{\"type\":\"header\"}\n", "\u{feff}{\"cognito_link_ledger\":2}\n", "\n"] {
        assert!(matches!(refused(text.as_bytes()), LedgerError::NotALedger { .. }), "{text}");
    }
    assert!(matches!(refused(&vec![0; 100_000]), LedgerError::NotALedger { .. }));
    let first_format =
        r#"{"cognito_link_ledger":1,"pool":"us-east-1_Abc","simulated":false,"created":1,"tool":"0.1.0"}"#;
    for (line, format) in [(first_format.to_owned(), 1), (header(3), 3)] {
        for end in ["", "\n"] {
            let error = refused((line.clone() + end).as_bytes());
            let wanted =
                format!("in memory: ledger format {format} is not supported, this version uses format 2; continue");
            assert!(error.to_string().starts_with(&wanted), "{error}");
        }
    }
    let error = refused((header(2) + "\n").as_bytes());
    assert!(error.to_string().contains("damaged at line 1 (byte 0): no `hash` at its end"), "{error}");
}

/// A ledger with one byte changed in each of the lines of these types and of this row, in every way that there is, and
/// the number and the offset of that line.
pub(super) fn edits_of_lines<'a>(
    bytes: &'a [u8],
    types: &'a [&str],
    key: RowKey,
) -> impl Iterator<Item = (Vec<u8>, (u64, u64))> + 'a {
    let lines = lines_of(bytes).into_iter().zip(1_u64..).scan(0, |next, (line, number)| {
        let start = *next;
        *next += line.len();
        Some((line, number, start))
    });
    let has = |line: &[u8], text: &str| line.windows(text.len()).any(|part| part == text.as_bytes());
    let of_row = move |line: &[u8]| {
        has(line, &key.to_string()) && types.iter().any(|kind| has(line, &format!("\"type\":\"{kind}\"")))
    };
    let lines = lines.filter(move |(line, ..)| of_row(line));
    lines.flat_map(move |(line, number, start)| {
        (start..start + line.len()).flat_map(move |place| {
            [1, 0x20, bytes[place] ^ b'\n', bytes[place]].into_iter().filter(|change| *change != 0).map(move |change| {
                let mut edited = bytes.to_vec();
                edited[place] ^= change;
                (edited, (number, start as u64))
            })
        })
    })
}

/// The same records with the hashes of this order.
pub(super) fn sealed(lines: &[&str]) -> Vec<Vec<u8>> {
    let mut head = ChainHead::default();
    let seal = |line: &&str| {
        let (record, _) = line.rsplit_once(",\"hash\":").unwrap();
        let mut line = format!("{record}}}").into_bytes();
        head = head.seal(&mut line, 0);
        line.push(b'\n');
        line
    };
    lines.iter().map(seal).collect()
}

#[test]
fn lines_that_cannot_follow_each_other_are_damage() {
    let storage = MemoryStorage::default();
    let (mut ledger, _) = opened(&storage);
    let row = row(1);
    ledger.announce(&row, &user(&row), 50).unwrap();
    let finding = Finding {
        code: FindingCode::MissingValue,
        severity: FindingCode::MissingValue.severity(),
        row: Some(RowNumber(2)),
        line: 3,
        field: 1,
        column: "sub".into(),
        message: String::new(),
    };
    ledger.invalid(RowNumber(2), crate::domain::row::RowKey::of_broken(b"x"), &finding, 55).unwrap();
    ledger.settle(row.number, row.key, &LinkOutcome::Linked { recovered: false }, 1, None, 60).unwrap();
    ledger.sync().unwrap();
    let bytes = storage.bytes();
    let text = String::from_utf8(bytes.clone()).unwrap();
    let lines: Vec<&str> = text.split_inclusive('\n').collect();
    let [header, intent, invalid, linked] = lines.try_into().unwrap();
    for (left, damaged) in [
        (vec![header, invalid, linked], 3),
        (vec![header, intent, linked, linked], 4),
        (vec![header, intent, linked, intent], 4),
        (vec![header, linked, intent], 2),
        (vec![header, intent, header, linked], 3),
        (vec![header, invalid, intent, linked, invalid, intent, invalid], 6),
    ] {
        // By somebody who knows how to compute the hashes.
        let left = sealed(&left);
        let error = refused(&left.concat());
        let start: usize = left[..damaged - 1].iter().map(Vec::len).sum();
        let LedgerError::Damaged { offset, line, .. } = &error else { panic!("{error}") };
        assert_eq!((*offset, *line), (start as u64, damaged as u64), "{error}");
    }
}

proptest! {
    /// Bytes that are changed, cut out and inserted anywhere: the ledger opens or is refused, and nothing panics.
    #[test]
    fn no_change_of_any_bytes_panics(
        seed in 0..50_u64,
        changes in prop::collection::vec((any::<prop::sample::Index>(), 0..3_u8, any::<u8>()), 1..6),
    ) {
        let (mut bytes, _) = written(seed, 6);
        for (place, kind, byte) in changes {
            let at = place.index(bytes.len());
            match kind {
                0 => bytes[at] = byte,
                1 => drop(bytes.remove(at)),
                _ => bytes.insert(at, byte),
            }
        }
        let storage = MemoryStorage::holding(bytes);
        if let Err(error) = Ledger::on_storage(Box::new(storage), &binding(), 0) {
            let message = error.to_string();
            prop_assert!(!message.contains("user-") && !message.contains("subject-"), "{}", message);
        }
    }
}

/// The announcement of a row in doubt is read again where a run settles it.
#[test]
fn no_row_in_doubt_is_read_from_a_ledger_that_is_edited_meanwhile() {
    let storage = MemoryStorage::default();
    let (mut ledger, _) = opened(&storage);
    let (one, two) = (row(1), row(2));
    ledger.run_started(&run(1)).unwrap();
    ledger.announce(&one, &user(&one), 50).unwrap();
    ledger.announce(&two, &user(&two), 60).unwrap();
    ledger.sync().unwrap();
    let bytes = storage.bytes();
    // As this run has announced it, and as a later run reads it back.
    for mut ledger in [ledger, opened(&storage).0] {
        let presence = InputPresence::new(ledger.view(), "pairs.csv");
        assert_eq!(ledger.announced_user(one.key).unwrap(), Some(user(&one)));
        assert_eq!(ledger.rows_in_doubt_not_in(&presence).unwrap().len(), 2);
        let mut edits = 0;
        for (edited, damaged) in edits_of_lines(&bytes, &["announced"], one.key) {
            storage.overwrite(edited);
            let read = [
                ledger.announced_user(one.key).map(drop),
                ledger.announced_row(one.key).map(drop),
                ledger.rows_in_doubt_not_in(&presence).map(drop),
            ];
            for error in read.map(Result::unwrap_err) {
                let LedgerError::Damaged { line, offset, .. } = error else { panic!("{error}") };
                assert_eq!((line, offset), damaged);
            }
            assert!(ledger.announced_row(two.key).is_ok(), "another line");
            edits += 1;
        }
        println!("{edits} edits of a line that is read again: all refused");
        assert!(edits > 700, "{edits}");
        storage.overwrite(bytes.clone());
        assert_eq!(ledger.announced_row(one.key).unwrap().map(|row| row.link), Some(one.link.clone()));
    }
}

/// A ledger with rows that are announced, some of whose lines are not synced yet.
fn in_mid_run() -> (MemoryStorage, Ledger) {
    let storage = MemoryStorage::default();
    let (mut ledger, _) = opened(&storage);
    for number in 1..=3 {
        ledger.announce(&row(number), &user(&row(number)), 50).unwrap();
    }
    ledger.sync().unwrap();
    let one = row(1);
    ledger.settle(one.number, one.key, &LinkOutcome::Linked { recovered: false }, 1, None, 60).unwrap();
    (storage, ledger)
}

/// The length stays the same; the time of the last change does not.
#[test]
fn an_edit_of_a_live_ledger_stops_its_run_at_the_next_sync() {
    let bytes = in_mid_run().0.bytes();
    for place in (0..bytes.len()).step_by(7) {
        let (storage, mut ledger) = in_mid_run();
        let mut edited = bytes.clone();
        edited[place] ^= 1;
        storage.overwrite(edited);
        let error = ledger.sync().unwrap_err();
        assert!(matches!(error, LedgerError::Damaged { .. } | LedgerError::NotALedger { .. }), "{place}: {error}");
        assert_eq!(ledger.sync(), Err(error.clone()));
        assert_eq!(ledger.announce(&row(4), &user(&row(4)), 70), Err(error), "nothing more is recorded");
    }
}

/// By somebody who knows how to compute the hashes.
#[test]
fn a_live_ledger_with_other_lines_whose_hashes_are_right_stops_its_run() {
    let (storage, mut ledger) = in_mid_run();
    ledger.flush().unwrap();
    let text = String::from_utf8(storage.bytes()).unwrap();
    let edited = text.replacen("user-2", "user-9", 1);
    storage.overwrite(sealed(&edited.split_inclusive('\n').collect::<Vec<_>>()).concat());
    let error = ledger.sync().unwrap_err();
    assert!(matches!(error, LedgerError::Displaced { how: DisplacedHow::WrittenByOthers, .. }), "{error}");
}

/// A network file system may change the time late, and a person may `touch` the file.
#[test]
fn another_time_alone_stops_no_run() {
    let (storage, mut ledger) = in_mid_run();
    for number in 10..10 + 2 * u64::from(LEDGER_REREADS_MAX) {
        ledger.announce(&row(number), &user(&row(number)), 70).unwrap();
        storage.touch();
        ledger.sync().unwrap();
        assert_eq!(ledger.unsynced_lines(), 0);
    }
    let head = ledger.head();
    assert_eq!(opened(&storage).0.head(), head);
    let reads = storage.count_of(StorageOperation::Read);
    storage.touch();
    ledger.sync().unwrap();
    assert_eq!(storage.count_of(StorageOperation::Read), reads, "a time that says nothing is not looked at for ever");
}
