//! The checks of one row: from the values of its columns to a link, or to everything that is wrong with it.
//! Whatever the format of the input, a row is judged here and nowhere else.

use std::fmt::Write;

use super::columns::{Column, ColumnSet, DEFAULT_ATTRIBUTE};
use super::record::{DestinationRef, LinkRef};
use super::subject_shape::{SubjectShape, is_like_email};
use super::value_check::{self, Value};
use crate::domain::finding::{FindingCode, Severity};
use crate::domain::identity::{AttributeName, ExternalIdentity, NATIVE_PROVIDER, Personal, ProviderName, is_social};
use crate::limits::{
    ATTRIBUTE_VALUE_CHARS_MAX, FILTER_CHARS_MAX, PROVIDER_NAME_CHARS_MAX, SOURCE_CHARS_MAX, USERNAME_CHARS_MAX,
};

/// The values of a row as they stand in the input.
#[derive(Clone, Copy, Default)]
pub(super) struct RowValues<'v> {
    /// By column; empty where there is none.
    pub(super) texts: [&'v [u8]; Column::ALL.len()],
    /// Columns that have a value of another type than text.
    pub(super) unreadable: ColumnSet,
    /// What the preset's column of identities looks like; `None` where the identity is not from it.
    pub(super) preset_shape: Option<SubjectShape>,
    /// What the parser found wrong with single values.
    pub(super) faults: &'v [ValueFault],
}

impl RowValues<'_> {
    fn is_given(&self, column: Column) -> bool {
        !self.texts[column.index()].is_empty() || self.unreadable.contains(column)
    }
}

#[derive(Debug)]
pub(super) struct ValueFault {
    pub(super) code: FindingCode,
    pub(super) column: Column,
    pub(super) message: String,
}

/// A finding before its place in the file is known.
pub(super) struct RowIssue {
    pub(super) code: FindingCode,
    pub(super) severity: Severity,
    /// `None` where it is about the whole row.
    pub(super) column: Option<Column>,
    pub(super) message: String,
}

/// Collects what is wrong with a row.
pub(super) struct RowIssues<'a> {
    /// Suspicions that `--allow` turns into warnings.
    allowed: &'a [FindingCode],
    issues: Vec<RowIssue>,
}

impl<'a> RowIssues<'a> {
    pub(super) fn new(allowed: &'a [FindingCode]) -> Self {
        Self { allowed, issues: Vec::new() }
    }

    /// Adds an issue of a value. A suspicion that is allowed becomes a warning; the message of another says how to
    /// allow it.
    pub(super) fn add(&mut self, code: FindingCode, column: Column, message: impl Into<String>) {
        let is_allowed = code.is_suspicion() && self.allowed.contains(&code);
        let severity = if is_allowed { Severity::Warning } else { code.severity() };
        let mut message = message.into();
        if code.is_suspicion() && severity == Severity::Error {
            // Writing to a string does not fail.
            let _ = write!(message, ", or accept it with --allow {}", code.as_str());
        }
        self.issues.push(RowIssue { code, severity, column: Some(column), message });
    }

    /// Adds an issue that cannot be allowed, whatever its code.
    pub(super) fn add_certain(&mut self, code: FindingCode, column: Column, message: impl Into<String>) {
        self.issues.push(RowIssue { code, severity: code.severity(), column: Some(column), message: message.into() });
    }

    /// Adds an issue of the whole row.
    pub(super) fn add_row(&mut self, code: FindingCode, message: impl Into<String>) {
        self.issues.push(RowIssue { code, severity: code.severity(), column: None, message: message.into() });
    }

    pub(super) fn has(&self, code: FindingCode) -> bool {
        self.issues.iter().any(|issue| issue.code == code)
    }

    pub(super) fn into_vec(self) -> Vec<RowIssue> {
        self.issues
    }

    fn has_errors(&self) -> bool {
        self.issues.iter().any(|issue| issue.severity == Severity::Error)
    }

