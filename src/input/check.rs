//! The checks of one row: from the values of its columns to a link, or to everything that is wrong with it.

use std::borrow::Cow;
use std::fmt::Write;

use super::across::Cursor;
use super::asked::{Asked, Named};
use super::characters::{self, Fault};
use super::columns::{Column, ColumnSet, DEFAULT_ATTRIBUTE};
use super::identifier;
use crate::domain::finding::{Finding, FindingCode, Severity};
use crate::domain::identity::{
    AttributeName, ExternalIdentity, IdentityError, NATIVE_PROVIDER, Personal, ProviderName, is_social,
};
use crate::domain::row::RowNumber;
use crate::limits::{ATTRIBUTE_VALUE_CHARS_MAX, FILTER_CHARS_MAX, USERNAME_CHARS_MAX};

/// The values of a row, empty where there is none.
#[derive(Clone, Default)]
pub(super) struct Values<'a> {
    texts: [Cow<'a, str>; Column::ALL.len()],
    /// Columns whose value could not be read, which has been told already.
    unreadable: ColumnSet,
}

impl<'a> Values<'a> {
    pub(super) fn put(&mut self, column: Column, text: Cow<'a, str>) {
        self.texts[column.index()] = text;
    }

    pub(super) fn put_unreadable(&mut self, column: Column) {
        self.unreadable.insert(column);
    }

    fn text(&self, column: Column) -> &str {
        &self.texts[column.index()]
    }

    fn is_given(&self, column: Column) -> bool {
        !self.text(column).is_empty() || self.unreadable.contains(column)
    }
}

/// Where a column stands: its field, from 1 (0 where it is in none), and its name in the input.
pub(super) type Locate<'a> = &'a dyn Fn(Column) -> (u32, String);

/// Collects what is wrong with a row.
pub(super) struct Report<'a> {
    number: RowNumber,
    line: u64,
    locate: Locate<'a>,
    /// Suspicions that are allowed.
    allowed: &'a [FindingCode],
    findings: Vec<Finding>,
}

impl<'a> Report<'a> {
    pub(super) fn new(number: RowNumber, line: u64, locate: Locate<'a>, allowed: &'a [FindingCode]) -> Self {
        Self { number, line, locate, allowed, findings: Vec::new() }
    }

    /// Tells something about a value. A suspicion that is allowed is a warning; of another, the message says how.
    pub(super) fn add(&mut self, code: FindingCode, column: Column, message: impl Into<String>) {
        let is_allowed = code.is_suspicion() && self.allowed.contains(&code);
        let severity = if is_allowed { Severity::Warning } else { code.severity() };
        let mut message = message.into();
        if code.is_suspicion() && severity == Severity::Error {
            let _ = write!(message, ", or pass it with --allow {}", code.as_str());
        }
        self.push(code, severity, column, message);
    }

    /// Tells something that cannot be allowed, whatever its code.
    pub(super) fn add_certain(&mut self, code: FindingCode, column: Column, message: impl Into<String>) {
        self.push(code, code.severity(), column, message.into());
    }

    fn push(&mut self, code: FindingCode, severity: Severity, column: Column, message: String) {
        let (row, line) = (Some(self.number), self.line);
        let (field, column) = (self.locate)(column);
        self.findings.push(Finding { code, severity, row, line, field, column, message });
    }

    /// Tells something about the whole row.
    pub(super) fn add_row(&mut self, code: FindingCode, message: impl Into<String>) {
        let (row, column, message) = (Some(self.number), String::new(), message.into());
        let severity = code.severity();
        self.findings.push(Finding { code, severity, row, line: self.line, field: 0, column, message });
    }

    pub(super) fn into_findings(self) -> Vec<Finding> {
        self.findings
    }

    /// Whether something of this code was told already.
    pub(super) fn has(&self, code: FindingCode) -> bool {
        self.findings.iter().any(|finding| finding.code == code)
    }

    fn has_errors(&self) -> bool {
        has_errors(&self.findings)
    }
}

/// Whether one of these keeps its row from being sent.
pub(super) fn has_errors(findings: &[Finding]) -> bool {
    findings.iter().any(|finding| finding.severity == Severity::Error)
}

/// The link that the values ask for; `None` where the report says why not. Warnings do not keep a row from being sent.
pub(super) fn asked_of<'v>(values: &'v Values<'_>, report: &mut Report<'_>) -> Option<Asked<'v>> {
    let source = source_of(values, report);
    let destination = destination_of(values, report);
    let (provider, attribute, value) = source?;
    let [provider, attribute, value] = [provider, attribute, value].map(str::as_bytes);
    let asked = Asked { destination: destination?, provider, attribute, value };
    (!report.has_errors()).then_some(asked)
}

