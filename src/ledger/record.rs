//! The records of a ledger, format 2: one JSON object a line, defined by the types of this file alone.
//!
//! Every line has a `type`, which this program writes first, and a `hash`, which it writes last and which `chain` adds
//! and takes away: no type of this file has it. A member or a type that is not known is damage: to ignore
//! it could put a row in the wrong state. So an older program refuses a ledger that a newer one has written to, and
//! says in which line. To add a member, add an optional field (`default`, `skip_serializing_if`); ledgers without it
//! stay readable. [`FORMAT_VERSION`] changes only when an old line would be read in another sense.

use std::borrow::Cow;
use std::fmt;

use serde::de::value::{MapAccessDeserializer, MapDeserializer};
use serde::de::{Error as _, MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::error::Category;
use xxhash_rust::xxh3::xxh3_64;

use crate::clock::UnixMs;
use crate::domain::control::{ControlChange, ControlSource};
use crate::domain::counts::Counts;
use crate::domain::endpoint::CustomEndpoint;
use crate::domain::finding::FindingCode;
use crate::domain::identity::{
    AttributeName, COGNITO_SUBJECT, DestinationUser, ExternalIdentity, IdentityError, NATIVE_PROVIDER, Personal,
    PoolId, ProviderName,
};
use crate::domain::outcome::{LinkOutcome, RefusalCode, ServiceText, UndoOutcome};
use crate::domain::row::{Link, Row, RowKey, RowNumber, RowPlace};
use crate::domain::run::RunOutcome;
use crate::domain::shard::Shard;
use crate::domain::state::{RowEvent, RowState};
use crate::limits::{ATTRIBUTE_VALUE_CHARS_MAX, LEDGER_WORD_CHARS_MAX, SERVICE_TEXT_CHARS_MAX};
use as_json_text::BorrowedText;

#[cfg(test)]
mod tests;

/// The format that this version writes and reads.
pub const FORMAT_VERSION: u64 = 2;
/// What every ledger of this format starts with.
pub(super) const HEADER_START: &str = "{\"type\":\"header\",\"cognito_link_ledger\":";
/// The version of this program, as the records name it.
pub const TOOL_VERSION: &str = env!("CARGO_PKG_VERSION");
/// The command of the runs that work on no input, but unlink what earlier runs of the ledger linked.
pub const UNDO_COMMAND: &str = "undo";

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum LedgerRecord<'a> {
    /// What the ledger belongs to; line 1 and no other.
    Header(LedgerHeader),
    RunStarted(RunStart),
    /// A run ended in order. A run without this record was killed.
    RunEnded(Box<RunEnd>),
    /// From here on a link call may have been sent for the row.
    Announced(Announcement<'a>),
    /// A row reached a result.
    Settled(Settlement<'a>),
    /// An announced row was not sent after all, or its link was seen to be gone.
    Withdrawn(Withdrawal),
    /// From here on an unlink call may have been sent for the row.
    UnlinkAnnounced(Announcement<'a>),
    /// The unlinking of a row reached a result.
    UnlinkSettled(UnlinkSettlement<'a>),
    /// A link or unlink call for a row did not succeed. The call that succeeds is in the result.
    Attempt(Attempt<'a>),
    /// A row of the input is invalid, and was not sent.
    Invalid(InvalidRow<'a>),
    /// A row is no longer in its input, or a correction has taken its place.
    Superseded(Supersession),
    /// A row that was superseded is in its input again, or takes the place of its correction.
    Reinstated(Reinstatement),
    /// A person, a file or the schedule has changed how the run goes on. It changes no state.
    Control(RunControlled<'a>),
}

/// The values of `type`.
#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum RecordType {
    Header,
    RunStarted,
    RunEnded,
    Announced,
    Settled,
    Withdrawn,
    UnlinkAnnounced,
    UnlinkSettled,
    Attempt,
    Invalid,
    Superseded,
    Reinstated,
    Control,
}

/// What a ledger belongs to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LedgerHeader {
    #[serde(rename = "cognito_link_ledger")]
    pub(super) format: u64,
    pub binding: Binding,
    #[serde(rename = "created_at")]
    pub created: UnixMs,
    /// The version of the program that created it.
    pub tool: String,
}

/// The pool that a ledger belongs to, and the service that has it: it is never used with another one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Binding {
    #[serde(with = "as_json_text")]
    pub pool: PoolId,
    /// Whether the service says that it is a simulator, or can only be one.
    pub simulated: bool,
    /// The endpoint, where it is not AWS's own. A pool whose Region only a simulator has needs none: it is never mistaken
    /// for a real one, and its simulator has another port after each start.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "as_optional_json_text")]
    pub endpoint: Option<CustomEndpoint>,
}

impl Binding {
    /// Returns the binding of a pool at an endpoint.
    pub fn new(pool: PoolId, says_it_is_simulated: bool, endpoint: Option<CustomEndpoint>) -> Self {
        let endpoint = endpoint.filter(|_| !pool.is_simulated());
        Self { simulated: says_it_is_simulated || pool.is_simulated(), pool, endpoint }
    }
}

impl fmt::Display for Binding {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.simulated, &self.endpoint) {
            (true, None) => write!(formatter, "simulated pool {}", self.pool),
            (false, None) => write!(formatter, "real pool {}", self.pool),
            (true, Some(endpoint)) => write!(formatter, "simulated pool {} at {endpoint}", self.pool),
            // Whether it is a real one is not known.
            (false, Some(endpoint)) => write!(formatter, "pool {} at {endpoint}", self.pool),
        }
    }
}

/// A run's random number: 16 hexadecimal digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct RunId(pub u64);

impl RunId {
    /// Reads what [`fmt::Display`] writes; `None` for anything else.
    pub fn parse(text: &str) -> Option<Self> {
        let is_digit = |byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
        if text.len() == 16 && text.bytes().all(is_digit) { u64::from_str_radix(text, 16).ok().map(Self) } else { None }
    }
}

impl fmt::Display for RunId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{:016x}", self.0)
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RunStart {
    #[serde(rename = "run_id", alias = "run", with = "as_json_text")]
    pub run: RunId,
    /// Such as `link`.
    pub command: String,
    /// The input's path, as it was given.
    pub input: String,
    /// The version of the program; [`TOOL_VERSION`] when written.
    pub tool: String,
    /// The limit that the pace of the run is a share of, if it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<LimitNote>,
    /// The shard of the input that the run works on; `None` for all of it.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "as_optional_json_text")]
    pub shard: Option<Shard>,
    /// Rows of the whole input, where they were counted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rows: Option<u64>,
    /// Where the run wrote, as whom, and from where; `None` in a ledger of an earlier version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub origin: Option<Box<RunOrigin>>,
    pub at: UnixMs,
}

/// Where a run wrote, as whom, and from where. Texts are cut, and addresses have no password.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RunOrigin {
    /// The account of the credentials, where STS named it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account: Option<String>,
    /// The ARN of the user or of the session of a role.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub principal: Option<String>,
    pub region: String,
    /// The endpoint, where it is not AWS's own.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "as_optional_json_text")]
    pub endpoint: Option<CustomEndpoint>,
    pub pool_name: String,
    /// The service's estimate of the number of users.
    pub users: u64,
    pub host: String,
    /// Hash of the decoded input, as it was checked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub input_hash: Option<String>,
    /// The `ETag` of the input, where it is an object of S3.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub input_etag: Option<String>,
    /// The digest of the plan that the run follows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plan_digest: Option<String>,
    /// Who approved that plan, where an approval was required.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plan_approval: Option<PlanApproval>,
    /// The arguments of the program.
    pub arguments: Vec<String>,
}

/// Who signed the plan of a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PlanApproval {
    /// As the file of allowed signers names it.
    pub principal: String,
    /// The fingerprint of the SSH key.
    pub key: String,
}

