use super::*;
use crate::domain::identity::PoolId;
use crate::domain::outcome::RefusalCode;
use crate::seed::Rng;

const KEY: &str = "5230e32a47d46755f39c00dc9a066e71";

fn key() -> RowKey {
    RowKey::parse(KEY.as_bytes()).unwrap()
}

fn line_of(record: &Record<'_>) -> String {
    let mut line = Vec::new();
    encode(record, &mut line);
    String::from_utf8(line).unwrap()
}

fn settlement(state: RowState) -> Settlement<'static> {
    Settlement {
        key: key(),
        row: RowNumber(7),
        state,
        at: 5,
        attempts: 1,
        request_id: None,
        recovered: false,
        said: None,
    }
}

fn intent(values: [&str; 5]) -> Intent<'_> {
    let [dp, dv, sp, sa, sv] = values;
    Intent {
        key: key(),
        row: RowNumber(7),
        at: 5,
        destination_provider: dp.into(),
        destination_value: PersonalText::new(dv),
        source_provider: sp.into(),
        source_attribute: sa.into(),
        source_value: PersonalText::new(sv),
    }
}

/// Every kind of record, with the line that it is for ever: ledgers outlive versions.
fn table() -> Vec<(Record<'static>, String)> {
    [run_records(), row_records(), undo_records()].concat()
}

fn run_records() -> Vec<(Record<'static>, String)> {
    let binding = Binding { pool: PoolId::parse("us-east-1_Abc").unwrap(), simulated: false };
    let counts = Counts {
        read: 9,
        linked: 1,
        already_linked: 2,
        refused: 3,
        failed: 0,
        in_doubt: 1,
        invalid: 1,
        unprocessed: 1,
        skipped: 4,
        repeated: 2,
        ..Counts::default()
    };
    let run = RunId(0xab);
    let start = RunStart {
        run,
        command: "link".into(),
        input: "a b\\c.csv".into(),
        at: 5,
        tool: "0.1.0".into(),
        limit: None,
        shard: None,
    };
    let limit = Some(LimitNote { milli: 25_500, from: "provisioned".into() });
    let sharded = RunStart { limit, shard: Shard::parse("1/4").ok(), ..start.clone() };
    let end =
        RunEnd { run, at: 6, ended: EndedAs::Interrupted, counts, writes: 8, reads: 2, throttled: 3, pace_milli: None };
    let measured = RunEnd { pace_milli: Some(24_310), ..end.clone() };
    vec![
        (
            Record::Header(Header { binding, created: 4, tool: "0.1.0".into() }),
            r#"{"cognito_link_ledger":1,"pool":"us-east-1_Abc","simulated":false,"created":4,"tool":"0.1.0"}"#.into(),
        ),
        (
            Record::RunStart(start),
            r#"{"run":"00000000000000ab","command":"link","input":"a b\\c.csv","t":5,"tool":"0.1.0"}"#.into(),
        ),
        (
            Record::RunEnd(Box::new(end)),
            r#"{"end":"00000000000000ab","t":6,"ended":"interrupted","read":9,"linked":1,"already_linked":2,"refused":3,"failed":0,"in_doubt":1,"invalid":1,"unprocessed":1,"skipped":4,"repeated":2,"writes":8,"reads":2,"throttled":3}"#.into(),
        ),
        (
            Record::RunStart(sharded),
            r#"{"run":"00000000000000ab","command":"link","input":"a b\\c.csv","t":5,"tool":"0.1.0","limit_milli":25500,"limit_from":"provisioned","shard":"1/4"}"#.into(),
        ),
        (
            Record::RunEnd(Box::new(measured)),
            r#"{"end":"00000000000000ab","t":6,"ended":"interrupted","read":9,"linked":1,"already_linked":2,"refused":3,"failed":0,"in_doubt":1,"invalid":1,"unprocessed":1,"skipped":4,"repeated":2,"writes":8,"reads":2,"throttled":3,"pace_milli":24310}"#.into(),
        ),
    ]
}

