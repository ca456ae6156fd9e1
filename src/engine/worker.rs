//! One call for one row: nothing is decided here.

use std::sync::Arc;
use std::time::Duration;

use crate::clock::{Clock, Instant, UnixMs, timeout_at};
use crate::domain::identity::Personal;
use crate::foresight::verdict_of::verdict_of;
use crate::limits::ATTEMPT_TIMEOUT_MS;
use crate::pace::{Sent, Verdict};
use crate::service::classify::CallKind;
use crate::service::{
    Answer, Fault, IdentityLinker, IdentityUnlinker, LinkRequest, PortFuture, Transport, UnlinkRequest, UserDirectory,
    UserPage, UserQuery,
};

/// How much later than the adapter's own timeout the worker gives up, in milliseconds.
const GRACE_MS: u64 = 500;

/// The service as a run holds it.
#[derive(Clone)]
pub struct Services {
    /// The reading half.
    pub directory: Arc<dyn UserDirectory>,
    /// As much of the writing half as the run needs, and so what the run is for.
    pub writer: WritingHalf,
}

/// What of the writing half of the service a run holds: never both.
#[derive(Clone)]
pub enum WritingHalf {
    /// Links rows.
    Links(Arc<dyn IdentityLinker>),
    /// Takes links back.
    Unlinks(Arc<dyn IdentityUnlinker>),
    /// Nothing: says which links would be taken back.
    Nothing,
}

/// A call to make.
#[derive(Debug, Clone)]
pub(super) enum Call {
    Link(Box<LinkRequest>),
    Unlink(Box<UnlinkRequest>),
    List(UserQuery),
    Get(Personal),
}

/// What a call came to.
#[derive(Debug)]
pub(super) enum Reply {
    Linked(Result<Answer<()>, Fault>),
    Unlinked(Result<Answer<()>, Fault>),
    Users(Result<Answer<UserPage>, Fault>),
}

/// A call that was made, with its times.
#[derive(Debug)]
pub(super) struct Done {
    pub(super) job: usize,
    pub(super) reply: Reply,
    pub(super) sent: Sent,
    pub(super) sent_unix_ms: UnixMs,
    pub(super) answered_unix_ms: UnixMs,
}

impl Reply {
    /// Which budget it was taken from.
    pub(super) fn kind(&self) -> CallKind {
        match self {
            Self::Linked(_) => CallKind::Write,
            Self::Unlinked(_) => CallKind::Unlink,
            Self::Users(_) => CallKind::Read,
        }
    }

    pub(super) fn fault(&self) -> Option<&Fault> {
        match self {
            Self::Linked(reply) | Self::Unlinked(reply) => reply.as_ref().err(),
            Self::Users(reply) => reply.as_ref().err(),
        }
    }

    /// What it says about the pace, and how long the service asks to wait.
    pub(super) fn verdict(&self) -> (Verdict, Option<Duration>) {
        verdict_of(self.kind(), self.fault())
    }
}

/// Makes one call.
pub(super) async fn perform(services: Services, clock: Clock, job: usize, sent: Sent, call: Call) -> Done {
    let sent_unix_ms = clock.unix_ms();
    let deadline = clock.now() + Duration::from_millis(ATTEMPT_TIMEOUT_MS + GRACE_MS);
    let reply = match call {
        Call::Link(request) => Reply::Linked(match &services.writer {
            WritingHalf::Links(linker) => in_time(deadline, linker.link(*request)).await,
            _ => Err(not_held()),
        }),
        Call::Unlink(request) => Reply::Unlinked(match &services.writer {
            WritingHalf::Unlinks(unlinker) => in_time(deadline, unlinker.unlink(*request)).await,
            _ => Err(not_held()),
        }),
        Call::List(query) => Reply::Users(in_time(deadline, services.directory.list_users(query)).await),
        Call::Get(username) => {
            Reply::Users(in_time(deadline, services.directory.get_user(username)).await.map(one_page))
        }
    };
    Done { job, reply, sent, sent_unix_ms, answered_unix_ms: clock.unix_ms() }
}

/// A call that this run must not make: nothing is sent.
fn not_held() -> Fault {
    Fault::Unsent { credentials: false, detail: "this run holds no such half of the service".to_owned() }
}

/// The adapter has a timeout of its own, which comes first; this one holds whatever stands behind the port.
async fn in_time<T>(deadline: Instant, call: PortFuture<'_, T>) -> Result<Answer<T>, Fault> {
    timeout_at(deadline, call)
        .await
        .unwrap_or_else(|_| Err(Fault::Transport { kind: Transport::Timeout, detail: "no answer in time".to_owned() }))
}

fn one_page(answer: Answer<Option<crate::service::PoolUser>>) -> Answer<UserPage> {
    let users = answer.value.into_iter().collect();
    Answer { value: UserPage { users, next_token: None }, meta: answer.meta }
}
