//! The HTTP client of every call to AWS, those of the credential chain included: proxies, trusted certificates, and no
//! plain HTTP over a network.

use std::path::Path;

use aws_config::SdkConfig;
use aws_sdk_cognitoidentityprovider::config::http::HttpRequest;
use aws_sdk_cognitoidentityprovider::config::{RuntimeComponents, SharedHttpClient};
use aws_smithy_http_client::Connector;
use aws_smithy_http_client::proxy::ProxyConfig;
use aws_smithy_http_client::tls::rustls_provider::CryptoMode;
use aws_smithy_http_client::tls::{Provider, TlsContext, TrustStore};
use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_types::body::SdkBody;
use http_body_util::Limited;
use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;

use super::endpoint::{is_metadata_host, is_own_host, plain_http_host, setting};
use crate::domain::run::{StopCause, StopError};
use crate::limits::{CA_BUNDLE_BYTES_MAX, RESPONSE_BODY_BYTES_MAX};

/// Hosts that are never reached through a proxy: this machine, and the metadata services of instances and containers,
/// which would answer the proxy with its own credentials.
const NEVER_PROXIED: &str = "localhost,127.0.0.0/8,::1,169.254.0.0/16,fd00:ec2::/32";

const CERTIFICATE_BEGIN: &str = "-----BEGIN CERTIFICATE-----";
const CERTIFICATE_END: &str = "-----END CERTIFICATE-----";

/// Builds the client from the environment and the settings of the profile.
pub(super) fn http_client(config: &SdkConfig, insecure_allowed: bool) -> Result<SharedHttpClient, StopError> {
    let proxies = Proxies::read(|name| std::env::var(name).ok())?;
    let trust = match setting(config, "AWS_CA_BUNDLE", "ca_bundle") {
        Some(path) if !path.is_empty() => read_ca_bundle(Path::new(&path))?,
        _ => TrustStore::default(),
    };
    let tls = TlsContext::builder()
        .with_trust_store(trust)
        .build()
        .map_err(|error| StopError::new(StopCause::Configuration, format!("TLS cannot be used: {error}")))?;
    let client = |proxy| client_through(proxy, tls.clone());
    let by_scheme = ClientByScheme { http: client(proxies.http), https: client(proxies.https), insecure_allowed };
    Ok(bounded(SharedHttpClient::new(by_scheme)))
}

fn client_through(proxy: Option<ProxyConfig>, tls: TlsContext) -> SharedHttpClient {
    // The builder of clients has no setting for a proxy; that of connectors has.
    aws_smithy_http_client::Builder::new().build_with_connector_fn(move |settings, components| {
        let mut builder = Connector::builder();
        builder.set_connector_settings(settings.cloned());
        builder.set_sleep_impl(components.and_then(RuntimeComponents::sleep_impl));
        builder.set_proxy_config(proxy.clone());
        builder.tls_provider(Provider::Rustls(CryptoMode::Ring)).tls_context(tls.clone()).build()
    })
}

/// The proxies of the environment, by the scheme of the address that is called.
#[derive(Debug, Default)]
struct Proxies {
    http: Option<ProxyConfig>,
    https: Option<ProxyConfig>,
}

