//! The one table of IAM actions: what each command calls.
//!
//! `docs/iam.md` and the roles in `deploy/` are compared with it. `tests/it/policy.rs` compares it with the calls that the
//! commands make.

use clap::ValueEnum;

use PolicyCommand::{Doctor, Duplicates, Export, Link, Probe, Reconcile, Undo, Validate};
use PolicyUse::{Apply, AttributeLinks, GetUser, PoolSnapshot, ProbeWrite, Quota, SignIns};
use When::{Always, With};

/// A command that calls the service.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum PolicyCommand {
    Validate,
    Doctor,
    Probe,
    Link,
    Reconcile,
    Duplicates,
    Export,
    Undo,
}

impl PolicyCommand {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Validate => "validate",
            Self::Doctor => "doctor",
            Self::Probe => "probe",
            Self::Link => "link",
            Self::Reconcile => "reconcile",
            Self::Duplicates => "duplicates",
            Self::Export => "export",
            Self::Undo => "undo",
        }
    }
}

/// A use of a command that needs more than the command itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum PolicyUse {
    /// `reconcile --apply`: link what is missing
    Apply,
    /// Rows that link by another attribute than `Cognito_Subject`
    AttributeLinks,
    /// `validate`, `link`, `reconcile --apply`: the checks of sign-ins; without it they are "not checked"
    SignIns,
    /// `doctor --probe-write`: test the right to link
    ProbeWrite,
    /// `export --pool-snapshot` of a pool with OIDC or SAML providers
    PoolSnapshot,
    /// Read the account's own quota; without it 25 writes per second are assumed
    Quota,
    /// `--settle-with get-user`
    GetUser,
}

/// An action, and which commands need it.
pub(super) struct Action {
    pub(super) name: &'static str,
    pub(super) resource: Resource,
    pub(super) needed_by: &'static [(PolicyCommand, When)],
}

/// What an action can be limited to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Resource {
    /// The one pool.
    Pool,
    /// Only `*`.
    Any,
}

/// When a command needs an action.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum When {
    Always,
    With(PolicyUse),
}

impl Action {
    /// Whether a command needs this action because of a use.
    pub(super) fn is_for(&self, command: PolicyCommand, wanted: PolicyUse) -> bool {
        self.needed_by.contains(&(command, With(wanted)))
    }
}

const READING: &[(PolicyCommand, When)] = &[
    (Validate, Always),
    (Doctor, Always),
    (Link, Always),
    (Reconcile, Always),
    (Duplicates, Always),
    (Export, Always),
    (Undo, Always),
];

const ONLY_PROBE: &[(PolicyCommand, When)] = &[(Probe, Always)];

const SIGN_INS: &[(PolicyCommand, When)] =
    &[(Doctor, Always), (Validate, With(SignIns)), (Link, With(SignIns)), (Reconcile, With(SignIns))];

const QUOTA: &[(PolicyCommand, When)] =
    &[(Doctor, Always), (Link, With(Quota)), (Reconcile, With(Quota)), (Undo, With(Quota))];

/// Sources: the service authorization reference of Amazon Cognito user pools and of Service Quotas. The pools of `probe`
/// have no ID before it runs.
pub(super) const ACTIONS: &[Action] = &[
    Action { name: "cognito-idp:DescribeUserPool", resource: Resource::Pool, needed_by: READING },
    Action { name: "cognito-idp:ListIdentityProviders", resource: Resource::Pool, needed_by: READING },
    Action { name: "cognito-idp:ListUsers", resource: Resource::Pool, needed_by: READING },
    Action {
        name: "cognito-idp:DescribeIdentityProvider",
        resource: Resource::Pool,
        needed_by: &[
            (Doctor, Always),
            (Validate, With(AttributeLinks)),
            (Validate, With(SignIns)),
            (Link, With(SignIns)),
            (Reconcile, With(SignIns)),
            (Reconcile, With(AttributeLinks)),
            (Export, With(PoolSnapshot)),
        ],
    },
    Action { name: "cognito-idp:ListUserPoolClients", resource: Resource::Pool, needed_by: SIGN_INS },
    Action { name: "cognito-idp:DescribeUserPoolClient", resource: Resource::Pool, needed_by: SIGN_INS },
    Action {
        name: "cognito-idp:AdminGetUser",
        resource: Resource::Pool,
        needed_by: &[(Link, With(GetUser)), (Reconcile, With(GetUser)), (Undo, With(GetUser))],
    },
    Action {
        name: "cognito-idp:AdminLinkProviderForUser",
        resource: Resource::Pool,
        needed_by: &[(Link, Always), (Reconcile, With(Apply)), (Doctor, With(ProbeWrite))],
    },
    Action { name: "cognito-idp:AdminDisableProviderForUser", resource: Resource::Pool, needed_by: &[(Undo, Always)] },
    Action { name: "cognito-idp:CreateUserPool", resource: Resource::Any, needed_by: ONLY_PROBE },
    Action { name: "cognito-idp:DeleteUserPool", resource: Resource::Any, needed_by: ONLY_PROBE },
    Action { name: "cognito-idp:ListUserPools", resource: Resource::Any, needed_by: ONLY_PROBE },
    Action { name: "cognito-idp:CreateIdentityProvider", resource: Resource::Any, needed_by: ONLY_PROBE },
    Action { name: "cognito-idp:AdminCreateUser", resource: Resource::Any, needed_by: ONLY_PROBE },
    Action { name: "cognito-idp:AdminDisableUser", resource: Resource::Any, needed_by: ONLY_PROBE },
    Action { name: "cognito-idp:AdminLinkProviderForUser", resource: Resource::Any, needed_by: ONLY_PROBE },
    Action { name: "cognito-idp:AdminDisableProviderForUser", resource: Resource::Any, needed_by: ONLY_PROBE },
    Action { name: "cognito-idp:AdminGetUser", resource: Resource::Any, needed_by: ONLY_PROBE },
    Action { name: "cognito-idp:ListUsers", resource: Resource::Any, needed_by: ONLY_PROBE },
    Action { name: "cognito-idp:GetProvisionedLimit", resource: Resource::Any, needed_by: QUOTA },
    Action { name: "servicequotas:GetServiceQuota", resource: Resource::Any, needed_by: QUOTA },
];