/// A limit and where its figure comes from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LimitNote {
    /// Thousandths of a call a second.
    pub milli: u64,
    /// Where the figure comes from, in one word.
    pub from: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EndedAs {
    /// Every row of the input reached a result.
    Completed,
    /// By a signal.
    Interrupted,
    /// By something that stops a whole run.
    Stopped,
}

impl EndedAs {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Completed => "completed",
            Self::Interrupted => "interrupted",
            Self::Stopped => "stopped",
        }
    }
}

impl From<&RunOutcome> for EndedAs {
    fn from(ended: &RunOutcome) -> Self {
        match ended {
            RunOutcome::Completed => Self::Completed,
            RunOutcome::Interrupted(_) => Self::Interrupted,
            RunOutcome::Stopped(_) => Self::Stopped,
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RunEnd {
    #[serde(rename = "run_id", alias = "run", with = "as_json_text")]
    pub run: RunId,
    pub ended: EndedAs,
    /// Rows by state. A ledger does not keep the counts by code: they are empty when read.
    #[serde(rename = "rows", with = "RunEndCounts")]
    pub counts: Counts,
    pub writes: u64,
    pub reads: u64,
    /// Answers that said "too many requests".
    pub throttled: u64,
    /// The quota that these answers showed, in thousandths of a call a second.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pace_milli: Option<u64>,
    pub at: UnixMs,
}

/// The members of [`Counts`] that a ledger keeps.
#[derive(Serialize, Deserialize)]
#[serde(remote = "Counts", deny_unknown_fields)]
struct RunEndCounts {
    read: u64,
    linked: u64,
    already_linked: u64,
    refused: u64,
    failed: u64,
    in_doubt: u64,
    invalid: u64,
    unprocessed: u64,
    skipped: u64,
    repeated: u64,
    #[serde(default, skip_serializing_if = "is_zero")]
    superseded: u64,
    /// The results of the rows have it.
    #[serde(skip)]
    recovered: u64,
    #[serde(skip)]
    undone: u64,
    #[serde(skip)]
    kept: std::collections::BTreeMap<RefusalCode, u64>,
    #[serde(skip)]
    by_refusal: std::collections::BTreeMap<RefusalCode, u64>,
    #[serde(skip)]
    by_finding: std::collections::BTreeMap<FindingCode, u64>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes it so")]
fn is_zero(number: &u64) -> bool {
    *number == 0
}

fn native_provider() -> Cow<'static, str> {
    NATIVE_PROVIDER.into()
}

fn is_native_provider(provider: &str) -> bool {
    provider == NATIVE_PROVIDER
}

fn subject_attribute() -> Cow<'static, str> {
    COGNITO_SUBJECT.into()
}

fn is_subject_attribute(attribute: &str) -> bool {
    attribute == COGNITO_SUBJECT
}

fn one() -> u32 {
    1
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes it so")]
fn is_one(number: &u32) -> bool {
    *number == 1
}

/// serde copies the text of an optional `Cow`, although it borrows one that is not optional.
fn borrowed_option<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Cow<'de, str>>, D::Error> {
    Ok(Option::deserialize(deserializer)?.map(|BorrowedText(text)| text))
}

/// [`RowNumber`] as JSON has it.
#[derive(Serialize, Deserialize)]
#[serde(remote = "RowNumber")]
struct JsonRowNumber(u64);

/// A text of a ledger line that may be personal: its `Debug` masks, and there is no `Display`.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PersonalText<'a>(#[serde(borrow)] Cow<'a, str>);

impl<'a> PersonalText<'a> {
    pub(super) fn new(text: impl Into<Cow<'a, str>>) -> Self {
        Self(text.into())
    }

    /// The text itself: for the service and result files, never for a log or an error text.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for PersonalText<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "[{} characters]", self.0.chars().count())
    }
}

/// A call that is about to be sent, with exactly its values.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Announcement<'a> {
    /// The row's number in that run's input.
    #[serde(with = "JsonRowNumber")]
    pub row: RowNumber,
    #[serde(with = "as_json_text")]
    pub key: RowKey,
    /// Missing in a line for the pool's own users, as most are.
    #[serde(borrow, default = "native_provider", skip_serializing_if = "is_native_provider")]
    pub destination_provider: Cow<'a, str>,
    /// The destination's user name, or its id at that provider.
    #[serde(borrow)]
    pub destination_value: PersonalText<'a>,
    #[serde(borrow)]
    pub source_provider: Cow<'a, str>,
    /// Missing in a line where the link is by the identity's id, as most are.
    #[serde(borrow, default = "subject_attribute", skip_serializing_if = "is_subject_attribute")]
    pub source_attribute: Cow<'a, str>,
    #[serde(borrow)]
    pub source_value: PersonalText<'a>,
    /// What a correction of the row keeps; links only.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "as_optional_json_text")]
    pub place: Option<RowPlace>,
    /// The earliest that the service's clock can have shown then.
    pub at: UnixMs,
}

