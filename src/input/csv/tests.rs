use super::*;
use crate::domain::row::RowNumber;
use crate::input::InputOptions;
use crate::input::testing::{codes, header_faults, options, places, reader, records, valid_rows, values};
use crate::limits::READ_BUFFER_BYTES;

const HEADER: &str = "username,idp,name_id\n";

fn with_header(rows: &str) -> String {
    format!("{HEADER}{rows}")
}

#[test]
fn a_row_becomes_a_link() {
    let [record] = records(with_header("carlos,Google,1098421\n")).try_into().unwrap();
    assert_eq!((record.number, record.line, record.findings.len()), (RowNumber(1), 2, 0));
    let link = record.link.unwrap();
    assert_eq!((link.destination.kind(), link.destination.value().expose()), ("username", "carlos"));
    assert_eq!((link.source.provider().as_str(), link.source.value().expose()), ("Google", "1098421"));
}

#[test]
fn the_delimiter_is_told_by_the_header() {
    let table = [
        ("username,idp,name_id", b','),
        ("username;idp;name_id", b';'),
        ("username\tidp\tname_id", b'\t'),
        ("username|idp|name_id", b'|'),
        ("username;idp;name_id;a,b,c,d,e,f", b';'),
        ("\"user;name\",username,idp,name_id", b','),
        ("\"username\";\"idp\";\"name_id\"", b';'),
    ];
    for (header, delimiter) in table {
        let reader = reader(header, &InputOptions::default()).unwrap();
        assert_eq!(reader.layout().delimiter(), Some(delimiter), "{header}");
    }
    let given = InputOptions { delimiter: Some(b'|'), ..options(&[(Column::SourceValue, "name_id;x,y")], &[]) };
    let reader = reader("username|idp|name_id;x,y", &given).unwrap();
    assert_eq!(reader.layout().names, ["username", "idp", "name_id;x,y"]);
}

#[test]
fn marks_line_ends_and_space_do_not_hide_names() {
    for text in [
        "\u{feff}username,idp,name_id\ncarlos,Google,1\n",
        "username,idp,name_id\r\ncarlos,Google,1\r\n",
        "username,idp,name_id\rcarlos,Google,1\r",
        " UserName , IDP,Name_ID\t\ncarlos,Google,1",
        "\n\r\n\"username\",\"idp\",\"name_id\"\n\ncarlos,Google,1\n\n",
    ] {
        assert_eq!(values(text), ["1"], "{text:?}");
    }
}

#[test]
fn fields_keep_their_bytes() {
    let rows = "\"a,b\",Okta,\"say \"\"hi\"\", twice\"\n\"a;b\",\"Okta\",x' x'\n\"c\",Okta,a\"b\n";
    assert_eq!(values(with_header(rows)), ["say \"hi\", twice", "x' x'", "a\"b"]);
    let records = records(with_header("carlos,Okta,\"two\nlines\"\nx,Okta,1\n"));
    assert_eq!(codes(&records[0]), ["control_character"]);
    assert_eq!((records[0].line, records[1].line, records[1].number), (2, 4, RowNumber(2)));
}

#[test]
fn empty_lines_are_counted_and_a_header_alone_is_no_fault() {
    let mut rows = reader(with_header("\n\r\na,Okta,1\n\r\r\nb,Okta,2\n\n"), &InputOptions::default()).unwrap();
    let lines: Vec<u64> = rows.by_ref().map(|record| record.unwrap().line).collect();
    assert_eq!((lines, rows.blank_lines()), (vec![4, 7], 5));
    assert!(rows.raw().bytes.is_empty() && rows.next().is_none());
    assert_eq!(records(HEADER).len(), 0);
    assert_eq!(records(HEADER.trim_end()).len(), 0);
}

