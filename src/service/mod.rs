//! The service as the rest of the house sees it: its ports, their values and their faults.
//!
//! [`UserDirectory`] reads, [`IdentityLinker`] links and [`IdentityUnlinker`] unlinks. A command that must not write is
//! handed only the first, so it holds nothing through which it could; none is handed both of the others.

pub mod classify;
pub mod cognito;
pub mod fault;
pub mod identities;
pub mod in_process;

pub mod skew;

use std::collections::BTreeSet;
use std::future::Future;
use std::pin::Pin;

use crate::clock::UnixMs;
use crate::domain::identity::{DestinationUser, ExternalIdentity, Personal, ProviderName};
pub use fault::{Fault, Transport};
pub use identities::LinkedIdentity;

/// What a port's call comes to.
pub type PortFuture<'a, T> = Pin<Box<dyn Future<Output = Result<Answer<T>, Fault>> + Send + 'a>>;

/// A successful answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer<T> {
    /// What was asked for.
    pub value: T,
    /// What the answer says about itself.
    pub meta: AnswerMeta,
}

/// What every answer, good or bad, says about itself.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AnswerMeta {
    /// The service's id of the request (`x-amzn-requestid`).
    pub request_id: Option<String>,
    /// The service's clock when it answered (`Date` header, whole seconds).
    pub server_unix_ms: Option<UnixMs>,
}

/// What is known of a pool (`DescribeUserPool`).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PoolFacts {
    /// The pool's name.
    pub name: String,
    /// Whether user names are told apart by case. Pools made by API are case-sensitive unless they say otherwise.
    pub case_sensitive: bool,
    /// The service's estimate of the number of users.
    pub estimated_user_count: u64,
    /// Whether a pre-sign-up trigger is set: it may make links of its own meanwhile.
    pub has_pre_sign_up_trigger: bool,
    /// Attributes with which users sign in in place of a user name (`email`, `phone_number`).
    pub username_attributes: Vec<String>,
    /// Attributes with which users may sign in beside their user name.
    pub alias_attributes: Vec<String>,
}

/// A page of providers (`ListIdentityProviders`).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ProviderPage {
    /// The providers' names and types.
    pub providers: Vec<ProviderFacts>,
    /// Where the next page starts; `None` on the last one.
    pub next_token: Option<String>,
}

/// What is known of an identity provider without reading its secrets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProviderFacts {
    /// The pool's name of it.
    pub name: ProviderName,
    /// `SAML`, `OIDC`, `Google`, `Facebook`, `LoginWithAmazon` or `SignInWithApple`.
    pub kind: String,
}

/// The pool attributes that a provider's claims are mapped to (`DescribeIdentityProvider`, keys of `AttributeMapping`).
/// Nothing else of that answer is kept: it holds the provider's client secret.
pub type MappedAttributes = BTreeSet<String>;

/// A question to `ListUsers`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct UserQuery {
    /// Which users; `None` for all.
    pub filter: Option<UserFilter>,
    /// Users a page, at most 60.
    pub limit: Option<u32>,
    /// Where the page starts, as the page before told.
    pub token: Option<String>,
}

/// A filter of `ListUsers`: one attribute, equal or starting with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UserFilter {
    /// `username`, `sub`, `email` and the other attributes that can be searched.
    pub attribute: &'static str,
    /// `^=` in place of `=`.
    pub prefix: bool,
    /// The value.
    pub value: Personal,
}

impl UserFilter {
    /// The filter as the service reads it, with `"` and `\` escaped.
    #[must_use]
    pub fn to_text(&self) -> String {
        let operator = if self.prefix { "^=" } else { "=" };
        let value = self.value.expose().replace('\\', "\\\\").replace('"', "\\\"");
        format!("{} {operator} \"{value}\"", self.attribute)
    }
}

/// A page of users (`ListUsers`).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct UserPage {
    /// The users; may be fewer than asked for, or none, without being the end.
    pub users: Vec<PoolUser>,
    /// Where the next page starts; `None` on the last one.
    pub next_token: Option<String>,
}

/// A user of the pool, as far as linking is concerned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PoolUser {
    /// The pool's `Username`.
    pub username: Personal,
    /// The `sub` attribute.
    pub sub: Option<Personal>,
    /// The `email` attribute.
    pub email: Option<Personal>,
    /// `CONFIRMED`, `FORCE_CHANGE_PASSWORD`, `EXTERNAL_PROVIDER` and so on. Not a safe test of native or federated.
    pub status: String,
    /// Whether the user may sign in.
    pub enabled: bool,
    /// The identities on this user, its own (`primary`) included.
    pub identities: Vec<LinkedIdentity>,
}

impl PoolUser {
    /// Whether this profile was born from an external identity. Told by `identities[].primary`, never by status.
    #[must_use]
    pub fn is_federated(&self) -> bool {
        self.identities.iter().any(|identity| identity.primary)
    }

    /// The identity of this provider with exactly this id, if the user holds it.
    #[must_use]
    pub fn identity(&self, provider: &ProviderName, user_id: &Personal) -> Option<&LinkedIdentity> {
        self.identities.iter().find(|held| held.provider_name == provider.as_str() && held.user_id == *user_id)
    }
}

/// What `AdminLinkProviderForUser` is asked to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LinkRequest {
    /// The existing user.
    pub destination: DestinationUser,
    /// The identity that shall sign in as that user.
    pub source: ExternalIdentity,
}

/// What `AdminDisableProviderForUser` is asked to do: the service names only the identity, and takes it from whoever
/// holds it. An identity of provider `Cognito`, by which a native user would lose the password, cannot be expressed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnlinkRequest {
    /// The identity, in the form that the service knows the link by.
    pub identity: ExternalIdentity,
}

/// The reading half of the service.
pub trait UserDirectory: Send + Sync {
    /// `DescribeUserPool`.
    fn describe_pool(&self) -> PortFuture<'_, PoolFacts>;
    /// `ListIdentityProviders`: one page.
    fn list_providers(&self, token: Option<String>) -> PortFuture<'_, ProviderPage>;
    /// `DescribeIdentityProvider`: by which attributes besides the subject its identities can be linked.
    fn mapped_attributes(&self, provider: ProviderName) -> PortFuture<'_, MappedAttributes>;
    /// `ListUsers`: one page. Eventually consistent; no effect on billing.
    fn list_users(&self, query: UserQuery) -> PortFuture<'_, UserPage>;
    /// `AdminGetUser`: fresh, and marks the user as active for billing. `None` where there is no such user.
    fn get_user(&self, username: Personal) -> PortFuture<'_, Option<PoolUser>>;
}

/// The writing half of the service, for links.
pub trait IdentityLinker: Send + Sync {
    /// `AdminLinkProviderForUser`: one attempt, never retried inside.
    fn link(&self, request: LinkRequest) -> PortFuture<'_, ()>;
}

/// The writing half of the service, for taking links back.
pub trait IdentityUnlinker: Send + Sync {
    /// `AdminDisableProviderForUser`: one attempt, never retried inside.
    fn unlink(&self, request: UnlinkRequest) -> PortFuture<'_, ()>;
}

/// What the account may call; reads, and of the account in place of the pool.
pub trait LimitReader: Send + Sync {
    /// `GetProvisionedLimit`: calls a second in the category of links that the service enforces at the moment.
    fn provisioned_limit(&self) -> PortFuture<'_, f64>;
    /// `GetServiceQuota` of Service Quotas: calls a second in that category that the account was granted.
    fn quota(&self) -> PortFuture<'_, f64>;
}
