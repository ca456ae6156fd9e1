//! The ports to the service, their values and their faults.
//!
//! [`UserDirectory`] reads, [`IdentityLinker`] links and [`IdentityUnlinker`] unlinks. A command that must not write gets
//! only the first, so it has no way to write; no command gets both of the others.

pub mod app_clients;
pub mod assumptions;
pub mod classify;
pub mod cognito;
pub mod fault;
pub mod identities;
pub mod in_process;
pub mod permission_probe;
pub mod probe;

pub mod skew;

use std::collections::BTreeSet;
use std::future::Future;
use std::pin::Pin;

use crate::clock::UnixMs;
use crate::domain::identity::{DestinationUser, ExternalIdentity, Personal, ProviderName};
pub use fault::{CallFault, Transport};
pub use identities::LinkedIdentity;

/// The result of one call of a port.
pub type PortFuture<'a, T> = Pin<Box<dyn Future<Output = Result<Answer<T>, CallFault>> + Send + 'a>>;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer<T> {
    pub value: T,
    pub meta: AnswerMeta,
}

/// Request id, date and sender of an answer, success or error.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AnswerMeta {
    /// The service's id of the request (`x-amzn-requestid`).
    pub request_id: Option<String>,
    /// The service's clock when it answered (`Date` header, whole seconds).
    pub server_unix_ms: Option<UnixMs>,
    /// Whether a simulator answered, which says so in a header.
    pub from_simulator: bool,
}

/// The time of a `Date` header, which has whole seconds.
fn http_date(text: &str) -> Option<UnixMs> {
    let time = jiff::fmt::rfc2822::DateTimeParser::new().parse_timestamp(text).ok()?;
    Some(time.as_millisecond())
}

/// A pool (`DescribeUserPool`).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PoolFacts {
    pub name: String,
    /// Whether user names differ by case. Pools created by API are case-sensitive by default.
    pub case_sensitive: bool,
    /// The service's estimate of the number of users.
    pub estimated_user_count: u64,
    /// Whether the pool has a pre-sign-up trigger: it may link users itself during a run.
    pub has_pre_sign_up_trigger: bool,
    /// Attributes that users sign in with instead of a user name (`email`, `phone_number`).
    pub username_attributes: Vec<String>,
    /// Attributes that users can sign in with as well as with their user name.
    pub alias_attributes: Vec<String>,
    /// Attributes besides `sub` that cannot be changed: a sign-in that writes one fails.
    pub immutable_attributes: BTreeSet<String>,
    /// Attributes besides `sub` that every user must have.
    pub required_attributes: BTreeSet<String>,
    /// Whether only administrators create users.
    pub admin_only_sign_up: bool,
    /// The feature plan, such as `ESSENTIALS`; `None` where the service does not show it.
    pub feature_plan: Option<String>,
}

/// A page of providers (`ListIdentityProviders`).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ProviderPage {
    pub providers: Vec<ProviderFacts>,
    /// Where the next page starts; `None` on the last one.
    pub next_token: Option<String>,
}

/// An identity provider, without its secrets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProviderFacts {
    /// The name of the provider in the pool.
    pub name: ProviderName,
    /// `SAML`, `OIDC`, `Google`, `Facebook`, `LoginWithAmazon` or `SignInWithApple`.
    pub kind: String,
}

/// The pool attributes that claims of a provider are mapped to (`DescribeIdentityProvider`, keys of `AttributeMapping`).
/// Nothing else of that answer is kept: it contains the client secret.
pub type MappedAttributes = BTreeSet<String>;

/// A request to `ListUsers`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct UserQuery {
    /// `None` for all users.
    pub filter: Option<UserFilter>,
    /// Users a page, at most 60.
    pub limit: Option<u32>,
    /// The token of the page before.
    pub token: Option<String>,
}

/// A filter of `ListUsers` on one attribute.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UserFilter {
    /// `username`, `sub`, `email` or another attribute that can be searched.
    pub attribute: &'static str,
    /// Whether the attribute starts with the value (`^=`) or equals it (`=`).
    pub prefix: bool,
    pub value: Personal,
}

impl UserFilter {
    /// The filter in the syntax of the service, with `"` and `\` escaped.
    pub fn to_text(&self) -> String {
        let operator = if self.prefix { "^=" } else { "=" };
        let value = self.value.expose().replace('\\', "\\\\").replace('"', "\\\"");
        format!("{} {operator} \"{value}\"", self.attribute)
    }
}

