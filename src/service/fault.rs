//! What can go wrong with one call, before anybody judges what it means.

use std::time::Duration;

use super::AnswerMeta;

/// One attempt that did not succeed. Its texts may hold personal data: `Debug` leaves the message out.
#[derive(Clone, PartialEq, Eq)]
pub enum Fault {
    /// The service answered with an error.
    Answered {
        /// HTTP status.
        status: u16,
        /// The error's code without namespace and address, such as `InvalidParameterException`.
        code: String,
        /// The error's message; may quote values of the request.
        message: String,
        /// How long the service asks to wait (`x-amz-retry-after`), where it says.
        retry_after: Option<Duration>,
        /// What the answer says about itself.
        meta: AnswerMeta,
    },
    /// There is no answer, or only half of one.
    Transport {
        /// How far the call got.
        kind: Transport,
        /// What the connector said, without values of the request.
        detail: String,
    },
    /// The call could not be made at all: no credentials, or a request that cannot be built.
    Unsent {
        /// Whether credentials were the reason.
        credentials: bool,
        /// What was wrong.
        detail: String,
    },
}

/// How far a call without a whole answer got.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Transport {
    /// No connection: nothing was sent.
    Connect,
    /// No answer in time: it may have taken effect.
    Timeout,
    /// The connection broke after the request was sent, or the answer was cut short: it may have taken effect.
    Broken,
    /// A whole answer that could not be understood: it may have taken effect.
    Unreadable,
}

impl Transport {
    /// A word for the ledger and the log.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Connect => "connect",
            Self::Timeout => "timeout",
            Self::Broken => "connection_broken",
            Self::Unreadable => "unreadable_answer",
        }
    }
}

impl Fault {
    /// The service's code, or a word for what happened on the way.
    #[must_use]
    pub fn code(&self) -> &str {
        match self {
            Self::Answered { code, .. } => code,
            Self::Transport { kind, .. } => kind.as_str(),
            Self::Unsent { credentials: true, .. } => "credentials",
            Self::Unsent { .. } => "not_sent",
        }
    }

    /// The service's message or the connector's. May be personal: for the ledger only.
    #[must_use]
    pub fn message(&self) -> &str {
        match self {
            Self::Answered { message, .. } => message,
            Self::Transport { detail, .. } | Self::Unsent { detail, .. } => detail,
        }
    }

    /// What the answer says about itself, where there is one.
    #[must_use]
    pub fn meta(&self) -> Option<&AnswerMeta> {
        match self {
            Self::Answered { meta, .. } => Some(meta),
            _ => None,
        }
    }
}

impl std::fmt::Debug for Fault {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Fault").field("code", &self.code()).finish_non_exhaustive()
    }
}
