//! Any text as a file of settings, and as the value of an option.
#![no_main]

use std::collections::BTreeSet;

use cognito_link::commands::shared::settings::{
    FileSettings, parse_account, parse_duration, parse_endpoint_url, parse_moment, parse_percent, parse_rate,
    parse_row_ranges, parse_share, read_option_values,
};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let file = cognito_link_fuzz::file_with(bytes);
    let options: BTreeSet<String> = ["user-pool-id", "region", "rate", "yes"].map(str::to_owned).into();
    let _ = read_option_values(&file, &options, None, None);
    if let Ok(settings) = FileSettings::read(&file, &options) {
        let name = settings.pools.keys().next().cloned();
        let _ = settings.for_pool(name.as_deref(), None);
    }
    let text = String::from_utf8_lossy(bytes);
    if let Ok(share) = parse_share(&text) {
        assert!(share > 0.0 && share <= 1.0, "{share}");
    }
    if let Ok(percent) = parse_percent(&text) {
        assert!((0.0..=100.0).contains(&percent), "{percent}");
    }
    let _ = (parse_rate(&text), parse_duration(&text), parse_account(&text), parse_endpoint_url(&text));
    let _ = (parse_row_ranges(&text), parse_moment("--since", &text, 1_795_000_000_000));
});