impl<'a> Announcement<'a> {
    pub(super) fn new(row: &Row, destination: &'a DestinationUser, source: &'a ExternalIdentity, at: UnixMs) -> Self {
        Self {
            row: row.number,
            key: row.key,
            destination_provider: destination.provider.as_str().into(),
            destination_value: PersonalText::new(destination.value.expose()),
            source_provider: source.provider().as_str().into(),
            source_attribute: source.attribute().as_str().into(),
            source_value: PersonalText::new(source.value().expose()),
            place: None,
            at,
        }
    }

    pub(super) fn with_place_of(self, link: &Link) -> Self {
        Self { place: Some(RowPlace::of(link)), ..self }
    }

    /// The destination as it was sent. Fails where a person has edited the line into something that cannot be sent.
    pub fn destination(&self) -> Result<DestinationUser, IdentityError> {
        let provider = ProviderName::parse(&self.destination_provider)?;
        let value = Personal::parse(self.destination_value.expose(), ATTRIBUTE_VALUE_CHARS_MAX)?;
        Ok(DestinationUser { provider, value })
    }

    /// The source as it was sent. Fails where a person has edited the line into something that cannot be sent.
    pub fn source(&self) -> Result<ExternalIdentity, IdentityError> {
        ExternalIdentity::new(
            ProviderName::parse(&self.source_provider)?,
            AttributeName::parse(&self.source_attribute)?,
            Personal::parse(self.source_value.expose(), ATTRIBUTE_VALUE_CHARS_MAX)?,
        )
    }
}

