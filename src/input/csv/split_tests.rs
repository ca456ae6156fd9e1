use proptest::prelude::*;

use super::*;

/// The first record's fields, and how it was split.
fn first(text: &[u8]) -> (CsvSplit, Vec<String>) {
    let mut splitter = CsvSplitter::new(b',');
    let found = splitter.split(text);
    (found, texts(&splitter, text))
}

fn texts(splitter: &CsvSplitter, record: &[u8]) -> Vec<String> {
    splitter.fields.iter().map(|field| String::from_utf8_lossy(splitter.text(field, record)).into_owned()).collect()
}

#[test]
fn whole_records() {
    let table: [(&str, usize, usize, u64, &[&str]); 12] = [
        ("a,b\nc", 3, 4, 1, &["a", "b"]),
        ("a,b\r\nc", 3, 5, 1, &["a", "b"]),
        ("a,b\rc", 3, 4, 1, &["a", "b"]),
        ("a,b", 3, 3, 0, &["a", "b"]),
        ("a,", 2, 2, 0, &["a", ""]),
        (",\n", 1, 2, 1, &["", ""]),
        ("\"a,b\",c\n", 7, 8, 1, &["a,b", "c"]),
        ("\"a\"\"b\"\n", 6, 7, 1, &["a\"b"]),
        ("\"a\nb\r\nc\rd\",e\r\n", 12, 14, 4, &["a\nb\r\nc\rd", "e"]),
        ("\"\",\"\"", 5, 5, 0, &["", ""]),
        ("a\"b,c\"\n", 6, 7, 1, &["a\"b", "c\""]),
        (" \"a\"\n", 4, 5, 1, &[" \"a\""]),
    ];
    for (text, length, taken, lines, fields) in table {
        let (found, decoded) = first(text.as_bytes());
        assert_eq!(found, CsvSplit::Whole { length, taken, lines }, "{text:?}");
        assert_eq!(decoded, fields, "{text:?}");
    }
}

#[test]
fn broken_records_give_up_one_line() {
    use QuoteFault::{TextAfter, Unclosed};
    // The field is checked apart from the split.
    let broken = |fault, field: usize, lines_before, length, taken, lines| {
        (CsvSplit::Broken { fault, lines_before, length, taken, lines }, field)
    };
    let table: [(&str, (CsvSplit, usize)); 10] = [
        ("a,\"b\nc,d\n", broken(Unclosed, 1, 0, 4, 5, 1)),
        ("a,\"b", broken(Unclosed, 1, 0, 4, 4, 0)),
        ("a,\"b\r\n\"c\",d\n", broken(Unclosed, 1, 0, 4, 6, 1)),
        ("\"a\"b,c\nd\n", broken(TextAfter, 0, 0, 6, 7, 1)),
        ("\"a\" ,c\n", broken(TextAfter, 0, 0, 6, 7, 1)),
        ("\"a\nb\",\"c\nd,e\n", broken(Unclosed, 1, 1, 8, 9, 2)),
        ("\"a\r\nb\",\"c\r\n\"d\"\r\n", broken(Unclosed, 1, 1, 9, 11, 2)),
        // Quotes in what follows the closing one, where counting them would not tell.
        ("\"a\"b\"\"\",\"\",\"\n", broken(TextAfter, 0, 0, 12, 13, 1)),
        ("\"\"\"a\"\"\"b\n", broken(TextAfter, 0, 0, 8, 9, 1)),
        ("\"a\"\"\nb\"x\nc", broken(Unclosed, 0, 0, 4, 5, 1)),
    ];
    for (text, expected) in table {
        let (found, fields_before) = first(text.as_bytes());
        assert_eq!((found, fields_before.len()), expected, "{text:?}");
    }
}

#[test]
fn the_bound_holds_to_the_byte() {
    let fits = "x".repeat(RECORD_BYTES_MAX);
    for end in ["", "\n", "\r\n"] {
        let text = format!("{fits}{end}");
        assert!(matches!(first(text.as_bytes()).0, CsvSplit::Whole { length: RECORD_BYTES_MAX, .. }), "{end:?}");
    }
    assert_eq!(first(format!("{fits}x\n").as_bytes()).0, CsvSplit::TooLong);
    assert_eq!(first(format!("\"{fits}\"\n").as_bytes()).0, CsvSplit::TooLong);
    assert_eq!(first(format!("\"{fits}").as_bytes()).0, CsvSplit::TooLong);
    // A field more than there are bytes, and as many as can be seen.
    let (found, texts) = first(",".repeat(RECORD_BYTES_MAX).as_bytes());
    assert!(matches!(found, CsvSplit::Whole { length: RECORD_BYTES_MAX, .. }));
    assert_eq!((texts.len(), texts.iter().all(String::is_empty)), (RECORD_BYTES_MAX + 1, true));
    assert_eq!(first(",".repeat(RECORD_BYTES_MAX + 1).as_bytes()).0, CsvSplit::TooLong);
    let swallowed = format!("a,\"b\n{fits}");
    assert!(matches!(first(swallowed.as_bytes()).0, CsvSplit::Broken { taken: 5, lines: 1, .. }));
}

