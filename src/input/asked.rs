//! What a row asks for, in its own words: borrowed from the record, so that a sound row costs no allocation.

use super::columns::Column;
use crate::domain::identity::{AttributeName, Destination, ExternalIdentity, Personal, ProviderName};
use crate::domain::row::Link;
use crate::limits::ATTRIBUTE_VALUE_CHARS_MAX;

/// A link whose parts have passed every check of the row by itself. Personal, so it has no `Debug`.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Asked<'a> {
    pub(super) destination: Named<'a>,
    /// The source's provider.
    pub(super) provider: &'a str,
    /// The source's attribute.
    pub(super) attribute: &'a str,
    /// The source's value.
    pub(super) value: &'a str,
}

/// How the existing user is named.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Named<'a> {
    Username(&'a str),
    Email(&'a str),
    Sub(&'a str),
    Federated { provider: &'a str, user_id: &'a str },
}

impl Named<'_> {
    /// The column that the name stands in.
    pub(super) fn column(self) -> Column {
        match self {
            Self::Username(_) | Self::Federated { .. } => Column::DestinationUsername,
            Self::Email(_) => Column::DestinationEmail,
            Self::Sub(_) => Column::DestinationSub,
        }
    }
}

impl Asked<'_> {
    /// The link, with values of its own. What has passed the checks always makes one.
    #[must_use]
    pub fn to_link(&self) -> Option<Link> {
        let owned = |text| Personal::parse(text, ATTRIBUTE_VALUE_CHARS_MAX).ok();
        let destination = match self.destination {
            Named::Username(text) => Destination::Username(owned(text)?),
            Named::Email(text) => Destination::Email(owned(text)?),
            Named::Sub(text) => Destination::Sub(owned(text)?),
            Named::Federated { provider, user_id } => {
                Destination::Federated { provider: ProviderName::parse(provider).ok()?, user_id: owned(user_id)? }
            }
        };
        let (provider, attribute) =
            (ProviderName::parse(self.provider).ok()?, AttributeName::parse(self.attribute).ok()?);
        let source = ExternalIdentity::new(provider, attribute, owned(self.value)?).ok()?;
        Some(Link { destination, source })
    }
}