/// The link that the values ask for, and what is known of the row beside the others. A row that is wrong by its
/// neighbours still asks for its link.
pub(super) fn judge<'v>(
    values: &'v Values<'_>,
    number: RowNumber,
    across: Option<&Cursor>,
    report: &mut Report<'_>,
) -> Option<Asked<'v>> {
    let asked = asked_of(values, report)?;
    if let Some(across) = across {
        across.tell(number, &asked, report);
    }
    Some(asked)
}

/// Tells what is wrong with the characters of a value; true where nothing keeps it from being sent.
pub(super) fn characters_of(column: Column, text: &str, report: &mut Report<'_>) -> bool {
    if characters::is_plain(text.as_bytes()) {
        return true;
    }
    let told = report.findings.len();
    // The pool has no provider and no attribute whose name starts or ends with space.
    let is_name = matches!(column, Column::DestinationProvider | Column::SourceProvider | Column::SourceAttribute);
    for Fault { code, told, is_certain } in characters::faults(text) {
        if is_certain || (is_name && code == FindingCode::SurroundingSpace) {
            report.add_certain(code, column, told);
        } else {
            report.add(code, column, told);
        }
    }
    !has_errors(&report.findings[told..])
}

/// A value that the row needs.
fn required<'v>(values: &'v Values<'_>, column: Column, report: &mut Report<'_>) -> Option<&'v str> {
    if !values.is_given(column) {
        report.add(FindingCode::MissingValue, column, format!("is empty; give the row a {}", column.name()));
        return None;
    }
    let text = values.text(column);
    (!text.is_empty() && characters_of(column, text, report)).then_some(text)
}

/// Provider, attribute and value.
fn source_of<'v>(values: &'v Values<'_>, report: &mut Report<'_>) -> Option<(&'v str, &'v str, &'v str)> {
    let provider = required(values, Column::SourceProvider, report)
        .filter(|text| is_provider_name(text, Column::SourceProvider, report));
    let attribute = attribute_of(values, report);
    let value = required(values, Column::SourceValue, report);
    if let (Some(provider), Some(attribute)) = (provider, attribute) {
        check_provider(provider, attribute, report);
    }
    if let Some(value) = value {
        check_identifier(value, Column::SourceValue, provider, attribute, report);
    }
    let value = value.filter(|text| fits(text, ATTRIBUTE_VALUE_CHARS_MAX, Column::SourceValue, report));
    let source = (provider?, attribute?, value?);
    match ExternalIdentity::check(source.0, source.1, source.2) {
        Ok(()) => Some(source),
        // The pool itself as the source has been told by `check_provider`.
        Err(IdentityError::NativeSource) => None,
        Err(fault) => {
            report.add(FindingCode::SourceTooLong, Column::SourceValue, fault.to_string());
            None
        }
    }
}

fn is_provider_name(text: &str, column: Column, report: &mut Report<'_>) -> bool {
    let checked = ProviderName::check(text);
    if let Err(fault) = &checked {
        report.add(FindingCode::ProviderNameInvalid, column, format!("{fault}; give the pool's name of the provider"));
    }
    checked.is_ok()
}

fn attribute_of<'v>(values: &'v Values<'_>, report: &mut Report<'_>) -> Option<&'v str> {
    let column = Column::SourceAttribute;
    let text = values.text(column);
    if !values.is_given(column) || text == DEFAULT_ATTRIBUTE {
        return Some(DEFAULT_ATTRIBUTE);
    }
    if text.is_empty() || !characters_of(column, text, report) {
        return None;
    }
    let checked = AttributeName::check(text);
    if let Err(fault) = &checked {
        let message = format!("{fault}; give the name of a user pool attribute, or leave it empty");
        report.add(FindingCode::AttributeNameInvalid, column, message);
    }
    checked.is_ok().then_some(text)
}

fn check_provider(provider: &str, attribute: &str, report: &mut Report<'_>) {
    if provider == NATIVE_PROVIDER {
        let told = "the pool itself cannot be a source; name the external provider, and the native user as destination";
        report.add(FindingCode::SourceIsNative, Column::SourceProvider, told);
    }
    if attribute != DEFAULT_ATTRIBUTE && is_social(provider) {
        let told = format!("{provider} is linked by {DEFAULT_ATTRIBUTE} only; leave the attribute empty");
        report.add(FindingCode::SocialAttribute, Column::SourceAttribute, told);
    }
}

