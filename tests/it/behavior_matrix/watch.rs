//! The service as a run of a case sees it: what was answered is noted, and a provider may be gone right after the preflight.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use cognito_link::clock::{Clock, UnixMs};
use cognito_link::domain::identity::{ExternalIdentity, Personal, ProviderName};
use cognito_link::service::in_process::InProcessService;
use cognito_link::service::{
    Answer, CallFault, IdentityLinker, IdentityUnlinker, LinkRequest, MappedAttributes, PoolFacts, PoolUser,
    PortFuture, ProviderFacts, ProviderPage, UnlinkRequest, UserDirectory, UserPage, UserQuery,
};

use super::scene::{DELETED_PROVIDER, IdentityKey};

/// When the write calls for an identity were sent that had no answer that says what they did: the answer was lost, or
/// replaced by a fault, or the run was killed first.
pub(super) type UnansweredCalls = Arc<Mutex<BTreeMap<IdentityKey, Vec<UnixMs>>>>;

pub(super) struct WatchedService {
    pub(super) inner: Arc<InProcessService>,
    pub(super) clock: Clock,
    pub(super) unanswered: UnansweredCalls,
    /// Whether the preflight lists a provider that no later call finds.
    pub(super) lists_deleted_provider: bool,
}

impl WatchedService {
    fn note_sent(&self, identity: &ExternalIdentity) {
        self.unanswered.lock().unwrap().entry(IdentityKey::of(identity)).or_default().push(self.clock.unix_ms());
    }

    fn note_answer(&self, identity: &ExternalIdentity, answer: &Result<Answer<()>, CallFault>) {
        let says_what_it_did = match answer {
            Ok(_) => true,
            Err(CallFault::Answered { status, code, .. }) => *status < 500 && code != "InternalErrorException",
            Err(_) => false,
        };
        if says_what_it_did && let Some(calls) = self.unanswered.lock().unwrap().get_mut(&IdentityKey::of(identity)) {
            calls.pop();
        }
    }
}

impl UserDirectory for WatchedService {
    fn describe_pool(&self) -> PortFuture<'_, PoolFacts> {
        self.inner.describe_pool()
    }

    fn list_providers(&self, token: Option<String>) -> PortFuture<'_, ProviderPage> {
        Box::pin(async move {
            let mut answer = self.inner.list_providers(token).await?;
            if self.lists_deleted_provider && answer.value.next_token.is_none() {
                let name = ProviderName::parse(DELETED_PROVIDER).unwrap();
                answer.value.providers.push(ProviderFacts { name, kind: "SAML".to_owned() });
            }
            Ok(answer)
        })
    }

    fn mapped_attributes(&self, provider: ProviderName) -> PortFuture<'_, MappedAttributes> {
        self.inner.mapped_attributes(provider)
    }

    fn list_users(&self, query: UserQuery) -> PortFuture<'_, UserPage> {
        self.inner.list_users(query)
    }

    fn get_user(&self, username: Personal) -> PortFuture<'_, Option<PoolUser>> {
        self.inner.get_user(username)
    }
}

impl IdentityLinker for WatchedService {
    fn link(&self, request: LinkRequest) -> PortFuture<'_, ()> {
        Box::pin(async move {
            let identity = request.source.clone();
            self.note_sent(&identity);
            let answer = self.inner.link(request).await;
            self.note_answer(&identity, &answer);
            answer
        })
    }
}

impl IdentityUnlinker for WatchedService {
    fn unlink(&self, request: UnlinkRequest) -> PortFuture<'_, ()> {
        Box::pin(async move {
            let identity = request.identity.clone();
            self.note_sent(&identity);
            let answer = self.inner.unlink(request).await;
            self.note_answer(&identity, &answer);
            answer
        })
    }
}