/// Of an identity, or of a user as a call names it: each is a value at a provider.
pub fn identity_hash(provider: &str, value: &str) -> u64 {
    xxh3_64(&[provider.as_bytes(), b"\0", value.as_bytes()].concat())
}

/// An announcement that was withdrawn before anything was sent, or a link that was seen to be gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Withdrawal {
    /// The row's number in that run's input.
    #[serde(with = "JsonRowNumber")]
    pub row: RowNumber,
    #[serde(with = "as_json_text")]
    pub key: RowKey,
    pub at: UnixMs,
}

/// What the service answered, or what the transport met, when a call failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CallError<'a> {
    /// The service's code, or a word for a transport fault.
    #[serde(borrow)]
    pub code: Cow<'a, str>,
    #[serde(borrow)]
    pub message: PersonalText<'a>,
}

impl<'a> From<&'a ServiceText> for CallError<'a> {
    /// Cuts both texts at their bounds.
    fn from(text: &'a ServiceText) -> Self {
        let message = PersonalText::new(cut_after(&text.message, SERVICE_TEXT_CHARS_MAX));
        Self { code: cut_after(&text.code, LEDGER_WORD_CHARS_MAX).into(), message }
    }
}

impl From<CallError<'_>> for ServiceText {
    fn from(error: CallError<'_>) -> Self {
        Self { code: error.code.into_owned(), message: error.message.expose().to_owned() }
    }
}

/// The start of a text, of at most so many characters.
pub fn cut_after(text: &str, chars_max: usize) -> &str {
    text.char_indices().nth(chars_max).map_or(text, |(end, _)| &text[..end])
}

/// The result of a row.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settlement<'a> {
    /// The row's number in that run's input.
    #[serde(with = "JsonRowNumber")]
    pub row: RowNumber,
    #[serde(with = "as_json_text")]
    pub key: RowKey,
    pub state: SettledState,
    /// Why the row was refused; there if and only if it was.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "as_optional_json_text")]
    pub code: Option<RefusalCode>,
    /// Linked, as concluded from reading: somebody else could have made the link.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub recovered: bool,
    /// How often the row was attempted in that run, without calls that were throttled or did not reach the service.
    /// One, where the line does not say.
    #[serde(default = "one", skip_serializing_if = "is_one")]
    pub attempts: u32,
    /// From sending the call that succeeded to its answer; where it is missing, reading settled the row, or an answer of
    /// which there is an [`Attempt`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub latency_ms: Option<u64>,
    /// The service's id of the last request that was answered.
    #[serde(borrow, default, skip_serializing_if = "Option::is_none", deserialize_with = "borrowed_option")]
    pub request_id: Option<Cow<'a, str>>,
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub error: Option<CallError<'a>>,
    /// The destination's user name as the pool showed it, where it was read.
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub username: Option<PersonalText<'a>>,
    /// What a correction of the row keeps, where no announcement has it.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "as_optional_json_text")]
    pub place: Option<RowPlace>,
    pub at: UnixMs,
}

/// What was done for a row in a run, and seen of its destination.
#[derive(Debug, Clone, Copy, Default)]
pub struct RowTrace<'a> {
    /// How often the row was attempted.
    pub attempts: u32,
    /// From sending the call that succeeded to its answer; `None` where no call succeeded.
    pub latency_ms: Option<u64>,
    /// The service's id of the last request that was answered.
    pub request_id: Option<&'a str>,
    /// The destination's user name as the pool showed it, where it was read.
    pub username: Option<&'a Personal>,
    /// What a correction of the row keeps.
    pub place: Option<RowPlace>,
}

/// The `state` of a [`Settlement`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SettledState {
    Linked,
    AlreadyLinked,
    Refused,
    Failed,
    InDoubt,
}

impl<'a> Settlement<'a> {
    pub(super) fn new(row: RowNumber, key: RowKey, outcome: &'a LinkOutcome, trace: RowTrace<'a>, at: UnixMs) -> Self {
        let (state, code, error) = match outcome {
            LinkOutcome::Linked { .. } => (SettledState::Linked, None, None),
            LinkOutcome::AlreadyLinked => (SettledState::AlreadyLinked, None, None),
            LinkOutcome::Refused { code, text } => (SettledState::Refused, Some(*code), text.as_ref()),
            LinkOutcome::Failed { text } => (SettledState::Failed, None, Some(text)),
            LinkOutcome::InDoubt { text } => (SettledState::InDoubt, None, Some(text)),
        };
        Self {
            row,
            key,
            state,
            code,
            recovered: matches!(outcome, LinkOutcome::Linked { recovered: true }),
            attempts: trace.attempts,
            latency_ms: trace.latency_ms,
            request_id: trace.request_id.map(|id| cut_after(id, LEDGER_WORD_CHARS_MAX).into()),
            error: error.map(CallError::from),
            username: trace.username.map(|name| PersonalText::new(name.expose())),
            place: trace.place,
            at,
        }
    }

