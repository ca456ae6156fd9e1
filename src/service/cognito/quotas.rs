//! The write quota of the account, from Cognito itself and from Service Quotas.

use aws_sdk_cognitoidentityprovider::Client;
use aws_sdk_cognitoidentityprovider::types::{LimitClass, LimitDefinitionType};

use super::convert::{self, ResponseHeaders};
use super::ports::{answer_with, send};
use crate::service::{CallFault, PortFuture, QuotaReader};

/// The category of links and other changes to users, as `GetProvisionedLimit` names it.
const CATEGORY: &str = "UserUpdate";
/// The same category in Service Quotas.
const SERVICE_CODE: &str = "cognito-idp";
const QUOTA_CODE: &str = "L-6621E65D";

#[derive(Debug)]
pub(super) struct AccountQuotas {
    pub(super) client: Client,
    pub(super) quotas: aws_sdk_servicequotas::Client,
}

impl QuotaReader for AccountQuotas {
    fn provisioned_limit(&self) -> PortFuture<'_, f64> {
        Box::pin(async move {
            let definition = LimitDefinitionType::builder()
                .limit_class(LimitClass::ApiCategory)
                .attributes("Category", CATEGORY)
                .build()
                .map_err(|error| CallFault::Unsent { credentials: false, detail: error.to_string() })?;
            let (result, headers) = send!(self.client.get_provisioned_limit().limit_definition(definition));
            let limit = result?.limit.map(|limit| f64::from(limit.provisioned_limit_value));
            answer_with(limit, "limit", &headers)
        })
    }

    fn quota(&self) -> PortFuture<'_, f64> {
        Box::pin(async move {
            let request = self.quotas.get_service_quota().service_code(SERVICE_CODE).quota_code(QUOTA_CODE);
            let (result, headers) = send!(request);
            answer_with(result?.quota.and_then(|quota| quota.value), "quota", &headers)
        })
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use crate::domain::identity::PoolId;
    use crate::service::cognito::{Cognito, ConnectionTarget};

    /// Answers one request, and returns the request.
    async fn answer_one_request(listener: tokio::net::TcpListener, status: &str, body: &str) -> String {
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

    async fn read_quota(status: &str, body: &str) -> (String, Result<f64, String>) {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let target = ConnectionTarget::Simulator {
            endpoint_url: format!("http://{}", listener.local_addr().unwrap()),
            access_key: "SIMULATED".to_owned(),
        };
        let pool = PoolId::parse("us-east-1_Abc").unwrap();
        let limits = Cognito::connect(&target, "us-east-1", pool).await.unwrap().limits();
        let (request, value) = tokio::join!(answer_one_request(listener, status, body), limits.quota());
        (request.to_lowercase(), value.map(|answer| answer.value).map_err(|fault| fault.code().to_owned()))
    }

    #[tokio::test]
    async fn the_call_goes_to_service_quotas() {
        let (request, value) = read_quota("200 OK", r#"{"Quota":{"Value":31.0}}"#).await;
        assert_eq!(value, Ok(31.0));
        assert!(request.contains("x-amz-target: servicequotasv20190624.getservicequota"), "{request}");
        assert!(request.contains("/us-east-1/servicequotas/aws4_request"), "signed for another service: {request}");
        let body = request.rsplit("\r\n").next().unwrap();
        let body: serde_json::Value = serde_json::from_str(body).unwrap();
        assert_eq!(body, serde_json::json!({"servicecode": "cognito-idp", "quotacode": "l-6621e65d"}));
    }

    #[tokio::test]
    async fn a_denied_permission_is_reported_as_such() {
        let (_, value) = read_quota("400 Bad Request", r#"{"__type":"AccessDeniedException","Message":"no"}"#).await;
        assert_eq!(value, Err("AccessDeniedException".to_owned()));
    }

    #[tokio::test]
    async fn an_answer_without_a_value_is_unreadable() {
        for body in ["{}", r#"{"Quota":{"QuotaCode":"L-6621E65D"}}"#] {
            let (_, value) = read_quota("200 OK", body).await;
            assert_eq!(value, Err("unreadable_answer".to_owned()), "{body}");
        }
    }
}
