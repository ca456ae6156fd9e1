//! An answer as HTTP: its headers, and a body that may break off in the middle.

use std::pin::Pin;
use std::task::{Context, Poll};

use hyper::body::{Body, Bytes, Frame, SizeHint};
use hyper::header::{CONTENT_TYPE, DATE, HeaderName, HeaderValue};
use hyper::{Response, StatusCode};

use super::api;
use super::decide::{Delivery, Pending};
use super::stream::ResetMark;
use crate::clock::UnixMs;

/// Why a connection closes before its answer is whole.
#[derive(Debug, thiserror::Error)]
#[error("the fault plan closes this connection")]
pub(super) struct Closed;

/// A body; of a half one only the first half is written, though its length is announced in full.
pub(super) struct WireBody {
    first: Option<Bytes>,
    length: u64,
    breaks_off: bool,
    flushed: bool,
}

impl WireBody {
    pub(super) fn whole(body: Vec<u8>) -> Self {
        let length = u64::try_from(body.len()).unwrap_or(u64::MAX);
        Self { first: Some(body.into()), length, breaks_off: false, flushed: false }
    }

    fn half(body: Vec<u8>) -> Self {
        let mut body = Self::whole(body);
        body.first = body.first.map(|bytes| bytes.slice(..bytes.len() / 2));
        body.breaks_off = true;
        body
    }
}

impl Body for WireBody {
    type Data = Bytes;
    type Error = Closed;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Closed>>> {
        if let Some(bytes) = self.first.take() {
            return Poll::Ready(Some(Ok(Frame::data(bytes))));
        }
        if !self.breaks_off {
            return Poll::Ready(None);
        }
        if self.flushed {
            return Poll::Ready(Some(Err(Closed)));
        }
        // Waiting once lets the connection write the first half before it breaks.
        self.flushed = true;
        context.waker().wake_by_ref();
        Poll::Pending
    }

    fn is_end_stream(&self) -> bool {
        self.first.is_none() && !self.breaks_off
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.length)
    }
}

/// The answer to a decided call, as the service writes it.
pub(super) fn response(pending: &Pending, reset: &ResetMark) -> Result<Response<WireBody>, Closed> {
    let body = api::encode(&pending.result);
    let body = match pending.delivery {
        Delivery::Whole => WireBody::whole(body),
        Delivery::Half => WireBody::half(body),
        Delivery::Lost => return Err(Closed),
        Delivery::Reset => {
            reset.set();
            return Err(Closed);
        }
    };
    let mut response = Response::new(body);
    set(&mut response, CONTENT_TYPE, "application/x-amz-json-1.1");
    set(&mut response, HeaderName::from_static("x-amzn-requestid"), &pending.request_id);
    if let Some(date) = http_date(pending.answered_unix_ms) {
        set(&mut response, DATE, &date);
    }
    if let Err(error) = &pending.result {
        *response.status_mut() = StatusCode::from_u16(error.status).unwrap_or(StatusCode::BAD_REQUEST);
        set(&mut response, HeaderName::from_static("x-amzn-errortype"), &format!("{}:", error.code));
        set(&mut response, HeaderName::from_static("x-amzn-errormessage"), &error.message);
    }
    Ok(response)
}

/// JSON from the simulator itself.
pub(super) fn json_response(status: StatusCode, body: Vec<u8>) -> Response<WireBody> {
    let mut response = Response::new(WireBody::whole(body));
    *response.status_mut() = status;
    set(&mut response, CONTENT_TYPE, "application/json");
    response
}

/// Sets a header, unless the value cannot stand in one.
fn set(response: &mut Response<WireBody>, name: HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        response.headers_mut().insert(name, value);
    }
}

fn http_date(unix_ms: UnixMs) -> Option<String> {
    let time = jiff::Timestamp::from_millisecond(unix_ms).ok()?;
    jiff::fmt::rfc2822::DateTimePrinter::new().timestamp_to_rfc9110_string(&time).ok()
}

#[cfg(test)]
mod tests {
    #[test]
    fn dates_are_as_http_writes_them() {
        assert_eq!(super::http_date(784_111_777_999).as_deref(), Some("Sun, 06 Nov 1994 08:49:37 GMT"));
    }
}
