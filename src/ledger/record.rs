//! The ledger's records, format 1: one JSON object a line.
//!
//! Lines are written with their members in a fixed order, so that reading millions of them takes a fast path; a line
//! that a person has edited is read all the same. Members that are not known, and records that are not known, are
//! damage: a line that is half understood could put a row in the wrong state.

mod decode;
mod encode;
mod plain;
mod relaxed;
#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::fmt;

use super::error::Binding;
use crate::clock::UnixMs;
use crate::domain::finding::FindingCode;
use crate::domain::identity::{
    AttributeName, DestinationUser, ExternalIdentity, IdentityError, Personal, ProviderName,
};
use crate::domain::outcome::{RefusalCode, UndoOutcome};
use crate::domain::row::{Row, RowKey, RowNumber};
use crate::domain::shard::Shard;
use crate::domain::state::RowState;
use crate::domain::stop::Ended;
use crate::domain::summary::Counts;
use crate::limits;
pub(super) use decode::as_written;
pub use decode::{Undecodable, decode};
pub use encode::encode;

/// The format that this version writes and reads.
pub const FORMAT_VERSION: u64 = 1;
/// What every ledger starts with.
pub(super) const HEADER_START: &str = "{\"cognito_link_ledger\":";
/// The version of this program, as the records name it.
pub const TOOL_VERSION: &str = env!("CARGO_PKG_VERSION");
/// The command of the runs that work no input off, but take back what earlier runs of the ledger linked.
pub const UNDO_COMMAND: &str = "undo";

/// One line of a ledger.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Record<'a> {
    /// What the ledger belongs to; line 1 and no other.
    Header(Header),
    /// A run started.
    RunStart(RunStart),
    /// A run ended in order. A run without one was killed.
    RunEnd(Box<RunEnd>),
    /// A row was announced: from here on a call may have been sent for it.
    Intent(Intent<'a>),
    /// An announced row was not sent after all.
    Withdrawal(Withdrawal),
    /// A row reached a result.
    Settlement(Settlement<'a>),
    /// A row of the input is invalid, and was not sent.
    Invalid(InvalidRow<'a>),
    /// The taking back of a row's link was announced: from here on an unlink call may have been sent for it.
    Unlink(Intent<'a>),
    /// The taking back of a row's link came to a result.
    UnlinkSettlement(UnlinkSettlement<'a>),
}

/// What a ledger belongs to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Header {
    /// The pool, and whether it is simulated.
    pub binding: Binding,
    /// When the ledger was made.
    pub created: UnixMs,
    /// The version of the program that made it.
    pub tool: String,
}

/// A run's number, drawn by whoever starts the run: 16 hexadecimal digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct RunId(pub u64);

impl RunId {
    /// Reads what [`fmt::Display`] writes; `None` for anything else.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let digits = text.len() == 16 && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        digits.then(|| u64::from_str_radix(text, 16).ok().map(Self)).flatten()
    }
}

impl fmt::Display for RunId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{:016x}", self.0)
    }
}

/// The start of a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunStart {
    /// The run.
    pub run: RunId,
    /// The command, such as `link`.
    pub command: String,
    /// The input's path, as it was given.
    pub input: String,
    /// When.
    pub at: UnixMs,
    /// The version of the program; [`TOOL_VERSION`] when written.
    pub tool: String,
    /// The limit that the run goes by; `None` where it does not go by one, and in ledgers before 0.2.
    pub limit: Option<LimitNote>,
    /// The shard of the input that it works on; `None` for all of it.
    pub shard: Option<Shard>,
}

/// A limit and where its figure comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LimitNote {
    /// Thousandths of a call a second.
    pub milli: u64,
    /// Where the figure comes from, in one word.
    pub from: String,
}

/// How a run ended, in one word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EndedAs {
    /// Every row of the input reached a result.
    Completed,
    /// By a signal.
    Interrupted,
    /// By something that stops a whole run.
    Stopped,
}

