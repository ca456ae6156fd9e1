//! Any bytes as an input whose compression, encoding and format are to be detected.
#![no_main]

use cognito_link::input::InputOptions;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| cognito_link_fuzz::read_rows(bytes, &InputOptions::default()));
