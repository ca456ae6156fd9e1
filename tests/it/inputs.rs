//! One set of rows in every format: the same links, the same keys.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::io::Write as _;

use serde_json::Value;

use crate::harness::{Fate, Finished, Gate, Home, Pair, Proxy, Simulator, csv, pairs, wait_for};

const ROWS: usize = 40;

fn gzip(text: &str) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(text.as_bytes()).unwrap();
    encoder.finish().unwrap()
}

/// Links the input in a world of its own; returns the keys of its rows.
fn keys_of(name: &str, link: impl FnOnce(&Home, &str) -> Finished) -> BTreeSet<String> {
    let home = Home::new();
    let simulator = Simulator::quick(&home);
    let report = link(&home, &simulator.url).left_with(0).json();
    assert_eq!(report["rows"]["linked"], ROWS, "{name}: {report}");
    simulator.linked_once(ROWS);
    home.ledger("in.ledger").announced()
}

const OPTIONS: [&str; 6] = ["--ledger", "in.ledger", "--rate", "1000", "--output", "json"];

fn from_file(name: &str, content: &[u8]) -> BTreeSet<String> {
    keys_of(name, |home, url| {
        home.write("in", content);
        home.link(url, &[&["in"], &OPTIONS[..]].concat())
    })
}

fn from_stdin(name: &str, content: &[u8]) -> BTreeSet<String> {
    keys_of(name, |home, url| home.link_stdin(url, &[&["-"], &OPTIONS[..]].concat(), content))
}

#[test]
fn every_format_links_the_same_rows() {
    let plain = csv(&pairs(0..ROWS as u64));
    let expected = from_file("plain", plain.as_bytes());
    assert_eq!(expected.len(), ROWS);
    let crlf = plain.replace('\n', "\r\n");
    let zstd = zstd::encode_all(plain.as_bytes(), 3).unwrap();
    let files: [(&str, Vec<u8>); 10] = [
        ("CRLF", crlf.clone().into_bytes()),
        ("a byte order mark", [&b"\xef\xbb\xbf"[..], plain.as_bytes()].concat()),
        ("semicolons", plain.replace(',', ";").into_bytes()),
        ("tabs", plain.replace(',', "\t").into_bytes()),
        ("pipes", plain.replace(',', "|").into_bytes()),
        (
            "quotes",
            plain.replace(',', "\",\"").replace('\n', "\"\n\"").trim_end_matches('"').replacen("", "\"", 1).into(),
        ),
        ("no line end at the end", plain.trim_end().into()),
        ("gzip", gzip(&plain)),
        ("zstd", zstd.clone()),
        ("gzip in two parts, CRLF and a byte order mark", {
            let whole = format!("\u{feff}{crlf}");
            let (head, tail) = whole.split_at(500);
            [gzip(head), gzip(tail)].concat()
        }),
    ];
    for (name, content) in &files {
        assert_eq!(from_file(name, content), expected, "{name}");
    }
    for (name, content) in [("stdin", plain.into_bytes()), ("zstd on stdin", zstd)] {
        assert_eq!(from_stdin(name, &content), expected, "{name}");
    }
}

#[test]
fn a_compressed_input_that_ends_early_links_nothing() {
    let home = Home::new();
    let simulator = Simulator::quick(&home);
    let whole = gzip(&csv(&pairs(0..ROWS as u64)));
    home.write("in", &whole[..whole.len() - 20]);
    home.link(&simulator.url, &["in"]).refused_with(4, "in");
    assert_eq!(simulator.link_calls(), 0);
}

#[test]
fn a_suspicion_is_passed_by_option_or_file_and_stays_a_warning() {
    let home = Home::new();
    home.write("in", "username,idp,name_id\na,Corp,auth0|1\nb,Corp,\"auth0|2 \"\n");
    home.write("settings.toml", "allow = [\"provider_prefix\"]\n");
    let validate = |options: &[&str]| home.run(&[&["validate", "in", "--output", "json"], options].concat());
    let options: [&[&str]; 2] = [&["--allow", "provider_prefix"], &["--config", "settings.toml"]];
    for options in options {
        let report: Value = serde_json::from_str(&validate(options).left_with(4).stdout).unwrap();
        assert_eq!((&report["rows"]["valid"], &report["rows"]["invalid"]), (&1.into(), &1.into()), "{report}");
        assert_eq!(report["findings"][0]["severity"], "warning", "{report}");
        assert_eq!(report["allowed_by_code"]["provider_prefix"], report["findings_by_code"]["provider_prefix"]);
    }
    validate(&["--allow", "provider_prefix", "--allow", "surrounding_space"]).left_with(0);
    // The option goes before the file, as everywhere.
    validate(&["--config", "settings.toml", "--allow", "surrounding_space"]).left_with(4);
    validate(&["--allow", "missing_value"]).refused_with(2, "missing_value");
    home.write("settings.toml", "allow = [\"missing_value\"]\n");
    validate(&["--config", "settings.toml"]).refused_with(2, "provider_prefix");
}

/// Rows with a column that no command reads, so that a few of them fill a block of the pin.
fn long_rows(pairs: &[Pair]) -> String {
    let mut text = "destination_username,source_provider,source_value,note\n".to_owned();
    for (Pair { username, provider, value }, note) in pairs.iter().zip(std::iter::repeat("x".repeat(1_000))) {
        writeln!(text, "{username},{provider},{value},{note}").unwrap();
    }
    text
}

#[test]
fn an_input_that_changes_in_mid_run_stops_the_run_and_forgets_no_row() {
    // More than the engine and its reader hold at a time.
    const ROWS: u64 = 7_000;
    const OPTIONS: [&str; 5] = ["in", "--rate", "5000", "--concurrency", "100"];
    let whole = long_rows(&pairs(0..ROWS));
    for (what, changed) in
        [("cut", whole[..whole.len() * 2 / 3].to_owned()), ("overwritten", long_rows(&pairs(ROWS..2 * ROWS)))]
    {
        let home = Home::new();
        let simulator = Simulator::quick(&home);
        home.write("in", &whole);
        let gate = Gate::default();
        let waiting = gate.clone();
        let proxy = Proxy::start(simulator.address(), move |number, _| {
            if number > 20 {
                waiting.pass();
            }
            Fate::Passes
        });
        let running = home.start_link(&proxy.url, &OPTIONS);
        wait_for("calls in flight", || (proxy.link_calls().len() > 20).then_some(()));
        home.write("in", &changed);
        gate.open();
        let stopped = running.wait().left_with(6);
        assert!(stopped.stderr.contains("was changed after it was checked"), "{what}: {}", stopped.stderr);
        // What was sent stood in the file as it was checked, and the rest can still be linked.
        home.write("in", &whole);
        home.link(&proxy.url, &OPTIONS).left_with(0);
        simulator.linked_once(usize::try_from(ROWS).unwrap());
    }
}
