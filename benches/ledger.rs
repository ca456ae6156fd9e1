//! What opening a ledger costs: `cargo bench --bench ledger -- [ROWS]`, a million rows by default.
//!
//! A ledger of rows that are all linked is written to a temporary file and opened by a second process, so that nothing
//! of the writing counts. Then one of three times as many rows: the difference of the two is the memory a row, beside a
//! fixed part.

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
const MIB: f64 = 1_048_576.0;
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
    let measure = |rows: u64| {
        let path = folder.path().join("ledger");
        write(&path, rows);
        let mib = std::fs::metadata(&path).unwrap().len() >> 20;
        let opened = Command::new(std::env::current_exe().unwrap()).arg("open").arg(&path).output().unwrap();
        std::fs::remove_file(&path).unwrap();
        let text = String::from_utf8(opened.stdout).unwrap();
        let numbers: Vec<f64> = text.split_whitespace().map(|word| word.parse().unwrap()).collect();
        let [held_rows, seconds, peak_bytes] = numbers[..] else { panic!("{text}") };
        assert_eq!(held_rows, rows as f64);
        println!("{rows} linked rows, {mib} MiB: opened in {seconds:.2} s CPU, {:.1} MiB peak", peak_bytes / MIB);
        peak_bytes
    };
    let (peak, peak_of_three_times) = (measure(rows), measure(3 * rows));
    let a_row = (peak_of_three_times - peak) / (2 * rows) as f64;
    println!("memory: {a_row:.1} bytes a row beside {:.1} MiB", (peak - a_row * rows as f64) / MIB);
}

/// Opens a ledger and prints its rows, the processor seconds of this process, and its peak memory in bytes.
fn open(path: &Path) {
    let before = cpu_seconds();
    let (ledger, opened) = Ledger::open(path, &binding(), NOW).unwrap();
    let seconds = cpu_seconds() - before;
    assert_eq!(ledger.view().counts().linked, opened.rows);
    println!("{} {seconds} {}", opened.rows, peak_bytes());
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
    Binding::new(PoolId::parse("us-east-1_AbCdEfGhI").unwrap(), false, None)
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

fn peak_bytes() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.split_whitespace().next().unwrap().parse::<u64>().unwrap() * 1_024
}
