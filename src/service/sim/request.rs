//! Requests and replies, typed: what the operations ask and what they answer.

use std::collections::BTreeMap;

pub use super::operation::{Access, Category, Operation};
use super::schema::SchemaAttribute;
use super::settings::PoolSettings;
use super::user::UserView;
use crate::clock::UnixMs;

/// A user as a link names it (`ProviderUserIdentifierType`); the model requires none of its members. No `Debug`: its
/// value is personal.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct UserRef {
    /// `ProviderName`.
    pub provider: Option<String>,
    /// `ProviderAttributeName`.
    pub attribute: Option<String>,
    /// `ProviderAttributeValue`.
    pub value: Option<String>,
}

impl UserRef {
    /// All three members.
    #[must_use]
    pub fn new(provider: &str, attribute: &str, value: &str) -> Self {
        Self { provider: Some(provider.into()), attribute: Some(attribute.into()), value: Some(value.into()) }
    }
}

/// `AdminLinkProviderForUser`, less the pool.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct LinkCall {
    /// The existing user.
    pub destination: Option<UserRef>,
    /// The identity to link.
    pub source: Option<UserRef>,
}

/// `ListUsers`, less the pool.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct ListCall {
    /// Which users.
    pub filter: Option<String>,
    /// Users a page.
    pub limit: Option<u64>,
    /// Where the page starts.
    pub token: Option<String>,
    /// Only these attributes; an error where a user on the page lacks one.
    pub attributes: Option<Vec<String>>,
}

/// `AdminCreateUser`, less the pool.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct CreateUserCall {
    /// `Username`.
    pub username: Option<String>,
    /// `UserAttributes`.
    pub attributes: Vec<(String, String)>,
    /// `MessageAction` is `RESEND`: the user is there already, and is only invited again.
    pub resend: bool,
}

/// `CreateUserPool`.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct CreatePoolCall {
    /// `PoolName`.
    pub name: Option<String>,
    /// `UsernameConfiguration.CaseSensitive`; case-sensitive where it is not given (service model).
    pub case_sensitive: Option<bool>,
    /// `UsernameAttributes`.
    pub username_attributes: Vec<String>,
    /// `AliasAttributes`.
    pub alias_attributes: Vec<String>,
    /// `LambdaConfig.PreSignUp`.
    pub pre_sign_up_trigger: Option<String>,
    /// `Schema`.
    pub schema: Vec<SchemaAttribute>,
}

/// `CreateIdentityProvider`, less the pool. No `Debug`: its details may hold a secret.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct CreateProviderCall {
    /// `ProviderName`.
    pub name: Option<String>,
    /// `ProviderType`.
    pub kind: Option<String>,
    /// `ProviderDetails`.
    pub details: Option<BTreeMap<String, String>>,
    /// `AttributeMapping`.
    pub mapping: BTreeMap<String, String>,
}

/// What is asked of a pool, or of the account.
#[derive(Clone, PartialEq, Eq)]
pub enum Ask {
    /// `AdminLinkProviderForUser`.
    Link(LinkCall),
    /// `AdminDisableProviderForUser`.
    Disable(Option<UserRef>),
    /// `AdminGetUser`.
    GetUser(Option<String>),
    /// `ListUsers`.
    ListUsers(ListCall),
    /// `AdminCreateUser`.
    CreateUser(CreateUserCall),
    /// `AdminDeleteUser`.
    DeleteUser(Option<String>),
    /// `DescribeUserPool`.
    DescribePool,
    /// `ListUserPools`.
    ListPools {
        /// `MaxResults`.
        limit: Option<u64>,
        /// `NextToken`.
        token: Option<String>,
    },
    /// `CreateUserPool`.
    CreatePool(Box<CreatePoolCall>),
    /// `ListIdentityProviders`.
    ListProviders {
        /// `MaxResults`.
        limit: Option<u64>,
        /// `NextToken`.
        token: Option<String>,
    },
    /// `DescribeIdentityProvider`.
    DescribeProvider(Option<String>),
    /// `CreateIdentityProvider`.
    CreateProvider(Box<CreateProviderCall>),
    /// `GetProvisionedLimit`.
    GetProvisionedLimit {
        /// `LimitDefinition.LimitClass`.
        class: Option<String>,
        /// `LimitDefinition.Attributes.Category`.
        category: Option<String>,
    },
    /// `GetServiceQuota` or `GetAWSDefaultServiceQuota`.
    GetQuota {
        /// What an account has by default, in place of what this one has.
        default: bool,
        /// `ServiceCode`.
        service: Option<String>,
        /// `QuotaCode`.
        code: Option<String>,
    },
}

