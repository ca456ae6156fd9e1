//! What the account may call, from the service itself and from Service Quotas.
//!
//! Service Quotas speaks the same protocol with the same signature. One call of it is made here with the client that
//! is there, by putting its address, name and body in the place of another call's before it is signed: a crate of its
//! own would be one more generated crate to build for one figure.

use std::sync::{Arc, OnceLock};

use aws_sdk_cognitoidentityprovider::Client;
use aws_sdk_cognitoidentityprovider::config::interceptors::{
    AfterDeserializationInterceptorContextRef, BeforeTransmitInterceptorContextMut,
};
use aws_sdk_cognitoidentityprovider::config::{ConfigBag, Intercept, RuntimeComponents};
use aws_sdk_cognitoidentityprovider::error::BoxError;
use aws_sdk_cognitoidentityprovider::types::{LimitClass, LimitDefinitionType};
use aws_types::SigningName;

use super::convert::{self, AnswerHead};
use super::ports::{answer, send, unreadable};
use crate::service::{LimitReader, PortFuture};

/// The name of the category of links and other changes to users, as `GetProvisionedLimit` takes it.
const CATEGORY: &str = "UserUpdate";
/// The same category as Service Quotas knows it.
const QUOTA_REQUEST: &str = r#"{"ServiceCode":"cognito-idp","QuotaCode":"L-6621E65D"}"#;
const QUOTA_TARGET: &str = "ServiceQuotasV20190624.GetServiceQuota";

/// Reads the account's limits.
#[derive(Debug)]
pub(super) struct Limits {
    pub(super) client: Client,
    pub(super) region: String,
    /// Whether the client has an address of its own, at which everything is.
    pub(super) own_endpoint: bool,
}

impl LimitReader for Limits {
    fn provisioned_limit(&self) -> PortFuture<'_, f64> {
        Box::pin(async move {
            let (result, head) = send!(self.client.get_provisioned_limit().limit_definition(definition()?));
            match result.map_err(|error| convert::fault(&error))?.limit() {
                Some(limit) => Ok(answer(f64::from(limit.provisioned_limit_value()), &head)),
                None => unreadable("limit"),
            }
        })
    }

    fn quota(&self) -> PortFuture<'_, f64> {
        Box::pin(async move {
            let host = (!self.own_endpoint).then(|| service_quotas_host(&self.region));
            let instead = QuotaCall { host, value: Arc::default() };
            let request = self.client.get_provisioned_limit().limit_definition(definition()?);
            let result = request.customize().interceptor(instead.clone()).send().await;
            result.map_err(|error| convert::fault(&error))?;
            match instead.value.get() {
                Some(value) => Ok(answer(*value, &AnswerHead::default())),
                None => unreadable("quota"),
            }
        })
    }
}

fn definition() -> Result<LimitDefinitionType, crate::service::Fault> {
    LimitDefinitionType::builder()
        .limit_class(LimitClass::ApiCategory)
        .attributes("Category", CATEGORY)
        .build()
        .map_err(|error| crate::service::Fault::Unsent { credentials: false, detail: error.to_string() })
}

fn service_quotas_host(region: &str) -> String {
    let domain = if region.starts_with("cn-") { "amazonaws.com.cn" } else { "amazonaws.com" };
    format!("servicequotas.{region}.{domain}")
}

/// Makes a call of Service Quotas out of the one that it is put on.
#[derive(Debug, Clone)]
struct QuotaCall {
    host: Option<String>,
    value: Arc<OnceLock<f64>>,
}

impl Intercept for QuotaCall {
    fn name(&self) -> &'static str {
        "QuotaCall"
    }

    fn modify_before_signing(
        &self,
        context: &mut BeforeTransmitInterceptorContextMut<'_>,
        _components: &RuntimeComponents,
        config: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        config.interceptor_state().store_put(SigningName::from_static("servicequotas"));
        let request = context.request_mut();
        if let Some(host) = &self.host {
            request.set_uri(format!("https://{host}/"))?;
        }
        let headers = request.headers_mut();
        headers.insert("x-amz-target", QUOTA_TARGET);
        headers.insert("content-length", QUOTA_REQUEST.len().to_string());
        *request.body_mut() = QUOTA_REQUEST.into();
        Ok(())
    }

    fn read_after_deserialization(
        &self,
        context: &AfterDeserializationInterceptorContextRef<'_>,
        _components: &RuntimeComponents,
        _config: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        if let Some(value) = context.response().body().bytes().and_then(quota_value) {
            // Set once: there is one attempt a call.
            let _ = self.value.set(value);
        }
        Ok(())
    }
}

fn quota_value(body: &[u8]) -> Option<f64> {
    let body: serde_json::Value = serde_json::from_slice(body).ok()?;
    body.get("Quota")?.get("Value")?.as_f64()
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;
    use crate::domain::identity::PoolId;
    use crate::service::cognito::{Cognito, Target};

    #[test]
    fn quotas_are_read_and_everything_else_is_none() {
        assert_eq!(quota_value(br#"{"Quota":{"QuotaCode":"L-6621E65D","Value":25.0}}"#), Some(25.0));
        for other in [&b"{}"[..], b"", b"[]", br#"{"Quota":{"Value":"25"}}"#] {
            assert_eq!(quota_value(other), None);
        }
        assert_eq!(service_quotas_host("eu-west-1"), "servicequotas.eu-west-1.amazonaws.com");
        assert_eq!(service_quotas_host("cn-north-1"), "servicequotas.cn-north-1.amazonaws.com.cn");
    }

    /// Answers one request with this, and returns the request.
    async fn one_answer(listener: tokio::net::TcpListener, status: &str, body: &str) -> String {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut request = String::new();
        let mut buffer = [0; 4_096];
        while !request.ends_with('}') {
            let count = stream.read(&mut buffer).await.unwrap();
            request.push_str(std::str::from_utf8(&buffer[..count]).unwrap());
        }
        let length = body.len();
        let answer = format!(
            "HTTP/1.1 {status}\r\ncontent-type: application/x-amz-json-1.1\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}"
        );
        stream.write_all(answer.as_bytes()).await.unwrap();
        request
    }

    async fn asked(status: &str, body: &str) -> (String, Result<f64, String>) {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let target = Target::Simulator { endpoint_url: format!("http://{}", listener.local_addr().unwrap()) };
        let pool = PoolId::parse("us-east-1_Abc").unwrap();
        let limits = Cognito::connect(&target, "us-east-1", pool).await.unwrap().limits();
        let (request, value) = tokio::join!(one_answer(listener, status, body), limits.quota());
        (request.to_lowercase(), value.map(|answer| answer.value).map_err(|fault| fault.code().to_owned()))
    }

    #[tokio::test]
    async fn the_call_is_one_of_service_quotas() {
        let (request, value) = asked("200 OK", r#"{"Quota":{"Value":31.0}}"#).await;
        assert_eq!(value, Ok(31.0));
        assert!(request.contains("x-amz-target: servicequotasv20190624.getservicequota"), "{request}");
        assert!(request.contains("/us-east-1/servicequotas/aws4_request"), "signed for another service: {request}");
        assert!(request.contains(&format!("content-length: {}", QUOTA_REQUEST.len())), "{request}");
        assert!(request.ends_with(&QUOTA_REQUEST.to_lowercase()), "{request}");
    }

    #[tokio::test]
    async fn a_denied_permission_is_told_as_such() {
        let (_, value) = asked("400 Bad Request", r#"{"__type":"AccessDeniedException","Message":"no"}"#).await;
        assert_eq!(value, Err("AccessDeniedException".to_owned()));
    }
}
