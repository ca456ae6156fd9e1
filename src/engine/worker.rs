//! One call for one row: nothing is decided here.

use std::sync::Arc;
use std::time::Duration;

use crate::clock::{Clock, Instant, UnixMs, timeout_at};
use crate::domain::identity::Personal;
use crate::limits::ATTEMPT_TIMEOUT_MS;
use crate::service::{
    Answer, Fault, IdentityLinker, LinkRequest, PortFuture, Transport, UserDirectory, UserPage, UserQuery,
};

/// How much later than the adapter's own timeout the worker gives up, in milliseconds.
const GRACE_MS: u64 = 500;

/// The two halves of the service, as a run that writes holds them.
#[derive(Clone)]
pub struct Services {
    /// The reading half.
    pub directory: Arc<dyn UserDirectory>,
    /// The writing half.
    pub linker: Arc<dyn IdentityLinker>,
}

/// A call to make.
#[derive(Debug, Clone)]
pub(super) enum Call {
    Link(Box<LinkRequest>),
    List(UserQuery),
    Get(Personal),
}

/// What a call came to.
#[derive(Debug)]
pub(super) enum Reply {
    Linked(Result<Answer<()>, Fault>),
    Users(Result<Answer<UserPage>, Fault>),
}

/// A call that was made, with its times.
#[derive(Debug)]
pub(super) struct Done {
    pub(super) job: usize,
    pub(super) reply: Reply,
    pub(super) sent: Instant,
    pub(super) sent_unix_ms: UnixMs,
    pub(super) answered_unix_ms: UnixMs,
}

/// Makes one call.
pub(super) async fn perform(services: Services, clock: Clock, job: usize, call: Call) -> Done {
    let (sent, sent_unix_ms) = (clock.now(), clock.unix_ms());
    let deadline = sent + Duration::from_millis(ATTEMPT_TIMEOUT_MS + GRACE_MS);
    let reply = match call {
        Call::Link(request) => Reply::Linked(in_time(deadline, services.linker.link(*request)).await),
        Call::List(query) => Reply::Users(in_time(deadline, services.directory.list_users(query)).await),
        Call::Get(username) => {
            Reply::Users(in_time(deadline, services.directory.get_user(username)).await.map(one_page))
        }
    };
    Done { job, reply, sent, sent_unix_ms, answered_unix_ms: clock.unix_ms() }
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
