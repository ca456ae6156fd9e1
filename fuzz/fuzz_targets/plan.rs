//! Any bytes as a saved plan.
#![no_main]

use cognito_link::commands::shared::saved_plan;
use cognito_link::domain::identity::{Destination, Personal};
use cognito_link::engine::testing::row_to;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    // With the hash that fits, where it is a plan: nothing else comes through.
    let sealed = cognito_link_fuzz::sealed_plan(bytes);
    let bytes = sealed.as_deref().unwrap_or(bytes);
    let Ok(mut opened) = saved_plan::open_private_copy(&cognito_link_fuzz::file_with(bytes)) else { return };
    let _ = (opened.header.refused(), opened.header.count("link"));
    for number in 1..=3 {
        if opened.plan.next_for(&row_to(number, Destination::Username(Personal::from_service("user")))).is_err() {
            return;
        }
    }
});