impl Ask {
    /// The operation that asks this.
    #[must_use]
    pub fn operation(&self) -> Operation {
        match self {
            Self::Link(_) => Operation::LinkProvider,
            Self::Disable(_) => Operation::DisableProvider,
            Self::GetUser(_) => Operation::GetUser,
            Self::ListUsers(_) => Operation::ListUsers,
            Self::CreateUser(_) => Operation::CreateUser,
            Self::DeleteUser(_) => Operation::DeleteUser,
            Self::DescribePool => Operation::DescribePool,
            Self::ListPools { .. } => Operation::ListPools,
            Self::CreatePool(_) => Operation::CreatePool,
            Self::ListProviders { .. } => Operation::ListProviders,
            Self::DescribeProvider(_) => Operation::DescribeProvider,
            Self::CreateProvider(_) => Operation::CreateProvider,
            Self::GetProvisionedLimit { .. } => Operation::GetProvisionedLimit,
            Self::GetQuota { default: false, .. } => Operation::GetQuota,
            Self::GetQuota { default: true, .. } => Operation::GetDefaultQuota,
        }
    }
}

/// A request: a pool, and what is asked of it.
#[derive(Clone, PartialEq, Eq)]
pub struct Request {
    /// `UserPoolId`.
    pub pool: Option<String>,
    /// The rest.
    pub ask: Ask,
}

/// What `DescribeUserPool` answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PoolView {
    /// What the pool is.
    pub settings: PoolSettings,
    /// `EstimatedNumberOfUsers`.
    pub estimated_user_count: usize,
}

/// A provider as `ListIdentityProviders` shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProviderView {
    /// `ProviderName`.
    pub name: String,
    /// `ProviderType`.
    pub kind: &'static str,
    /// `CreationDate`.
    pub created_ms: UnixMs,
    /// `LastModifiedDate`.
    pub modified_ms: UnixMs,
}

/// A provider as `DescribeIdentityProvider` shows it. No `Debug`: its details hold a secret.
#[derive(Clone, PartialEq, Eq)]
pub struct ProviderDetailsView {
    /// What a list shows of it.
    pub listed: ProviderView,
    /// `ProviderDetails`, `client_secret` included, as the service does.
    pub details: BTreeMap<String, String>,
    /// `AttributeMapping`: pool attribute to claim.
    pub mapping: BTreeMap<String, String>,
}

/// A quota as `GetProvisionedLimit` and Service Quotas show it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LimitView {
    /// Which one.
    pub category: Category,
    /// Calls a second that the account has now; for a default quota, what an account has by default.
    pub per_second: f64,
}

/// A page and where the next one starts.
#[derive(Clone, PartialEq, Eq)]
pub struct Page<T> {
    /// What is on it.
    pub items: Vec<T>,
    /// `PaginationToken` or `NextToken`; `None` on the last page.
    pub next_token: Option<String>,
}

/// A successful answer.
#[derive(Clone, PartialEq)]
pub enum Reply {
    /// `{}`.
    Done,
    /// An empty body.
    Empty,
    /// A user.
    User(UserView),
    /// A user that was made.
    CreatedUser(UserView),
    /// A page of users.
    Users(Page<UserView>),
    /// A pool.
    Pool(Box<PoolView>),
    /// A page of pools.
    Pools(Page<PoolSettings>),
    /// A page of providers.
    Providers(Page<ProviderView>),
    /// A provider, and the id of its pool.
    Provider(String, Box<ProviderDetailsView>),
    /// A category's rate, as Cognito tells it.
    ProvisionedLimit(LimitView),
    /// A category's rate, as Service Quotas tells it.
    Quota(LimitView),
}
