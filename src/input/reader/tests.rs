use std::io::Write;

use super::*;
use crate::domain::finding::Severity;
use crate::input::columns::Column;
use crate::input::testing::{header_faults, options, reader, records, sound_rows, values};
use crate::input::{Note, RecordWriter};
use crate::seed::Rng;

const CSV: &str = "username,idp,name_id\ncarlos,Google,1\n\"a,b\",Okta,\"x\"\"y\"\n";
const JSONL: &str = "{\"username\":\"carlos\",\"idp\":\"Google\",\"name_id\":\"1\"}\n{\"sub\":\"5\",\"idp\":\"Okta\",\"name_id\":\"2\"}\n";

#[test]
fn the_format_is_told_by_the_first_character() {
    let format = |text: &str| reader(text, &InputOptions::default()).unwrap().format();
    assert_eq!(format(CSV), Format::Csv);
    assert_eq!(format(JSONL), Format::Jsonl);
    assert_eq!(format(&format!("\u{feff}\n \t{JSONL}")), Format::Jsonl);
    let forced = InputOptions { format: Some(Format::Jsonl), ..InputOptions::default() };
    assert_eq!(reader("", &forced).unwrap().count(), 0);
    let [(code, message)] = header_faults("[{}]", &InputOptions::default()).try_into().unwrap();
    assert_eq!((code, message.contains("jq -c")), ("invalid_json", true));
    assert_eq!(header_faults("a\0b\0", &InputOptions::default())[0].0, "utf16");
}

#[test]
fn packed_inputs_read_the_same() {
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(CSV.as_bytes()).unwrap();
    let zstd = zstd::stream::encode_all(CSV.as_bytes(), 1).unwrap();
    for packed in [gzip.finish().unwrap(), zstd] {
        assert_eq!(values(packed), values(CSV));
    }
}

#[test]
fn a_file_that_was_cut_short_ends_with_an_error() {
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    write!(gzip, "username,idp,name_id\n{}", sound_rows(60_000)).unwrap();
    let packed = gzip.finish().unwrap();
    let mut rows = reader(&packed[..packed.len() / 2], &InputOptions::default()).unwrap();
    let read: Vec<_> = rows.by_ref().collect();
    let (last, before) = read.split_last().unwrap();
    assert!(before.len() > 1_000 && before.iter().all(Result::is_ok));
    let told = last.as_ref().unwrap_err().to_string();
    assert!(
        told.starts_with(&format!("cannot read input on from line {}: the gzip data ends", before.len() + 2)),
        "{told}"
    );
    assert!(rows.next().is_none() && rows.raw().bytes().is_empty());
}

#[test]
fn a_reader_and_its_rows_may_move_to_another_thread() {
    let source = Source::spool("input", CSV.as_bytes()).unwrap();
    let rows = std::thread::spawn(move || {
        Reader::new(&source, &InputOptions::default()).unwrap().collect::<Result<Vec<_>, _>>().unwrap()
    });
    assert_eq!(rows.join().unwrap().len(), 2);
}

#[test]
fn options_are_refused_before_the_first_row() {
    let twice = options(&[(Column::SourceValue, "a"), (Column::SourceValue, "b")], &[]);
    assert_eq!(header_faults(CSV, &twice)[0].0, "duplicate_column");
    assert_eq!(header_faults(JSONL, &twice)[0].0, "duplicate_column");
    assert!(!format!("{:?}", reader(CSV, &InputOptions::default()).unwrap()).contains("carlos"));
}

/// What must hold for any bytes at all: every record is a link or has an error, numbers and lines rise, and all raw
/// records are in view. Tells how many rows were links and how many were not.
fn check_invariants(bytes: &[u8]) -> [usize; 2] {
    let Ok(mut rows) = reader(bytes, &InputOptions::default()) else { return [0, 0] };
    let (mut number, mut line, mut totals) = (0, 0, [0, 0]);
    while let Some(Ok(record)) = rows.next() {
        let errors = record.findings.iter().filter(|finding| finding.severity == Severity::Error).count();
        assert_eq!(record.link.is_some(), errors == 0);
        assert!(record.number.0 == number + 1 && record.line > line && !rows.raw().bytes().is_empty());
        let in_place = |finding: &Finding| finding.line >= record.line && finding.row == Some(record.number);
        assert!(record.findings.iter().all(in_place));
        (number, line) = (record.number.0, record.line);
        totals[usize::from(record.link.is_none())] += 1;
    }
    totals
}

