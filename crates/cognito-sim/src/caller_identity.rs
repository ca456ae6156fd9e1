//! `GetCallerIdentity` of STS, which speaks another protocol: a form as the request, XML as the answer.

use hyper::body::Bytes;

use crate::account::Response;
use crate::error::ApiError;
use crate::model::derived_uuid;
use crate::wire;

/// The account and the principal that every caller has.
const ACCOUNT: &str = "000000000000";
const PRINCIPAL: &str = "arn:aws:iam::000000000000:user/simulated";

/// Whether a request with this content type is one of STS.
pub(crate) fn is_query(content_type: &str) -> bool {
    content_type.split(';').next().unwrap_or_default().trim().eq_ignore_ascii_case("application/x-www-form-urlencoded")
}

/// Answers the one operation. It reads and changes nothing.
pub(crate) fn answer(body: Result<Bytes, ApiError>, is_signed: bool) -> Response {
    let result = body.and_then(|body| match action_of(&body) {
        _ if !is_signed => Err(ApiError::unsigned()),
        Some("GetCallerIdentity") => Ok(()),
        action => Err(ApiError::unknown_operation(action.unwrap_or_default())),
    });
    let request_id = derived_uuid("caller identity");
    match result {
        Ok(()) => Response {
            status: 200,
            headers: vec![("content-type", "text/xml".to_owned()), ("x-amzn-requestid", request_id.clone())],
            body: format!(
                "<GetCallerIdentityResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\">\
                 <GetCallerIdentityResult><Arn>{PRINCIPAL}</Arn><UserId>SIMULATED</UserId>\
                 <Account>{ACCOUNT}</Account></GetCallerIdentityResult>\
                 <ResponseMetadata><RequestId>{request_id}</RequestId></ResponseMetadata>\
                 </GetCallerIdentityResponse>"
            )
            .into_bytes(),
        },
        Err(error) => {
            let headers = vec![("content-type", "application/json".to_owned())];
            Response { status: error.status, headers, body: wire::encode(&Err(error)) }
        }
    }
}

/// The value of `Action` in a form.
fn action_of(body: &[u8]) -> Option<&str> {
    let form = std::str::from_utf8(body).ok()?;
    form.split('&').find_map(|field| field.strip_prefix("Action="))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_signed_question_for_the_caller_is_answered() {
        let asked = |body: &'static str, is_signed| {
            let response = answer(Ok(Bytes::from_static(body.as_bytes())), is_signed);
            (response.status, String::from_utf8(response.body).unwrap())
        };
        let (status, body) = asked("Action=GetCallerIdentity&Version=2011-06-15", true);
        assert!(status == 200 && body.contains("<Account>000000000000</Account>"), "{body}");
        assert!(asked("Action=GetCallerIdentity", false).1.contains("MissingAuthenticationTokenException"));
        assert!(asked("Action=AssumeRole", true).1.contains("UnknownOperationException"));
        assert_eq!(asked("", true).0, 400);
        assert!(
            is_query("application/x-www-form-urlencoded; charset=utf-8") && !is_query("application/x-amz-json-1.1")
        );
    }
}
