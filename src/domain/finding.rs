//! What is wrong with an input, in stable codes.

use super::code_enum::code_enum;
use super::row::RowNumber;

code_enum! {
    /// Whether a finding keeps its row from being sent.
    Severity {
        /// The row is invalid and is not sent.
        Error = "error",
        /// The row is sent, but deserves a look.
        Warning = "warning",
    }
}

macro_rules! finding_codes {
    ($($variant:ident $code:literal $severity:ident $doc:literal,)+) => {
        code_enum! {
            FindingCode { $(#[doc = $doc] $variant = $code,)+ }
        }

        impl FindingCode {
            /// Whether it keeps a row from being sent, unless the code is allowed.
            pub fn severity(self) -> Severity {
                match self { $(Self::$variant => Severity::$severity,)+ }
            }

            pub fn meaning(self) -> &'static str {
                match self { $(Self::$variant => $doc,)+ }
            }
        }
    };
}

finding_codes! {
    MissingColumn "missing_column" Error "A column that every row needs is not in the header.",
    DuplicateColumn "duplicate_column" Error "Two columns of the header mean the same.",
    RaggedRow "ragged_row" Error "The row has more or fewer fields than the header.",
    UnclosedQuote "unclosed_quote" Error "A quoted field has no closing quote.",
    InvalidUtf8 "invalid_utf8" Error "The row is not valid UTF-8.",
    Utf16 "utf16" Error "The file is UTF-16; save it as UTF-8.",
    RecordTooLong "record_too_long" Error "The row is longer than a row can sensibly be.",
    InvalidJson "invalid_json" Error "The line is not a JSON object of the documented shape.",
    MissingValue "missing_value" Error "A value that the row needs is empty.",
    SurroundingSpace "surrounding_space" Error "The value starts or ends with white space, which is never trimmed silently.",
    InvisibleCharacter "invisible_character" Error "The value has a character that cannot be seen, such as a zero-width space.",
    SmartQuote "smart_quote" Error "The value has typographic quotes, as word processors put them in.",
    ControlCharacter "control_character" Error "The value has a control character.",
    NumberDamaged "number_damaged" Error "The identifier looks like a number that a spreadsheet or a JSON writer has damaged.",
    SpreadsheetMark "spreadsheet_mark" Error "The value starts with ' or =, as spreadsheets mark a text or a formula.",
    Mojibake "mojibake" Error "The value has letters of UTF-8 that were read as Latin-1.",
    UnlikeProvider "unlike_provider" Error "The identifier does not look like one that its provider sends.",
    UnlikePool "unlike_pool" Error "The identifiers of a provider do not look like those that the pool has of it.",
    ImmutableAttribute "immutable_attribute" Error "A provider maps an attribute that the pool does not let change: every sign-in of a linked identity fails.",
    ProviderPrefix "provider_prefix" Error "The identifier carries the prefix of a provider that is not part of it.",
    SocialAttribute "social_attribute" Error "A social provider is linked by another attribute than Cognito_Subject.",
    SourceIsNative "source_is_native" Error "The source provider is the pool itself.",
    ProviderNameInvalid "provider_name_invalid" Error "The text cannot be a provider name.",
    ProviderNameLong "provider_name_long" Warning "The provider name is longer than the service model says; the pool's list decides.",
    AttributeNameInvalid "attribute_name_invalid" Error "The text cannot be an attribute name.",
    ValueTooLong "value_too_long" Error "The value is longer than the service takes.",
    SourceTooLong "source_too_long" Error "Provider name, attribute name and value together are longer than the service takes.",
    PhoneNumberInvalid "phone_number_invalid" Error "The phone number is not in the form of E.164, in which the pool has it.",
    FilterTooLong "filter_too_long" Error "The value is too long to look its user up.",
    DuplicateRow "duplicate_row" Warning "The same link is in an earlier row.",
    IdentityForTwoUsers "identity_for_two_users" Error "The same identity is to be linked to two users.",
    TooManyIdentities "too_many_identities" Error "One user would get more identities than the service allows.",
    LowercasedIdentity "lowercased_identity" Warning "The identifier is lower case while others of its provider are not.",
    UnusualLength "unusual_length" Warning "The identifier is longer or shorter than nearly all others of its provider.",
    UppercaseEmailNameId "uppercase_email_name_id" Warning "The e-mail address has capitals; providers are matched by exact case.",
}

impl FindingCode {
    /// Codes that can be allowed. They only suspect a value, which is nearly always damaged or refused, but may be what the
    /// provider sends and the service takes; or they are about a setting of the pool that may be changed later.
    pub const SUSPICIONS: [Self; 14] = [
        Self::SurroundingSpace,
        Self::InvisibleCharacter,
        Self::SmartQuote,
        Self::NumberDamaged,
        Self::SpreadsheetMark,
        Self::Mojibake,
        Self::UnlikeProvider,
        Self::UnlikePool,
        Self::ImmutableAttribute,
        Self::ProviderPrefix,
        Self::SourceTooLong,
        Self::LowercasedIdentity,
        Self::UnusualLength,
        Self::UppercaseEmailNameId,
    ];

    pub fn is_suspicion(self) -> bool {
        Self::SUSPICIONS.contains(&self)
    }
}

/// One thing that is wrong, and where. Its sentence holds no personal data.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    pub code: FindingCode,
    /// Whether it keeps its row from being sent: as its code says, or a warning where it was allowed.
    pub severity: Severity,
    /// The row it is about; `None` for the file or its header.
    pub row: Option<RowNumber>,
    /// The line in the decompressed file, from 1; 0 where the finding is about the whole file.
    pub line: u64,
    /// The field in that line, from 1; 0 where the whole line is meant.
    pub field: u32,
    /// The column's name as the header has it; empty where the whole line is meant.
    pub column: String,
    /// What happened and what to do, a lower-case fragment without personal data.
    pub message: String,
}

#[cfg(test)]
mod tests {
    use super::FindingCode;

    #[test]
    fn codes_are_distinct_snake_case_words() {
        let distinct: std::collections::HashSet<_> = FindingCode::ALL.iter().map(|code| code.as_str()).collect();
        assert_eq!(distinct.len(), FindingCode::ALL.len());
        assert!(
            distinct.iter().all(|code| code.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_'))
        );
    }
}
