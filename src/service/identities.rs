//! The `identities` attribute of a user: a JSON array in a string.
//!
//! The service writes typed members; tokens and front ends write the same claim with numbers and booleans as strings, or
//! as one object in place of the array. All of these are read; unknown members are ignored.

use std::ops::RangeInclusive;

use serde_json::Value;

use crate::clock::UnixMs;
use crate::domain::identity::Personal;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LinkedIdentity {
    /// The provider's id of the user, in its true case: the value of the link call.
    pub user_id: Personal,
    /// The name of the provider in the pool.
    pub provider_name: String,
    /// `SAML`, `OIDC`, `Google` and so on; empty if the text has none.
    pub provider_type: String,
    /// The issuer of the assertion; `None` until a SAML identity has signed in, and always for OIDC and social ones.
    pub issuer: Option<String>,
    /// Whether the profile was created by this identity (`true`) or the identity was linked to it.
    pub primary: bool,
    /// When it was linked, by the service's clock, or a whole second before that time.
    pub created_unix_ms: Option<UnixMs>,
}

impl LinkedIdentity {
    /// From when to when it can have been linked. A date of whole seconds may have lost its milliseconds.
    pub fn created_between(&self) -> Option<RangeInclusive<UnixMs>> {
        self.created_unix_ms.map(possible_times)
    }
}

/// The times that a date may stand for.
#[must_use]
pub fn possible_times(date: UnixMs) -> RangeInclusive<UnixMs> {
    let is_whole_second = date % MS_PER_SECOND == 0;
    date..=date.saturating_add(if is_whole_second { MS_PER_SECOND - 1 } else { 0 })
}

const MS_PER_SECOND: UnixMs = 1_000;
/// A smaller date is in seconds: in milliseconds it would be before March 1973.
const SMALLEST_MS: UnixMs = 100_000_000_000;

/// Parses the value of the attribute; ignores what is not an identity.
pub fn parse_identities(text: &str) -> Vec<LinkedIdentity> {
    match serde_json::from_str(text) {
        Ok(Value::Array(items)) => items.iter().filter_map(parse_one).collect(),
        Ok(item @ Value::Object(_)) => parse_one(&item).into_iter().collect(),
        _ => Vec::new(),
    }
}

fn parse_one(item: &Value) -> Option<LinkedIdentity> {
    let text = |name: &str| item.get(name).and_then(Value::as_str).map(str::to_owned);
    let user_id = match item.get("userId")? {
        Value::String(id) => id.clone(),
        Value::Number(id) => id.to_string(),
        _ => return None,
    };
    Some(LinkedIdentity {
        user_id: Personal::from_service(&user_id),
        provider_name: text("providerName")?,
        provider_type: text("providerType").unwrap_or_default(),
        issuer: text("issuer"),
        primary: is_true(item.get("primary")),
        created_unix_ms: item.get("dateCreated").and_then(milliseconds),
    })
}

fn is_true(value: Option<&Value>) -> bool {
    match value {
        Some(Value::Bool(primary)) => *primary,
        Some(Value::String(primary)) => primary == "true",
        _ => false,
    }
}

/// A date in milliseconds or seconds, told apart by its size.
fn milliseconds(value: &Value) -> Option<UnixMs> {
    let date: UnixMs = value.as_i64().or_else(|| value.as_str()?.parse().ok())?;
    Some(if date.unsigned_abs() < SMALLEST_MS.unsigned_abs() { date * MS_PER_SECOND } else { date })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_service_form_is_read_in_full() {
        let text = r#"[{"userId":"1104AbC","providerName":"Google","providerType":"Google","issuer":null,
            "primary":true,"dateCreated":1610638615180,"added":{"later":1}}]"#;
        let [identity] = parse_identities(text).try_into().unwrap();
        assert_eq!(identity.user_id.expose(), "1104AbC");
        assert_eq!((identity.provider_name.as_str(), identity.issuer), ("Google", None));
        assert_eq!((identity.primary, identity.created_unix_ms), (true, Some(1_610_638_615_180)));
    }

    #[test]
    fn other_forms_are_read_or_ignored() {
        let flattened = r#"{"userId":17,"providerName":"Okta","primary":"true","dateCreated":"5"}"#;
        let [identity] = parse_identities(flattened).try_into().unwrap();
        assert_eq!((identity.user_id.expose(), identity.primary, identity.created_unix_ms), ("17", true, Some(5_000)));
        for text in ["", "[]", "nonsense", "[{\"providerName\":\"Google\"}]", "[1]", "null"] {
            assert_eq!(parse_identities(text), [], "{text}");
        }
    }

    #[test]
    fn dates_have_the_precision_that_they_show() {
        for (date, expected) in [
            ("1610638615180", Some(1_610_638_615_180..=1_610_638_615_180)),
            ("1610638615", Some(1_610_638_615_000..=1_610_638_615_999)),
            ("\"1610638615\"", Some(1_610_638_615_000..=1_610_638_615_999)),
            ("1610638615000", Some(1_610_638_615_000..=1_610_638_615_999)),
            ("null", None),
            ("\"yesterday\"", None),
        ] {
            let text = format!(r#"[{{"userId":"1","providerName":"Google","dateCreated":{date}}}]"#);
            let [identity] = parse_identities(&text).try_into().unwrap();
            assert_eq!(identity.created_between(), expected, "{date}");
        }
    }

    proptest::proptest! {
        #[test]
        fn no_text_is_too_strange(text in "\\PC{0,200}") {
            let _ = parse_identities(&text);
        }

        #[test]
        fn what_the_service_writes_is_read_back(
            ids in proptest::collection::vec("\\PC{1,40}", 0..6), provider in "\\PC{1,32}", created in SMALLEST_MS..i64::MAX,
            primary in proptest::bool::ANY, as_text in proptest::bool::ANY,
        ) {
            use serde_json::json;
            let items: Vec<Value> = ids.iter().map(|id| {
                let (primary, created) = if as_text {
                    (json!(primary.to_string()), json!(created.to_string()))
                } else {
                    (json!(primary), json!(created))
                };
                json!({"userId": id, "providerName": provider, "primary": primary, "dateCreated": created, "later": [1]})
            }).collect();
            let parsed = parse_identities(&Value::from(items).to_string());
            assert_eq!(parsed.iter().map(|identity| identity.user_id.expose()).collect::<Vec<_>>(), ids);
            for identity in parsed {
                assert_eq!((identity.primary, identity.created_unix_ms), (primary, Some(created)));
                assert_eq!((identity.provider_name.as_str(), identity.provider_type.as_str()), (provider.as_str(), ""));
            }
        }
    }
}
