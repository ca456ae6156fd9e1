//! One call for one row: nothing is decided here.

use std::sync::Arc;

use crate::clock::{Clock, Instant, UnixMs};
use crate::domain::identity::Personal;
use crate::service::{Answer, Fault, IdentityLinker, LinkRequest, UserDirectory, UserPage, UserQuery};

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
    let reply = match call {
        Call::Link(request) => Reply::Linked(services.linker.link(*request).await),
        Call::List(query) => Reply::Users(services.directory.list_users(query).await),
        Call::Get(username) => Reply::Users(services.directory.get_user(username).await.map(one_page)),
    };
    Done { job, reply, sent, sent_unix_ms, answered_unix_ms: clock.unix_ms() }
}

fn one_page(answer: Answer<Option<crate::service::PoolUser>>) -> Answer<UserPage> {
    let users = answer.value.into_iter().collect();
    Answer { value: UserPage { users, next_token: None }, meta: answer.meta }
}