fn undo_records() -> Vec<(Record<'static>, String)> {
    let said = Some(("timeout".into(), PersonalText::new("no answer")));
    let settled = |ended| UnlinkSettlement {
        key: key(),
        row: RowNumber(7),
        ended,
        at: 5,
        attempts: 1,
        request_id: None,
        said: None,
    };
    let line = |word: &str, more: &str| format!(r#"{{"unlink":"{KEY}","row":7,"undo":"{word}","t":5,"n":1{more}}}"#);
    vec![
        (
            Record::Unlink(intent(["Cognito", "alice", "Okta", "email", "a@example.com"])),
            format!(
                r#"{{"do":"unlink","key":"{KEY}","row":7,"t":5,"dp":"Cognito","dv":"alice","sp":"Okta","sa":"email","sv":"a@example.com"}}"#
            ),
        ),
        (Record::UnlinkSettlement(settled(UnlinkEnd::Undone)), line("undone", "")),
        (Record::UnlinkSettlement(settled(UnlinkEnd::Withdrawn)), line("withdrawn", "")),
        (
            Record::UnlinkSettlement(settled(UnlinkEnd::Refused(RefusalCode::Moved))),
            line("refused", r#","code":"moved""#),
        ),
        (
            Record::UnlinkSettlement(UnlinkSettlement {
                request_id: Some("ab-1".into()),
                said: said.clone(),
                ..settled(UnlinkEnd::InDoubt)
            }),
            line("in_doubt", r#","id":"ab-1","said":"timeout","message":"no answer""#),
        ),
        (
            Record::UnlinkSettlement(UnlinkSettlement { said, ..settled(UnlinkEnd::Failed) }),
            line("failed", r#","said":"timeout","message":"no answer""#),
        ),
    ]
}

fn row_records() -> Vec<(Record<'static>, String)> {
    let said = Some(("InvalidParameterException".into(), PersonalText::new("no \"such\" user\n\u{e9}\u{1f600}")));
    let refused = RowState::Refused(RefusalCode::UserNotFound);
    vec![
        (
            Record::Intent(intent(["Cognito", "alice", "Google", "Cognito_Subject", "1098"])),
            format!(
                r#"{{"do":"link","key":"{KEY}","row":7,"t":5,"dp":"Cognito","dv":"alice","sp":"Google","sa":"Cognito_Subject","sv":"1098"}}"#
            ),
        ),
        (
            Record::Intent(intent(["Ok ta", "\u{e9}\u{1f600}", "\"", "\\", "\u{1}\n\u{7f}"])),
            format!(
                r#"{{"do":"link","key":"{KEY}","row":7,"t":5,"dp":"Ok ta","dv":"é😀","sp":"\"","sa":"\\","sv":"\u0001\u000a{}"}}"#,
                '\u{7f}'
            ),
        ),
        (
            Record::Withdrawal(Withdrawal { key: key(), row: RowNumber(u64::MAX), at: -1 }),
            format!(r#"{{"withdrawn":"{KEY}","row":18446744073709551615,"t":-1}}"#),
        ),
        (
            Record::Settlement(Settlement { request_id: Some("ab-1".into()), ..settlement(RowState::Linked) }),
            format!(r#"{{"key":"{KEY}","row":7,"state":"linked","t":5,"n":1,"id":"ab-1"}}"#),
        ),
        (
            Record::Settlement(Settlement { recovered: true, ..settlement(RowState::Linked) }),
            format!(r#"{{"key":"{KEY}","row":7,"state":"linked","t":5,"n":1,"recovered":true}}"#),
        ),
        (
            Record::Settlement(settlement(RowState::AlreadyLinked)),
            format!(r#"{{"key":"{KEY}","row":7,"state":"already_linked","t":5,"n":1}}"#),
        ),
        (
            Record::Settlement(Settlement { said, ..settlement(refused) }),
            format!(
                r#"{{"key":"{KEY}","row":7,"state":"refused","t":5,"n":1,"code":"user_not_found","said":"InvalidParameterException","message":"no \"such\" user\u000aé😀"}}"#
            ),
        ),
        (
            Record::Settlement(Settlement {
                said: Some(("timeout".into(), PersonalText::new(""))),
                ..settlement(RowState::InDoubt)
            }),
            format!(r#"{{"key":"{KEY}","row":7,"state":"in_doubt","t":5,"n":1,"said":"timeout","message":""}}"#),
        ),
        (
            Record::Invalid(InvalidRow {
                code: FindingCode::MissingValue,
                row: RowNumber(7),
                line: 8,
                field: 2,
                column: "source_value".into(),
                at: 5,
            }),
            r#"{"invalid":"missing_value","row":7,"line":8,"field":2,"column":"source_value","t":5}"#.into(),
        ),
    ]
}

#[test]
fn every_record_has_its_line_and_reads_back() {
    for (record, line) in table() {
        assert_eq!(line_of(&record), format!("{line}\n"));
        assert_eq!(decode(line.as_bytes()), Ok(record.clone()), "{line}");
        let padded = line_of(&record) + "{\"key\":";
        if let Some((quick, used)) = as_written(padded.as_bytes()) {
            assert_eq!((quick, used), (record, line.len() + 1));
        }
    }
}

#[test]
fn frequent_lines_take_the_fast_path() {
    let quick: Vec<bool> = table().iter().map(|(r, _)| as_written(line_of(r).as_bytes()).is_some()).collect();
    // Header, starts and ends are few; escapes and numbers below zero or of 20 digits are rare.
    let wanted = [false, false, false, false, false, true, false, false, true, true, true, false, true, true];
    let (before, of_undo) = quick.split_at(wanted.len());
    assert_eq!(before, wanted);
    assert!(of_undo.iter().all(|quick| *quick), "{of_undo:?}");
}

#[test]
fn an_edited_line_reads_the_same() {
    for (record, line) in table() {
        let members: serde_json::Map<String, serde_json::Value> = serde_json::from_str(&line).unwrap();
        let reversed: serde_json::Map<_, _> = members.into_iter().rev().collect();
        let spaced = serde_json::to_string_pretty(&reversed).unwrap().replace('\n', " ");
        assert_eq!(as_written((spaced.clone() + "\n").as_bytes()), None);
        assert_eq!(decode(spaced.as_bytes()), Ok(record), "{spaced}");
    }
}

#[test]
fn no_prefix_of_a_line_is_a_record() {
    for (_, line) in table() {
        for end in 0..line.len() {
            assert!(decode(&line.as_bytes()[..end]).is_err());
            assert_eq!(as_written(&line.as_bytes()[..end]), None);
        }
        assert_eq!(as_written(line.as_bytes()), None, "without its line end");
    }
}

#[test]
fn what_is_no_record_is_refused_without_telling_what_it_says() {
    let settled = |members: &str| format!(r#"{{"key":"{KEY}","row":7,"t":5,"n":1{members}}}"#);
    let cases = [
        ("", "JSON object (column 0)"),
        ("secret", "JSON object (column 1)"),
        ("[1]", "JSON object (column 0)"),
        ("{\"do\":\"link\"} secret", "JSON object (column 15)"),
        ("{\"secret\":1}", "not a record"),
        ("{\"do\":\"unlink\"}", "member"),
        ("{\"cognito_link_ledger\":2}", "format 2"),
        ("{\"cognito_link_ledger\":\"secret\"}", "member"),
        ("{\"cognito_link_ledger\":1,\"pool\":\"secret\",\"simulated\":true,\"created\":1,\"tool\":\"\"}", "member"),
        (&settled(r#","state":"secret""#), "member"),
        (&settled(r#","state":"unprocessed""#), "member"),
        (&settled(r#","state":"linked","secret":1"#), "member"),
        (&settled(r#","state":"linked","state":"failed""#), "member"),
        (&settled(r#","state":"linked","code":"user_not_found""#), "member"),
        (&settled(r#","state":"refused""#), "member"),
        (&settled(r#","state":"refused","code":"secret""#), "member"),
        (&settled(r#","state":"failed","recovered":true"#), "member"),
        (&settled(r#","state":"failed","said":"secret""#), "member"),
        (&settled(r#","state":"linked","row":7.5"#), "member"),
        (&format!(r#"{{"unlink":"{KEY}","row":7,"undo":"secret","t":5,"n":1}}"#), "member"),
        (&format!(r#"{{"unlink":"{KEY}","row":7,"undo":"undone","t":5,"n":1,"code":"gone"}}"#), "member"),
        (&format!(r#"{{"unlink":"{KEY}","row":7,"undo":"refused","t":5,"n":1}}"#), "member"),
        (&format!(r#"{{"withdrawn":"{}","row":7,"t":5}}"#, KEY.to_uppercase()), "member"),
        (&format!(r#"{{"withdrawn":"{KEY}","row":-7,"t":5}}"#), "member"),
        (&format!(r#"{{"withdrawn":"{KEY}","row":18446744073709551616,"t":5}}"#), "member"),
        (&format!(r#"{{"withdrawn":"{KEY}","row":07,"t":5}}"#), "JSON object"),
        (r#"{"invalid":"secret","row":7,"line":8,"field":2,"column":"","t":5}"#, "member"),
    ];
    for (line, wanted) in cases {
        let reason = decode(line.as_bytes()).unwrap_err().to_string();
        assert!(reason.contains(wanted) && !reason.contains("secret"), "{line}: {reason}");
        assert_eq!(as_written(format!("{line}\n").as_bytes()), None, "{line}");
    }
    assert_eq!(decode(b"{\"run\":\"\xff\"}"), Err(Undecodable::Utf8));
}

#[test]
fn any_text_survives_both_ways_of_reading() {
    let mut rng = Rng::new(11);
    let alphabet: Vec<char> = "ab1 \"\\/\u{0}\u{1f}\u{7f}\u{80}\u{e9}\u{2028}\u{fffd}\u{1f600}{}:,".chars().collect();
    for round in 0..2_000 {
        // Every other round without what needs escapes, so that the fast path has its share.
        let mut draw = || -> String {
            let chars =
                (0..rng.below(20)).map(|_| alphabet[usize::try_from(rng.below(alphabet.len() as u64)).unwrap()]);
            chars.filter(|c| round % 2 == 0 || !(c.is_control() || *c == '"' || *c == '\\')).collect()
        };
        let texts: [String; 5] = std::array::from_fn(|_| draw());
        let record = Record::Intent(intent(texts.each_ref().map(String::as_str)));
        let line = line_of(&record);
        assert_eq!(line.lines().count(), 1);
        assert_eq!(decode(line.trim_end_matches('\n').as_bytes()), Ok(record.clone()));
        match as_written(line.as_bytes()) {
            Some(quick) => assert_eq!(quick, (record, line.len())),
            None => assert_eq!(round % 2, 0),
        }
    }
}

#[test]
fn an_intent_tells_what_was_sent_and_masks_it() {
    let record = intent(["Cognito", "alice", "Google", "Cognito_Subject", "1098"]);
    let (destination, source) = (record.destination().unwrap(), record.source().unwrap());
    assert_eq!((destination.provider.as_str(), destination.value.expose()), ("Cognito", "alice"));
    assert_eq!((source.provider().as_str(), source.value().expose()), ("Google", "1098"));
    assert!(!format!("{record:?}").contains("alice") && !format!("{record:?}").contains("1098"));
    let edited = intent(["Cognito", "", "Cognito", "Cognito_Subject", "1098"]);
    assert_eq!(edited.destination(), Err(IdentityError::Empty));
    assert_eq!(edited.source(), Err(IdentityError::NativeSource));
}

#[test]
fn run_numbers_read_back() {
    for number in [0, 1, u64::MAX] {
        assert_eq!(RunId::parse(&RunId(number).to_string()), Some(RunId(number)));
    }
    for bad in ["", "ab", "+000000000000001", "00000000000000AB", "00000000000000abc"] {
        assert_eq!(RunId::parse(bad), None, "{bad}");
    }
}