impl EndedAs {
    const ALL: [Self; 3] = [Self::Completed, Self::Interrupted, Self::Stopped];

    /// The word.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Completed => "completed",
            Self::Interrupted => "interrupted",
            Self::Stopped => "stopped",
        }
    }

    fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|ended| ended.as_str() == text)
    }
}

impl From<&Ended> for EndedAs {
    fn from(ended: &Ended) -> Self {
        match ended {
            Ended::Completed => Self::Completed,
            Ended::Interrupted(_) => Self::Interrupted,
            Ended::Stopped(_) => Self::Stopped,
        }
    }
}

/// The orderly end of a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunEnd {
    /// The run.
    pub run: RunId,
    /// When.
    pub at: UnixMs,
    /// How.
    pub ended: EndedAs,
    /// Rows by state. The counts by code are not kept in a ledger, and empty when read.
    pub counts: Counts,
    /// Writes sent in the run.
    pub writes: u64,
    /// Reads sent in the run.
    pub reads: u64,
    /// Answers that said "too many requests".
    pub throttled: u64,
    /// The quota that these answers showed, in thousandths of a call a second; `None` where there were none.
    pub pace_milli: Option<u64>,
}

/// A text of a ledger line that may be personal: its `Debug` masks, and there is no `Display`.
#[derive(Clone, PartialEq, Eq)]
pub struct PersonalText<'a>(Cow<'a, str>);

impl<'a> PersonalText<'a> {
    pub(super) fn new(text: impl Into<Cow<'a, str>>) -> Self {
        Self(text.into())
    }

    /// The text itself: for the service and result files, never for a log or an error text.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for PersonalText<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "[{} characters]", self.0.chars().count())
    }
}

/// An announcement, with exactly the values that will be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Intent<'a> {
    /// The row's key.
    pub key: RowKey,
    /// The row's number in that run's input.
    pub row: RowNumber,
    /// The earliest that the service's clock can have shown then.
    pub at: UnixMs,
    /// The destination's provider.
    pub destination_provider: Cow<'a, str>,
    /// The destination's user name, or its id at that provider.
    pub destination_value: PersonalText<'a>,
    /// The source's provider.
    pub source_provider: Cow<'a, str>,
    /// The source's attribute.
    pub source_attribute: Cow<'a, str>,
    /// The source's value.
    pub source_value: PersonalText<'a>,
}

impl<'a> Intent<'a> {
    /// The announcement of a row whose destination was found to be this user.
    #[must_use]
    pub fn of(row: &'a Row, destination: &'a DestinationUser, at: UnixMs) -> Self {
        let source = &row.link.source;
        Self {
            key: row.key,
            row: row.number,
            at,
            destination_provider: destination.provider.as_str().into(),
            destination_value: PersonalText::new(destination.value.expose()),
            source_provider: source.provider().as_str().into(),
            source_attribute: source.attribute().as_str().into(),
            source_value: PersonalText::new(source.value().expose()),
        }
    }

    /// The announcement that this identity is about to be taken from that user.
    #[must_use]
    pub fn to_unlink(
        row: &'a Row,
        destination: &'a DestinationUser,
        identity: &'a ExternalIdentity,
        at: UnixMs,
    ) -> Self {
        Self {
            source_provider: identity.provider().as_str().into(),
            source_attribute: identity.attribute().as_str().into(),
            source_value: PersonalText::new(identity.value().expose()),
            ..Self::of(row, destination, at)
        }
    }

    /// The destination as it was sent.
    ///
    /// # Errors
    /// When a person has edited the line into something that cannot be sent.
    pub fn destination(&self) -> Result<DestinationUser, IdentityError> {
        let provider = ProviderName::parse(&self.destination_provider)?;
        let value = Personal::parse(self.destination_value.expose(), limits::ATTRIBUTE_VALUE_CHARS_MAX)?;
        Ok(DestinationUser { provider, value })
    }

