//! The address of a service that is called in place of AWS's own endpoint.

use std::fmt;

/// Domains in which AWS has the endpoints of its services.
const AWS_DOMAINS: [&str; 4] = [".amazonaws.com", ".amazonaws.com.cn", ".api.aws", ".api.amazonwebservices.com.cn"];
/// The service's names in front of the Region.
const SERVICE_NAMES: [&str; 2] = ["cognito-idp", "cognito-idp-fips"];
/// Longest address that is kept.
const ENDPOINT_BYTES_MAX: usize = 512;

/// Scheme, host, port and path of an endpoint that is not AWS's own. User, password and query are left out: they may be
/// secrets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CustomEndpoint(String);

impl CustomEndpoint {
    /// Returns the endpoint of an address; `None` where it is AWS's own, also as an interface endpoint of a VPC.
    pub fn of_url(url: &str) -> Option<Self> {
        let (scheme, rest) = url.split_once("://").unwrap_or(("https", url));
        let scheme = scheme.to_ascii_lowercase();
        let rest = rest.split(['?', '#']).next().unwrap_or_default();
        let (authority, path) = rest.split_at(rest.find(['/', '\\']).unwrap_or(rest.len()));
        let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host).to_ascii_lowercase();
        if scheme == "https" && is_of_aws(host.strip_suffix(":443").unwrap_or(&host)) {
            return None;
        }
        let mut text = format!("{scheme}://{host}{}", path.trim_end_matches('/'));
        text.truncate(text.floor_char_boundary(ENDPOINT_BYTES_MAX));
        Some(Self(text))
    }

    /// Reads what [`CustomEndpoint::as_str`] returns.
    pub fn parse(text: &str) -> Option<Self> {
        Self::of_url(text).filter(|endpoint| endpoint.0 == text)
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for CustomEndpoint {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// Whether a host is an endpoint of the service in a Region, or an interface endpoint of it. Other names in the domains
/// of AWS belong to its customers, such as those of load balancers.
fn is_of_aws(host: &str) -> bool {
    let Some(name) = AWS_DOMAINS.iter().find_map(|domain| host.strip_suffix(domain)) else { return false };
    let mut labels: Vec<&str> = name.split('.').collect();
    if labels.last() == Some(&"vpce") {
        labels.pop();
    }
    match labels.as_slice() {
        [service, _] => SERVICE_NAMES.contains(service),
        [interface, service, _] => interface.starts_with("vpce-") && SERVICE_NAMES.contains(service),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn endpoints_of_aws_are_not_custom() {
        for url in [
            "https://cognito-idp.us-east-1.amazonaws.com",
            "https://COGNITO-IDP-fips.us-gov-west-1.amazonaws.com/",
            "https://cognito-idp.cn-north-1.amazonaws.com.cn:443",
            "https://cognito-idp.eu-west-1.api.aws",
            "https://vpce-0a1b-2c.cognito-idp.us-east-1.vpce.amazonaws.com",
        ] {
            assert_eq!(CustomEndpoint::of_url(url), None, "{url}");
        }
        for url in [
            "http://cognito-idp.us-east-1.amazonaws.com",
            "https://cognito-idp-1234.us-east-1.elb.amazonaws.com",
            "https://cognito-idp.us-east-1.amazonaws.com.evil.example",
            "https://evilamazonaws.com",
            "https://cognito-idp.us-east-1.amazonaws.com:8443",
            "https://cognito-idp.us-east-1.amazonaws.com@evil.example",
        ] {
            assert!(CustomEndpoint::of_url(url).is_some(), "{url}");
        }
    }

    #[test]
    fn an_address_has_one_text_and_no_secret() {
        for (url, text) in [
            ("http://127.0.0.1:4566/", "http://127.0.0.1:4566"),
            ("HTTP://LocalHost:9229", "http://localhost:9229"),
            ("https://user:secret@proxy.example/cognito/?key=secret#x", "https://proxy.example/cognito"),
            ("http://[::1]:8080", "http://[::1]:8080"),
        ] {
            let endpoint = CustomEndpoint::of_url(url).unwrap();
            assert_eq!(endpoint.as_str(), text);
            assert_eq!(CustomEndpoint::parse(text), Some(endpoint));
        }
        for text in ["", "http://x/", "https://cognito-idp.us-east-1.amazonaws.com", "http://a@b"] {
            assert_eq!(CustomEndpoint::parse(text), None, "{text}");
        }
    }
}
