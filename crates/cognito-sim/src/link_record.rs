//! What links and unlinks did, whatever their answers said, so that tests can judge a client by it.

use std::collections::{HashMap, VecDeque};

use crate::clock::UnixMs;
use crate::operation::Operation;

/// A call that links, unlinks or deletes. It names a person, so it has no `Debug`.
#[derive(Clone, PartialEq, Eq)]
pub struct LinkEvent {
    /// The time of the service.
    pub at_ms: UnixMs,
    /// `AdminLinkProviderForUser`, `AdminDisableProviderForUser` or `AdminDeleteUser`.
    pub operation: Operation,
    /// `x-amzn-requestid` of the answer.
    pub request_id: String,
    /// The pool.
    pub pool: String,
    /// The provider of the identity.
    pub provider: String,
    /// The attribute by which the call names the identity.
    pub attribute: String,
    /// The value by which the call names the identity.
    pub value: String,
    /// The user who got or lost the identity; the key of the user name, which is in lower case where case does not matter.
    pub username: Option<String>,
    /// The user from whom a link took the identity.
    pub taken_from: Option<String>,
    /// Whether the call changed who holds the identity.
    pub made: bool,
    /// The class of the refusal, as the service decided; the answer may be lost or replaced by an injected fault.
    pub refusal: Option<&'static str>,
}

/// How an identity came to the user who holds it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LinkOrigin {
    /// It was there before the first call, or was put there behind the back of the service.
    AtStart,
    /// The first sign-in, which created the user.
    SignIn,
    /// A link call with this request id; empty where the record does not have the call.
    Call(String),
}

/// An identity that a user holds. It names a person, so it has no `Debug`.
#[derive(Clone, PartialEq, Eq)]
pub struct HeldIdentity {
    /// The provider.
    pub provider: String,
    /// The id as it is shown.
    pub user_id: String,
    /// The attribute of the link; `Cognito_Subject` for a link by the subject.
    pub attribute: String,
    /// The value of the link, which is not the id once a link by an attribute was used.
    pub value: String,
    /// The key of the user's name, which is in lower case where case does not matter.
    pub username: String,
    /// Whether the identity created the user.
    pub primary: bool,
    /// When it was linked.
    pub created_ms: UnixMs,
    /// How it came to the user.
    pub origin: LinkOrigin,
}

/// The latest events, and the request ids of the links that were made. Empty unless a maximum is set.
#[derive(Default)]
pub(crate) struct LinkRecord {
    events_max: usize,
    events: VecDeque<LinkEvent>,
    dropped: u64,
    request_ids: HashMap<u32, String>,
}

impl LinkRecord {
    pub(crate) fn with_max(events_max: usize) -> Self {
        Self { events_max, ..Self::default() }
    }

    pub(crate) fn is_on(&self) -> bool {
        self.events_max > 0
    }

    pub(crate) fn add(&mut self, event: LinkEvent, call_number: Option<u32>) {
        if self.events.len() >= self.events_max {
            self.events.pop_front();
            self.dropped += 1;
        }
        if let Some(number) = call_number.filter(|_| self.request_ids.len() < self.events_max) {
            self.request_ids.insert(number, event.request_id.clone());
        }
        self.events.push_back(event);
    }

    pub(crate) fn events(&self) -> impl Iterator<Item = &LinkEvent> {
        self.events.iter()
    }

    pub(crate) fn dropped(&self) -> u64 {
        self.dropped
    }

    pub(crate) fn request_id(&self, call_number: u32) -> String {
        self.request_ids.get(&call_number).cloned().unwrap_or_default()
    }
}