#[test]
fn nothing_is_left_of_a_record_that_was_given_up() {
    let mut splitter = CsvSplitter::new(b',');
    let long = "x".repeat(RECORD_BYTES_MAX + 1);
    for before in ["\"open", "\"a\"b", "\"a\n\"b", "intact", long.as_str(), &format!("\"{long}")] {
        splitter.split(before.as_bytes());
        // A byte order mark inside of a file is no mark.
        let record = "\u{feff}a,\"b\"\n".as_bytes();
        splitter.split(record);
        assert_eq!(texts(&splitter, record), ["\u{feff}a", "b"], "{:?}", &before[..before.len().min(9)]);
    }
}

/// Parts of files, in which fields without quotes may be long.
fn text() -> impl Strategy<Value = String> {
    let part = prop::sample::select(vec![
        "a",
        "bc",
        ",",
        "\n",
        "\r\n",
        "\r",
        "\"x\"",
        "\"\"",
        "\"p,q\"",
        "\"1\n2\"",
        "\"d\"\"d\"",
        "e\"f",
    ]);
    prop_oneof![prop::collection::vec(part.clone(), 1..13), prop::collection::vec(part, 1..80)]
        .prop_map(|parts| parts.concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(6_000))]

    /// Up to the first faulty quote, the `csv` crate reads the same fields, and they are where they are said to be.
    #[test]
    fn intact_text_reads_as_the_csv_crate_reads_it(text in text()) {
        let (ours, is_whole) = all_records(text.as_bytes());
        let mut builder = ::csv::ReaderBuilder::new();
        let mut reader = builder.has_headers(false).flexible(true).buffer_capacity(256).from_reader(text.as_bytes());
        let theirs: Vec<Vec<String>> =
            reader.records().map(|record| record.unwrap().iter().map(str::to_owned).collect()).collect();
        if is_whole {
            prop_assert_eq!(ours, theirs);
        } else {
            prop_assert_eq!(&ours[..], &theirs[..ours.len()]);
        }
    }

    /// Fields of any text, written by the `csv` crate, are read back.
    #[test]
    fn what_the_csv_crate_writes_is_read_back(records in prop::collection::vec(prop::collection::vec(".{0,6}|[\",\r\n ]{0,4}", 2..5), 0..5)) {
        let mut writer = ::csv::WriterBuilder::new().flexible(true).from_writer(Vec::new());
        for record in &records {
            writer.write_record(record).unwrap();
        }
        prop_assert_eq!(all_records(&writer.into_inner().unwrap()), (records, true));
    }

    /// Whatever the bytes are, a split takes at least one of them, and no more than there are.
    #[test]
    fn any_bytes_make_progress(bytes in prop::collection::vec(prop::sample::select(b"a,\"\r\n \xff\0".to_vec()), 1..60)) {
        let mut rest = bytes.as_slice();
        while !rest.is_empty() {
            let taken = match line_end_bytes(rest) {
                0 => match CsvSplitter::new(b',').split(rest) {
                    CsvSplit::Whole { length, taken, .. } | CsvSplit::Broken { length, taken, .. } => {
                        prop_assert!(0 < length && length <= taken && taken <= rest.len());
                        taken
                    }
                    CsvSplit::TooLong => unreachable!("there are few bytes"),
                },
                blank => blank,
            };
            rest = &rest[taken..];
        }
    }
}

/// Every record up to the first that is broken, without the empty lines, and whether there was none.
fn all_records(mut text: &[u8]) -> (Vec<Vec<String>>, bool) {
    let (mut splitter, mut all) = (CsvSplitter::new(b','), Vec::new());
    while !text.is_empty() {
        let blank = line_end_bytes(text);
        if blank > 0 {
            text = &text[blank..];
            continue;
        }
        let CsvSplit::Whole { length, taken, .. } = splitter.split(text) else { return (all, false) };
        let record = &text[..length];
        let raw: Vec<&[u8]> = splitter.fields.iter().map(|field| &record[field.raw.clone()]).collect();
        assert_eq!(raw.join(&b','), record, "{text:?}");
        all.push(texts(&splitter, text));
        text = &text[taken..];
    }
    (all, true)
}
