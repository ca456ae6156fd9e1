//! The port to the app clients of a pool: which providers people can sign in with.
//!
//! It is separate from [`UserDirectory`](super::UserDirectory), because only the checks of sign-ins need it. The answer of
//! `DescribeUserPoolClient` contains the client's secret; nothing but the names of the providers is kept.

use std::collections::BTreeSet;

use super::PortFuture;

/// A page of app clients (`ListUserPoolClients`).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AppClientPage {
    /// Their ids.
    pub ids: Vec<String>,
    /// Where the next page starts; `None` on the last one.
    pub next_token: Option<String>,
}

pub trait AppClientReader: Send + Sync {
    /// `ListUserPoolClients`: one page.
    fn list_app_clients(&self, token: Option<String>) -> PortFuture<'_, AppClientPage>;
    /// `DescribeUserPoolClient`: the providers that an app client offers (`SupportedIdentityProviders`). `COGNITO` stands
    /// for the pool's own users.
    fn offered_providers(&self, id: String) -> PortFuture<'_, BTreeSet<String>>;
}