/// A page of users (`ListUsers`).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct UserPage {
    /// May be fewer than the limit, or none, although there are more pages.
    pub users: Vec<PoolUser>,
    /// Where the next page starts; `None` on the last one.
    pub next_token: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PoolUser {
    /// The pool's `Username`.
    pub username: Personal,
    /// The `sub` attribute.
    pub sub: Option<Personal>,
    /// The `email` attribute.
    pub email: Option<Personal>,
    /// Whether `email_verified` is `true`. It is `false` as well where a provider does not map it.
    pub email_verified: bool,
    /// The `phone_number` attribute.
    pub phone: Option<Personal>,
    /// Whether `phone_number_verified` is `true`.
    pub phone_verified: bool,
    /// The `preferred_username` attribute.
    pub preferred_username: Option<Personal>,
    /// `CONFIRMED`, `FORCE_CHANGE_PASSWORD`, `EXTERNAL_PROVIDER` and so on. Not a safe test of native or federated.
    pub status: String,
    pub enabled: bool,
    /// `UserCreateDate`.
    pub created_unix_ms: Option<UnixMs>,
    /// `UserLastModifiedDate`: changes with every write to the user, not only with a sign-in.
    pub modified_unix_ms: Option<UnixMs>,
    /// The identities of this user, including its own (`primary`).
    pub identities: Vec<LinkedIdentity>,
}

#[cfg(test)]
impl PoolUser {
    /// A confirmed native user of whom nothing else is known.
    pub(crate) fn named(username: &str) -> Self {
        Self {
            username: Personal::from_service(username),
            sub: None,
            email: None,
            status: "CONFIRMED".to_owned(),
            enabled: true,
            email_verified: false,
            phone: None,
            phone_verified: false,
            preferred_username: None,
            created_unix_ms: None,
            modified_unix_ms: None,
            identities: Vec::new(),
        }
    }
}

impl PoolUser {
    /// Whether this profile was created by an external identity: by `identities[].primary`, never by status.
    pub fn is_federated(&self) -> bool {
        self.identities.iter().any(|identity| identity.primary)
    }

    /// The identity of this provider with exactly this id, if the user has it.
    pub fn identity(&self, provider: &ProviderName, user_id: &Personal) -> Option<&LinkedIdentity> {
        self.identities.iter().find(|held| held.provider_name == provider.as_str() && held.user_id == *user_id)
    }
}

/// The parameters of `AdminLinkProviderForUser`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LinkRequest {
    pub destination: DestinationUser,
    /// The identity that will sign in as that user.
    pub source: ExternalIdentity,
}

/// The parameters of `AdminDisableProviderForUser`: only the identity, which the service takes from whoever has it. An
/// identity of provider `Cognito`, which would cost a native user the password, cannot be expressed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnlinkRequest {
    /// The identity, with the values that the service has for the link.
    pub identity: ExternalIdentity,
}

pub trait UserDirectory: Send + Sync {
    /// `DescribeUserPool`.
    fn describe_pool(&self) -> PortFuture<'_, PoolFacts>;
    /// `ListIdentityProviders`: one page.
    fn list_providers(&self, token: Option<String>) -> PortFuture<'_, ProviderPage>;
    /// `DescribeIdentityProvider`: the attributes besides the subject that its identities can be linked by.
    fn mapped_attributes(&self, provider: ProviderName) -> PortFuture<'_, MappedAttributes>;
    /// `ListUsers`: one page. Eventually consistent; no effect on billing.
    fn list_users(&self, query: UserQuery) -> PortFuture<'_, UserPage>;
    /// `AdminGetUser`: fresh, and marks the user as active for billing. `None` where there is no such user.
    fn get_user(&self, username: Personal) -> PortFuture<'_, Option<PoolUser>>;
}

pub trait IdentityLinker: Send + Sync {
    /// `AdminLinkProviderForUser`: one attempt, without retries.
    fn link(&self, request: LinkRequest) -> PortFuture<'_, ()>;
}

pub trait IdentityUnlinker: Send + Sync {
    /// `AdminDisableProviderForUser`: one attempt, without retries.
    fn unlink(&self, request: UnlinkRequest) -> PortFuture<'_, ()>;
}

/// Whose credentials are used (`GetCallerIdentity`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CallerIdentity {
    /// The account, 12 digits.
    pub account: String,
    /// The ARN of the user or of the session of a role.
    pub principal: String,
}

pub trait CallerReader: Send + Sync {
    /// `GetCallerIdentity` of STS, which needs no permission.
    fn caller_identity(&self) -> PortFuture<'_, CallerIdentity>;
}

/// The quota of the account for link calls.
pub trait QuotaReader: Send + Sync {
    /// `GetProvisionedLimit`: calls per second that the service enforces at the moment.
    fn provisioned_limit(&self) -> PortFuture<'_, f64>;
    /// `GetServiceQuota` of Service Quotas: calls per second that the account was granted.
    fn quota(&self) -> PortFuture<'_, f64>;
}