    /// `None` where the members contradict each other.
    fn row_state(&self) -> Option<RowState> {
        let state = match (self.state, self.code) {
            (SettledState::Linked, None) => RowState::Linked,
            (SettledState::AlreadyLinked, None) => RowState::AlreadyLinked,
            (SettledState::Refused, Some(code)) => RowState::Refused(code),
            (SettledState::Failed, None) => RowState::Failed,
            (SettledState::InDoubt, None) => RowState::InDoubt,
            _ => return None,
        };
        (!self.recovered || state == RowState::Linked).then_some(state)
    }
}

/// The result of unlinking a row.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UnlinkSettlement<'a> {
    /// The row's number, as the link has it.
    #[serde(with = "JsonRowNumber")]
    pub row: RowNumber,
    #[serde(with = "as_json_text")]
    pub key: RowKey,
    pub result: UnlinkResult,
    /// Why the unlinking was refused; there if and only if it was.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "as_optional_json_text")]
    pub code: Option<RefusalCode>,
    /// How often it was attempted in that run, without calls that were throttled or did not reach the service.
    /// One, where the line does not say.
    #[serde(default = "one", skip_serializing_if = "is_one")]
    pub attempts: u32,
    /// As in [`Settlement`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub latency_ms: Option<u64>,
    /// The service's id of the last request that was answered.
    #[serde(borrow, default, skip_serializing_if = "Option::is_none", deserialize_with = "borrowed_option")]
    pub request_id: Option<Cow<'a, str>>,
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub error: Option<CallError<'a>>,
    pub at: UnixMs,
}

/// The `result` of an [`UnlinkSettlement`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum UnlinkResult {
    /// The user no longer has the identity.
    Undone,
    /// It is not safe to unlink.
    Refused,
    /// Attempts exhausted, and none had an effect.
    Failed,
    InDoubt,
    /// It was announced, and nothing was sent.
    Withdrawn,
}

impl<'a> UnlinkSettlement<'a> {
    pub(super) fn new(row: RowNumber, key: RowKey, outcome: &'a UndoOutcome, trace: RowTrace<'a>, at: UnixMs) -> Self {
        let (result, code, error) = match outcome {
            UndoOutcome::Undone => (UnlinkResult::Undone, None, None),
            UndoOutcome::Refused { code, text } => (UnlinkResult::Refused, Some(*code), text.as_ref()),
            UndoOutcome::Failed { text } => (UnlinkResult::Failed, None, Some(text)),
            UndoOutcome::InDoubt { text } => (UnlinkResult::InDoubt, None, Some(text)),
        };
        let RowTrace { attempts, latency_ms, request_id, .. } = trace;
        let request_id = request_id.map(|id| cut_after(id, LEDGER_WORD_CHARS_MAX).into());
        Self { row, key, result, code, attempts, latency_ms, request_id, error: error.map(CallError::from), at }
    }

    /// An unlink that was announced and not sent.
    pub(super) fn withdrawn(row: RowNumber, key: RowKey, at: UnixMs) -> Self {
        let result = UnlinkResult::Withdrawn;
        Self { row, key, result, code: None, attempts: 0, latency_ms: None, request_id: None, error: None, at }
    }

    /// `None` where the members contradict each other.
    fn row_state(&self) -> Option<RowState> {
        match (self.result, self.code) {
            (UnlinkResult::Undone, None) => Some(RowState::Undone),
            (UnlinkResult::Refused, Some(code)) => Some(RowState::Kept(code)),
            (UnlinkResult::Failed | UnlinkResult::Withdrawn, None) => Some(RowState::Linked),
            (UnlinkResult::InDoubt, None) => Some(RowState::Unlinking),
            _ => None,
        }
    }
}

/// A call for a row that was answered, or not, and did not succeed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Attempt<'a> {
    /// The row's number in that run's input.
    #[serde(with = "JsonRowNumber")]
    pub row: RowNumber,
    #[serde(with = "as_json_text")]
    pub key: RowKey,
    pub call: AttemptedCall,
    pub answer: AnswerClass,
    /// The service's code, or a word for a transport fault.
    #[serde(borrow)]
    pub code: Cow<'a, str>,
    /// The service's id of the request, where it was answered.
    #[serde(borrow, default, skip_serializing_if = "Option::is_none", deserialize_with = "borrowed_option")]
    pub request_id: Option<Cow<'a, str>>,
    /// From sending the call to its answer, or to the end of waiting for it.
    pub latency_ms: u64,
    /// When it was sent.
    pub at: UnixMs,
}

