use std::io::Write;

use proptest::prelude::*;

use super::*;
use crate::domain::finding::Severity;
use crate::input::testing::{header_faults, options, reader, records, valid_rows, values};
use crate::input::{Note, NoteColumns, RecordWriter};

const CSV: &str = "username,idp,name_id\ncarlos,Google,1\n\"a,b\",Okta,\"x\"\"y\"\n";
const JSONL: &str = "{\"username\":\"carlos\",\"idp\":\"Google\",\"name_id\":\"1\"}\n{\"sub\":\"5\",\"idp\":\"Okta\",\"name_id\":\"2\"}\n";

#[test]
fn the_format_is_told_by_the_first_character() {
    let format = |text: &str| reader(text, &InputOptions::default()).unwrap().layout().format;
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
    write!(gzip, "username,idp,name_id\n{}", valid_rows(60_000)).unwrap();
    let packed = gzip.finish().unwrap();
    let mut rows = reader(&packed[..packed.len() / 2], &InputOptions::default()).unwrap();
    let read: Vec<_> = rows.by_ref().collect();
    let (last, before) = read.split_last().unwrap();
    assert!(before.len() > 1_000 && before.iter().all(Result::is_ok));
    let message = last.as_ref().unwrap_err().to_string();
    assert!(
        message.starts_with(&format!("cannot read input from line {} on: the gzip data ends", before.len() + 2)),
        "{message}"
    );
    assert!(rows.next().is_none() && rows.raw().bytes.is_empty());
}

