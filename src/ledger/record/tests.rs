use proptest::prelude::*;
use serde_json::{Map, Value};

use super::*;
use crate::domain::control::ChosenRate;

const KEY: &str = "5230e32a47d46755f39c00dc9a066e71";

fn key() -> RowKey {
    RowKey::parse(KEY.as_bytes()).unwrap()
}

fn line_of(record: &LedgerRecord<'_>) -> String {
    serde_json::to_string(record).unwrap()
}

fn settlement(state: SettledState) -> Settlement<'static> {
    Settlement {
        row: RowNumber(7),
        key: key(),
        state,
        code: None,
        recovered: false,
        attempts: 1,
        latency_ms: None,
        request_id: None,
        error: None,
        username: None,
        place: None,
        at: 5,
    }
}

fn announcement(values: [&str; 5]) -> Announcement<'_> {
    let [destination_provider, destination_value, source_provider, source_attribute, source_value] = values;
    Announcement {
        row: RowNumber(7),
        key: key(),
        destination_provider: destination_provider.into(),
        destination_value: PersonalText::new(destination_value),
        source_provider: source_provider.into(),
        source_attribute: source_attribute.into(),
        source_value: PersonalText::new(source_value),
        place: None,
        at: 5,
    }
}

fn invalid_row(key: Option<RowKey>) -> InvalidRow<'static> {
    InvalidRow {
        row: RowNumber(7),
        key,
        code: FindingCode::MissingValue,
        line: 8,
        field: 2,
        column: "source_value".into(),
        at: 5,
    }
}

fn attempt(request_id: Option<&'static str>) -> Attempt<'static> {
    Attempt {
        row: RowNumber(7),
        key: key(),
        call: AttemptedCall::Link,
        answer: AnswerClass::Throttled,
        code: "TooManyRequestsException".into(),
        request_id: request_id.map(Cow::from),
        latency_ms: 12,
        at: 5,
    }
}

fn call_error(code: &'static str, message: &'static str) -> CallError<'static> {
    CallError { code: code.into(), message: PersonalText::new(message) }
}

/// Every type of record with its line. A ledger outlives the version that wrote it, so these lines stay as they are.
fn table() -> Vec<(LedgerRecord<'static>, String)> {
    [run_records(), row_records(), correction_records(), unlink_records()].concat()
}