/// The `call` of an [`Attempt`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AttemptedCall {
    Link,
    Unlink,
}

/// What an answer means that is no success: the `answer` of an [`Attempt`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AnswerClass {
    /// Rejected for the rate. No effect.
    Throttled,
    /// Nothing was sent.
    NotReached,
    /// The call may have had an effect.
    Unknown,
    /// The service says no to the row.
    Refused,
    /// The service says that there is no such link.
    NotLinked,
    /// The service says no to the whole run. No effect.
    RunStopped,
}

impl<'a> Attempt<'a> {
    /// Cuts the texts at their bounds.
    pub(super) fn new(row: RowNumber, key: RowKey, answer: &FailedCall<'a>) -> Self {
        let FailedCall { call, answer, code, request_id, latency_ms, at } = *answer;
        let code = cut_after(code, LEDGER_WORD_CHARS_MAX).into();
        let request_id = request_id.map(|id| cut_after(id, LEDGER_WORD_CHARS_MAX).into());
        Self { row, key, call, answer, code, request_id, latency_ms, at }
    }
}

/// A call that did not succeed, as [`Attempt`] keeps it.
#[derive(Debug, Clone, Copy)]
pub struct FailedCall<'a> {
    pub call: AttemptedCall,
    pub answer: AnswerClass,
    pub code: &'a str,
    pub request_id: Option<&'a str>,
    pub latency_ms: u64,
    /// When it was sent.
    pub at: UnixMs,
}

/// A row of the input that was not sent because of its first error.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct InvalidRow<'a> {
    #[serde(with = "JsonRowNumber")]
    pub row: RowNumber,
    /// That of its link, or of its bytes where it gives no link.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "as_optional_json_text")]
    pub key: Option<RowKey>,
    #[serde(with = "as_json_text")]
    pub code: FindingCode,
    /// The line in the decompressed input.
    pub line: u64,
    /// The field in that line, from 1; 0 for the whole line.
    pub field: u32,
    /// The column's name in the header; empty for the whole line.
    #[serde(borrow)]
    pub column: Cow<'a, str>,
    pub at: UnixMs,
}

/// A row that no longer counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Supersession {
    #[serde(with = "as_json_text")]
    pub key: RowKey,
    /// The row that takes its place; missing where the row is only no longer in its input.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "as_optional_json_text")]
    pub by: Option<RowKey>,
    pub at: UnixMs,
}

/// A row that counts again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Reinstatement {
    #[serde(with = "as_json_text")]
    pub key: RowKey,
    pub at: UnixMs,
}

/// A change of how a run goes on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RunControlled<'a> {
    #[serde(rename = "run_id", alias = "run", with = "as_json_text")]
    pub run: RunId,
    pub change: RunChange,
    /// The new limit of the rate, in thousandths of a write a second.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub milli: Option<u64>,
    /// Where the request came from, in one word.
    #[serde(borrow)]
    pub source: Cow<'a, str>,
    /// Who requested it, where that is a person.
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub user: Option<Cow<'a, str>>,
    pub at: UnixMs,
}

/// The `change` of a [`RunControlled`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RunChange {
    Pause,
    Resume,
    /// A limit of the rate in place of the run's own.
    Rate,
    /// The run's own limit again.
    OwnRate,
    Drain,
    WindowOpen,
    WindowClosed,
}

impl RunChange {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pause => "pause",
            Self::Resume => "resume",
            Self::Rate => "rate",
            Self::OwnRate => "own_rate",
            Self::Drain => "drain",
            Self::WindowOpen => "window_open",
            Self::WindowClosed => "window_closed",
        }
    }
}

impl<'a> RunControlled<'a> {
    /// Cuts the user's name at its bound.
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a bounded rate")]
    pub(super) fn new(
        run: RunId,
        change: ControlChange,
        source: ControlSource,
        user: Option<&'a str>,
        at: UnixMs,
    ) -> Self {
        let (change, rate) = match change {
            ControlChange::Paused => (RunChange::Pause, None),
            ControlChange::Resumed => (RunChange::Resume, None),
            ControlChange::RateSet(rate) => (RunChange::Rate, Some(rate.per_second)),
            ControlChange::RateCleared => (RunChange::OwnRate, None),
            ControlChange::Draining => (RunChange::Drain, None),
            ControlChange::WindowOpened { rate } => (RunChange::WindowOpen, rate),
            ControlChange::WindowClosed { .. } => (RunChange::WindowClosed, None),
        };
        let user = user.map(|user| cut_after(user, LEDGER_WORD_CHARS_MAX).into());
        let milli = rate.map(|rate| (rate * 1_000.0).round() as u64);
        Self { run, change, milli, source: source.as_str().into(), user, at }
    }
}

