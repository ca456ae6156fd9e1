//! What opening a ledger costs: `cargo bench --bench ledger -- [ROWS]`, a million rows by default.
//!
//! A ledger of rows that are all linked is written to a temporary file and opened by a second process, so that nothing
//! of the writing counts. Printed are processor seconds, and memory a row: what the process holds beyond a ledger
//! without rows, at its peak and with the ledger open.

// A benchmark prints, and ends where something that it needs is not there.
#![allow(clippy::print_stdout, clippy::unwrap_used, clippy::cast_precision_loss, clippy::float_cmp)]

use std::path::Path;
use std::process::Command;

use cognito_link::domain::identity::{
    AttributeName, Destination, DestinationUser, ExternalIdentity, Personal, PoolId, ProviderName,
};
use cognito_link::domain::outcome::LinkOutcome;
use cognito_link::domain::row::{Link, Row, RowKey, RowNumber};
use cognito_link::ledger::{Binding, Ledger};

const ROWS: u64 = 1_000_000;
const REQUEST_ID: &str = "01234567-89ab-cdef-0123-456789abcdef";
/// 2026-09-01.
const NOW: i64 = 1_788_220_800_000;

fn main() {
    let words: Vec<String> = std::env::args().skip(1).filter(|word| word != "--bench").collect();
    if let [mode, path] = &words[..]
        && mode == "open"
    {
        return open(Path::new(path));
    }
    let rows = words.first().map_or(ROWS, |word| word.parse().unwrap());
    let folder = tempfile::tempdir().unwrap();
    let figures = |name: &str, rows| {
        let path = folder.path().join(name);
        write(&path, rows);
        let bytes = std::fs::metadata(&path).unwrap().len();
        let opened = Command::new(std::env::current_exe().unwrap()).arg("open").arg(&path).output().unwrap();
        let text = String::from_utf8(opened.stdout).unwrap();
        let numbers: Vec<f64> = text.split_whitespace().map(|word| word.parse().unwrap()).collect();
        let [held_rows, seconds, peak, resident] = numbers[..] else { panic!("{text}") };
        assert_eq!(held_rows, rows as f64);
        (bytes, seconds, peak, resident)
    };
    let (_, _, empty_peak, empty_resident) = figures("empty.ledger", 0);
    let (bytes, seconds, peak, resident) = figures("rows.ledger", rows);
    let a_row = |held: f64, empty: f64| (held - empty) / rows as f64;
    println!("{rows} linked rows, {} MiB", bytes >> 20);
    println!("open                {seconds:>10.2} s CPU");
    println!("peak memory         {:>10.1} MiB, {:.1} bytes a row", peak / f64::from(1 << 20), a_row(peak, empty_peak));
    println!(
        "memory while open   {:>10.1} MiB, {:.1} bytes a row",
        resident / f64::from(1 << 20),
        a_row(resident, empty_resident)
    );
}

/// Opens a ledger and prints its rows, the processor seconds of this process, and its memory in bytes.
fn open(path: &Path) {
    let before = cpu_seconds();
    let (ledger, opened) = Ledger::open(path, &binding(), NOW).unwrap();
    let seconds = cpu_seconds() - before;
    assert_eq!(ledger.view().counts().linked, opened.rows);
    println!("{} {seconds} {} {}", opened.rows, status_bytes("VmHWM:"), status_bytes("VmRSS:"));
}

fn write(path: &Path, rows: u64) {
    let (mut ledger, _) = Ledger::open(path, &binding(), NOW).unwrap();
    for number in 1..=rows {
        let row = row(number);
        let provider = ProviderName::parse("Cognito").unwrap();
        let user = DestinationUser { provider, value: row.link.destination.value().clone() };
        ledger.announce(&row, &user, NOW).unwrap();
        let outcome = LinkOutcome::Linked { recovered: false };
        ledger.settle(row.number, row.key, &outcome, 1, Some(REQUEST_ID), NOW).unwrap();
    }
    ledger.sync().unwrap();
}

fn binding() -> Binding {
    Binding { pool: PoolId::parse("us-east-1_AbCdEfGhI").unwrap(), simulated: false }
}

fn row(number: u64) -> Row {
    let text = |text: String| Personal::parse(&text, 128).unwrap();
    let source = ExternalIdentity::new(
        ProviderName::parse("Google").unwrap(),
        AttributeName::subject(),
        text(format!("107438{number:015}")),
    );
    let destination = Destination::Username(text(format!("person-{number:08}")));
    let link = Link { destination, source: source.unwrap() };
    Row { number: RowNumber(number), key: RowKey::of(&binding().pool, &link), link }
}

/// User and system time of this process.
fn cpu_seconds() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    let (_, after_name) = stat.rsplit_once(')').unwrap();
    let ticks: Vec<f64> = after_name.split_whitespace().skip(11).take(2).map(|word| word.parse().unwrap()).collect();
    ticks.iter().sum::<f64>() / 100.0
}

fn status_bytes(name: &str) -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap();
    line.split_whitespace().next().unwrap().parse::<u64>().unwrap() * 1_024
}
