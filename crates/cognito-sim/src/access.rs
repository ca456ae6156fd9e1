//! Who may call the server. It listens on loopback only, so these checks keep out the other programs and the web pages of
//! this machine.
//!
//! - A `Host` that is not this machine's: a web page that rebinds its own name to loopback (DNS rebinding).
//! - An `Origin` that is not this machine's, and a body that is not declared as JSON: a form of a web page.
//! - Without the server's access key, where it has one: another program.

use std::net::IpAddr;

use hyper::Request;
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, HOST, HeaderName, ORIGIN};

use crate::error::ApiError;

/// What a request must show.
#[derive(Debug, Clone, Default)]
pub(crate) struct AccessRules {
    /// Names besides those of loopback that `Host` may have, in lower case.
    pub(crate) allowed_hosts: Vec<String>,
    /// The access key id that every request is signed with; `None` accepts any.
    pub(crate) access_key: Option<String>,
}

impl AccessRules {
    /// # Errors
    /// [`ApiError::forbidden`], which says what is missing.
    pub(crate) fn check<B>(&self, request: &Request<B>) -> Result<(), ApiError> {
        let header = |name: &HeaderName| request.headers().get(name).map(|value| value.to_str().unwrap_or_default());
        // HTTP/2 and absolute targets name the host in the target.
        let host = header(&HOST).or_else(|| request.uri().authority().map(hyper::http::uri::Authority::as_str));
        let host = host.map(host_name).unwrap_or_default().to_ascii_lowercase();
        if !is_this_machine(&host) && !self.allowed_hosts.contains(&host) {
            return Err(ApiError::forbidden(format!(
                "The Host header names '{host}', and this simulator answers to this machine only; --allow-host accepts a name"
            )));
        }
        if let Some(origin) = header(&ORIGIN) {
            let origin_host = origin.split_once("://").map_or("", |(_, authority)| host_name(authority));
            if !is_this_machine(&origin_host.to_ascii_lowercase()) {
                return Err(ApiError::forbidden("The request comes from a web page of another host".to_owned()));
            }
        }
        let key_shown = |key: &str| {
            let shown = header(&AUTHORIZATION).unwrap_or_default();
            shown.split_once("Credential=").is_some_and(|(_, scope)| scope.split('/').next() == Some(key))
        };
        match &self.access_key {
            Some(key) if !key_shown(key) => Err(ApiError::forbidden(
                "This simulator belongs to a running command and answers only its own requests".to_owned(),
            )),
            _ => Ok(()),
        }
    }
}

/// Refuses a body that a form of a web page could send without asking first.
///
/// # Errors
/// [`ApiError::forbidden`].
pub(crate) fn check_json<B>(request: &Request<B>) -> Result<(), ApiError> {
    let content_type = request.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let essence = content_type.split(';').next().unwrap_or_default().trim();
    if essence.eq_ignore_ascii_case("application/json") {
        return Ok(());
    }
    Err(ApiError::forbidden("Expected a JSON body with Content-Type: application/json".to_owned()))
}

/// The host of `host:port`, without brackets.
fn host_name(authority: &str) -> &str {
    match authority.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((host, _)) => host,
        None => authority.split_once(':').map_or(authority, |(host, _)| host),
    }
}

fn is_this_machine(host: &str) -> bool {
    host == "localhost" || host.ends_with(".localhost") || host.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

/// A key that other programs cannot guess. Nothing else of the simulator is random without a seed.
///
/// # Errors
/// The operating system gives no random numbers.
pub(crate) fn new_access_key() -> Result<String, getrandom::Error> {
    let (high, low) = (getrandom::u64()?, getrandom::u64()?);
    Ok(format!("SIM{high:016X}{low:016X}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(rules: &AccessRules, headers: &[(&str, &str)]) -> bool {
        let builder =
            headers.iter().fold(Request::builder().uri("/"), |builder, (name, value)| builder.header(*name, *value));
        rules.check(&builder.body(()).unwrap()).is_ok()
    }

    #[test]
    fn only_names_of_this_machine_are_hosts_and_origins() {
        let rules = AccessRules { allowed_hosts: vec!["cognito.test".to_owned()], access_key: None };
        for host in [
            "localhost",
            "localhost:4566",
            "127.0.0.1:1",
            "127.9.9.9",
            "[::1]:80",
            "LOCALHOST",
            "a.localhost",
            "Cognito.test:1",
        ] {
            assert!(check(&rules, &[("host", host)]), "{host}");
        }
        for host in
            ["", "evil.example", "localhost.evil.example:80", "192.0.2.1", "[2001:db8::1]", "127.0.0.1.evil.example"]
        {
            assert!(!check(&rules, &[("host", host)]), "{host}");
        }
        assert!(!check(&rules, &[]));
        for (origin, accepted) in [
            ("http://localhost:3000", true),
            ("http://[::1]:3000", true),
            ("http://evil.example", false),
            ("https://localhost.evil.example", false),
            ("null", false),
        ] {
            assert_eq!(check(&rules, &[("host", "localhost"), ("origin", origin)]), accepted, "{origin}");
        }
    }

    #[test]
    fn a_private_server_wants_its_key() {
        let rules = AccessRules { allowed_hosts: Vec::new(), access_key: Some("SIM1".to_owned()) };
        for (authorization, accepted) in [
            ("AWS4-HMAC-SHA256 Credential=SIM1/20260101/x/cognito-idp/aws4_request, Signature=1", true),
            ("AWS4-HMAC-SHA256 Credential=SIM12/20260101/x/cognito-idp/aws4_request", false),
            ("AWS4-HMAC-SHA256 Credential=AKIA/SIM1", false),
            ("", false),
        ] {
            assert_eq!(
                check(&rules, &[("host", "localhost"), ("authorization", authorization)]),
                accepted,
                "{authorization}"
            );
        }
        assert!(!check(&rules, &[("host", "localhost")]));
    }

    #[test]
    fn a_form_cannot_declare_json() {
        for (content_type, accepted) in [
            ("application/json", true),
            ("Application/JSON; charset=utf-8", true),
            ("text/plain", false),
            ("application/x-www-form-urlencoded", false),
            ("multipart/form-data", false),
        ] {
            let request = Request::builder().header("content-type", content_type).body(()).unwrap();
            assert_eq!(check_json(&request).is_ok(), accepted, "{content_type}");
        }
        assert!(check_json(&Request::builder().body(()).unwrap()).is_err());
    }

    #[test]
    fn keys_differ() {
        assert_ne!(new_access_key().unwrap(), new_access_key().unwrap());
    }
}
