//! Any bytes as JSON lines: no panic, and both readings show the same rows.
#![no_main]

use cognito_link::input::{Format, InputOptions};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    cognito_link_fuzz::read_rows(bytes, &InputOptions { format: Some(Format::Jsonl), ..InputOptions::default() });
});