/// Why a line is no record. Holds nothing that the line says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RecordError {
    #[error("no `hash` at its end")]
    NoHash,
    #[error(
        "its `hash` does not fit, so this line was changed, or lines before it were changed, cut out, added or moved"
    )]
    WrongHash,
    #[error("not valid UTF-8")]
    Utf8,
    #[error("unexpected JSON at column {column}")]
    Json {
        /// From 1; 0 for an empty line.
        column: usize,
    },
    #[error("not a record of this format: its type is not known, or a member is missing, unknown or invalid")]
    Record,
}

/// Reads a line, without its line end. Refuses a line that is not one whole record of this format, or has anything else
/// in it.
pub fn decode(line: &[u8]) -> Result<LedgerRecord<'_>, RecordError> {
    let text = std::str::from_utf8(line).map_err(|_| RecordError::Utf8)?;
    let record: LedgerRecord<'_> = serde_json::from_str(text).map_err(|error| match error.classify() {
        Category::Data => RecordError::Record,
        Category::Io | Category::Syntax | Category::Eof => RecordError::Json { column: error.column() },
    })?;
    record.row_event()?;
    Ok(record)
}

/// The format that a ledger's header names, whatever else the header holds; `None` for any other line.
pub(super) fn format_of_header(line: &[u8]) -> Option<u64> {
    #[derive(Deserialize)]
    struct AnyHeader {
        cognito_link_ledger: u64,
    }
    serde_json::from_slice(line).ok().map(|header: AnyHeader| header.cognito_link_ledger)
}

impl LedgerRecord<'_> {
    /// When it was recorded; of an [`Attempt`], when it was sent.
    pub(super) fn at(&self) -> UnixMs {
        match self {
            Self::Header(header) => header.created,
            Self::RunStarted(start) => start.at,
            Self::RunEnded(end) => end.at,
            Self::Announced(call) | Self::UnlinkAnnounced(call) => call.at,
            Self::Settled(settled) => settled.at,
            Self::Withdrawn(withdrawal) => withdrawal.at,
            Self::UnlinkSettled(settled) => settled.at,
            Self::Attempt(attempt) => attempt.at,
            Self::Invalid(row) => row.at,
            Self::Superseded(row) => row.at,
            Self::Reinstated(row) => row.at,
            Self::Control(change) => change.at,
        }
    }

    /// What the record does to the state of a row, and when; `None` for a record that changes no state. Refuses members
    /// that contradict each other, which no record of [`decode`] has.
    pub(super) fn row_event(&self) -> Result<Option<(RowKey, RowEvent, UnixMs)>, RecordError> {
        Ok(Some(match self {
            Self::Header(_)
            | Self::RunStarted(_)
            | Self::RunEnded(_)
            | Self::Attempt(_)
            | Self::Invalid(_)
            | Self::Superseded(_)
            | Self::Reinstated(_)
            | Self::Control(_) => return Ok(None),
            Self::Announced(call) => (call.key, RowEvent::Announced, call.at),
            Self::Withdrawn(withdrawal) => (withdrawal.key, RowEvent::Withdrawn, withdrawal.at),
            Self::Settled(settled) => {
                let state = settled.row_state().ok_or(RecordError::Record)?;
                (settled.key, RowEvent::Settled(state), settled.at)
            }
            Self::UnlinkAnnounced(call) => (call.key, RowEvent::UnlinkAnnounced, call.at),
            Self::UnlinkSettled(settled) => {
                let state = settled.row_state().ok_or(RecordError::Record)?;
                (settled.key, RowEvent::UnlinkEnded(state), settled.at)
            }
        }))
    }
}

/// By hand, because what serde derives for a tagged enum copies every member before it looks at the type, which takes
/// twice the time. Here only a line with another member before its `type` is copied: a person has edited it.
impl<'de> Deserialize<'de> for LedgerRecord<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(RecordVisitor)
    }
}

struct RecordVisitor;

impl<'de> Visitor<'de> for RecordVisitor {
    type Value = LedgerRecord<'de>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a ledger record")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Self::Value, A::Error> {
        let mut earlier: Vec<(BorrowedText<'de>, serde_json::Value)> = Vec::new();
        loop {
            let Some(name) = members.next_key::<BorrowedText<'de>>()? else {
                return Err(A::Error::missing_field("type"));
            };
            if name.0 == "type" {
                break;
            }
            earlier.push((name, members.next_value()?));
        }
        let record_type: RecordType = members.next_value()?;
        if earlier.is_empty() {
            return record_type.read_members(MapAccessDeserializer::new(members));
        }
        while let Some(member) = members.next_entry()? {
            earlier.push(member);
        }
        let members = earlier.into_iter().map(|(name, value)| (name.0, value));
        record_type.read_members(MapDeserializer::<_, serde_json::Error>::new(members)).map_err(A::Error::custom)
    }
}