#[test]
fn faults_are_told_at_their_line_and_field() {
    let table = [
        ("carlos,Google\n", "ragged_row 2:0"),
        ("carlos,Google,1,2\n", "ragged_row 2:0"),
        ("carlos,,1\n", "missing_value 2:2"),
        (",Google,1\n", "missing_value 2:1"),
        ("\n\ncarlos,Google,1 \n", "surrounding_space 4:3"),
        ("car\0los,Google,1\n", "control_character 2:1"),
        ("carlos,Google,\"a\nb\"\n", "control_character 2:3"),
        ("carlos,Google,\"1\n", "unclosed_quote 2:3"),
        ("a,\"b\nc\",\"d\ne,f,g", "unclosed_quote 3:3"),
        ("carlos,\"Goo\"gle,1\n", "unclosed_quote 2:2"),
        ("carlos,\"Goo\"g\"le,\"1\"\n", "unclosed_quote 2:2"),
        ("\u{feff}carlos,Google,1\n", "invisible_character 2:1"),
    ];
    for (rows, place) in table {
        assert_eq!(places(with_header(rows))[0], place, "{rows:?}");
    }
    let latin = [HEADER.as_bytes(), b"jos\xe9,Google,1\n"].concat();
    assert_eq!(places(&latin), ["invalid_utf8 2:1"]);
    // Two halves of one character in neighboring fields are no character.
    let halves = [HEADER.as_bytes(), b"jos\xc3,\xa9Google,1\n"].concat();
    assert_eq!(places(&halves), ["invalid_utf8 2:1", "invalid_utf8 2:2"]);
    let [finding] = records(&latin)[0].findings.clone().try_into().unwrap();
    assert_eq!((finding.column.as_str(), finding.row), ("username", Some(RowNumber(1))));
}

#[test]
fn what_is_not_used_may_hold_anything() {
    let text = b"note,username,idp,name_id\n\xff\0 ,carlos,Google,1\n";
    assert_eq!(values(text), ["1"]);
}

#[test]
fn an_unclosed_quote_costs_one_row() {
    let mut text = HEADER.to_owned();
    text.push_str("a,Google,\"1\n");
    text.push_str(&valid_rows(20_000));
    let records = records(&text);
    assert_eq!(records.len(), 20_001);
    assert_eq!((codes(&records[0]), records[0].line), (vec!["unclosed_quote"], 2));
    assert!(records[1..].iter().all(|record| record.link.is_some()));
    assert_eq!(records[20_000].line, 20_002);
}

#[test]
fn the_next_quoted_field_does_not_close_it() {
    let rows = "a,Google,\"1\n\"b\",Google,\"2\"\nc,Google,\"3\"\n";
    assert_eq!(places(with_header(rows)), ["unclosed_quote 2:3"]);
    assert_eq!(values(with_header(rows)), ["2", "3"]);
}

#[test]
fn a_record_of_any_length_costs_one_row() {
    for long in [RECORD_BYTES_MAX, 1_000_000, 3 * READ_BUFFER_BYTES] {
        let long = "x".repeat(long);
        for row in [format!("{long},Google,1"), format!("\"{long}\",Google,1")] {
            let text = with_header(&format!("a,Google,1\n{row}\r\nb,Google,2\n"));
            assert_eq!(
                (places(&text), values(&text)),
                (vec!["record_too_long 3:0".to_owned()], vec!["1".into(), "2".into()])
            );
            assert_eq!(records(&text)[2].line, 4);
        }
    }
}

#[test]
fn headers_that_cannot_be_used() {
    let default = InputOptions::default();
    let wide = |columns: usize| (0..columns).map(|at| format!("c{at}")).collect::<Vec<_>>().join(",");
    let table = [
        (String::new(), "missing_column", "the input is empty"),
        ("\n\n".to_owned(), "missing_column", "the input is empty"),
        ("username,\"idp\n".to_owned(), "unclosed_quote", "a quoted name in the header"),
        ("x".repeat(RECORD_BYTES_MAX + 1), "record_too_long", "the header is longer than 65536 bytes"),
        (wide(10_000), "record_too_long", "the header has 10000 columns, and 1000 is the most"),
        (wide(20_000), "record_too_long", "the header is longer than 65536 bytes"),
        ("username,idp,name_id,email,EMAIL".to_owned(), "duplicate_column", "columns 4 and 5 both mean"),
    ];
    for (text, code, start) in table {
        let [(found, message)] = header_faults(&text, &default).try_into().unwrap();
        assert_eq!(found, code);
        assert!(message.starts_with(start), "{message}");
    }
    let most = format!("username,idp,name_id,{}", wide(COLUMNS_MAX - 3));
    assert!(reader(most, &default).is_ok());
}

#[test]
fn constants_and_other_names() {
    let options = options(&[(Column::SourceValue, "objectId")], &[(Column::SourceProvider, "Entra")]);
    let mut rows = reader("userPrincipalName,objectid,email\nx,5f7c-1,carlos@example.com\n", &options).unwrap();
    let link = rows.next().unwrap().unwrap().link.unwrap();
    assert_eq!((link.source.provider().as_str(), link.source.value().expose()), ("Entra", "5f7c-1"));
    assert_eq!(link.destination.kind(), "email");
}
