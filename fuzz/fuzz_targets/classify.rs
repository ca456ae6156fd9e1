//! Any error code and text as the answer to a call.
#![no_main]

use cognito_link::service::classify::{CallKind, classify};
use cognito_link::service::{AnswerMeta, CallFault};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let [status, rest @ ..] = bytes else { return };
    let text = String::from_utf8_lossy(rest);
    let (code, message) = text.split_once('\n').unwrap_or((&text, ""));
    let fault = CallFault::Answered {
        status: u16::from(*status) + 300,
        code: code.to_owned(),
        message: message.to_owned(),
        retry_after: None,
        meta: AnswerMeta::default(),
    };
    for kind in [CallKind::Read, CallKind::Write, CallKind::Unlink] {
        let _ = classify(kind, &fault);
    }
});
