//! The options that say how to read an input, and the parsing of their texts.

use super::columns::Column;
use super::preset::Preset;
use crate::domain::finding::FindingCode;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// Delimited fields with a header.
    Csv,
    /// One JSON object a line.
    Jsonl,
}

/// How to read an input. By default everything is detected.
#[derive(Debug, Clone, Default)]
pub struct InputOptions {
    /// By default it is detected from the first character.
    pub format: Option<Format>,
    /// By default it is detected from the header.
    pub delimiter: Option<u8>,
    /// `--preset NAME`: the input is an export of that system. `map` and `set` take precedence.
    pub preset: Option<Preset>,
    /// `--map COLUMN=NAME`: this column has that name in the input. It takes precedence over the known names, and the
    /// name then means nothing else, unless another `--map` gives it too: with `--map source_value=sub`, `sub` is not
    /// also the destination's.
    pub map: Vec<(Column, String)>,
    /// `--set COLUMN=VALUE`: every row has this value. An input that has the column as well is refused, because ignoring
    /// either of them would be a guess.
    pub set: Vec<(Column, String)>,
    /// `--allow CODE`: this suspicion is a warning, not an error.
    pub allow: Vec<FindingCode>,
}

/// Why the text of an option is invalid.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OptionError {
    #[error("expected the column, `=` and a text, such as source_provider=Okta")]
    Shape,
    #[error("no such column; the columns are {}", Column::ALL.map(Column::name).join(", "))]
    Column,
    #[error("not a delimiter; give one of , ; | or tab, or another single ASCII mark")]
    Delimiter,
    #[error("no such preset; the presets are {}", Preset::ALL.iter().map(|preset| preset.name()).collect::<Vec<_>>().join(", "))]
    Preset,
    /// It is not the code of a suspicion.
    #[error("not a finding that can be allowed; these can: {}", FindingCode::SUSPICIONS.map(FindingCode::as_str).join(", "))]
    Allow,
}

impl InputOptions {
    /// Parses the value of `--map` or `--set`.
    pub fn parse_pair(text: &str) -> Result<(Column, String), OptionError> {
        let (column, value) = text.split_once('=').filter(|(_, value)| !value.is_empty()).ok_or(OptionError::Shape)?;
        Ok((Column::parse(column).ok_or(OptionError::Column)?, value.to_owned()))
    }

    /// Parses the value of `--preset`.
    pub fn parse_preset(text: &str) -> Result<Preset, OptionError> {
        Preset::parse(text).ok_or(OptionError::Preset)
    }

    /// Parses the value of `--allow`. Only suspicions can be allowed.
    pub fn parse_allow(text: &str) -> Result<FindingCode, OptionError> {
        FindingCode::SUSPICIONS.into_iter().find(|code| code.as_str() == text).ok_or(OptionError::Allow)
    }

    /// Parses a delimiter: one ASCII punctuation mark, `tab` or `\t`.
    pub fn parse_delimiter(text: &str) -> Result<u8, OptionError> {
        match text.as_bytes() {
            b"tab" | b"\\t" => Ok(b'\t'),
            [mark] if *mark == b'\t' || (mark.is_ascii_punctuation() && *mark != b'"') => Ok(*mark),
            _ => Err(OptionError::Delimiter),
        }
    }

    /// Returns what is dangerous about these options for an export of their preset, a lower-case fragment.
    pub fn preset_warning(&self) -> Option<&'static str> {
        let is_object_id =
            |name: &str| ["objectId", "object id", "id", "oid"].iter().any(|known| known.eq_ignore_ascii_case(name));
        let maps_object_id = self.map.iter().any(|(column, name)| *column == Column::SourceValue && is_object_id(name));
        (self.preset == Some(Preset::Entra) && maps_object_id).then_some(
            "a SAML application sends the object id only where its NameID claim is user.objectid, and an OIDC provider \
             never sends it as sub: the service accepts links made by it, but nobody can sign in by them",
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pairs() {
        let parsed = InputOptions::parse_pair("source_value=objectId");
        assert_eq!(parsed, Ok((Column::SourceValue, "objectId".to_owned())));
        let parsed = InputOptions::parse_pair("SOURCE_PROVIDER=a=b");
        assert_eq!(parsed, Ok((Column::SourceProvider, "a=b".to_owned())), "only the first = parts");
        assert_eq!(InputOptions::parse_pair("source_value"), Err(OptionError::Shape));
        assert_eq!(InputOptions::parse_pair("source_value="), Err(OptionError::Shape));
        assert_eq!(InputOptions::parse_pair("email=x"), Err(OptionError::Column), "canonical names only");
        let message = OptionError::Column.to_string();
        assert!(Column::ALL.iter().all(|column| message.contains(column.name())), "{message}");
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

    #[test]
    fn the_object_id_of_entra_has_a_warning() {
        let warns = |preset, name: &str| {
            let map = vec![(Column::SourceValue, name.to_owned())];
            InputOptions { preset: Some(preset), map, ..InputOptions::default() }.preset_warning().is_some()
        };
        assert!(warns(Preset::Entra, "OBJECTID") && warns(Preset::Entra, "id"));
        assert!(!warns(Preset::Entra, "userPrincipalName") && !warns(Preset::Okta, "id"));
    }
}
