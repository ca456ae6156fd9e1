//! Any bytes as a file of choices.
#![no_main]

use cognito_link::commands::shared::choices::Choices;
use cognito_link::domain::identity::{Destination, Personal};
use cognito_link::engine::testing::row_to;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Ok(choices) = Choices::read(&cognito_link_fuzz::file_with(bytes)) else { return };
    let row = row_to(1, Destination::Email(Personal::from_service("user@example.com")));
    let _ = choices.username_for(row.key);
    let _ = choices.incoming(row);
});
