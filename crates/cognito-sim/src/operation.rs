//! The operations: their names on the wire, and which quota each draws on.

/// An operation that the simulator knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Operation {
    /// `AdminLinkProviderForUser`.
    LinkProvider,
    /// `AdminDisableProviderForUser`.
    DisableProvider,
    /// `AdminGetUser`.
    GetUser,
    /// `ListUsers`.
    ListUsers,
    /// `AdminCreateUser`.
    CreateUser,
    /// `AdminDeleteUser`.
    DeleteUser,
    /// `AdminDisableUser`.
    DisableUser,
    /// `AdminSetUserPassword`.
    SetPassword,
    /// `AdminUpdateUserAttributes`.
    UpdateAttributes,
    /// `DescribeUserPool`.
    DescribePool,
    /// `ListUserPools`.
    ListPools,
    /// `CreateUserPool`.
    CreatePool,
    /// `DeleteUserPool`.
    DeletePool,
    /// `ListIdentityProviders`.
    ListProviders,
    /// `DescribeIdentityProvider`.
    DescribeProvider,
    /// `CreateIdentityProvider`.
    CreateProvider,
    /// `ListUserPoolClients`.
    ListAppClients,
    /// `DescribeUserPoolClient`.
    DescribeAppClient,
    /// `GetProvisionedLimit`.
    GetProvisionedLimit,
    /// `GetServiceQuota` of Service Quotas.
    GetQuota,
    /// `GetAWSDefaultServiceQuota` of Service Quotas.
    GetDefaultQuota,
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
    /// 50 a second.
    UserCreation,
    /// 15 a second.
    UserPoolRead,
    /// 15 a second.
    UserPoolUpdate,
    /// 20 a second, and 5 of one operation on one pool.
    UserPoolResourceRead,
    /// 15 a second, and 5 of one operation on one pool.
    UserPoolResourceUpdate,
    /// 15 a second, and 5 of one operation on one pool.
    UserPoolClientRead,
    /// One a second.
    LimitManagement,
}

/// What is known of a category: its name, calls a second, code in Service Quotas, and whether it can be raised.
struct CategoryFacts(Category, &'static str, f64, Option<&'static str>, bool);

/// Developer guide, quotas; codes as dumps of Service Quotas show them, four of them not known.
const CATEGORIES: [CategoryFacts; 10] = [
    CategoryFacts(Category::UserUpdate, "UserUpdate", 25.0, Some("L-6621E65D"), false),
    CategoryFacts(Category::UserRead, "UserRead", 120.0, Some("L-D6BD5178"), true),
    CategoryFacts(Category::UserList, "UserList", 30.0, Some("L-259E3368"), false),
    CategoryFacts(Category::UserCreation, "UserCreation", 50.0, Some("L-5987B8A0"), true),
    CategoryFacts(Category::UserPoolRead, "UserPoolRead", 15.0, Some("L-CFFBE34A"), false),
    CategoryFacts(Category::UserPoolUpdate, "UserPoolUpdate", 15.0, None, false),
    CategoryFacts(Category::UserPoolResourceRead, "UserPoolResourceRead", 20.0, Some("L-A01C9633"), false),
    CategoryFacts(Category::UserPoolResourceUpdate, "UserPoolResourceUpdate", 15.0, None, false),
    CategoryFacts(Category::UserPoolClientRead, "UserPoolClientRead", 15.0, None, false),
    CategoryFacts(Category::LimitManagement, "LimitManagement", 1.0, None, false),
];

impl Category {
    /// Every category.
    pub fn all() -> impl Iterator<Item = Self> {
        CATEGORIES.iter().map(|facts| facts.0)
    }