impl Proxies {
    fn read(variable: impl Fn(&str) -> Option<String>) -> Result<Self, StopError> {
        // As in the SDK: the name in capitals counts first.
        let first_of = |name: &'static str| {
            let values = [name.to_owned(), name.to_lowercase()].into_iter().filter_map(|name| variable(&name));
            values.map(|value| value.trim().to_owned()).find(|value| !value.is_empty())
        };
        let exceptions = match first_of("NO_PROXY") {
            Some(hosts) => format!("{hosts},{NEVER_PROXIED}"),
            None => NEVER_PROXIED.to_owned(),
        };
        let proxy = |name: &'static str, config: fn(String) -> Result<ProxyConfig, String>| {
            let Some(address) = first_of(name) else { return Ok(None) };
            let address = if address.contains("://") { address } else { format!("http://{address}") };
            match config(address) {
                Ok(config) => Ok(Some(config.no_proxy(&exceptions))),
                // The address is left out: it may hold a password.
                Err(error) => Err(StopError::new(
                    StopCause::Configuration,
                    format!("{name} is not the address of a proxy: {error}; expected http://proxy.example.com:8080"),
                )),
            }
        };
        Ok(Self {
            http: proxy("HTTP_PROXY", |address| ProxyConfig::http(address).map_err(|error| error.to_string()))?,
            https: proxy("HTTPS_PROXY", |address| ProxyConfig::https(address).map_err(|error| error.to_string()))?,
        })
    }
}

/// Reads the certificates that are trusted in place of the system's.
fn read_ca_bundle(path: &Path) -> Result<TrustStore, StopError> {
    let fault = |what: String| {
        let path = path.display();
        let detail = format!("the CA bundle {path}, which AWS_CA_BUNDLE or `ca_bundle` of the profile names, {what}");
        StopError::new(StopCause::Configuration, detail)
    };
    let bytes = match std::fs::metadata(path) {
        Ok(about) if about.len() > CA_BUNDLE_BYTES_MAX => Err(fault(format!("has over {CA_BUNDLE_BYTES_MAX} bytes"))),
        _ => std::fs::read(path).map_err(|error| fault(format!("cannot be read: {error}"))),
    }?;
    let mut trusted = TrustStore::empty();
    let mut count = 0;
    for certificate in certificates(&String::from_utf8_lossy(&bytes)) {
        trusted.add_pem_certificate(certificate);
        count += 1;
    }
    if count == 0 {
        return Err(fault("holds no certificate that can be used; expected PEM".to_owned()));
    }
    tracing::debug!(count, "trusts the certificates of the CA bundle only");
    Ok(trusted)
}

/// The PEM blocks of certificates that TLS can use. The others are skipped: a bundle of a system may hold old ones, and
/// the SDK's client ends the process over them.
fn certificates(text: &str) -> impl Iterator<Item = &str> {
    text.match_indices(CERTIFICATE_BEGIN).filter_map(|(start, _)| {
        let end = text[start..].find(CERTIFICATE_END)? + start + CERTIFICATE_END.len();
        let block = &text[start..end];
        let certificate = CertificateDer::from_pem_slice(block.as_bytes()).ok()?;
        RootCertStore::empty().add(certificate).is_ok().then_some(block)
    })
}

/// Bounds the body of every answer: who answers may be anybody on the way, and the SDK reads a body as a whole.
pub(super) fn bounded(client: SharedHttpClient) -> SharedHttpClient {
    SharedHttpClient::new(BoundedClient(client))
}

#[derive(Debug)]
struct BoundedClient(SharedHttpClient);

impl HttpClient for BoundedClient {
    fn http_connector(&self, settings: &HttpConnectorSettings, components: &RuntimeComponents) -> SharedHttpConnector {
        SharedHttpConnector::new(BoundedConnector(self.0.http_connector(settings, components)))
    }
}

#[derive(Debug)]
struct BoundedConnector(SharedHttpConnector);

impl HttpConnector for BoundedConnector {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let answer = self.0.call(request);
        HttpConnectorFuture::new(async move {
            let answer = answer.await?;
            Ok(answer.map(|body| SdkBody::from_body_1_x(Limited::new(body, RESPONSE_BODY_BYTES_MAX))))
        })
    }
}

/// A client that takes the proxy for the scheme of each request.
#[derive(Debug)]
struct ClientByScheme {
    http: SharedHttpClient,
    https: SharedHttpClient,
    insecure_allowed: bool,
}

