//! The columns that a link is made of, their names in other people's files, and the options that name them.

use super::preset::Preset;
use crate::domain::finding::FindingCode;
use crate::domain::identity::COGNITO_SUBJECT;

macro_rules! columns {
    ($($variant:ident $names:expr, $doc:literal;)+) => {
        /// A column with a meaning; every other one is carried along untouched.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum Column { $(#[doc = $doc] $variant,)+ }

        impl Column {
            /// Every column, in the order of the documentation.
            pub const ALL: [Self; 7] = [$(Self::$variant,)+];

            /// Every name that is taken for it, the canonical one first. Compared without regard to ASCII case.
            #[must_use]
            pub fn names(self) -> &'static [&'static str] {
                match self { $(Self::$variant => $names,)+ }
            }

            /// What it holds, in one sentence.
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
        "The provider from whose identity the existing user was born; empty or `Cognito` for a native user.";
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

    /// Reads a canonical name, without regard to ASCII case.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|column| column.name().eq_ignore_ascii_case(text))
    }

    pub(super) fn index(self) -> usize {
        self as usize
    }
}

/// Some of the columns.
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

    pub(super) fn is_empty(self) -> bool {
        self.0 == 0
    }

    pub(super) fn iter(self) -> impl Iterator<Item = Column> {
        Column::ALL.into_iter().filter(move |column| self.contains(*column))
    }
}

/// How rows are written down.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// Delimited fields under a header.
    Csv,
    /// One JSON object a line.
    Jsonl,
}

/// How an input is to be read. The default finds everything out.
#[derive(Debug, Clone, Default)]
pub struct InputOptions {
    /// The format; `None` tells it by the first character.
    pub format: Option<Format>,
    /// The delimiter of CSV; `None` tells it by the header.
    pub delimiter: Option<u8>,
    /// `--preset NAME`: the input is such an export, and its columns mean what they mean there. `map` and `set` win.
    pub preset: Option<Preset>,
    /// `--map COLUMN=NAME`: this column stands under that name. It wins over the names that are known anyway, and the
    /// named column then means nothing else, unless another `--map` says so: with `--map source_value=sub`, `sub` is
    /// not also the destination's.
    pub map: Vec<(Column, String)>,
    /// `--set COLUMN=VALUE`: every row has this value. An input that has such a column itself is refused, because
    /// neither of the two can be ignored without guessing.
    pub set: Vec<(Column, String)>,
    /// `--allow CODE`: this suspicion does not keep a row from being sent; it stays a warning.
    pub allow: Vec<FindingCode>,
}

/// Why the text of an option cannot be taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OptionError {
    /// Not `COLUMN=TEXT`.
    #[error("expected COLUMN=TEXT, as in source_provider=Okta")]
    Shape,
    /// No such column.
    #[error("no such column; the columns are {}", canonical_names())]
    Column,
    /// Not a delimiter.
    #[error("not a delimiter; give one of , ; | or tab, or another single ASCII mark")]
    Delimiter,
    /// Not the name of a preset.
    #[error("no such preset; those are {}", presets())]
    Preset,
    /// Not the code of a suspicion.
    #[error("no finding that can be allowed; those are {}", suspicions())]
    Allow,
}

fn presets() -> String {
    Preset::ALL.iter().map(|preset| preset.name()).collect::<Vec<_>>().join(", ")
}

fn suspicions() -> String {
    FindingCode::SUSPICIONS.map(FindingCode::as_str).join(", ")
}

fn canonical_names() -> String {
    Column::ALL.map(Column::name).join(", ")
}

impl InputOptions {
    /// Reads `COLUMN=NAME` as `--map` takes it.
    ///
    /// # Errors
    /// [`OptionError::Shape`] or [`OptionError::Column`].
    pub fn parse_map(text: &str) -> Result<(Column, String), OptionError> {
        parse_pair(text)
    }

    /// Reads `COLUMN=VALUE` as `--set` takes it.
    ///
    /// # Errors
    /// [`OptionError::Shape`] or [`OptionError::Column`].
    pub fn parse_set(text: &str) -> Result<(Column, String), OptionError> {
        parse_pair(text)
    }

    /// Reads the name of a preset, as `--preset` takes it.
    ///
    /// # Errors
    /// [`OptionError::Preset`].
    pub fn parse_preset(text: &str) -> Result<Preset, OptionError> {
        Preset::parse(text).ok_or(OptionError::Preset)
    }

    /// Reads the code of a suspicion, as `--allow` takes it.
    ///
    /// # Errors
    /// [`OptionError::Allow`], also for the code of a finding that is certain.
    pub fn parse_allow(text: &str) -> Result<FindingCode, OptionError> {
        FindingCode::SUSPICIONS.into_iter().find(|code| code.as_str() == text).ok_or(OptionError::Allow)
    }

    /// Reads a delimiter: one ASCII mark, or `tab`, or `\t`.
    ///
    /// # Errors
    /// [`OptionError::Delimiter`], also for a quote, a letter or a digit.
    pub fn parse_delimiter(text: &str) -> Result<u8, OptionError> {
        match text.as_bytes() {
            b"tab" | b"\\t" => Ok(b'\t'),
            [mark] if *mark == b'\t' || (mark.is_ascii_punctuation() && *mark != b'"') => Ok(*mark),
            _ => Err(OptionError::Delimiter),
        }
    }
}

fn parse_pair(text: &str) -> Result<(Column, String), OptionError> {
    let (column, value) = text.split_once('=').ok_or(OptionError::Shape)?;
    if value.is_empty() {
        return Err(OptionError::Shape);
    }
    Ok((Column::parse(column).ok_or(OptionError::Column)?, value.to_owned()))
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

    #[test]
    fn pairs() {
        let parsed = InputOptions::parse_map("source_value=objectId");
        assert_eq!(parsed, Ok((Column::SourceValue, "objectId".to_owned())));
        let parsed = InputOptions::parse_set("SOURCE_PROVIDER=a=b");
        assert_eq!(parsed, Ok((Column::SourceProvider, "a=b".to_owned())), "only the first = parts");
        assert_eq!(InputOptions::parse_map("source_value"), Err(OptionError::Shape));
        assert_eq!(InputOptions::parse_map("source_value="), Err(OptionError::Shape));
        assert_eq!(InputOptions::parse_set("email=x"), Err(OptionError::Column), "canonical names only");
        let told = OptionError::Column.to_string();
        assert!(Column::ALL.iter().all(|column| told.contains(column.name())), "{told}");
    }

    #[test]
    fn only_suspicions_can_be_allowed() {
        assert_eq!(InputOptions::parse_allow("provider_prefix"), Ok(FindingCode::ProviderPrefix));
        for text in ["", "Provider_Prefix", "control_character", "missing_value", "nonsense"] {
            assert_eq!(InputOptions::parse_allow(text), Err(OptionError::Allow), "{text:?}");
        }
        assert!(OptionError::Allow.to_string().contains("surrounding_space, invisible_character, "));
    }

    #[test]
    fn delimiters() {
        for (text, byte) in [(",", b','), (";", b';'), ("|", b'|'), ("tab", b'\t'), ("\\t", b'\t'), ("\t", b'\t')] {
            assert_eq!(InputOptions::parse_delimiter(text), Ok(byte), "{text:?}");
        }
        for text in ["", "\"", "a", "1", "::", "\n", "ä"] {
            assert_eq!(InputOptions::parse_delimiter(text), Err(OptionError::Delimiter), "{text:?}");
        }
    }
}
