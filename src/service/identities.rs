//! The `identities` attribute: a JSON array in a string.
//!
//! The service writes members of known types; tokens and front ends write the same claim with numbers and booleans as
//! strings, or flattened to one object. All of these are read; unknown members are passed over.

use serde_json::Value;

use crate::clock::UnixMs;
use crate::domain::identity::Personal;

/// One identity on a user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LinkedIdentity {
    /// The provider's id of the user, true case: the value that the link was made with.
    pub user_id: Personal,
    /// The pool's name of the provider.
    pub provider_name: String,
    /// `SAML`, `OIDC`, `Google` and so on; empty where the text does not say.
    pub provider_type: String,
    /// The assertion's issuer; `None` until a SAML identity has signed in, and always for OIDC and social ones.
    pub issuer: Option<String>,
    /// Whether the profile was born from this identity (`true`) or the identity was linked to it.
    pub primary: bool,
    /// When it was linked, in the service's milliseconds.
    pub created_unix_ms: Option<UnixMs>,
}

/// Reads the attribute's value; what cannot be read as an identity is left out.
#[must_use]
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
        primary: truth(item.get("primary")),
        created_unix_ms: item.get("dateCreated").and_then(milliseconds),
    })
}

fn truth(value: Option<&Value>) -> bool {
    match value {
        Some(Value::Bool(primary)) => *primary,
        Some(Value::String(primary)) => primary == "true",
        _ => false,
    }
}

fn milliseconds(value: &Value) -> Option<UnixMs> {
    value.as_i64().or_else(|| value.as_str()?.parse().ok())
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
    fn other_forms_are_read_or_left_out() {
        let flattened = r#"{"userId":17,"providerName":"Okta","primary":"true","dateCreated":"5"}"#;
        let [identity] = parse_identities(flattened).try_into().unwrap();
        assert_eq!((identity.user_id.expose(), identity.primary, identity.created_unix_ms), ("17", true, Some(5)));
        for text in ["", "[]", "nonsense", "[{\"providerName\":\"Google\"}]", "[1]", "null"] {
            assert_eq!(parse_identities(text), [], "{text}");
        }
    }
}
