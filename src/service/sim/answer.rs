//! One HTTP request to the simulator: the service's one path, and the simulator's own.

use std::collections::BTreeMap;
use std::time::Duration;

use http_body_util::{BodyExt as _, Limited};
use hyper::body::{Bytes, Incoming};
use hyper::header::AUTHORIZATION;
use hyper::{Method, Request, Response, StatusCode};
use serde::Deserialize;
use serde_json::json;

use super::api;
use super::error::ApiError;
use super::shared::SharedWorld;
use super::sign_in::SignIn;
use super::stream::ResetMark;
use super::wire::{Closed, WireBody, json_response, response};
use crate::clock::{Clock, sleep, timeout_at};
use crate::limits;

/// Where statistics are read.
pub const STATS_PATH: &str = "/_simulator/stats";
/// Where an identity is signed in.
pub const SIGN_IN_PATH: &str = "/_simulator/sign-in";

/// Answers a request, or closes the connection where the fault plan says so.
pub(super) async fn answer(
    world: SharedWorld,
    clock: Clock,
    reset: ResetMark,
    request: Request<Incoming>,
) -> Result<Response<WireBody>, Closed> {
    match (request.method().clone(), request.uri().path()) {
        (Method::POST, "/") => call(&world, clock, &reset, request).await,
        (Method::GET, STATS_PATH) => {
            let stats = serde_json::to_vec(&world.stats()).unwrap_or_default();
            Ok(json_response(StatusCode::OK, stats))
        }
        (Method::POST, SIGN_IN_PATH) => Ok(match read_body(clock, request.into_body()).await {
            Ok(body) => sign_in(&world, clock, &body),
            Err(error) => error_response(error),
        }),
        _ => Ok(error_response(ApiError::no_such_path())),
    }
}

/// A call of the service: unsigned and unknown ones are turned away before anything else.
async fn call(
    world: &SharedWorld,
    clock: Clock,
    reset: &ResetMark,
    request: Request<Incoming>,
) -> Result<Response<WireBody>, Closed> {
    let header = |name: &str| request.headers().get(name).and_then(|value| value.to_str().ok());
    let operation = match header(AUTHORIZATION.as_str()) {
        Some(_) => api::operation(header("x-amz-target")),
        None => Err(ApiError::unsigned()),
    };
    let body = read_body(clock, request.into_body()).await;
    let now = clock.unix_ms();
    let (pending, in_flight) = match operation {
        Ok(operation) => {
            let request = body.and_then(|body| api::decode(operation, &body));
            let (pending, in_flight) = world.begin(now, operation, request);
            (pending, Some(in_flight))
        }
        Err(error) => (world.with(|world| world.refuse(now, error)), None),
    };
    sleep(pending.delay).await;
    drop(in_flight);
    response(&pending, reset)
}

async fn read_body(clock: Clock, body: Incoming) -> Result<Bytes, ApiError> {
    let deadline = clock.now() + Duration::from_millis(limits::SIM_BODY_MS_MAX);
    match timeout_at(deadline, Limited::new(body, limits::SIM_BODY_BYTES_MAX).collect()).await {
        Ok(Ok(body)) => Ok(body.to_bytes()),
        Ok(Err(_)) => Err(ApiError::body_too_large()),
        Err(_) => Err(ApiError::unreadable("the request's body did not arrive in time")),
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct SignInBody {
    user_pool_id: String,
    provider_name: String,
    user_id: String,
    #[serde(default)]
    claims: BTreeMap<String, String>,
    #[serde(default)]
    issuer: Option<String>,
}

fn sign_in(world: &SharedWorld, clock: Clock, body: &[u8]) -> Response<WireBody> {
    let Ok(SignInBody { user_pool_id, provider_name, user_id, claims, issuer }) = serde_json::from_slice(body) else {
        return error_response(ApiError::unreadable(
            "expected UserPoolId, ProviderName, UserId and, if need be, Issuer, all texts, and Claims, an object of texts",
        ));
    };
    let sign_in = SignIn { provider: provider_name, user_id, claims, issuer };
    let now = clock.unix_ms();
    match world.with(|world| world.sign_in(now, &user_pool_id, &sign_in)) {
        Ok(signed_in) => {
            let body = json!({ "Username": signed_in.username, "Created": signed_in.created });
            json_response(StatusCode::OK, body.to_string().into_bytes())
        }
        Err(error) => error_response(error),
    }
}

fn error_response(error: ApiError) -> Response<WireBody> {
    let status = StatusCode::from_u16(error.status).unwrap_or(StatusCode::BAD_REQUEST);
    json_response(status, api::encode(&Err(error)))
}
