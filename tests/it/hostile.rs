//! Hostile and damaged files: a clear message about each, the right status, and never much memory.
//!
//! Each is read under a limit of address space far below what it would take to hold it.

use std::fmt::Write as _;
use std::io::Write as _;
use std::process::{Command, Stdio};

use crate::harness::{Finished, Home, Running};

/// Address space of the program, in KiB: the debug build alone maps some 100 MiB.
const SPACE_KIB: u32 = 512 * 1024;
const HEADER: &str = "username,idp,name_id\n";

/// `validate` under the limit.
fn validate(home: &Home, options: &[&str]) -> Finished {
    let mut command = Command::new("sh");
    command.args(["-c", &format!("ulimit -v {SPACE_KIB} && exec \"$0\" \"$@\""), env!("CARGO_BIN_EXE_cognito-link")]);
    command.args(["validate", "in"]).args(options).current_dir(home.path("")).env_clear();
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    Running::start(command).wait()
}

/// The codes that were found, each with its count, and how many rows are valid.
fn found(home: &Home) -> (Vec<(String, u64)>, u64) {
    let report: serde_json::Value =
        serde_json::from_str(&validate(home, &["--output", "json"]).left_with(4).stdout).unwrap();
    let codes = report["findings_by_code"].as_object().unwrap();
    let codes = codes.iter().map(|(code, count)| (code.clone(), count.as_u64().unwrap())).collect();
    (codes, report["rows"]["valid"].as_u64().unwrap())
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

#[test]
fn a_line_of_five_megabytes_costs_one_row() {
    let home = Home::new();
    let line = "x".repeat(5 << 20);
    for content in [
        format!("{HEADER}{line}\nb,Okta,2x\n"),
        format!("{HEADER}a,Okta,\"{line}\nb,Okta,2x\n"),
        format!("{{\"username\":\"{line}\"}}\n{{\"username\":\"b\",\"idp\":\"Okta\",\"name_id\":\"2x\"}}\n"),
    ] {
        home.write("in", content);
        let (codes, valid) = found(&home);
        assert_eq!((codes.len(), codes[0].1, valid), (1, 1, 1), "{codes:?}");
    }
}

#[test]
fn a_quote_that_is_never_closed_costs_one_row() {
    let home = Home::new();
    let mut content = format!("{HEADER}a,Okta,\"1x\n");
    for row in 0..20_000 {
        writeln!(content, "b{row},Okta,{row}y").unwrap();
    }
    home.write("in", content);
    assert_eq!(found(&home), (vec![("unclosed_quote".to_owned(), 1)], 20_000));
}

#[test]
fn a_bomb_is_refused_before_it_goes_off() {
    let home = Home::new();
    let (zeros, header) = (vec![0; 4 << 20], HEADER.as_bytes());
    // A gibibyte of zeros each: as the header, as a row, and packed by the other packer.
    let member = gzip(&zeros);
    home.write("in", member.repeat(256));
    validate(&home, &[]).refused_with(4, "the header is longer than");
    home.write("in", [gzip(header), member.repeat(256)].concat());
    validate(&home, &[]).refused_with(4, "expands more than 200 times");
    let mut packer = zstd::Encoder::new(Vec::new(), 1).unwrap();
    packer.write_all(header).unwrap();
    (0..256).for_each(|_| packer.write_all(&zeros).unwrap());
    home.write("in", packer.finish().unwrap());
    validate(&home, &[]).refused_with(4, "expands more than 200 times");
}

#[test]
fn bytes_that_are_no_text_are_reported_as_such() {
    let home = Home::new();
    home.write("in", format!("{HEADER}a\0b,Okta,1x\nc,Okta,2\0x\n{}\nd,Okta,3x\n", "\0".repeat(300)));
    let (codes, valid) = found(&home);
    assert_eq!((codes, valid), (vec![("ragged_row".to_owned(), 1), ("control_character".to_owned(), 2)], 1));
    for encode in [u16::to_le_bytes, u16::to_be_bytes] {
        home.write("in", format!("\u{feff}{HEADER}a,Okta,1x\n").encode_utf16().flat_map(encode).collect::<Vec<u8>>());
        validate(&home, &[]).refused_with(4, "UTF-16");
    }
    home.write("in", [&b"\xff\xfe\xff\xfe"[..], &[0xff; 4096]].concat());
    validate(&home, &[]).left_with(4);
}

#[test]
fn a_lone_carriage_return_ends_a_line() {
    let home = Home::new();
    home.write("in", "username,idp,name_id\ra,Okta,1x\rb,Okta,2x\r\r\nc,Okta,\r");
    assert_eq!(found(&home), (vec![("missing_value".to_owned(), 1)], 2));
}

#[test]
fn ten_thousand_columns_are_no_header() {
    let home = Home::new();
    home.write("in", HEADER.replacen("username", &"c,".repeat(10_000), 1) + "a\n");
    validate(&home, &[]).refused_with(4, "columns, and 1000 is the most");
    home.write("in", format!("{HEADER}a,Okta,1x{}\nb,Okta,2x\n", ",y".repeat(10_000)));
    assert_eq!(found(&home), (vec![("ragged_row".to_owned(), 1)], 1));
}

#[test]
fn deep_nesting_costs_one_row() {
    let home = Home::new();
    let valid_line = "{\"username\":\"b\",\"idp\":\"Okta\",\"name_id\":\"2x\"}";
    let deep = |open: &str, close: &str| format!("{{\"x\":{}1{}}}", open.repeat(5_000), close.repeat(5_000));
    home.write("in", format!("{}\n{}\n{}\n{valid_line}\n", deep("[", "]"), deep("{\"a\":", "}"), "[".repeat(60_000)));
    // The first line tells the format.
    let (codes, valid) = found(&home);
    assert_eq!((codes, valid), (vec![("invalid_json".to_owned(), 3)], 1));
}