    /// Adds what is wrong with the characters of a value; returns whether the value can be sent.
    pub(super) fn check_characters(&mut self, column: Column, value: Value<'_>) -> bool {
        // The pool has no provider and no attribute whose name starts or ends with space.
        let is_name = matches!(column, Column::DestinationProvider | Column::SourceProvider | Column::SourceAttribute);
        let before = self.issues.len();
        for fault in value_check::character_faults(value) {
            if fault.is_certain || (is_name && fault.code == FindingCode::SurroundingSpace) {
                self.add_certain(fault.code, column, fault.message);
            } else {
                self.add(fault.code, column, fault.message);
            }
        }
        self.issues[before..].iter().all(|issue| issue.severity != Severity::Error)
    }
}

/// Returns the link of a row, or `None` with at least one error. Warnings do not keep a row from being sent.
pub(super) fn check_row<'v>(values: &RowValues<'v>, issues: &mut RowIssues<'_>) -> Option<LinkRef<'v>> {
    for fault in values.faults {
        issues.add_certain(fault.code, fault.column, fault.message.clone());
    }
    let destination_column = destination_column(values);
    let mut row = RowCheck { given: *values, texts: [None; Column::ALL.len()], issues };
    row.decode(destination_column);
    let source = row.check_source();
    let destination = row.check_destination(destination_column);
    let (provider, attribute, value) = source?;
    let link = LinkRef { destination: destination?, provider, attribute, value };
    (!issues.has_errors()).then_some(link)
}

/// Returns the column that names the user: for a user of another provider always the user name; for a native user the
/// user name, else the `sub`, the e-mail address, the phone number or the preferred user name. The others are ignored.
fn destination_column(values: &RowValues<'_>) -> Option<Column> {
    if is_federated(values) {
        return Some(Column::DestinationUsername);
    }
    Column::NAMING_THE_USER.into_iter().find(|column| values.is_given(*column))
}

fn is_federated(values: &RowValues<'_>) -> bool {
    let column = Column::DestinationProvider;
    values.is_given(column) && values.texts[column.index()] != NATIVE_PROVIDER.as_bytes()
}

struct RowCheck<'c, 'v, 'a> {
    given: RowValues<'v>,
    /// The values that are used and are text.
    texts: [Option<Value<'v>>; Column::ALL.len()],
    issues: &'c mut RowIssues<'a>,
}

impl<'v> RowCheck<'_, 'v, '_> {
    fn decode(&mut self, destination_column: Option<Column>) {
        for column in Column::ALL {
            let is_ignored = Column::NAMING_THE_USER.contains(&column) && Some(column) != destination_column
                || column == Column::RetryOf;
            let bytes = self.given.texts[column.index()];
            if is_ignored || bytes.is_empty() {
                continue;
            }
            match str::from_utf8(bytes) {
                Ok(text) => self.texts[column.index()] = Some(Value::new(text)),
                Err(_) => {
                    self.issues.add(FindingCode::InvalidUtf8, column, "is not valid UTF-8; save the file as UTF-8");
                }
            }
        }
    }

