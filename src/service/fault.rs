//! What can go wrong with one call. [`super::classify`] says what it means for a row.

use std::time::Duration;

use super::AnswerMeta;
use crate::domain::code_enum::code_enum;

/// A failed attempt. Its texts may contain personal data, so `Debug` leaves them out.
#[derive(Clone, PartialEq, Eq)]
pub enum CallFault {
    Answered {
        status: u16,
        /// The error's code without namespace and address, such as `InvalidParameterException`.
        code: String,
        /// May quote values of the request.
        message: String,
        /// The wait that the service asks for (`x-amz-retry-after`), if it does.
        retry_after: Option<Duration>,
        meta: AnswerMeta,
    },
    /// There is no answer, or only a part of one.
    Transport {
        kind: Transport,
        /// The error of the connector, without values of the request.
        detail: String,
    },
    /// The call could not be made at all: no credentials, or a request that cannot be built.
    Unsent { credentials: bool, detail: String },
}

code_enum! {
    /// How far a call without a complete answer got.
    Transport {
        /// No connection: nothing was sent.
        Connect = "connect",
        /// No answer in time: the call may have had an effect.
        Timeout = "timeout",
        /// The connection broke after the request was sent, or during the answer: the call may have had an effect.
        Broken = "connection_broken",
        /// A complete answer that cannot be read: the call may have had an effect.
        Unreadable = "unreadable_answer",
        /// Status 200 and a request ID, as the service gives, but not its form of success: the call may have had an effect.
        Unconfirmed = "unconfirmed_success",
    }
}

impl CallFault {
    /// The service's code, or ours if there is no answer.
    pub fn code(&self) -> &str {
        match self {
            Self::Answered { code, .. } => code,
            Self::Transport { kind, .. } => kind.as_str(),
            Self::Unsent { credentials: true, .. } => "credentials",
            Self::Unsent { .. } => "not_sent",
        }
    }

    /// The message of the service or the connector. May contain personal data: for the ledger only.
    pub fn message(&self) -> &str {
        match self {
            Self::Answered { message, .. } => message,
            Self::Transport { detail, .. } | Self::Unsent { detail, .. } => detail,
        }
    }

    /// `None` if there was no answer.
    pub fn meta(&self) -> Option<&AnswerMeta> {
        match self {
            Self::Answered { meta, .. } => Some(meta),
            _ => None,
        }
    }
}

impl std::fmt::Debug for CallFault {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("CallFault").field("code", &self.code()).finish_non_exhaustive()
    }
}
