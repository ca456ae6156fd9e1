use super::*;
use crate::input::InputOptions;
use crate::input::testing::{reader, records};

const NOTE: Note<'static> =
    Note { state: "refused", code: "linked_elsewhere", message: "it's \"there\",\nnot here", retry_of: "5230" };

/// Writes every row of a text to a result file and reads that back.
fn rewritten(text: impl AsRef<[u8]>, with_notes: bool) -> String {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("result");
    let mut rows = reader(text, &InputOptions::default()).unwrap();
    let mut writer =
        RecordWriter::create(&path, rows.layout(), if with_notes { NoteColumns::Replace } else { NoteColumns::Keep })
            .unwrap();
    let mut count = 0;
    while let Some(record) = rows.next() {
        record.unwrap();
        writer.write(&rows.raw(), &NOTE).unwrap();
        count += 1;
    }
    assert_eq!(writer.finish().unwrap(), count);
    String::from_utf8(std::fs::read(&path).unwrap()).unwrap()
}

#[test]
fn without_notes_every_byte_of_a_row_stays() {
    let csv = "note; username;idp;name_id\n\"a;\"\"b\";carlos;Google;1\n;\"x\";Google;2\n";
    assert_eq!(rewritten(csv, false), csv);
    let windows = "username,idp,name_id\r\na,Google,\"1\"\r\n";
    assert_eq!(rewritten(windows, false), windows);
    assert_eq!(
        rewritten("\u{feff}username,idp,name_id\r\n\r\na,Google,1", false),
        "username,idp,name_id\r\na,Google,1\r\n"
    );
    let lines = "{\"username\": \"a\", \"n\": 1.50e3}\n nonsense\n";
    assert_eq!(rewritten(lines, false), lines);
}

#[test]
fn notes_are_appended_and_quoted_as_needed() {
    let written = rewritten("username\tidp\tname_id\textra\na\tGoogle\t1\t\"x\ty\"\n", true);
    let expected = "username\tidp\tname_id\textra\tlink_state\tlink_code\tlink_message\tretry_of\n\
                    a\tGoogle\t1\t\"x\ty\"\trefused\tlinked_elsewhere\t\"it's \"\"there\"\",\nnot here\"\t5230\n";
    assert_eq!(written, expected);
}

#[test]
fn notes_of_an_earlier_run_are_replaced() {
    let csv = rewritten("username,idp,name_id\na,Google,1\n\"b,\",Google,2\n", true);
    assert_eq!(rewritten(&csv, true), csv);
    let moved = rewritten("Link_Code,username,link_state,idp,name_id\nold,a,old,Google,1\n", true);
    assert!(
        moved.starts_with("username,idp,name_id,link_state,link_code,link_message,retry_of\na,Google,1,refused,"),
        "{moved}"
    );
    let lines = rewritten("{\"username\":\"a\", \"link_state\" : {\"x\":[1,2]}, \"n\":1.50e3}\n{}\n", true);
    assert!(lines.starts_with("{\"username\":\"a\",\"n\":1.50e3,\"link_state\":\"refused\","), "{lines}");
    assert_eq!(rewritten(&lines, true), lines);
}

#[test]
fn links_survive_the_round_trip() {
    let texts = [
        "username,idp,name_id\ncarlos,Google,1\n\"a,\"\"b\",Okta,\"x,y\"\nbad,,\n",
        "{\"username\":\"a\\u0041\",\"idp\":\"Okta\",\"name_id\":\"1\"}\n{\"sub\":\"5\",\"idp\":\"Okta\",\"name_id\":\"2\"}\n",
    ];
    for text in texts {
        let links = |text: &str| records(text).into_iter().map(|record| record.link).collect::<Vec<_>>();
        assert_eq!(links(&rewritten(text, true)), links(text));
        assert_eq!(links(&rewritten(text, false)), links(text));
    }
}

#[test]
fn broken_rows_stay_readable_and_invalid() {
    let long = "x".repeat(crate::limits::RECORD_BYTES_MAX);
    let text = format!(
        "username,idp,name_id\na,Google\nb,Google,1,2\nc,Google,\"3\nd,\"Goo\"gle,4\n{long},Google,5\nf,Google,6\n"
    );
    for with_notes in [false, true] {
        let written = rewritten(&text, with_notes);
        let read = records(&written);
        let codes: Vec<_> =
            read.iter().map(|record| record.findings.first().map(|finding| finding.code.as_str())).collect();
        let ragged = Some("ragged_row");
        assert_eq!(codes, [ragged, ragged, ragged, ragged, ragged, None], "{written}");
        assert!(written.contains("\n\"c,Google,\"\"3\",,,"), "{written}");
        assert!(written.len() < 4_000, "of a row that is too long only its start is kept");
        assert!(read[5].link.is_some());
    }
}

/// Somebody may make a short row as long as the header: no note may then be the identity.
#[test]
fn no_note_stands_in_a_column_of_the_input() {
    let written = rewritten("username,idp,name_id\na,Google\nb\nc,Google,1,2\n", true);
    let rows: Vec<&str> = written.lines().filter(|line| line.contains("refused")).collect();
    assert!(rows[0].starts_with("a,Google,,,refused,"), "{written}");
    assert!(rows[1].starts_with("b,,,,refused,") && rows[2].starts_with("c,Google,1,2,refused,"), "{written}");
    assert!(records(&written).iter().all(|record| record.link.is_none()));
}

#[test]
fn lines_that_are_no_objects_are_wrapped_where_notes_are_added() {
    let written = rewritten("{\"username\":\"a\"}\n{\"broken\n", true);
    let line = written.lines().nth(1).unwrap();
    assert!(line.starts_with("{\"link_raw\":\"{\\\"broken\",\"link_state\":\"refused\""), "{line}");
    assert!(records(&written).iter().all(|record| record.link.is_none()));
    assert_eq!(rewritten(&written, true), written);
}

#[test]
fn the_file_stands_there_whole_or_not_at_all() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("result.csv");
    let mut rows = reader("username,idp,name_id\na,Google,1\n", &InputOptions::default()).unwrap();
    let mut writer = RecordWriter::create(&path, rows.layout(), NoteColumns::Keep).unwrap();
    rows.next().unwrap().unwrap();
    writer.write(&rows.raw(), &Note::default()).unwrap();
    assert!(!path.exists());
    drop(writer);
    assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 0, "what was not finished leaves nothing");
    std::fs::write(&path, "earlier").unwrap();
    RecordWriter::create(&path, rows.layout(), NoteColumns::Keep).unwrap().finish().unwrap();
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "username,idp,name_id\n");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    }
    let nowhere = RecordWriter::create(&directory.path().join("absent/result.csv"), rows.layout(), NoteColumns::Keep);
    assert!(nowhere.unwrap_err().to_string().starts_with("cannot write "));
}
