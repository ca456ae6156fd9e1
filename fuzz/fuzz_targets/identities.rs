//! Any text as the attribute `identities` of a user.
#![no_main]

use cognito_link::service::identities::parse_identities;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    for identity in parse_identities(&String::from_utf8_lossy(bytes)) {
        if let Some(created) = identity.created_between() {
            assert!(created.start() <= created.end());
        }
    }
});
