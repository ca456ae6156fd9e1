//! `CreateIdentityProvider`, `DescribeIdentityProvider` and `ListIdentityProviders`.

use std::collections::BTreeMap;

use crate::clock::UnixMs;
use crate::error::ApiError;
use crate::limits;
use crate::model::{PoolError, Provider, ProviderKind, STANDARD_ATTRIBUTES};
use crate::pool::Pool;
use crate::wire::{CreateProviderCall, Page, ProviderDetailsView, ProviderView, page_size, page_start};

/// The names that new providers may have (service model `ProviderNameTypeV2`).
const NAME_PATTERN: &str = r"[^_\p{Z}][\p{L}\p{M}\p{S}\p{N}\p{P}][^_\p{Z}]+";

impl Pool {
    /// `CreateIdentityProvider`.
    pub(crate) fn create_provider(
        &mut self,
        now: UnixMs,
        call: CreateProviderCall,
    ) -> Result<ProviderDetailsView, ApiError> {
        let name = call.name.ok_or_else(|| ApiError::null_member("providerName"))?;
        let kind = call.kind.ok_or_else(|| ApiError::null_member("providerType"))?;
        let details = call.details.ok_or_else(|| ApiError::null_member("providerDetails"))?;
        let kind = ProviderKind::parse(&kind).ok_or_else(|| {
            ApiError::not_in_set(
                &kind,
                "providerType",
                &ProviderKind::all().map(ProviderKind::as_str).collect::<Vec<_>>(),
            )
        })?;
        check_name(&name, kind, self.provider_name_chars_max())?;
        if let Some(missing) = kind.needed_details().iter().find(|detail| !details.contains_key(**detail)) {
            return Err(ApiError::provider_detail_missing(missing));
        }
        if let Some(unknown) =
            call.mapping.keys().find(|name| *name != "username" && !self.settings.has_attribute(name))
        {
            return Err(ApiError::attribute_unknown(unknown));
        }
        let mut provider = Provider::new(&name, kind, now);
        provider.attribute_mapping = call.mapping;
        provider.details = details;
        provider.identifiers = call.identifiers;
        self.add_provider(provider).map_err(|error| match error {
            PoolError::ProviderTaken => ApiError::duplicate_provider(&name),
            _ => ApiError::too_many("identity providers"),
        })?;
        self.describe_provider(&name)
    }

    /// `DescribeIdentityProvider`: with its secret, as the service answers.
    pub(crate) fn describe_provider(&mut self, name: &str) -> Result<ProviderDetailsView, ApiError> {
        let (_, provider) = self.provider_or_create(name)?;
        Ok(ProviderDetailsView {
            listed: view(provider),
            details: provider.shown_details(),
            mapping: shown_mapping(provider),
            identifiers: provider.identifiers.clone(),
        })
    }

    /// `ListIdentityProviders`: one page, in the order in which the providers were added.
    pub(crate) fn list_providers(
        &self,
        limit: Option<u64>,
        token: Option<&str>,
        request_id: &str,
    ) -> Result<Page<ProviderView>, ApiError> {
        let limit = page_size(limit, "maxResults", limits::PROVIDERS_PER_PAGE_MAX)?;
        let start = page_start(token, request_id)?;
        let items: Vec<_> = self.providers.iter().skip(start).take(limit).map(view).collect();
        Ok(Page::after(start, items, self.providers.len()))
    }
}

/// A provider as a list shows it.
fn view(provider: &Provider) -> ProviderView {
    ProviderView {
        name: provider.name.to_string(),
        kind: provider.kind.as_str(),
        created_ms: provider.created_ms,
        modified_ms: provider.modified_ms,
    }
}

/// `username` is the subject unless it is mapped otherwise (developer guide). A provider that accepts any attribute shows
/// all standard attributes as mapped.
fn shown_mapping(provider: &Provider) -> BTreeMap<String, String> {
    let mut mapping = provider.attribute_mapping.clone();
    if provider.created_on_reference {
        let standard = STANDARD_ATTRIBUTES.iter().filter(|name| !matches!(**name, "sub" | "identities"));
        mapping.extend(standard.map(|name| ((*name).to_owned(), (*name).to_owned())));
    }
    if provider.kind != ProviderKind::Saml {
        mapping.entry("username".to_owned()).or_insert_with(|| provider.kind.subject_claim().to_owned());
    }
    mapping
}

fn check_name(name: &str, kind: ProviderKind, chars_max: usize) -> Result<(), ApiError> {
    if name.chars().count() > chars_max {
        return Err(ApiError::too_long(name, "providerName", chars_max));
    }
    if !has_new_form(name) {
        return Err(ApiError::not_of_form(name, "providerName", NAME_PATTERN));
    }
    if kind.is_social() && name != kind.as_str() {
        return Err(ApiError::social_provider_name(name, kind.as_str()));
    }
    Ok(())
}

/// Three characters or more, none a space, and an underscore at most as the second.
fn has_new_form(name: &str) -> bool {
    let is_plain = |character: char| !character.is_whitespace() && !character.is_control();
    let fits = |(position, character): (usize, char)| is_plain(character) && (character != '_' || position == 1);
    name.chars().count() >= 3 && name.chars().enumerate().all(fits)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_new_providers() {
        for (name, fits) in [
            ("Okta", true),
            ("A_b", true),
            ("Aé3", true),
            ("ab", false),
            ("_ab", false),
            ("ab_c", false),
            ("a b", false),
        ] {
            assert_eq!(has_new_form(name), fits, "{name}");
        }
    }
}