    fn facts(self) -> &'static CategoryFacts {
        CATEGORIES.iter().find(|facts| facts.0 == self).unwrap_or(&CATEGORIES[0])
    }

    /// Its name, as `GetProvisionedLimit` takes it.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.facts().1
    }

    /// The category of this name.
    #[must_use]
    pub fn by_name(name: &str) -> Option<Self> {
        Self::all().find(|category| category.name() == name)
    }

    /// Calls a second that an account has by default (developer guide, quotas).
    #[must_use]
    pub fn default_per_second(self) -> f64 {
        self.facts().2
    }

    /// Its code in Service Quotas, where it is known.
    #[must_use]
    pub fn quota_code(self) -> Option<&'static str> {
        self.facts().3
    }

    /// The category of this code in Service Quotas.
    #[must_use]
    pub fn by_quota_code(code: &str) -> Option<Self> {
        Self::all().find(|category| category.quota_code() == Some(code))
    }

    /// Whether it can be raised.
    #[must_use]
    pub fn is_adjustable(self) -> bool {
        self.facts().4
    }

    /// Whether one operation on one pool may have only 5 of these a second.
    #[must_use]
    pub fn is_capped_per_pool(self) -> bool {
        matches!(self, Self::UserPoolResourceRead | Self::UserPoolResourceUpdate | Self::UserPoolClientRead)
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

/// The service in `X-Amz-Target`, before the name of the operation.
const COGNITO: &str = "AWSCognitoIdentityProviderService";
const SERVICE_QUOTAS: &str = "ServiceQuotasV20190624";

/// Its name, its service, the quota it draws on and how it touches one user's profile.
struct OperationFacts(Operation, &'static str, &'static str, Option<Category>, Option<Access>);

/// Which operation draws on which category is general knowledge; the service's page of it could not be read. Service
/// Quotas has quotas of its own, which are not simulated.
const OPERATIONS: [OperationFacts; 21] = {
    use Category as Quota;
    use Operation as Op;
    const WRITE: Option<Access> = Some(Access::Write);
    const READ: Option<Access> = Some(Access::Read);
    [
        OperationFacts(Op::LinkProvider, "AdminLinkProviderForUser", COGNITO, Some(Quota::UserUpdate), WRITE),
        OperationFacts(Op::DisableProvider, "AdminDisableProviderForUser", COGNITO, Some(Quota::UserUpdate), WRITE),
        OperationFacts(Op::GetUser, "AdminGetUser", COGNITO, Some(Quota::UserRead), READ),
        OperationFacts(Op::ListUsers, "ListUsers", COGNITO, Some(Quota::UserList), None),
        OperationFacts(Op::CreateUser, "AdminCreateUser", COGNITO, Some(Quota::UserCreation), None),
        OperationFacts(Op::DeleteUser, "AdminDeleteUser", COGNITO, Some(Quota::UserUpdate), WRITE),
        OperationFacts(Op::DisableUser, "AdminDisableUser", COGNITO, Some(Quota::UserUpdate), WRITE),
        OperationFacts(Op::SetPassword, "AdminSetUserPassword", COGNITO, Some(Quota::UserUpdate), WRITE),
        OperationFacts(Op::UpdateAttributes, "AdminUpdateUserAttributes", COGNITO, Some(Quota::UserUpdate), WRITE),
        OperationFacts(Op::DescribePool, "DescribeUserPool", COGNITO, Some(Quota::UserPoolRead), None),
        OperationFacts(Op::ListPools, "ListUserPools", COGNITO, Some(Quota::UserPoolRead), None),
        OperationFacts(Op::CreatePool, "CreateUserPool", COGNITO, Some(Quota::UserPoolUpdate), None),
        OperationFacts(Op::DeletePool, "DeleteUserPool", COGNITO, Some(Quota::UserPoolUpdate), None),
        OperationFacts(Op::ListProviders, "ListIdentityProviders", COGNITO, Some(Quota::UserPoolResourceRead), None),
        OperationFacts(
            Op::DescribeProvider,
            "DescribeIdentityProvider",
            COGNITO,
            Some(Quota::UserPoolResourceRead),
            None,
        ),
        OperationFacts(
            Op::CreateProvider,
            "CreateIdentityProvider",
            COGNITO,
            Some(Quota::UserPoolResourceUpdate),
            None,
        ),
        OperationFacts(Op::ListAppClients, "ListUserPoolClients", COGNITO, Some(Quota::UserPoolClientRead), None),
        OperationFacts(Op::DescribeAppClient, "DescribeUserPoolClient", COGNITO, Some(Quota::UserPoolClientRead), None),
        OperationFacts(Op::GetProvisionedLimit, "GetProvisionedLimit", COGNITO, Some(Quota::LimitManagement), None),
        OperationFacts(Op::GetQuota, "GetServiceQuota", SERVICE_QUOTAS, None, None),
        OperationFacts(Op::GetDefaultQuota, "GetAWSDefaultServiceQuota", SERVICE_QUOTAS, None, None),
    ]
};

impl Operation {
    /// Every operation.
    pub fn all() -> impl Iterator<Item = Self> {
        OPERATIONS.iter().map(|facts| facts.0)
    }

    fn facts(self) -> &'static OperationFacts {
        OPERATIONS.iter().find(|facts| facts.0 == self).unwrap_or(&OPERATIONS[0])
    }

    /// The operation's name in the service model.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.facts().1
    }

    /// The operation of this name.
    #[must_use]
    pub fn by_name(name: &str) -> Option<Self> {
        Self::all().find(|operation| operation.name() == name)
    }

    /// The operation of an `X-Amz-Target` header, `Service.Operation`.
    #[must_use]
    pub fn by_target(target: &str) -> Option<Self> {
        let (service, name) = target.split_once('.')?;
        Self::by_name(name).filter(|operation| operation.facts().2 == service)
    }

    /// The quota it draws on, where it draws on one.
    #[must_use]
    pub fn category(self) -> Option<Category> {
        self.facts().3
    }

    /// How it touches one user's profile, where it does.
    #[must_use]
    pub fn access(self) -> Option<Access> {
        self.facts().4
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn operations_and_categories_are_found_by_what_names_them() {
        for operation in Operation::all() {
            assert_eq!(Operation::by_name(operation.name()), Some(operation));
        }
        for category in Category::all() {
            assert_eq!(Category::by_name(category.name()), Some(category));
            assert!(category.quota_code().is_none_or(|code| Category::by_quota_code(code) == Some(category)));
        }
        let known = [
            ("AWSCognitoIdentityProviderService.ListUsers", Some(Operation::ListUsers)),
            ("ServiceQuotasV20190624.GetServiceQuota", Some(Operation::GetQuota)),
            ("ServiceQuotasV20190624.ListUsers", None),
            ("AWSCognitoIdentityProviderService.AdminEnableUser", None),
            ("ListUsers", None),
        ];
        for (target, operation) in known {
            assert_eq!(Operation::by_target(target), operation, "{target}");
        }
    }
}
