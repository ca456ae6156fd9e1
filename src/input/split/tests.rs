use super::*;
use crate::seed::Rng;

/// The first record's fields, and how it was split.
fn first(text: &[u8]) -> (Split, Vec<String>) {
    let mut splitter = Splitter::new(b',');
    let found = splitter.split(text);
    (found, texts(&splitter, text))
}

fn texts(splitter: &Splitter, record: &[u8]) -> Vec<String> {
    splitter.fields(record).map(|field| String::from_utf8_lossy(field).into_owned()).collect()
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
        assert_eq!(found, Split::Whole { length, taken, lines }, "{text:?}");
        assert_eq!(decoded, fields, "{text:?}");
    }
}

#[test]
fn broken_records_give_up_one_line() {
    use QuoteFault::{TextAfter, Unclosed};
    let broken = |fault, field, lines_before, length, taken, lines| Split::Broken {
        fault,
        field,
        lines_before,
        length,
        taken,
        lines,
    };
    let table: [(&str, Split); 10] = [
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
        assert_eq!(first(text.as_bytes()).0, expected, "{text:?}");
    }
}

#[test]
fn the_bound_holds_to_the_byte() {
    let fits = "x".repeat(RECORD_BYTES_MAX);
    for end in ["", "\n", "\r\n"] {
        let text = format!("{fits}{end}");
        assert!(matches!(first(text.as_bytes()).0, Split::Whole { length: RECORD_BYTES_MAX, .. }), "{end:?}");
    }
    assert_eq!(first(format!("{fits}x\n").as_bytes()).0, Split::TooLong);
    assert_eq!(first(format!("\"{fits}\"\n").as_bytes()).0, Split::TooLong);
    assert_eq!(first(format!("\"{fits}").as_bytes()).0, Split::TooLong);
    // A field more than there are bytes, and as many as can be seen.
    let (found, texts) = first(",".repeat(RECORD_BYTES_MAX).as_bytes());
    assert!(matches!(found, Split::Whole { length: RECORD_BYTES_MAX, .. }));
    assert_eq!((texts.len(), texts.iter().all(String::is_empty)), (RECORD_BYTES_MAX + 1, true));
    assert_eq!(first(",".repeat(RECORD_BYTES_MAX + 1).as_bytes()).0, Split::TooLong);
    let swallowed = format!("a,\"b\n{fits}");
    assert!(matches!(first(swallowed.as_bytes()).0, Split::Broken { taken: 5, lines: 1, .. }));
}

#[test]
fn nothing_is_left_of_a_record_that_was_given_up() {
    let mut splitter = Splitter::new(b',');
    let long = "x".repeat(RECORD_BYTES_MAX + 1);
    for before in ["\"open", "\"a\"b", "\"a\n\"b", "sound", long.as_str(), &format!("\"{long}")] {
        splitter.split(before.as_bytes());
        // A byte order mark inside of a file is no mark.
        let record = "\u{feff}a,\"b\"\n".as_bytes();
        splitter.split(record);
        assert_eq!(texts(&splitter, record), ["\u{feff}a", "b"], "{:?}", &before[..before.len().min(9)]);
    }
}

/// Wherever every quote is sound, the `csv` crate reads the same fields, and they stand where they are said to.
#[test]
fn sound_text_reads_as_the_csv_crate_reads_it() {
    let parts = ["a", "bc", ",", "\n", "\r\n", "\r", "\"x\"", "\"\"", "\"p,q\"", "\"1\n2\"", "\"d\"\"d\"", "e\"f"];
    let mut rng = Rng::new(11);
    let (mut compared, mut skipped) = (0, 0);
    let mut splitter = Splitter::new(b',');
    for _ in 0..20_000 {
        // Long ones too: those without quotes are cut block by block.
        let reach = if rng.chance(0.3) { 80 } else { 12 };
        let length = 1 + rng.below(reach);
        let text: String = (0..length).map(|_| parts[usize::try_from(rng.below(12)).unwrap()]).collect();
        let Some(ours) = all_records(&mut splitter, text.as_bytes()) else {
            skipped += 1;
            continue;
        };
        let mut builder = ::csv::ReaderBuilder::new();
        let mut reader = builder.has_headers(false).flexible(true).buffer_capacity(256).from_reader(text.as_bytes());
        let theirs: Vec<Vec<String>> =
            reader.records().map(|record| record.unwrap().iter().map(str::to_owned).collect()).collect();
        assert_eq!(ours, theirs, "{text:?}");
        compared += 1;
    }
    assert!(compared > 5_000, "compared {compared}, skipped {skipped}");
}

/// Every record without the empty lines; `None` where one is not whole.
fn all_records(splitter: &mut Splitter, mut text: &[u8]) -> Option<Vec<Vec<String>>> {
    let mut all = Vec::new();
    while !text.is_empty() {
        let blank = line_end_bytes(text);
        if blank > 0 {
            text = &text[blank..];
            continue;
        }
        let Split::Whole { length, taken, .. } = splitter.split(text) else { return None };
        let record = &text[..length];
        let raw: Vec<&[u8]> = places(record, splitter.ends()).map(|place| &record[place]).collect();
        assert_eq!(raw.join(&b','), record, "{text:?}");
        all.push(texts(splitter, text));
        text = &text[taken..];
    }
    Some(all)
}
