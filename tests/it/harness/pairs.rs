//! Rows to link, made up by their number, and pools that know their providers.

use std::fmt::Write as _;
use std::ops::Range;

use serde_json::json;

/// A row.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Pair {
    pub(crate) username: String,
    pub(crate) provider: &'static str,
    pub(crate) value: String,
}

/// The rows with these numbers; each names a user and an identity of its own.
pub(crate) fn pairs(numbers: Range<u64>) -> Vec<Pair> {
    numbers.map(pair).collect()
}

fn pair(number: u64) -> Pair {
    let username = format!("person-{number:05}");
    // Google's subjects have 21 digits; a provider of one's own may send anything.
    if number.is_multiple_of(3) {
        Pair { username, provider: "Okta", value: format!("00uOkta{number:05}xYz") }
    } else {
        Pair { username, provider: "Google", value: format!("1074385{number:013}7") }
    }
}

/// Rows as a CSV file with the canonical names of the columns.
pub(crate) fn csv(rows: &[Pair]) -> String {
    let mut text = "destination_username,source_provider,source_value\n".to_owned();
    for Pair { username, provider, value } in rows {
        writeln!(text, "{username},{provider},{value}").unwrap();
    }
    text
}

/// A pool with the providers of these rows and the given users.
pub(crate) fn pool_file(users: &[&str]) -> String {
    let users: Vec<_> = users.iter().map(|username| json!({ "username": username })).collect();
    // The members stand in a fixed order.
    let pool = json!({
        "version": 1,
        "pool": { "id": super::POOL },
        "providers": [{ "name": "Google", "type": "Google" }, { "name": "Okta", "type": "OIDC" }],
        "users": users,
    });
    pool.to_string()
}