    /// Returns a value that the row needs.
    fn required(&mut self, column: Column) -> Option<Value<'v>> {
        if !self.given.is_given(column) {
            let message = format!("is empty; add a {}", column.name());
            self.issues.add(FindingCode::MissingValue, column, message);
            return None;
        }
        self.texts[column.index()].filter(|value| self.issues.check_characters(column, *value))
    }

    /// Returns provider, attribute and value.
    fn check_source(&mut self) -> Option<(&'v str, &'v str, &'v str)> {
        let provider = self.provider_name(Column::SourceProvider);
        let attribute = self.attribute_name();
        let value = self.required(Column::SourceValue);
        if provider == Some(NATIVE_PROVIDER) && attribute.is_some() {
            let message = "the pool itself cannot be a source; give the external provider, and the native user as \
                           the destination";
            self.issues.add(FindingCode::SourceIsNative, Column::SourceProvider, message);
        }
        if let (Some(provider), Some(attribute)) = (provider, attribute)
            && attribute != DEFAULT_ATTRIBUTE
            && is_social(provider)
        {
            let message = format!("{provider} is linked by {DEFAULT_ATTRIBUTE} only; leave the attribute empty");
            self.issues.add(FindingCode::SocialAttribute, Column::SourceAttribute, message);
        }
        if let Some(value) = value {
            let is_subject = attribute.is_none_or(|attribute| attribute == DEFAULT_ATTRIBUTE);
            self.check_identifier(value, Column::SourceValue, provider.filter(|_| is_subject));
        }
        let value = value.filter(|value| self.fits(value.text, ATTRIBUTE_VALUE_CHARS_MAX, Column::SourceValue));
        let source = (provider?, attribute?, value?.text);
        // A native source is reported above.
        ExternalIdentity::check(source.0).ok()?;
        if let Some(chars) = ExternalIdentity::excess_chars(source.0, source.1, source.2) {
            let message = format!(
                "provider name, attribute name and value together are {chars} characters, and the service is known to take \
                 {SOURCE_CHARS_MAX}; shorten the value"
            );
            self.issues.add(FindingCode::SourceTooLong, Column::SourceValue, message);
        }
        if source.1 == DEFAULT_ATTRIBUTE {
            self.check_shape(source.0, source.2);
        }
        Some(source)
    }

    fn provider_name(&mut self, column: Column) -> Option<&'v str> {
        let text = self.required(column)?.text;
        let checked = ProviderName::check(text);
        if let Err(fault) = &checked {
            let message = format!("{fault}; give the name that the provider has in the pool");
            self.issues.add(FindingCode::ProviderNameInvalid, column, message);
        } else if text.len() > PROVIDER_NAME_CHARS_MAX && text.chars().count() > PROVIDER_NAME_CHARS_MAX {
            let message = format!(
                "is longer than {PROVIDER_NAME_CHARS_MAX} characters; check that it is the name that the pool's list has"
            );
            self.issues.add(FindingCode::ProviderNameLong, column, message);
        }
        checked.is_ok().then_some(text)
    }

    fn attribute_name(&mut self) -> Option<&'v str> {
        let column = Column::SourceAttribute;
        if !self.given.is_given(column) || self.given.texts[column.index()] == DEFAULT_ATTRIBUTE.as_bytes() {
            return Some(DEFAULT_ATTRIBUTE);
        }
        let text = self.texts[column.index()].filter(|value| self.issues.check_characters(column, *value))?.text;
        let checked = AttributeName::check(text);
        if let Err(fault) = &checked {
            let message = format!("{fault}; give the name of a user pool attribute, or leave it empty");
            self.issues.add(FindingCode::AttributeNameInvalid, column, message);
        }
        checked.is_ok().then_some(text)
    }

    /// Prefixes are looked for in subjects only, so `provider` is `None` for any other attribute: an e-mail address may
    /// start with any word.
    fn check_identifier(&mut self, value: Value<'_>, column: Column, provider: Option<&str>) {
        if let Some(message) = value_check::number_damage(value) {
            self.issues.add(FindingCode::NumberDamaged, column, message);
        }
        if let Some(message) = provider.and_then(|provider| value_check::foreign_prefix(provider, value)) {
            self.issues.add(FindingCode::ProviderPrefix, column, message);
        }
        if value_check::is_email_with_capitals(value) {
            let message =
                "is an e-mail address with capitals; it must be exactly what the provider sends, including case";
            self.issues.add(FindingCode::UppercaseEmailNameId, column, message);
        }
    }

    /// Says what a subject should look like, unless something is known to be wrong with it already.
    fn check_shape(&mut self, provider: &str, subject: &str) {
        let column = Column::SourceValue;
        let known = SubjectShape::of_provider(provider).or(self.given.preset_shape);
        let is_known_bad = self.issues.issues.iter().any(|issue| issue.column == Some(column));
        let Some(shape) = known.filter(|shape| !is_known_bad && !shape.fits(subject)) else { return };
        let found = if is_like_email(subject) { "is an e-mail address" } else { "does not look like its provider's" };
        let message = format!("{found}, and {}; map the right column", shape.description());
        self.issues.add(FindingCode::UnlikeProvider, column, message);
    }

    fn fits(&mut self, text: &str, chars_max: usize, column: Column) -> bool {
        let checked = Personal::check(text, chars_max);
        if let Err(fault) = &checked {
            self.issues.add(FindingCode::ValueTooLong, column, format!("{fault}; check that it is the right column"));
        }
        checked.is_ok()
    }

    fn check_destination(&mut self, column: Option<Column>) -> Option<DestinationRef<'v>> {
        if is_federated(&self.given) {
            return self.check_federated();
        }
        match column {
            Some(Column::DestinationSub) => self.looked_up(Column::DestinationSub, "sub").map(DestinationRef::Sub),
            Some(Column::DestinationEmail) => {
                self.looked_up(Column::DestinationEmail, "email").map(DestinationRef::Email)
            }
            Some(Column::DestinationPhone) => self.phone_number().map(DestinationRef::Phone),
            Some(Column::DestinationPreferredUsername) => {
                let column = Column::DestinationPreferredUsername;
                self.looked_up(column, "preferred_username").map(DestinationRef::PreferredUsername)
            }
            Some(column) => {
                let text = self.required(column)?.text;
                self.fits(text, USERNAME_CHARS_MAX, column).then_some(DestinationRef::Username(text))
            }
            None => {
                let message =
                    "the row names no existing user; add a user name, a sub, an e-mail address or a phone number";
                self.issues.add(FindingCode::MissingValue, Column::DestinationUsername, message);
                None
            }
        }
    }

    fn check_federated(&mut self) -> Option<DestinationRef<'v>> {
        let provider = self.provider_name(Column::DestinationProvider);
        let column = Column::DestinationUsername;
        if !self.given.is_given(column) {
            let message = "is empty; name a user of another provider by its id there, not by sub or e-mail address";
            self.issues.add(FindingCode::MissingValue, column, message);
            return None;
        }
        let value = self.required(column)?;
        self.check_identifier(value, column, provider);
        let fits = self.fits(value.text, USERNAME_CHARS_MAX, column);
        Some(DestinationRef::Federated { provider: provider?, user_id: fits.then_some(value.text)? })
    }

    /// The service takes a phone number in the form of E.164 only.
    fn phone_number(&mut self) -> Option<&'v str> {
        let column = Column::DestinationPhone;
        let text = self.looked_up(column, "phone_number")?;
        if !value_check::is_phone_number(text) {
            let message = "is not a phone number as the pool has it: + and the country code, then digits only, as in \
                           +14255550123";
            self.issues.add(FindingCode::PhoneNumberInvalid, column, message);
            return None;
        }
        Some(text)
    }

    /// A value by which a user is looked up must fit the filter `attribute = "value"` with its escapes.
    fn looked_up(&mut self, column: Column, attribute: &str) -> Option<&'v str> {
        let text = self.required(column)?.text;
        if !self.fits(text, ATTRIBUTE_VALUE_CHARS_MAX, column) {
            return None;
        }
        let escapes = text.bytes().filter(|byte| matches!(byte, b'"' | b'\\')).count();
        let chars = attribute.len() + " = \"\"".len() + text.chars().count() + escapes;
        if chars > FILTER_CHARS_MAX {
            let message = format!(
                "a look-up takes at most {FILTER_CHARS_MAX} characters and this one needs {chars}; give the user name"
            );
            self.issues.add(FindingCode::FilterTooLong, column, message);
            return None;
        }
        Some(text)
    }
}

#[cfg(test)]
mod tests;