/// Prefixes are looked at in subjects only: an attribute such as an e-mail address may start with any word.
fn check_identifier(
    value: &str,
    column: Column,
    provider: Option<&str>,
    attribute: Option<&str>,
    report: &mut Report<'_>,
) {
    if let Some(told) = identifier::number_damage(value) {
        report.add(FindingCode::NumberDamaged, column, told);
    }
    if let Some(provider) = provider
        && attribute.is_none_or(|attribute| attribute == DEFAULT_ATTRIBUTE)
        && let Some(told) = identifier::foreign_prefix(provider, value)
    {
        report.add(FindingCode::ProviderPrefix, column, told);
    }
    if identifier::is_email_with_capitals(value) {
        let told = "is an e-mail address with capitals; it must be what the provider sends, case and all";
        report.add(FindingCode::UppercaseEmailNameId, column, told);
    }
}

fn fits(text: &str, chars_max: usize, column: Column, report: &mut Report<'_>) -> bool {
    let checked = Personal::check(text, chars_max);
    if let Err(fault) = &checked {
        report.add(FindingCode::ValueTooLong, column, format!("{fault}; is it the right column"));
    }
    checked.is_ok()
}

/// The user name where there is one, else the `sub`, else the e-mail address; the others are not looked at.
fn destination_of<'v>(values: &'v Values<'_>, report: &mut Report<'_>) -> Option<Named<'v>> {
    let provider = values.text(Column::DestinationProvider);
    if values.is_given(Column::DestinationProvider) && provider != NATIVE_PROVIDER {
        return federated(values, report);
    }
    let by_precedence = [Column::DestinationUsername, Column::DestinationSub, Column::DestinationEmail];
    match by_precedence.into_iter().find(|column| values.is_given(*column)) {
        Some(Column::DestinationSub) => {
            looked_up(values, Column::DestinationSub, "sub", report).map(|text| Named::Sub(text.as_bytes()))
        }
        Some(Column::DestinationEmail) => {
            looked_up(values, Column::DestinationEmail, "email", report).map(|text| Named::Email(text.as_bytes()))
        }
        Some(column) => {
            let text = required(values, column, report)?;
            fits(text, USERNAME_CHARS_MAX, column, report).then_some(Named::Username(text.as_bytes()))
        }
        None => {
            let told = "the row names no existing user; give it a user name, a sub or an e-mail address";
            report.add(FindingCode::MissingValue, Column::DestinationUsername, told);
            None
        }
    }
}

fn federated<'v>(values: &'v Values<'_>, report: &mut Report<'_>) -> Option<Named<'v>> {
    let provider = required(values, Column::DestinationProvider, report)
        .filter(|text| is_provider_name(text, Column::DestinationProvider, report));
    let column = Column::DestinationUsername;
    if !values.is_given(column) {
        let told = "is empty; a user of another provider is named by its id there, not by sub or e-mail address";
        report.add(FindingCode::MissingValue, column, told);
        return None;
    }
    let text = required(values, column, report)?;
    check_identifier(text, column, provider, None, report);
    let fits = fits(text, USERNAME_CHARS_MAX, column, report);
    Some(Named::Federated { provider: provider?.as_bytes(), user_id: fits.then_some(text)?.as_bytes() })
}

/// A value by which a user is looked up: it must fit the filter `attribute = "value"` with its escapes.
fn looked_up<'v>(values: &'v Values<'_>, column: Column, attribute: &str, report: &mut Report<'_>) -> Option<&'v str> {
    let text = required(values, column, report)?;
    if !fits(text, ATTRIBUTE_VALUE_CHARS_MAX, column, report) {
        return None;
    }
    // Counting bytes first is enough for nearly every value.
    let frame = attribute.len() + " = \"\"".len();
    if frame + 2 * text.len() > FILTER_CHARS_MAX {
        let escapes = text.bytes().filter(|byte| matches!(byte, b'"' | b'\\')).count();
        let chars = frame + text.chars().count() + escapes;
        if chars > FILTER_CHARS_MAX {
            let told = format!(
                "a look-up takes {FILTER_CHARS_MAX} characters and this one needs {chars}; name the user by user name"
            );
            report.add(FindingCode::FilterTooLong, column, told);
            return None;
        }
    }
    Some(text)
}

#[cfg(test)]
mod tests;