    /// The source as it was sent.
    ///
    /// # Errors
    /// When a person has edited the line into something that cannot be sent.
    pub fn source(&self) -> Result<ExternalIdentity, IdentityError> {
        ExternalIdentity::new(
            ProviderName::parse(&self.source_provider)?,
            AttributeName::parse(&self.source_attribute)?,
            Personal::parse(self.source_value.expose(), limits::ATTRIBUTE_VALUE_CHARS_MAX)?,
        )
    }
}

/// An announcement that was taken back before anything was sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Withdrawal {
    /// The row's key.
    pub key: RowKey,
    /// The row's number in that run's input.
    pub row: RowNumber,
    /// When.
    pub at: UnixMs,
}

/// The result of a row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settlement<'a> {
    /// The row's key.
    pub key: RowKey,
    /// The row's number in that run's input.
    pub row: RowNumber,
    /// Where it ended; never `Unprocessed`.
    pub state: RowState,
    /// When.
    pub at: UnixMs,
    /// How often it was attempted in that run.
    pub attempts: u32,
    /// The service's id of the last request that was answered.
    pub request_id: Option<Cow<'a, str>>,
    /// Linked, as concluded from reading, and so close in time that somebody else could have made the link.
    pub recovered: bool,
    /// The service's code, or a word for a transport fault, and the message, where there were any.
    pub said: Option<(Cow<'a, str>, PersonalText<'a>)>,
}

/// What the taking back of a link came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UnlinkEnd {
    /// The identity is off the user.
    Undone,
    /// It is not to be taken back safely.
    Refused(RefusalCode),
    /// Attempts exhausted, and none had an effect.
    Failed,
    /// A call may have taken effect.
    InDoubt,
    /// It was announced, and nothing was sent.
    Withdrawn,
}

impl UnlinkEnd {
    /// The word.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Undone => "undone",
            Self::Refused(_) => "refused",
            Self::Failed => "failed",
            Self::InDoubt => "in_doubt",
            Self::Withdrawn => "withdrawn",
        }
    }

    /// The state that it puts the row in.
    #[must_use]
    pub fn state(self) -> RowState {
        match self {
            Self::Undone => RowState::Undone,
            Self::Refused(code) => RowState::Kept(code),
            Self::Failed | Self::Withdrawn => RowState::Linked,
            Self::InDoubt => RowState::Unlinking,
        }
    }
}

impl From<&UndoOutcome> for UnlinkEnd {
    fn from(outcome: &UndoOutcome) -> Self {
        match outcome {
            UndoOutcome::Undone => Self::Undone,
            UndoOutcome::Refused { code, .. } => Self::Refused(*code),
            UndoOutcome::Failed { .. } => Self::Failed,
            UndoOutcome::InDoubt { .. } => Self::InDoubt,
        }
    }
}

/// The result of taking a row's link back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnlinkSettlement<'a> {
    /// The row's key.
    pub key: RowKey,
    /// The row's number, as the link has it.
    pub row: RowNumber,
    /// What it came to.
    pub ended: UnlinkEnd,
    /// When.
    pub at: UnixMs,
    /// How often it was attempted in that run.
    pub attempts: u32,
    /// The service's id of the last request that was answered.
    pub request_id: Option<Cow<'a, str>>,
    /// The service's code, or a word for a transport fault, and the message, where there were any.
    pub said: Option<(Cow<'a, str>, PersonalText<'a>)>,
}

/// A row of the input that was not sent because of its first error.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InvalidRow<'a> {
    /// What is wrong.
    pub code: FindingCode,
    /// The row's number.
    pub row: RowNumber,
    /// The line in the decompressed input.
    pub line: u64,
    /// The field in that line, from 1; 0 for the whole line.
    pub field: u32,
    /// The column's name in the header; empty for the whole line.
    pub column: Cow<'a, str>,
    /// When it was found.
    pub at: UnixMs,
}