/// A result file of all rows reads back to as many rows and the same links.
fn check_round_trip(bytes: &[u8]) {
    let Ok(mut rows) = reader(bytes, &InputOptions::default()) else { return };
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("result");
    let mut writer = RecordWriter::create(&path, rows.layout(), true).unwrap();
    let mut links = Vec::new();
    while let Some(Ok(record)) = rows.next() {
        writer.write(&rows.raw(), &Note { state: "s", code: "c", message: "m,\"\n" }).unwrap();
        links.push(record.link);
    }
    writer.finish().unwrap();
    let (format, delimiter) = (Some(rows.format()), rows.layout().delimiter());
    let options = InputOptions { format, delimiter, ..InputOptions::default() };
    let again = Reader::new(&Source::open(&path).unwrap(), &options).unwrap();
    assert_eq!(again.map(|record| record.unwrap().link).collect::<Vec<_>>(), links);
}

#[test]
fn random_bytes_do_no_harm() {
    let mut rng = Rng::new(0xC0);
    let alphabet = b"\",;\t|\n\r\n{}[]:\\ \0\xef\xbb\xbf\xff\x1f\x8b(\xb5/\xfdaeE19+.";
    let mut faulty_total = 0;
    for round in 0..1_500 {
        let length = rng.below(300);
        let mut bytes = if round % 3 == 0 { b"username,idp,name_id\n".to_vec() } else { Vec::new() };
        for _ in 0..length {
            let any = rng.next_u64().to_le_bytes()[0];
            let at = usize::try_from(rng.below(alphabet.len() as u64)).unwrap();
            bytes.push(if rng.chance(0.2) { any } else { alphabet[at] });
        }
        faulty_total += check_invariants(&bytes)[1];
        if round % 9 == 0 {
            check_round_trip(&bytes);
        }
    }
    assert!(faulty_total > 1_000, "{faulty_total}");
}

#[test]
fn mutated_files_do_no_harm() {
    let mut rng = Rng::new(0xF1);
    let csv: String = CSV.to_owned() + &"x,Okta,\"1\n2\"\r\nü,Google,3\n\n".repeat(5);
    let jsonl = JSONL.repeat(3);
    for seed in [csv.as_bytes(), jsonl.as_bytes()] {
        let mut totals = [0, 0];
        for round in 0..1_500 {
            let mut bytes = seed.to_vec();
            for _ in 0..=rng.below(4) {
                mutate(&mut bytes, &mut rng);
            }
            let [sound, faulty] = check_invariants(&bytes);
            totals = [totals[0] + sound, totals[1] + faulty];
            if round % 9 == 0 {
                check_round_trip(&bytes);
            }
        }
        assert!(totals[0] > 500 && totals[1] > 500, "{totals:?}");
    }
}

fn mutate(bytes: &mut Vec<u8>, rng: &mut Rng) {
    let at = usize::try_from(rng.below(bytes.len() as u64 + 1)).unwrap();
    let any = rng.next_u64().to_le_bytes()[0];
    match rng.below(5) {
        0 => bytes.insert(at, any),
        1 => bytes.insert(at, b"\",\n\r{}"[usize::try_from(rng.below(6)).unwrap()]),
        2 if at < bytes.len() => bytes[at] = any,
        3 if at < bytes.len() => {
            bytes.remove(at);
        }
        _ => bytes.truncate(at.max(20)),
    }
}

#[test]
fn every_row_of_a_large_file_is_read_once() {
    let records = records(format!("username,idp,name_id\n{}", sound_rows(50_000)));
    assert_eq!(records.len(), 50_000);
    for (at, record) in (1..).zip(&records) {
        assert_eq!((record.number.0, record.line), (at, at + 1));
        assert_eq!(record.link.as_ref().unwrap().source.value().expose(), at.to_string());
    }
}