impl HttpClient for ClientByScheme {
    fn http_connector(&self, settings: &HttpConnectorSettings, components: &RuntimeComponents) -> SharedHttpConnector {
        SharedHttpConnector::new(ConnectorByScheme {
            http: self.http.http_connector(settings, components),
            https: self.https.http_connector(settings, components),
            insecure_allowed: self.insecure_allowed,
        })
    }
}

#[derive(Debug)]
struct ConnectorByScheme {
    http: SharedHttpConnector,
    https: SharedHttpConnector,
    insecure_allowed: bool,
}

impl HttpConnector for ConnectorByScheme {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        match plain_http_host(request.uri()) {
            None => self.https.call(request),
            Some(host) if self.insecure_allowed || is_own_host(host) || is_metadata_host(host) => {
                self.http.call(request)
            }
            // Endpoints of the pool and of the quotas are refused before; this one is of the credential chain.
            Some(host) => HttpConnectorFuture::ready(Err(ConnectorError::user(
                format!("{host} would be called over plain HTTP, which only --allow-insecure-endpoint allows").into(),
            ))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn proxies(variables: &[(&str, &str)]) -> Result<Proxies, String> {
        let value = |name: &str| variables.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).into());
        Proxies::read(value).map_err(|stop| {
            assert_eq!(stop.cause, StopCause::Configuration);
            stop.detail
        })
    }

    /// The address and the exceptions of a proxy, as the SDK keeps them.
    fn shown(proxy: Option<&ProxyConfig>) -> String {
        format!("{:?}", proxy.unwrap())
    }

    #[test]
    fn proxies_by_scheme_in_both_cases_of_their_names() {
        let none = proxies(&[("HTTPS_PROXY", ""), ("ALL_PROXY", "socks5://proxy:1080")]).unwrap();
        assert!(none.http.is_none() && none.https.is_none());
        for name in ["HTTPS_PROXY", "https_proxy"] {
            let found = proxies(&[(name, "proxy.corp:8080"), ("no_proxy", ".internal")]).unwrap();
            assert!(found.http.is_none());
            let https = shown(found.https.as_ref());
            assert!(https.contains("http://proxy.corp:8080/"), "{https}");
            assert!(https.contains(".internal,localhost,127.0.0.0/8"), "{https}");
        }
        let both = proxies(&[("HTTP_PROXY", "http://a:1"), ("http_proxy", "http://b:1"), ("https_proxy", "https://c")]);
        let both = both.unwrap();
        assert!(shown(both.http.as_ref()).contains("http://a:1/"));
        assert!(shown(both.https.as_ref()).contains("https://c/"));
    }

    #[test]
    fn a_proxy_that_cannot_be_used_is_refused_without_its_password() {
        for address in ["socks5://me:secret@proxy:1080", "http://me:secret@", "http://me:secret@pro xy:1"] {
            let error = proxies(&[("HTTPS_PROXY", address)]).unwrap_err();
            assert!(error.contains("HTTPS_PROXY") && !error.contains("secret"), "{error}");
        }
    }

    #[test]
    fn a_bundle_is_read_or_refused_by_name() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("bundle.pem");
        let refused = |path: &Path| read_ca_bundle(path).unwrap_err().detail;
        assert!(refused(&path).contains("cannot be read"));
        let own = rcgen::generate_simple_self_signed(["example.com".to_owned()]).unwrap().cert.pem();
        let damaged = format!("{CERTIFICATE_BEGIN}\nAAAA\n{CERTIFICATE_END}\n");
        for content in ["", "hello", &damaged, CERTIFICATE_BEGIN, &own[..own.len() / 2]] {
            std::fs::write(&path, content).unwrap();
            let error = refused(&path);
            assert!(error.contains("holds no certificate") && error.contains("bundle.pem"), "{content}: {error}");
        }
        let text = format!("a comment\n{damaged}{own}\n{own}");
        assert_eq!(certificates(&text).count(), 2);
        std::fs::write(&path, text).unwrap();
        read_ca_bundle(&path).unwrap();
    }
}
