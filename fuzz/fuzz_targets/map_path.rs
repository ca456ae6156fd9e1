//! Any text as the name of a column, over a JSON object: the first line is the name, the rest is the input.
#![no_main]

use cognito_link::input::{Column, InputOptions};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let (name, input) = bytes.split_at(bytes.iter().position(|byte| *byte == b'\n').unwrap_or(bytes.len()));
    let name = String::from_utf8_lossy(name).into_owned();
    let _ = (InputOptions::parse_pair(&name), InputOptions::parse_preset(&name));
    let options = InputOptions { map: vec![(Column::SourceValue, name)], ..InputOptions::default() };
    cognito_link_fuzz::read_rows(input, &options);
});
