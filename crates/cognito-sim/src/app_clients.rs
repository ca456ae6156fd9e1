//! `ListUserPoolClients` and `DescribeUserPoolClient`: which providers people can sign in with.

use serde::{Deserialize, Serialize};

use crate::error::ApiError;
use crate::limits;
use crate::model::derived_uuid;
use crate::pool::Pool;
use crate::wire::{Page, page_size, page_start};

/// Characters of the id of an app client.
const ID_CHARS: usize = 26;

/// An app client of a pool, as a pool file has it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AppClient {
    /// `ClientName`.
    pub name: String,
    /// `SupportedIdentityProviders`; `COGNITO` stands for the pool's own users.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub providers: Vec<String>,
}

/// An app client as it is shown. Its invented secret is shown by `DescribeUserPoolClient` alone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct AppClientView {
    /// `ClientId`.
    pub id: String,
    /// `ClientName`.
    pub name: String,
    /// `SupportedIdentityProviders`.
    pub providers: Vec<String>,
}

impl Pool {
    /// The app clients of the pool. A pool that names none has one, which offers every provider.
    fn app_clients(&self) -> Vec<AppClientView> {
        let given = self.settings.app_clients.clone().unwrap_or_else(|| {
            let providers = self.providers.iter().map(|provider| provider.name.to_string());
            vec![AppClient {
                name: "default".to_owned(),
                providers: ["COGNITO".to_owned()].into_iter().chain(providers).collect(),
            }]
        });
        let view = |(at, AppClient { name, providers }): (usize, AppClient)| {
            let id = derived_uuid(&format!("app client {at} of {}", self.settings.id)).replace('-', "");
            AppClientView { id: id.chars().take(ID_CHARS).collect(), name, providers }
        };
        given.into_iter().enumerate().map(view).collect()
    }

    /// `ListUserPoolClients`: one page.
    pub(crate) fn list_app_clients(
        &self,
        limit: Option<u64>,
        token: Option<&str>,
        request_id: &str,
    ) -> Result<Page<AppClientView>, ApiError> {
        let limit = page_size(limit, "maxResults", limits::APP_CLIENTS_PER_PAGE_MAX)?;
        let start = page_start(token, request_id)?;
        let all = self.app_clients();
        let count = all.len();
        Ok(Page::after(start, all.into_iter().skip(start).take(limit).collect(), count))
    }

    /// `DescribeUserPoolClient`: with its secret, as the service answers.
    pub(crate) fn describe_app_client(&self, id: &str) -> Result<AppClientView, ApiError> {
        self.app_clients().into_iter().find(|client| client.id == id).ok_or_else(|| ApiError::app_client_not_found(id))
    }

    /// Whether people can sign in with a provider at all.
    pub(crate) fn offers(&self, provider: &str) -> bool {
        let offers = |client: &AppClient| client.providers.iter().any(|name| name == provider);
        self.settings.app_clients.as_ref().is_none_or(|clients| clients.iter().any(offers))
    }
}
