//! What checking an input costs: `cargo bench --bench validate -- [ROWS] [csv|jsonl] [keep=PATH]`, a million rows by
//! default. The file that `keep` names is kept, and used again as it is.
//!
//! One file from a seed, of four fields (a UUID, a provider, an attribute, and a Google ID or an e-mail-like value); on
//! it, in one run and on one core: the `csv` crate counting `ByteRecord`s, and the whole of `validate` with every check of
//! rows against one another. Rows a second of processor time, their ratio, and the peak of this process's memory.

// A benchmark prints, and what it needs that is not there is its end.
#![allow(clippy::print_stdout, clippy::unwrap_used, clippy::cast_precision_loss)]

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;
use std::time::Duration;

use cognito_link::commands::validate::check_input;
use cognito_link::domain::event::IgnoreEvents;
use cognito_link::input::{InputOptions, InputSource};
use cognito_link::seed::Rng;

const SEED: u64 = 10;
const ROWS: u64 = 1_000_000;
const PROVIDERS: [&str; 4] = ["Google", "Okta", "EntraID", "Corp"];

fn main() {
    let words: Vec<String> = std::env::args().skip(1).filter(|word| word != "--bench").collect();
    let rows = words.iter().find_map(|word| word.parse().ok()).unwrap_or(ROWS);
    let folder = tempfile::tempdir().unwrap();
    for format in ["csv", "jsonl"] {
        if words.iter().any(|word| ["csv", "jsonl"].contains(&word.as_str()) && word != format) {
            continue;
        }
        let path = match words.iter().find_map(|word| word.strip_prefix("keep=")) {
            Some(kept) => Path::new(kept).with_extension(format),
            None => folder.path().join("rows").with_extension(format),
        };
        // What was kept is taken for what would be written: a profile then shows the reading alone.
        if !path.exists() {
            write_rows(&path, rows, format == "csv");
        }
        let bytes = std::fs::metadata(&path).unwrap().len();
        println!("{rows} rows of {format}, {} MiB", bytes >> 20);
        let before_mib = peak_mib();
        let validate = time(|| validate(&path, rows));
        let peak_mib = peak_mib();
        println!("validate, every check      {:>12.0} rows/s a core", rows as f64 / validate.as_secs_f64());
        println!("peak memory                {peak_mib:>12} MiB (of which {before_mib} before)");
        if format == "csv" {
            let count = time(|| assert_eq!(count_records(&path), rows));
            println!("csv crate, ByteRecord      {:>12.0} rows/s a core", rows as f64 / count.as_secs_f64());
            println!("validate to csv crate      {:>12.2} times", validate.as_secs_f64() / count.as_secs_f64());
        }
    }
}

fn write_rows(path: &Path, rows: u64, is_csv: bool) {
    let mut rng = Rng::new(SEED);
    let mut out = BufWriter::new(File::create(path).unwrap());
    if is_csv {
        writeln!(out, "destination_username,source_provider,source_attribute,source_value").unwrap();
    }
    for row in 0..rows {
        let (high, low) = (rng.below(u64::MAX), rng.below(1 << 48));
        let uuid = format!(
            "{:08x}-{:04x}-4{:03x}-a{:03x}-{low:012x}",
            high >> 32,
            high >> 16 & 0xffff,
            high >> 4 & 0xfff,
            high & 0xfff
        );
        let provider = PROVIDERS[usize::try_from(rng.below(4)).unwrap()];
        let value = match provider {
            // 21 digits, and no zeros at the end, as a spreadsheet would leave them.
            "Google" => format!("1{:019}7", rng.below(10_u64.pow(19))),
            _ => format!("person.{row:08}@example.com"),
        };
        if is_csv {
            writeln!(out, "{uuid},{provider},Cognito_Subject,{value}").unwrap();
        } else {
            writeln!(
                out,
                "{{\"destination_username\":\"{uuid}\",\"source_provider\":\"{provider}\",\
                 \"source_attribute\":\"Cognito_Subject\",\"source_value\":\"{value}\"}}"
            )
            .unwrap();
        }
    }
    out.flush().unwrap();
}

fn validate(path: &Path, rows: u64) {
    let source = InputSource::open(path).unwrap();
    let validated = check_input(&source, &InputOptions::default(), None, &mut IgnoreEvents).unwrap();
    assert_eq!((validated.counts.read, validated.counts.unprocessed), (rows, rows));
}

fn count_records(path: &Path) -> u64 {
    let mut reader = csv::Reader::from_path(path).unwrap();
    let mut record = csv::ByteRecord::new();
    let mut rows = 0;
    while reader.read_byte_record(&mut record).unwrap() {
        rows += 1;
    }
    rows
}

/// The processor time that this takes, of the user and of the system.
fn time(work: impl FnOnce()) -> Duration {
    let before = processor_time();
    work();
    processor_time().saturating_sub(before)
}

fn processor_time() -> Duration {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    // Behind the name, which may hold spaces: user and system time are the 12th and 13th field, in hundredths of a second.
    let fields: Vec<&str> = stat.rsplit_once(')').unwrap().1.split_whitespace().collect();
    let ticks: u64 = fields[11..13].iter().map(|field| field.parse::<u64>().unwrap()).sum();
    Duration::from_millis(ticks * 10)
}

fn peak_mib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").trim().parse::<u64>().unwrap() >> 10
}
