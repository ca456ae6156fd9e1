//! The checks of one row: from the values of its columns to a link, or to everything that is wrong with it.

use std::borrow::Cow;
use std::fmt::Write;

use super::characters::{self, Fault};
use super::columns::{Column, ColumnSet, DEFAULT_ATTRIBUTE};
use super::identifier;
use crate::domain::finding::{Finding, FindingCode, Severity};
use crate::domain::identity::{
    AttributeName, Destination, ExternalIdentity, IdentityError, NATIVE_PROVIDER, Personal, ProviderName,
};
use crate::domain::row::{Link, RowNumber};
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

    fn has_errors(&self) -> bool {
        has_errors(&self.findings)
    }
}

/// Whether one of these keeps its row from being sent.
pub(super) fn has_errors(findings: &[Finding]) -> bool {
    findings.iter().any(|finding| finding.severity == Severity::Error)
}

/// The link that the values ask for; `None` where the report says why not. Warnings do not keep a row from being sent.
pub(super) fn link_of(values: &Values<'_>, report: &mut Report<'_>) -> Option<Link> {
    let source = source_of(values, report);
    let destination = destination_of(values, report);
    if report.has_errors() { None } else { Some(Link { destination: destination?, source: source? }) }
}

/// Tells what is wrong with the characters of a value; true where nothing keeps it from being sent.
pub(super) fn characters_of(column: Column, text: &str, report: &mut Report<'_>) -> bool {
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

fn source_of(values: &Values<'_>, report: &mut Report<'_>) -> Option<ExternalIdentity> {
    let provider = required(values, Column::SourceProvider, report)
        .and_then(|text| provider_name(text, Column::SourceProvider, report));
    let attribute = attribute_of(values, report);
    let value = required(values, Column::SourceValue, report);
    if let (Some(provider), Some(attribute)) = (&provider, &attribute) {
        check_provider(provider, attribute, report);
    }
    if let Some(value) = value {
        check_identifier(value, Column::SourceValue, provider.as_ref(), attribute.as_ref(), report);
    }
    let value = personal(value?, ATTRIBUTE_VALUE_CHARS_MAX, Column::SourceValue, report);
    match ExternalIdentity::new(provider?, attribute?, value?) {
        Ok(source) => Some(source),
        // The pool itself as the source has been told by `check_provider`.
        Err(IdentityError::NativeSource) => None,
        Err(fault) => {
            report.add(FindingCode::SourceTooLong, Column::SourceValue, fault.to_string());
            None
        }
    }
}

fn provider_name(text: &str, column: Column, report: &mut Report<'_>) -> Option<ProviderName> {
    let parsed = ProviderName::parse(text);
    if let Err(fault) = &parsed {
        report.add(FindingCode::ProviderNameInvalid, column, format!("{fault}; give the pool's name of the provider"));
    }
    parsed.ok()
}

fn attribute_of(values: &Values<'_>, report: &mut Report<'_>) -> Option<AttributeName> {
    let column = Column::SourceAttribute;
    let text = values.text(column);
    if !values.is_given(column) || text == DEFAULT_ATTRIBUTE {
        return Some(AttributeName::subject());
    }
    if text.is_empty() || !characters_of(column, text, report) {
        return None;
    }
    let parsed = AttributeName::parse(text);
    if let Err(fault) = &parsed {
        let message = format!("{fault}; give the name of a user pool attribute, or leave it empty");
        report.add(FindingCode::AttributeNameInvalid, column, message);
    }
    parsed.ok()
}

fn check_provider(provider: &ProviderName, attribute: &AttributeName, report: &mut Report<'_>) {
    if provider.is_native() {
        let told = "the pool itself cannot be a source; name the external provider, and the native user as destination";
        report.add(FindingCode::SourceIsNative, Column::SourceProvider, told);
    }
    if provider.is_social() && !attribute.is_subject() {
        let told = format!("{provider} is linked by {DEFAULT_ATTRIBUTE} only; leave the attribute empty");
        report.add(FindingCode::SocialAttribute, Column::SourceAttribute, told);
    }
}

/// Prefixes are looked at in subjects only: an attribute such as an e-mail address may start with any word.
fn check_identifier(
    value: &str,
    column: Column,
    provider: Option<&ProviderName>,
    attribute: Option<&AttributeName>,
    report: &mut Report<'_>,
) {
    if let Some(told) = identifier::number_damage(value) {
        report.add(FindingCode::NumberDamaged, column, told);
    }
    if let Some(provider) = provider
        && attribute.is_none_or(AttributeName::is_subject)
        && let Some(told) = identifier::foreign_prefix(provider.as_str(), value)
    {
        report.add(FindingCode::ProviderPrefix, column, told);
    }
    if identifier::is_email_with_capitals(value) {
        let told = "is an e-mail address with capitals; it must be what the provider sends, case and all";
        report.add(FindingCode::UppercaseEmailNameId, column, told);
    }
}

fn personal(text: &str, chars_max: usize, column: Column, report: &mut Report<'_>) -> Option<Personal> {
    let parsed = Personal::parse(text, chars_max);
    if let Err(fault) = &parsed {
        report.add(FindingCode::ValueTooLong, column, format!("{fault}; is it the right column"));
    }
    parsed.ok()
}

/// The user name where there is one, else the `sub`, else the e-mail address; the others are not looked at.
fn destination_of(values: &Values<'_>, report: &mut Report<'_>) -> Option<Destination> {
    let provider = values.text(Column::DestinationProvider);
    if values.is_given(Column::DestinationProvider) && provider != NATIVE_PROVIDER {
        return federated(values, report);
    }
    let by_precedence = [Column::DestinationUsername, Column::DestinationSub, Column::DestinationEmail];
    match by_precedence.into_iter().find(|column| values.is_given(*column)) {
        Some(Column::DestinationSub) => looked_up(values, Column::DestinationSub, "sub", report).map(Destination::Sub),
        Some(Column::DestinationEmail) => {
            looked_up(values, Column::DestinationEmail, "email", report).map(Destination::Email)
        }
        Some(column) => {
            let text = required(values, column, report)?;
            personal(text, USERNAME_CHARS_MAX, column, report).map(Destination::Username)
        }
        None => {
            let told = "the row names no existing user; give it a user name, a sub or an e-mail address";
            report.add(FindingCode::MissingValue, Column::DestinationUsername, told);
            None
        }
    }
}

fn federated(values: &Values<'_>, report: &mut Report<'_>) -> Option<Destination> {
    let provider = required(values, Column::DestinationProvider, report)
        .and_then(|text| provider_name(text, Column::DestinationProvider, report));
    let column = Column::DestinationUsername;
    if !values.is_given(column) {
        let told = "is empty; a user of another provider is named by its id there, not by sub or e-mail address";
        report.add(FindingCode::MissingValue, column, told);
        return None;
    }
    let text = required(values, column, report)?;
    check_identifier(text, column, provider.as_ref(), None, report);
    let user_id = personal(text, USERNAME_CHARS_MAX, column, report);
    Some(Destination::Federated { provider: provider?, user_id: user_id? })
}

/// A value by which a user is looked up: it must fit the filter `attribute = "value"` with its escapes.
fn looked_up(values: &Values<'_>, column: Column, attribute: &str, report: &mut Report<'_>) -> Option<Personal> {
    let text = required(values, column, report)?;
    let value = personal(text, ATTRIBUTE_VALUE_CHARS_MAX, column, report)?;
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
    Some(value)
}

#[cfg(test)]
mod tests;
