//! What a row asks for, in its own words: borrowed from the record, so that a sound row costs no allocation.

use super::columns::Column;
use crate::domain::identity::{AttributeName, Destination, ExternalIdentity, Personal, ProviderName};
use crate::domain::row::Link;
use crate::limits::ATTRIBUTE_VALUE_CHARS_MAX;

/// A link whose parts have passed every check of the row by itself: UTF-8, that is, but held as bytes, which is all
/// that fingerprints and shapes need. Personal, so it has no `Debug`.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Asked<'a> {
    pub(super) destination: Named<'a>,
    /// The source's provider.
    pub(super) provider: &'a [u8],
    /// The source's attribute.
    pub(super) attribute: &'a [u8],
    /// The source's value.
    pub(super) value: &'a [u8],
}

/// How the existing user is named.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Named<'a> {
    Username(&'a [u8]),
    Email(&'a [u8]),
    Sub(&'a [u8]),
    Federated { provider: &'a [u8], user_id: &'a [u8] },
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
        let text = |bytes| str::from_utf8(bytes).ok();
        let owned = |bytes| Personal::parse(text(bytes)?, ATTRIBUTE_VALUE_CHARS_MAX).ok();
        let destination = match self.destination {
            Named::Username(name) => Destination::Username(owned(name)?),
            Named::Email(address) => Destination::Email(owned(address)?),
            Named::Sub(sub) => Destination::Sub(owned(sub)?),
            Named::Federated { provider, user_id } => Destination::Federated {
                provider: ProviderName::parse(text(provider)?).ok()?,
                user_id: owned(user_id)?,
            },
        };
        let (provider, attribute) =
            (ProviderName::parse(text(self.provider)?).ok()?, AttributeName::parse(text(self.attribute)?).ok()?);
        let source = ExternalIdentity::new(provider, attribute, owned(self.value)?).ok()?;
        Some(Link { destination, source })
    }
}