fn run_records() -> Vec<(LedgerRecord<'static>, String)> {
    let binding = Binding::new(PoolId::parse("us-east-1_Abc").unwrap(), false, None);
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
        tool: "0.1.0".into(),
        limit: None,
        shard: None,
        rows: None,
        origin: None,
        at: 5,
    };
    let origin = RunOrigin {
        account: Some("123456789012".into()),
        principal: Some("arn:aws:iam::123456789012:user/ops".into()),
        region: "us-east-1".into(),
        endpoint: CustomEndpoint::of_url("http://localhost:1"),
        pool_name: "Customers".into(),
        users: 7,
        host: "ops-1".into(),
        input_hash: Some("ab".into()),
        input_etag: Some("c3-2".into()),
        plan_digest: Some("sha256:cd".into()),
        plan_approval: Some(PlanApproval { principal: "bob".into(), key: "SHA256:ef".into() }),
        arguments: vec!["link".into(), "p.csv".into()],
    };
    let placed = RunStart { origin: Some(Box::new(origin)), ..start.clone() };
    let limit = Some(LimitNote { milli: 25_500, from: "provisioned".into() });
    let sharded = RunStart { limit, shard: Shard::parse("1/4").ok(), rows: Some(1_000), ..start.clone() };
    let end =
        RunEnd { run, ended: EndedAs::Interrupted, counts, writes: 8, reads: 2, throttled: 3, pace_milli: None, at: 6 };
    let throttled = RunEnd { pace_milli: Some(24_310), ..end.clone() };
    let rows = r#"{"read":9,"linked":1,"already_linked":2,"refused":3,"failed":0,"in_doubt":1,"invalid":1,"unprocessed":1,"skipped":4,"repeated":2}"#;
    let ended = |more: &str| {
        format!(
            r#"{{"type":"run_ended","run_id":"00000000000000ab","ended":"interrupted","rows":{rows},"writes":8,"reads":2,"throttled":3{more},"at":6}}"#
        )
    };
    let started = |more: &str| {
        format!(
            r#"{{"type":"run_started","run_id":"00000000000000ab","command":"link","input":"a b\\c.csv","tool":"0.1.0"{more},"at":5}}"#
        )
    };
    let elsewhere = Binding { simulated: true, endpoint: CustomEndpoint::of_url("http://[::1]:9/"), ..binding.clone() };
    vec![
        (
            LedgerRecord::Header(LedgerHeader { format: 2, binding: elsewhere, created: 4, tool: "0.1.0".into() }),
            r#"{"type":"header","cognito_link_ledger":2,"binding":{"pool":"us-east-1_Abc","simulated":true,"endpoint":"http://[::1]:9"},"created_at":4,"tool":"0.1.0"}"#.into(),
        ),
        (
            LedgerRecord::Header(LedgerHeader { format: 2, binding, created: 4, tool: "0.1.0".into() }),
            r#"{"type":"header","cognito_link_ledger":2,"binding":{"pool":"us-east-1_Abc","simulated":false},"created_at":4,"tool":"0.1.0"}"#.into(),
        ),
        (LedgerRecord::RunStarted(start), started("")),
        (
            LedgerRecord::RunStarted(sharded),
            started(r#","limit":{"milli":25500,"from":"provisioned"},"shard":"1/4","rows":1000"#),
        ),
        (
            LedgerRecord::RunStarted(placed),
            started(
                r#","origin":{"account":"123456789012","principal":"arn:aws:iam::123456789012:user/ops","region":"us-east-1","endpoint":"http://localhost:1","pool_name":"Customers","users":7,"host":"ops-1","input_hash":"ab","input_etag":"c3-2","plan_digest":"sha256:cd","plan_approval":{"principal":"bob","key":"SHA256:ef"},"arguments":["link","p.csv"]}"#,
            ),
        ),
        (LedgerRecord::RunEnded(Box::new(end)), ended("")),
        (LedgerRecord::RunEnded(Box::new(throttled)), ended(r#","pace_milli":24310"#)),
    ]
}

fn row_records() -> Vec<(LedgerRecord<'static>, String)> {
    let settled = |state: &str, more: &str| {
        format!(r#"{{"type":"settled","row":7,"key":"{KEY}","state":"{state}"{more},"at":5}}"#)
    };
    let error = call_error("InvalidParameterException", "no \"such\" user\n\u{e9}\u{1f600}");
    vec![
        (
            LedgerRecord::Announced(announcement(["Cognito", "alice", "Google", "Cognito_Subject", "1098"])),
            format!(
                r#"{{"type":"announced","row":7,"key":"{KEY}","destination_value":"alice","source_provider":"Google","source_value":"1098","at":5}}"#
            ),
        ),
        (
            LedgerRecord::Announced(announcement(["Ok ta", "\u{e9}\u{1f600}", "\"", "\\", "\u{1}\n\u{7f}"])),
            format!(
                r#"{{"type":"announced","row":7,"key":"{KEY}","destination_provider":"Ok ta","destination_value":"é😀","source_provider":"\"","source_attribute":"\\","source_value":"\u0001\n{}","at":5}}"#,
                '\u{7f}'
            ),
        ),
        (
            LedgerRecord::Withdrawn(Withdrawal { row: RowNumber(u64::MAX), key: key(), at: -1 }),
            format!(r#"{{"type":"withdrawn","row":18446744073709551615,"key":"{KEY}","at":-1}}"#),
        ),
        (
            LedgerRecord::Settled(Settlement {
                attempts: 3,
                latency_ms: Some(87),
                request_id: Some("ab-1".into()),
                ..settlement(SettledState::Linked)
            }),
            settled("linked", r#","attempts":3,"latency_ms":87,"request_id":"ab-1""#),
        ),
        (
            LedgerRecord::Settled(Settlement { recovered: true, ..settlement(SettledState::Linked) }),
            settled("linked", r#","recovered":true"#),
        ),
        (
            LedgerRecord::Settled(Settlement {
                username: Some(PersonalText::new("Alice")),
                ..settlement(SettledState::Linked)
            }),
            settled("linked", r#","username":"Alice""#),
        ),
        (LedgerRecord::Settled(settlement(SettledState::AlreadyLinked)), settled("already_linked", "")),
        (
            LedgerRecord::Settled(Settlement {
                code: Some(RefusalCode::UserNotFound),
                error: Some(error),
                ..settlement(SettledState::Refused)
            }),
            settled(
                "refused",
                r#","code":"user_not_found","error":{"code":"InvalidParameterException","message":"no \"such\" user\né😀"}"#,
            ),
        ),
        (
            LedgerRecord::Settled(Settlement {
                error: Some(call_error("timeout", "")),
                ..settlement(SettledState::InDoubt)
            }),
            settled("in_doubt", r#","error":{"code":"timeout","message":""}"#),
        ),
        (
            LedgerRecord::Attempt(attempt(Some("ab-1"))),
            format!(
                r#"{{"type":"attempt","row":7,"key":"{KEY}","call":"link","answer":"throttled","code":"TooManyRequestsException","request_id":"ab-1","latency_ms":12,"at":5}}"#
            ),
        ),
        (
            LedgerRecord::Attempt(Attempt {
                call: AttemptedCall::Unlink,
                answer: AnswerClass::Unknown,
                code: "timeout".into(),
                ..attempt(None)
            }),
            format!(
                r#"{{"type":"attempt","row":7,"key":"{KEY}","call":"unlink","answer":"unknown","code":"timeout","latency_ms":12,"at":5}}"#
            ),
        ),
        (
            LedgerRecord::Invalid(invalid_row(None)),
            r#"{"type":"invalid","row":7,"code":"missing_value","line":8,"field":2,"column":"source_value","at":5}"#
                .into(),
        ),
        (
            LedgerRecord::Invalid(invalid_row(Some(key()))),
            format!(
                r#"{{"type":"invalid","row":7,"key":"{KEY}","code":"missing_value","line":8,"field":2,"column":"source_value","at":5}}"#
            ),
        ),
    ]
}

fn correction_records() -> Vec<(LedgerRecord<'static>, String)> {
    vec![
        (
            LedgerRecord::Superseded(Supersession { key: key(), by: None, at: 5 }),
            format!(r#"{{"type":"superseded","key":"{KEY}","at":5}}"#),
        ),
        (
            LedgerRecord::Superseded(Supersession { key: key(), by: Some(key()), at: 5 }),
            format!(r#"{{"type":"superseded","key":"{KEY}","by":"{KEY}","at":5}}"#),
        ),
        (
            LedgerRecord::Reinstated(Reinstatement { key: key(), at: 5 }),
            format!(r#"{{"type":"reinstated","key":"{KEY}","at":5}}"#),
        ),
        (
            LedgerRecord::Control(RunControlled::new(
                RunId(7),
                ControlChange::RateSet(ChosenRate { per_second: 2.5, bound: None }),
                ControlSource::Socket,
                Some("ops"),
                5,
            )),
            r#"{"type":"control","run_id":"0000000000000007","change":"rate","milli":2500,"source":"socket","user":"ops","at":5}"#
                .to_owned(),
        ),
        (
            LedgerRecord::Control(RunControlled::new(
                RunId(7),
                ControlChange::WindowClosed { opens: None },
                ControlSource::Window,
                None,
                5,
            )),
            r#"{"type":"control","run_id":"0000000000000007","change":"window_closed","source":"window","at":5}"#.to_owned(),
        ),
        (
            LedgerRecord::Announced(Announcement {
                place: RowPlace::parse(b"00000000000000ab"),
                ..announcement(["Cognito", "alice", "Google", "Cognito_Subject", "1098"])
            }),
            format!(
                r#"{{"type":"announced","row":7,"key":"{KEY}","destination_value":"alice","source_provider":"Google","source_value":"1098","place":"00000000000000ab","at":5}}"#
            ),
        ),
        (
            LedgerRecord::Settled(Settlement {
                place: RowPlace::parse(b"00000000000000ab"),
                ..settlement(SettledState::Failed)
            }),
            format!(r#"{{"type":"settled","row":7,"key":"{KEY}","state":"failed","place":"00000000000000ab","at":5}}"#),
        ),
    ]
}

fn unlink_records() -> Vec<(LedgerRecord<'static>, String)> {
    let settled = |result| UnlinkSettlement {
        row: RowNumber(7),
        key: key(),
        result,
        code: None,
        attempts: 1,
        latency_ms: None,
        request_id: None,
        error: None,
        at: 5,
    };
    let line = |result: &str, code: &str, more: &str| {
        format!(r#"{{"type":"unlink_settled","row":7,"key":"{KEY}","result":"{result}"{code}{more},"at":5}}"#)
    };
    vec![
        (
            LedgerRecord::UnlinkAnnounced(announcement(["Cognito", "alice", "Okta", "email", "a@example.com"])),
            format!(
                r#"{{"type":"unlink_announced","row":7,"key":"{KEY}","destination_value":"alice","source_provider":"Okta","source_attribute":"email","source_value":"a@example.com","at":5}}"#
            ),
        ),
        (LedgerRecord::UnlinkSettled(settled(UnlinkResult::Undone)), line("undone", "", "")),
        (LedgerRecord::UnlinkSettled(settled(UnlinkResult::Withdrawn)), line("withdrawn", "", "")),
        (
            LedgerRecord::UnlinkSettled(UnlinkSettlement {
                code: Some(RefusalCode::Moved),
                ..settled(UnlinkResult::Refused)
            }),
            line("refused", r#","code":"moved""#, ""),
        ),
        (
            LedgerRecord::UnlinkSettled(UnlinkSettlement {
                request_id: Some("ab-1".into()),
                error: Some(call_error("timeout", "no answer")),
                ..settled(UnlinkResult::InDoubt)
            }),
            line("in_doubt", "", r#","request_id":"ab-1","error":{"code":"timeout","message":"no answer"}"#),
        ),
        (
            LedgerRecord::UnlinkSettled(UnlinkSettlement {
                error: Some(call_error("timeout", "no answer")),
                ..settled(UnlinkResult::Failed)
            }),
            line("failed", "", r#","error":{"code":"timeout","message":"no answer"}"#),
        ),
    ]
}

/// The program wrote `run` before it had one name for the run everywhere.
#[test]
fn the_earlier_name_of_the_run_is_read() {
    let line = r#"{"type":"control","run":"0000000000000007","change":"pause","source":"key","at":5,"hash":"0"}"#;
    let renamed = line.replace("\"run\"", "\"run_id\"");
    for line in [line, &renamed] {
        let line = line.replace(",\"hash\":\"0\"", "");
        assert!(
            matches!(decode(line.as_bytes()), Ok(LedgerRecord::Control(change)) if change.run == RunId(7)),
            "{line}"
        );
    }
}

#[test]
fn every_record_has_its_line_and_reads_back() {
    for (record, line) in table() {
        assert_eq!(line_of(&record), line);
        assert_eq!(decode(line.as_bytes()), Ok(record), "{line}");
    }
    assert!(table()[0].1.starts_with(HEADER_START));
    assert_eq!(format_of_header(table()[0].1.as_bytes()), Some(FORMAT_VERSION));
}

#[test]
fn an_edited_line_reads_the_same() {
    for (record, line) in table() {
        let members: Map<String, Value> = serde_json::from_str(&line).unwrap();
        let reversed: Map<_, _> = members.into_iter().rev().collect();
        let spaced = serde_json::to_string_pretty(&reversed).unwrap().replace('\n', " ");
        assert_eq!(decode(spaced.as_bytes()), Ok(record), "{spaced}");
    }
}

#[test]
fn no_prefix_of_a_line_is_a_record() {
    for (_, line) in table() {
        for end in 0..line.len() {
            assert!(decode(&line.as_bytes()[..end]).is_err());
        }
    }
}

/// Members that a line leaves out may stand in it all the same.
#[test]
fn a_line_that_names_the_usual_values_reads_the_same() {
    let usual = announcement(["Cognito", "alice", "Google", "Cognito_Subject", "1098"]);
    let line = format!(
        r#"{{"type":"announced","row":7,"key":"{KEY}","destination_provider":"Cognito","destination_value":"alice","source_provider":"Google","source_attribute":"Cognito_Subject","source_value":"1098","at":5}}"#
    );
    assert_eq!(decode(line.as_bytes()), Ok(LedgerRecord::Announced(usual)));
    let line = format!(r#"{{"type":"settled","row":7,"key":"{KEY}","state":"failed","attempts":1,"at":5}}"#);
    assert_eq!(decode(line.as_bytes()), Ok(LedgerRecord::Settled(settlement(SettledState::Failed))));
}

#[test]
fn texts_without_escapes_are_not_copied() {
    let line =
        line_of(&LedgerRecord::Announced(announcement(["Cognito", "alice", "Google", "Cognito_Subject", "1098"])));
    let Ok(LedgerRecord::Announced(call)) = decode(line.as_bytes()) else { panic!("{line}") };
    let texts = [call.destination_provider, call.destination_value.0, call.source_provider, call.source_value.0];
    assert!(texts.iter().all(|text| matches!(text, Cow::Borrowed(_))), "{texts:?}");
    let settled = Settlement { request_id: Some("ab-1".into()), ..settlement(SettledState::Linked) };
    let line = line_of(&LedgerRecord::Settled(settled));
    let Ok(LedgerRecord::Settled(settled)) = decode(line.as_bytes()) else { panic!("{line}") };
    assert!(matches!(settled.request_id, Some(Cow::Borrowed(_))), "{settled:?}");
}

#[test]
fn what_is_no_record_is_refused_without_repeating_what_it_says() {
    let settled = |members: &str| format!(r#"{{"type":"settled","row":7,"key":"{KEY}","attempts":1,"at":5{members}}}"#);
    let withdrawn = |row: &str, key: &str| format!(r#"{{"type":"withdrawn","row":{row},"key":"{key}","at":5}}"#);
    let unlinked =
        |members: &str| format!(r#"{{"type":"unlink_settled","row":7,"key":"{KEY}","attempts":1,"at":5{members}}}"#);
    let (json, record) = ("unexpected JSON at column", "not a record of this format");
    let cases = [
        ("", "unexpected JSON at column 0"),
        ("secret", "unexpected JSON at column 1"),
        ("[1]", record),
        (&(withdrawn("7", KEY) + " secret"), json),
        ("{\"secret\":1}", record),
        ("{}", record),
        ("{\"type\":\"secret\"}", record),
        ("{\"type\":1}", json),
        ("{\"type\":\"unlink_announced\"}", record),
        (r#"{"type":"header","cognito_link_ledger":"secret"}"#, record),
        (
            r#"{"type":"header","cognito_link_ledger":2,"binding":{"pool":"secret","simulated":true},"created_at":1,"tool":""}"#,
            record,
        ),
        (&settled(r#","state":"secret""#), record),
        (&settled(r#","state":"unprocessed""#), record),
        (&settled(r#","state":"linked","secret":1"#), record),
        (&settled(r#","state":"linked","state":"failed""#), record),
        (&settled(r#","state":"linked","type":"settled""#), record),
        (&settled(r#","state":"linked","code":"user_not_found""#), record),
        (&settled(r#","state":"refused""#), record),
        (&settled(r#","state":"refused","code":"secret""#), record),
        (&settled(r#","state":"failed","recovered":true"#), record),
        (&settled(r#","state":"failed","error":{"code":"secret"}"#), record),
        (&settled(r#","state":"failed","error":{"code":"secret","message":"","more":1}"#), record),
        (&settled(r#","state":"linked","row":7.5"#), record),
        (&unlinked(r#","result":"secret""#), record),
        (&unlinked(r#","result":"undone","code":"gone""#), record),
        (&unlinked(r#","result":"refused""#), record),
        (&withdrawn("7", &KEY.to_uppercase()), record),
        (&withdrawn("-7", KEY), record),
        (&withdrawn("7.5", KEY), record),
        (&withdrawn("18446744073709551616", KEY), record),
        (&withdrawn("07", KEY), json),
        (r#"{"type":"invalid","row":7,"code":"secret","line":8,"field":2,"column":"","at":5}"#, record),
        // Its members stand before its type, where one of two equal members could get lost.
        (&format!(r#"{{"row":7,"row":8,"type":"withdrawn","key":"{KEY}","at":5}}"#), record),
        (&format!(r#"{{"row":7,"secret":8,"type":"withdrawn","key":"{KEY}","at":5}}"#), record),
        (&format!(r#"{{"row":7,"type":"withdrawn","row":7,"key":"{KEY}","at":5}}"#), record),
    ];
    for (line, wanted) in cases {
        let reason = decode(line.as_bytes()).unwrap_err().to_string();
        assert!(reason.contains(wanted) && !reason.contains("secret"), "{line}: {reason}");
    }
    assert_eq!(decode(b"{\"type\":\"\xff\"}"), Err(RecordError::Utf8));
}

fn any_text() -> impl Strategy<Value = String> {
    prop_oneof!["[ab1 \"\\\\/\u{0}\u{1f}\u{7f}\u{80}\u{e9}\u{2028}\u{fffd}\u{1f600}{}:,]{0,20}", ".{0,20}"]
}

fn any_key() -> impl Strategy<Value = RowKey> {
    any::<u128>().prop_map(|digits| RowKey::parse(format!("{digits:032x}").as_bytes()).unwrap())
}

fn any_error() -> impl Strategy<Value = Option<CallError<'static>>> {
    let error = (any_text(), any_text())
        .prop_map(|(code, message)| CallError { code: code.into(), message: PersonalText::new(message) });
    prop::option::of(error)
}

fn any_place() -> impl Strategy<Value = Option<RowPlace>> {
    prop::option::of(any::<u64>().prop_map(|place| RowPlace::parse(format!("{place:016x}").as_bytes()).unwrap()))
}

fn any_announcement() -> impl Strategy<Value = Announcement<'static>> {
    let provider = prop_oneof![Just(NATIVE_PROVIDER.to_owned()), any_text()];
    let attribute = prop_oneof![Just(COGNITO_SUBJECT.to_owned()), any_text()];
    let texts = (provider, any_text(), any_text(), attribute, any_text());
    (any::<u64>(), any_key(), texts, any_place(), any::<i64>()).prop_map(|(row, key, texts, place, at)| Announcement {
        row: RowNumber(row),
        key,
        destination_provider: texts.0.into(),
        destination_value: PersonalText::new(texts.1),
        source_provider: texts.2.into(),
        source_attribute: texts.3.into(),
        source_value: PersonalText::new(texts.4),
        place,
        at,
    })
}

fn any_numbers() -> impl Strategy<Value = (u32, Option<u64>)> {
    (prop_oneof![Just(1), any::<u32>()], prop::option::of(any::<u64>()))
}

fn any_attempt() -> impl Strategy<Value = LedgerRecord<'static>> {
    use AnswerClass::{NotLinked, NotReached, Refused, RunStopped, Throttled, Unknown};
    let calls = prop::sample::select(vec![AttemptedCall::Link, AttemptedCall::Unlink]);
    let answers = prop::sample::select(vec![Throttled, NotReached, Unknown, Refused, NotLinked, RunStopped]);
    let texts = (any_text(), prop::option::of(any_text()));
    (any::<u64>(), any_key(), calls, answers, texts, any::<u64>(), any::<i64>()).prop_map(
        |(row, key, call, answer, (code, request_id), latency_ms, at)| {
            let (row, code, request_id) = (RowNumber(row), code.into(), request_id.map(Cow::from));
            LedgerRecord::Attempt(Attempt { row, key, call, answer, code, request_id, latency_ms, at })
        },
    )
}

fn any_settlement() -> impl Strategy<Value = Settlement<'static>> {
    use SettledState::{AlreadyLinked, Failed, InDoubt, Linked, Refused};
    let states = prop::sample::select(vec![Linked, AlreadyLinked, Refused, Failed, InDoubt]);
    let call = (any::<bool>(), any_numbers(), prop::option::of(any_text()), any_error(), prop::option::of(any_text()));
    let codes = prop::sample::select(RefusalCode::ALL);
    (any::<u64>(), any_key(), states, codes, call, any_place(), any::<i64>()).prop_map(
        |(row, key, state, code, (recovered, (attempts, latency_ms), request_id, error, username), place, at)| {
            Settlement {
                row: RowNumber(row),
                key,
                state,
                code: (state == Refused).then_some(code),
                recovered: recovered && state == Linked,
                attempts,
                latency_ms,
                request_id: request_id.map(Cow::from),
                error,
                username: username.map(PersonalText::new),
                place,
                at,
            }
        },
    )
}

fn any_unlink_settlement() -> impl Strategy<Value = UnlinkSettlement<'static>> {
    use UnlinkResult::{Failed, InDoubt, Refused, Undone, Withdrawn};
    let results = prop::sample::select(vec![Undone, Refused, Failed, InDoubt, Withdrawn]);
    let call = (any_numbers(), prop::option::of(any_text()), any_error());
    (any::<u64>(), any_key(), results, prop::sample::select(RefusalCode::ALL), call, any::<i64>()).prop_map(
        |(row, key, result, code, ((attempts, latency_ms), request_id, error), at)| UnlinkSettlement {
            row: RowNumber(row),
            key,
            result,
            code: (result == Refused).then_some(code),
            attempts,
            latency_ms,
            request_id: request_id.map(Cow::from),
            error,
            at,
        },
    )
}

fn any_run_record() -> impl Strategy<Value = LedgerRecord<'static>> {
    let limit = (any::<u64>(), any_text()).prop_map(|(milli, from)| LimitNote { milli, from });
    let shard = prop::sample::select(vec![None, Shard::new(0, 1).ok(), Shard::new(3, 4).ok()]);
    let start = (
        any::<u64>(),
        any_text(),
        any_text(),
        any_text(),
        prop::option::of(limit),
        (shard, any::<Option<u64>>()),
        any::<i64>(),
    )
        .prop_map(|(run, command, input, tool, limit, (shard, rows), at)| {
            LedgerRecord::RunStarted(RunStart {
                run: RunId(run),
                command,
                input,
                tool,
                limit,
                shard,
                rows,
                origin: None,
                at,
            })
        });
    let ended = prop::sample::select(vec![EndedAs::Completed, EndedAs::Interrupted, EndedAs::Stopped]);
    let end =
        (any::<u64>(), ended, any::<[u64; 10]>(), any::<[u64; 3]>(), prop::option::of(any::<u64>()), any::<i64>())
            .prop_map(|(run, ended, rows, [writes, reads, throttled], pace_milli, at)| {
                let [read, linked, already_linked, refused, failed, in_doubt, invalid, unprocessed, skipped, repeated] =
                    rows;
                let counts = Counts {
                    read,
                    linked,
                    already_linked,
                    refused,
                    failed,
                    in_doubt,
                    invalid,
                    unprocessed,
                    skipped,
                    repeated,
                    ..Counts::default()
                };
                let run = RunId(run);
                LedgerRecord::RunEnded(Box::new(RunEnd {
                    run,
                    ended,
                    counts,
                    writes,
                    reads,
                    throttled,
                    pace_milli,
                    at,
                }))
            });
    let header = (any::<bool>(), any::<i64>(), any_text()).prop_map(|(simulated, created, tool)| {
        let endpoint = CustomEndpoint::of_url("http://localhost:1").filter(|_| created % 2 == 0);
        let binding = Binding::new(PoolId::parse("us-east-1_Abc").unwrap(), simulated, endpoint);
        LedgerRecord::Header(LedgerHeader { format: FORMAT_VERSION, binding, created, tool })
    });
    prop_oneof![start, end, header]
}

fn any_control() -> impl Strategy<Value = LedgerRecord<'static>> {
    let changes = prop::sample::select(vec![
        RunChange::Pause,
        RunChange::Resume,
        RunChange::Rate,
        RunChange::OwnRate,
        RunChange::Drain,
        RunChange::WindowOpen,
        RunChange::WindowClosed,
    ]);
    let milli = prop::option::of(any::<u64>());
    (any::<u64>(), changes, milli, any_text(), prop::option::of(any_text()), any::<i64>()).prop_map(
        |(run, change, milli, source, user, at)| {
            let (source, user) = (source.into(), user.map(Into::into));
            LedgerRecord::Control(RunControlled { run: RunId(run), change, milli, source, user, at })
        },
    )
}

fn any_record() -> impl Strategy<Value = LedgerRecord<'static>> {
    let withdrawal = (any::<u64>(), any_key(), any::<i64>())
        .prop_map(|(row, key, at)| LedgerRecord::Withdrawn(Withdrawal { row: RowNumber(row), key, at }));
    let codes = prop::sample::select(FindingCode::ALL);
    let keys = prop::option::of(any_key());
    let invalid = (any::<u64>(), keys, codes, any::<u64>(), any::<u32>(), any_text(), any::<i64>()).prop_map(
        |(row, key, code, line, field, column, at)| {
            LedgerRecord::Invalid(InvalidRow { row: RowNumber(row), key, code, line, field, column: column.into(), at })
        },
    );
    let superseded = (any_key(), prop::option::of(any_key()), any::<i64>())
        .prop_map(|(key, by, at)| LedgerRecord::Superseded(Supersession { key, by, at }));
    let reinstated =
        (any_key(), any::<i64>()).prop_map(|(key, at)| LedgerRecord::Reinstated(Reinstatement { key, at }));
    prop_oneof![
        any_run_record(),
        any_announcement().prop_map(LedgerRecord::Announced),
        any_settlement().prop_map(LedgerRecord::Settled),
        withdrawal,
        any_announcement().prop_map(LedgerRecord::UnlinkAnnounced),
        any_unlink_settlement().prop_map(LedgerRecord::UnlinkSettled),
        any_attempt(),
        invalid,
        superseded,
        reinstated,
        any_control(),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1_000, ..ProptestConfig::default() })]

    #[test]
    fn any_record_reads_back_in_any_order_of_its_members(record in any_record(), turn in 0..16_usize) {
        let line = line_of(&record);
        prop_assert_eq!(line.lines().count(), 1);
        prop_assert_eq!(&decode(line.as_bytes()), &Ok(record.clone()));
        let members: Map<String, Value> = serde_json::from_str(&line).unwrap();
        let mut members: Vec<_> = members.into_iter().collect();
        let turn = turn % members.len();
        members.rotate_left(turn);
        let turned = Value::Object(members.into_iter().collect()).to_string();
        prop_assert_eq!(decode(turned.as_bytes()), Ok(record), "{}", turned);
    }

    #[test]
    fn no_change_of_a_line_panics(
        record in any_record(),
        place in any::<prop::sample::Index>(),
        bytes in prop::collection::vec(any::<u8>(), 0..4),
        removed in 0..4_usize,
    ) {
        let mut line = line_of(&record).into_bytes();
        let at = place.index(line.len());
        let end = line.len().min(at + removed);
        line.splice(at..end, bytes);
        if let Ok(record) = decode(&line) {
            let again = line_of(&record);
            prop_assert_eq!(decode(again.as_bytes()), Ok(record));
        }
    }
}

#[test]
fn an_announcement_holds_what_was_sent_and_masks_it() {
    let call = announcement(["Cognito", "alice", "Google", "Cognito_Subject", "1098"]);
    let (destination, source) = (call.destination().unwrap(), call.source().unwrap());
    assert_eq!((destination.provider.as_str(), destination.value.expose()), ("Cognito", "alice"));
    assert_eq!((source.provider().as_str(), source.value().expose()), ("Google", "1098"));
    assert!(!format!("{call:?}").contains("alice") && !format!("{call:?}").contains("1098"));
    let edited = announcement(["Cognito", "", "Cognito", "Cognito_Subject", "1098"]);
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