impl RecordType {
    fn read_members<'de, D: Deserializer<'de>>(self, members: D) -> Result<LedgerRecord<'de>, D::Error> {
        match self {
            Self::Header => LedgerHeader::deserialize(members).map(LedgerRecord::Header),
            Self::RunStarted => RunStart::deserialize(members).map(LedgerRecord::RunStarted),
            Self::RunEnded => Box::deserialize(members).map(LedgerRecord::RunEnded),
            Self::Announced => Announcement::deserialize(members).map(LedgerRecord::Announced),
            Self::Settled => Settlement::deserialize(members).map(LedgerRecord::Settled),
            Self::Withdrawn => Withdrawal::deserialize(members).map(LedgerRecord::Withdrawn),
            Self::UnlinkAnnounced => Announcement::deserialize(members).map(LedgerRecord::UnlinkAnnounced),
            Self::UnlinkSettled => UnlinkSettlement::deserialize(members).map(LedgerRecord::UnlinkSettled),
            Self::Attempt => Attempt::deserialize(members).map(LedgerRecord::Attempt),
            Self::Invalid => InvalidRow::deserialize(members).map(LedgerRecord::Invalid),
            Self::Superseded => Supersession::deserialize(members).map(LedgerRecord::Superseded),
            Self::Reinstated => Reinstatement::deserialize(members).map(LedgerRecord::Reinstated),
            Self::Control => RunControlled::deserialize(members).map(LedgerRecord::Control),
        }
    }
}

/// A value of `domain`, which knows no format, that JSON holds as text.
trait JsonText: Sized {
    fn parse_text(text: &str) -> Option<Self>;
    fn to_text(&self) -> Cow<'_, str>;
}

macro_rules! json_text {
    ($($type:ty: $parse:expr, $write:expr;)+) => {$(
        impl JsonText for $type {
            fn parse_text(text: &str) -> Option<Self> {
                $parse(text)
            }

            fn to_text(&self) -> Cow<'_, str> {
                Cow::from($write(self))
            }
        }
    )+};
}

json_text! {
    RowKey: |text: &str| Self::parse(text.as_bytes()), Self::to_string;
    RowPlace: |text: &str| Self::parse(text.as_bytes()), Self::to_string;
    RunId: Self::parse, Self::to_string;
    PoolId: |text| Self::parse(text).ok(), Self::as_str;
    CustomEndpoint: Self::parse, Self::as_str;
    Shard: |text| Self::parse(text).ok(), Self::to_string;
    RefusalCode: Self::parse, |code: &Self| code.as_str();
    FindingCode: |text| Self::ALL.iter().copied().find(|code| code.as_str() == text), |code: &Self| code.as_str();
}

mod as_json_text {
    use std::borrow::Cow;

    use serde::de::Error;
    use serde::{Deserialize, Deserializer, Serializer};

    use super::JsonText;

    /// A text that is copied only where it has escapes.
    #[derive(Deserialize)]
    pub(super) struct BorrowedText<'a>(#[serde(borrow)] pub(super) Cow<'a, str>);

    pub(super) fn serialize<T: JsonText, S: Serializer>(value: &T, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&value.to_text())
    }

    pub(super) fn deserialize<'de, T: JsonText, D: Deserializer<'de>>(deserializer: D) -> Result<T, D::Error> {
        let BorrowedText(text) = BorrowedText::deserialize(deserializer)?;
        T::parse_text(&text).ok_or_else(|| D::Error::custom("invalid text"))
    }
}

mod as_optional_json_text {
    use serde::de::Error;
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    use super::JsonText;
    use super::as_json_text::BorrowedText;

    #[expect(clippy::ref_option, reason = "serde passes it so")]
    pub(super) fn serialize<T: JsonText, S: Serializer>(value: &Option<T>, serializer: S) -> Result<S::Ok, S::Error> {
        value.as_ref().map(T::to_text).serialize(serializer)
    }

    pub(super) fn deserialize<'de, T: JsonText, D: Deserializer<'de>>(deserializer: D) -> Result<Option<T>, D::Error> {
        let text: Option<BorrowedText<'de>> = Option::deserialize(deserializer)?;
        text.map(|text| T::parse_text(&text.0).ok_or_else(|| D::Error::custom("invalid text"))).transpose()
    }
}