#[test]
fn a_reader_and_its_rows_may_move_to_another_thread() {
    let source = InputSource::spool("input", CSV.as_bytes()).unwrap();
    let rows = std::thread::spawn(move || {
        InputReader::new(&source, &InputOptions::default()).unwrap().collect::<Result<Vec<_>, _>>().unwrap()
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
/// records are in view. Returns how many rows were links and how many were not.
fn check_invariants(bytes: &[u8]) -> [usize; 2] {
    let Ok(mut rows) = reader(bytes, &InputOptions::default()) else { return [0, 0] };
    let (mut number, mut line, mut totals) = (0, 0, [0, 0]);
    while let Some(Ok(record)) = rows.next() {
        let errors = record.findings.iter().filter(|finding| finding.severity == Severity::Error).count();
        assert_eq!(record.link.is_some(), errors == 0);
        assert!(record.number.0 == number + 1 && record.line > line && !rows.raw().bytes.is_empty());
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
    let mut writer = RecordWriter::create(&path, rows.layout(), NoteColumns::Replace).unwrap();
    let mut links = Vec::new();
    while let Some(Ok(record)) = rows.next() {
        writer.write(&rows.raw(), &Note { state: "s", code: "c", message: "m,\"\n", retry_of: "5230" }).unwrap();
        links.push(record.link);
    }
    writer.finish().unwrap();
    let (format, delimiter) = (Some(rows.layout().format), rows.layout().delimiter());
    let options = InputOptions { format, delimiter, ..InputOptions::default() };
    let again = InputReader::new(&InputSource::open(&path).unwrap(), &options).unwrap();
    assert_eq!(again.map(|record| record.unwrap().link).collect::<Vec<_>>(), links);
}

fn any_bytes() -> impl Strategy<Value = Vec<u8>> {
    let marks = b"\",;\t|\n\r\n{}[]:\\ \0\xef\xbb\xbf\xff\x1f\x8b(\xb5/\xfdaeE19+.".to_vec();
    let byte = prop_oneof![4 => prop::sample::select(marks), 1 => any::<u8>()];
    let header = prop::sample::select(vec![&b""[..], b"", b"username,idp,name_id\n"]);
    (header, prop::collection::vec(byte, 0..300)).prop_map(|(header, bytes)| [header, &bytes].concat())
}

#[derive(Debug, Clone)]
enum Mutation {
    Insert(u8),
    Replace(u8),
    Remove,
    Truncate,
}

/// A valid file with a few bytes changed.
fn mutated_file() -> impl Strategy<Value = Vec<u8>> {
    let csv = CSV.to_owned() + &"x,Okta,\"1\n2\"\r\nü,Google,3\n\n".repeat(5);
    let file = prop::sample::select(vec![csv, JSONL.repeat(3)]);
    let mark = || prop::sample::select(b"\",\n\r{}".to_vec());
    let mutation = prop_oneof![
        any::<u8>().prop_map(Mutation::Insert),
        mark().prop_map(Mutation::Insert),
        any::<u8>().prop_map(Mutation::Replace),
        Just(Mutation::Remove),
        Just(Mutation::Truncate),
    ];
    (file, prop::collection::vec((any::<prop::sample::Index>(), mutation), 1..5)).prop_map(|(file, mutations)| {
        let mut bytes = file.into_bytes();
        for (index, mutation) in mutations {
            let at = index.index(bytes.len());
            match mutation {
                Mutation::Insert(byte) => bytes.insert(at, byte),
                Mutation::Replace(byte) => bytes[at] = byte,
                Mutation::Remove => drop(bytes.remove(at)),
                Mutation::Truncate => bytes.truncate(at.max(20)),
            }
        }
        bytes
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_500))]

    #[test]
    fn any_bytes_do_no_harm(bytes in any_bytes()) {
        check_invariants(&bytes);
    }

    #[test]
    fn mutated_files_do_no_harm(bytes in mutated_file()) {
        check_invariants(&bytes);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn result_files_read_back(bytes in prop_oneof![any_bytes(), mutated_file()]) {
        check_round_trip(&bytes);
    }
}

/// The strategies above reach both kinds of rows.
#[test]
fn intact_and_faulty_rows_are_both_generated() {
    use proptest::strategy::ValueTree;
    use proptest::test_runner::TestRunner;
    let mut runner = TestRunner::deterministic();
    let mut total = |strategy: BoxedStrategy<Vec<u8>>| {
        let mut totals = [0, 0];
        for _ in 0..300 {
            let [valid, faulty] = check_invariants(&strategy.new_tree(&mut runner).unwrap().current());
            totals = [totals[0] + valid, totals[1] + faulty];
        }
        totals
    };
    let (any, mutated) = (total(any_bytes().boxed()), total(mutated_file().boxed()));
    assert!(any[1] > 200 && mutated[0] > 200 && mutated[1] > 200, "{any:?} {mutated:?}");
}

#[test]
fn every_row_of_a_large_file_is_read_once() {
    let records = records(format!("username,idp,name_id\n{}", valid_rows(50_000)));
    assert_eq!(records.len(), 50_000);
    for (at, record) in (1..).zip(&records) {
        assert_eq!((record.number.0, record.line), (at, at + 1));
        assert_eq!(record.link.as_ref().unwrap().source.value().expose(), at.to_string());
    }
}

/// How a file is changed in place.
type Edit = fn(&mut Vec<u8>);

/// Every kind of change behind the first block, and in it.
const EDITS: [(&str, Edit); 7] = [
    ("cut", |bytes| bytes.truncate(bytes.len() / 2)),
    ("cut to nothing", Vec::clear),
    ("overwritten", |bytes| {
        let text = String::from_utf8(bytes.clone()).unwrap().replace("Google", "Okta00");
        *bytes = text.into_bytes();
    }),
    ("one byte deleted", |bytes| {
        bytes.remove(bytes.len() * 2 / 3);
    }),
    ("one byte changed", |bytes| *bytes.iter_mut().rev().nth(1_000).unwrap() ^= 1),
    ("one byte changed at the start", |bytes| bytes[60] ^= 1),
    ("appended", |bytes| bytes.extend_from_slice(b"mallory,Google,666\n")),
];

/// A file of many blocks, its text, and its source after the first reading.
fn checked_file() -> (tempfile::TempDir, std::path::PathBuf, Vec<u8>, InputSource) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("input.csv");
    let text = format!("username,idp,name_id\n{}", valid_rows(30_000)).into_bytes();
    std::fs::write(&path, &text).unwrap();
    let source = InputSource::open(&path).unwrap();
    assert_eq!(source.checked_hash(), None);
    let reading = FirstReading::of(&source, &InputOptions::default(), |_| {}).unwrap();
    assert_eq!(reading.rows, 30_000);
    (folder, path, text, source)
}

/// The user names that a reading returns, and the error that ends it.
fn users_of(reader: InputReader) -> (Vec<String>, Option<InputError>) {
    let mut users = Vec::new();
    for record in reader {
        match record {
            Ok(record) => users.push(record.link.unwrap().destination.value().expose().to_owned()),
            Err(error) => return (users, Some(error)),
        }
    }
    (users, None)
}

#[test]
fn a_file_that_changes_in_place_gives_no_row_that_was_not_checked() {
    let users: Vec<String> = (1..=30_000).map(|row| format!("user{row}")).collect();
    for (what, edit) in EDITS {
        for rows_read_before in [0, 10_000] {
            let (_folder, path, mut text, source) = checked_file();
            let mut reader = InputReader::new(&source, &InputOptions::default()).unwrap();
            let before: Vec<_> = reader.by_ref().take(rows_read_before).collect();
            assert!(before.iter().all(Result::is_ok));
            edit(&mut text);
            // In place: the same file, as an editor or a script that redirects into it leaves it.
            std::fs::write(&path, &text).unwrap();
            let (rest, error) = users_of(reader);
            assert!(users[rows_read_before..].starts_with(&rest), "{what} after {rows_read_before}");
            let read = rows_read_before + rest.len();
            match error {
                Some(InputError::Changed { line, .. }) => assert_eq!(line, read as u64 + 2, "{what}"),
                // What had been read before the change is as it was checked.
                None => assert_eq!(what, "one byte changed at the start"),
                Some(error) => panic!("{what}: {error}"),
            }
        }
        // A reading that starts after the change.
        let (_folder, path, mut text, source) = checked_file();
        edit(&mut text);
        std::fs::write(&path, &text).unwrap();
        let error = match InputReader::new(&source, &InputOptions::default()) {
            Ok(reader) => users_of(reader).1,
            Err(error) => Some(error),
        };
        assert!(matches!(error, Some(InputError::Changed { .. })), "{what}: {error:?}");
    }
}

#[test]
fn an_unchanged_file_is_read_again_as_it_was() {
    let (_folder, _, text, source) = checked_file();
    for _ in 0..2 {
        let (users, error) = users_of(InputReader::new(&source, &InputOptions::default()).unwrap());
        assert!(users.len() == 30_000 && error.is_none());
    }
    let hash = format!("{:032x}", xxhash_rust::xxh3::xxh3_128(&text));
    assert_eq!(source.checked_hash(), Some(hash));
}

#[test]
fn a_packed_file_that_changes_in_place_ends_likewise() {
    let packed = |rows: &str| {
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        write!(gzip, "username,idp,name_id\n{rows}").unwrap();
        gzip.finish().unwrap()
    };
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("input.csv.gz");
    let whole = packed(&valid_rows(30_000));
    for changed in [whole[..whole.len() / 2].to_vec(), packed(&valid_rows(25_000)), Vec::new()] {
        std::fs::write(&path, &whole).unwrap();
        let source = InputSource::open(&path).unwrap();
        FirstReading::of(&source, &InputOptions::default(), |_| {}).unwrap();
        std::fs::write(&path, &changed).unwrap();
        let error = match InputReader::new(&source, &InputOptions::default()) {
            Ok(reader) => users_of(reader).1,
            Err(error) => Some(error),
        };
        assert!(matches!(error, Some(InputError::Changed { .. })), "{error:?}");
    }
}

#[test]
fn a_row_names_the_row_that_it_corrects_and_has_a_key_also_where_it_is_broken() {
    let key = "5230e32a47d46755f39c00dc9a066e71";
    let text =
        format!("username,idp,name_id,retry_of\na,Google,1,{key}\nb,Google,2,\nc,Google,3,5.23E+31\n,Google,4,{key}\n");
    let read = records(&text);
    let corrected: Vec<_> = read.iter().map(|record| record.retry_of.map(|key| key.to_string())).collect();
    assert_eq!(corrected, [Some(key.to_owned()), None, None, Some(key.to_owned())]);
    assert!(read.iter().take(3).all(|record| record.is_valid() && record.broken_key.is_none()));
    // The same bytes are the same row, in whatever file and place.
    let again = records(format!("username,idp,name_id,retry_of\n,Google,4,{key}\n,Google,5,{key}\n"));
    assert_eq!(again[0].broken_key, read[3].broken_key);
    assert!(read[3].broken_key.is_some() && again[1].broken_key != read[3].broken_key);
    let lines = records(format!("{{\"username\":\"a\",\"idp\":\"Okta\",\"name_id\":\"1\",\"retry_of\":\"{key}\"}}\n"));
    assert_eq!(lines[0].retry_of.map(|key| key.to_string()), Some(key.to_owned()));
}
