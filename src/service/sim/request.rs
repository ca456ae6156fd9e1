//! The operations, typed: what they ask, what they answer, and which quota they draw on.

use super::settings::PoolSettings;
use super::user::UserView;
use crate::clock::UnixMs;

/// An operation that the simulator knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Operation {
    /// `AdminLinkProviderForUser`.
    LinkProvider,
    /// `AdminGetUser`.
    GetUser,
    /// `ListUsers`.
    ListUsers,
    /// `DescribeUserPool`.
    DescribePool,
    /// `ListIdentityProviders`.
    ListProviders,
}

/// A quota category: one rate for all its operations on all pools of the account (developer guide, quotas).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Category {
    /// 25 a second.
    UserUpdate,
    /// 120 a second.
    UserRead,
    /// 30 a second.
    UserList,
    /// 15 a second.
    UserPoolRead,
    /// 20 a second, and 5 of one operation on one pool.
    UserPoolResourceRead,
}

impl Category {
    /// Every category.
    pub const ALL: [Self; 5] =
        [Self::UserUpdate, Self::UserRead, Self::UserList, Self::UserPoolRead, Self::UserPoolResourceRead];

    /// Calls a second that an account has by default (developer guide, quotas).
    #[must_use]
    pub fn default_per_second(self) -> f64 {
        match self {
            Self::UserUpdate => crate::limits::WRITE_QUOTA_PER_SECOND,
            Self::UserRead => 120.0,
            Self::UserList => crate::limits::LIST_QUOTA_PER_SECOND,
            Self::UserPoolRead => 15.0,
            Self::UserPoolResourceRead => 20.0,
        }
    }

    /// Whether one operation on one pool may have only 5 of these a second.
    #[must_use]
    pub fn is_capped_per_pool(self) -> bool {
        self == Self::UserPoolResourceRead
    }
}

/// How an operation touches one user's profile: each has ten a second (developer guide, quotas).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Access {
    /// It reads the profile.
    Read,
    /// It changes the profile.
    Write,
}

impl Operation {
    /// Every operation.
    pub const ALL: [Self; 5] =
        [Self::LinkProvider, Self::GetUser, Self::ListUsers, Self::DescribePool, Self::ListProviders];

    /// The operation's name in the service model.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::LinkProvider => "AdminLinkProviderForUser",
            Self::GetUser => "AdminGetUser",
            Self::ListUsers => "ListUsers",
            Self::DescribePool => "DescribeUserPool",
            Self::ListProviders => "ListIdentityProviders",
        }
    }

    /// The operation of this name.
    #[must_use]
    pub fn by_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|operation| operation.name() == name)
    }

    /// The quota it draws on. The membership is general knowledge; the service's page of it could not be read.
    #[must_use]
    pub fn category(self) -> Category {
        match self {
            Self::LinkProvider => Category::UserUpdate,
            Self::GetUser => Category::UserRead,
            Self::ListUsers => Category::UserList,
            Self::DescribePool => Category::UserPoolRead,
            Self::ListProviders => Category::UserPoolResourceRead,
        }
    }

    /// How it touches one user's profile, where it does.
    #[must_use]
    pub fn access(self) -> Option<Access> {
        match self {
            Self::LinkProvider => Some(Access::Write),
            Self::GetUser => Some(Access::Read),
            _ => None,
        }
    }
}

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

/// What is asked of a pool.
#[derive(Clone, PartialEq, Eq)]
pub enum Ask {
    /// `AdminLinkProviderForUser`.
    Link(LinkCall),
    /// `AdminGetUser`.
    GetUser(Option<String>),
    /// `ListUsers`.
    ListUsers(ListCall),
    /// `DescribeUserPool`.
    DescribePool,
    /// `ListIdentityProviders`.
    ListProviders {
        /// `MaxResults`.
        limit: Option<u64>,
        /// `NextToken`.
        token: Option<String>,
    },
}

impl Ask {
    /// The operation that asks this.
    #[must_use]
    pub fn operation(&self) -> Operation {
        match self {
            Self::Link(_) => Operation::LinkProvider,
            Self::GetUser(_) => Operation::GetUser,
            Self::ListUsers(_) => Operation::ListUsers,
            Self::DescribePool => Operation::DescribePool,
            Self::ListProviders { .. } => Operation::ListProviders,
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

/// A page and where the next one starts.
#[derive(Clone, PartialEq, Eq)]
pub struct Page<T> {
    /// What is on it.
    pub items: Vec<T>,
    /// `PaginationToken` or `NextToken`; `None` on the last page.
    pub next_token: Option<String>,
}

/// A successful answer.
#[derive(Clone, PartialEq, Eq)]
pub enum Reply {
    /// `{}`.
    Linked,
    /// A user.
    User(UserView),
    /// A page of users.
    Users(Page<UserView>),
    /// A pool.
    Pool(PoolView),
    /// A page of providers.
    Providers(Page<ProviderView>),
}
