//! The columns that make a link, and the names that they have in files.

use crate::domain::identity::COGNITO_SUBJECT;

macro_rules! columns {
    ($($variant:ident $names:expr, $doc:literal;)+) => {
        /// A column that the program uses. Every other column of an input is kept as it is.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum Column { $(#[doc = $doc] $variant,)+ }

        impl Column {
            /// In the order of the documentation.
            pub const ALL: [Self; 7] = [$(Self::$variant,)+];

            /// The names that mean this column, the canonical one first. ASCII case is ignored.
            #[must_use]
            pub fn names(self) -> &'static [&'static str] {
                match self { $(Self::$variant => $names,)+ }
            }

            /// Describes it in one sentence.
            #[must_use]
            pub fn meaning(self) -> &'static str {
                match self { $(Self::$variant => $doc,)+ }
            }
        }
    };
}

columns! {
    DestinationUsername &["destination_username", "cognito_username", "username", "DestinationUser.ProviderAttributeValue"],
        "The pool's `Username` of the existing user, or the user's id at `destination_provider`.";
    DestinationEmail &["destination_email", "email"],
        "The existing user's e-mail address, which is looked up.";
    DestinationSub &["destination_sub", "sub"],
        "The existing user's `sub`, which is looked up.";
    DestinationProvider &["destination_provider", "DestinationUser.ProviderName"],
        "The provider whose identity the existing user was created from; empty or `Cognito` for a native user.";
    SourceProvider &["source_provider", "provider", "provider_name", "idp", "SourceUser.ProviderName"],
        "The pool's name of the identity provider.";
    SourceAttribute &["source_attribute", "SourceUser.ProviderAttributeName"],
        "The attribute that recognises the identity; empty for `Cognito_Subject`.";
    SourceValue &["source_value", "provider_user_id", "subject", "name_id", "SourceUser.ProviderAttributeValue"],
        "The identity, byte for byte as the provider sends it.";
}

impl Column {
    /// The canonical name.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.names()[0]
    }

    /// Parses a canonical name, ignoring ASCII case.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|column| column.name().eq_ignore_ascii_case(text))
    }

    pub(super) fn index(self) -> usize {
        self as usize
    }
}

/// A set of columns.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct ColumnSet(u8);

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
            (Column::DestinationProvider, "destination_provider DestinationUser.ProviderName"),
            (Column::SourceProvider, "source_provider provider provider_name idp SourceUser.ProviderName"),
            (Column::SourceAttribute, "source_attribute SourceUser.ProviderAttributeName"),
            (Column::SourceValue, "source_value provider_user_id subject name_id SourceUser.ProviderAttributeValue"),
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
