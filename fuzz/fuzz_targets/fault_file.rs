//! Any text as a file of faults.
#![no_main]

use cognito_sim::{FaultPlan, parse_latency, parse_quota};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let text = String::from_utf8_lossy(bytes);
    let _ = FaultPlan::parse(&text);
    let _ = parse_latency("--latency", &text);
    let _ = parse_quota("--quota", &[text.into_owned()], 1.0);
});
