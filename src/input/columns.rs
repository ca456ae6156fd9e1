//! The columns that make a link, and the names that they have in files.

use crate::domain::identity::COGNITO_SUBJECT;

/// A column that the program uses. Every other column of an input is kept as it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Column {
    /// The pool's `Username` of the existing user, or the user's id at `destination_provider`.
    DestinationUsername,
    /// The existing user's e-mail address, which is looked up.
    DestinationEmail,
    /// The existing user's `sub`, which is looked up.
    DestinationSub,
    /// The existing user's phone number in the form of E.164, which is looked up.
    DestinationPhone,
    /// The existing user's `preferred_username`, which is looked up.
    DestinationPreferredUsername,
    /// The provider whose identity the existing user was created from; empty or `Cognito` for a native user.
    DestinationProvider,
    /// The pool's name of the identity provider.
    SourceProvider,
    /// The attribute that identifies the user at the provider; empty for `Cognito_Subject`.
    SourceAttribute,
    /// The identity, byte for byte as the provider sends it.
    SourceValue,
    /// The key of the row that this row corrects, as a result file has it.
    RetryOf,
}

impl Column {
    /// In the order of the documentation.
    pub const ALL: [Self; 10] = [
        Self::DestinationUsername,
        Self::DestinationEmail,
        Self::DestinationSub,
        Self::DestinationPhone,
        Self::DestinationPreferredUsername,
        Self::DestinationProvider,
        Self::SourceProvider,
        Self::SourceAttribute,
        Self::SourceValue,
        Self::RetryOf,
    ];

    /// The columns of which one names the existing user, in the order in which they take precedence.
    pub(super) const NAMING_THE_USER: [Self; 5] = [
        Self::DestinationUsername,
        Self::DestinationSub,
        Self::DestinationEmail,
        Self::DestinationPhone,
        Self::DestinationPreferredUsername,
    ];

    /// Returns the names that mean this column, the canonical one first. ASCII case is ignored.
    pub fn names(self) -> &'static [&'static str] {
        match self {
            Self::DestinationUsername => {
                &["destination_username", "cognito_username", "username", "DestinationUser.ProviderAttributeValue"]
            }
            Self::DestinationEmail => &["destination_email", "email"],
            Self::DestinationSub => &["destination_sub", "sub"],
            Self::DestinationPhone => &["destination_phone", "phone_number"],
            Self::DestinationPreferredUsername => &["destination_preferred_username", "preferred_username"],
            Self::DestinationProvider => &["destination_provider", "DestinationUser.ProviderName"],
            Self::SourceProvider => &["source_provider", "provider", "provider_name", "idp", "SourceUser.ProviderName"],
            Self::SourceAttribute => &["source_attribute", "SourceUser.ProviderAttributeName"],
            Self::SourceValue => {
                &["source_value", "provider_user_id", "subject", "name_id", "SourceUser.ProviderAttributeValue"]
            }
            Self::RetryOf => &["retry_of"],
        }
    }

    pub fn name(self) -> &'static str {
        self.names()[0]
    }

    /// Parses a canonical name, ignoring ASCII case.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|column| column.name().eq_ignore_ascii_case(text))
    }

    pub(super) fn index(self) -> usize {
        self as usize
    }
}

/// The columns with the outcome of a row, in the order in which they are appended.
pub const NOTE_COLUMNS: [&str; 4] = ["link_state", "link_code", "link_message", "retry_of"];

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct ColumnSet(u16);

impl ColumnSet {
    pub(super) fn of(column: Column) -> Self {
        Self(1 << column.index())
    }

    pub(super) fn insert(&mut self, column: Column) {
        self.0 |= 1 << column.index();
    }

    pub(super) fn contains(self, column: Column) -> bool {
        self.0 & 1 << column.index() != 0
    }

    pub(super) fn iter(self) -> impl Iterator<Item = Column> {
        Column::ALL.into_iter().filter(move |column| self.contains(*column))
    }
}

/// The attribute that an empty `source_attribute` means.
pub(super) const DEFAULT_ATTRIBUTE: &str = COGNITO_SUBJECT;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_names_are_those_of_the_contract_and_mean_one_column_each() {
        let table = [
            (
                Column::DestinationUsername,
                "destination_username cognito_username username DestinationUser.ProviderAttributeValue",
            ),
            (Column::DestinationEmail, "destination_email email"),
            (Column::DestinationSub, "destination_sub sub"),
            (Column::DestinationPhone, "destination_phone phone_number"),
            (Column::DestinationPreferredUsername, "destination_preferred_username preferred_username"),
            (Column::DestinationProvider, "destination_provider DestinationUser.ProviderName"),
            (Column::SourceProvider, "source_provider provider provider_name idp SourceUser.ProviderName"),
            (Column::SourceAttribute, "source_attribute SourceUser.ProviderAttributeName"),
            (Column::SourceValue, "source_value provider_user_id subject name_id SourceUser.ProviderAttributeValue"),
            (Column::RetryOf, "retry_of"),
        ];
        let mut all: Vec<&str> = Vec::new();
        for (column, names) in table {
            assert_eq!(column.names().join(" "), names);
            assert_eq!(Column::parse(&column.name().to_uppercase()), Some(column));
            all.extend(column.names());
        }
        let distinct: std::collections::HashSet<_> = all.iter().map(|name: &&str| name.to_lowercase()).collect();
        assert_eq!(distinct.len(), all.len());
    }
}
