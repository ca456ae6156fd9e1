//! Lines to records: by hand for lines as they were written, by a JSON parser for lines that a person has edited.

use std::borrow::Cow;

use super::plain::plain_bytes;
use super::{Intent, InvalidRow, PersonalText, Record, Settlement, UnlinkEnd, UnlinkSettlement, Withdrawal, relaxed};
use crate::domain::finding::FindingCode;
use crate::domain::outcome::RefusalCode;
use crate::domain::row::{RowKey, RowNumber};
use crate::domain::state::RowState;

/// Why a line is no record. Tells nothing that the line says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Undecodable {
    /// Not UTF-8.
    #[error("not valid UTF-8")]
    Utf8,
    /// Not one JSON object.
    #[error("not a JSON object (column {column})")]
    Json {
        /// Where the parser gave up, from 1; 0 where the line is JSON of another kind.
        column: usize,
    },
    /// A JSON object that is no record of this format.
    #[error("not a record of this format")]
    UnknownRecord,
    /// A record with a member that is missing, unknown, or of the wrong kind.
    #[error("a member of the record is missing, unknown or not of its kind")]
    Member,
    /// A ledger's header, of another format.
    #[error("format {0}")]
    Version(u64),
}

/// Reads a line, without its line end.
///
/// # Errors
/// [`Undecodable`] when it is no record of this format, whole and with nothing added.
pub fn decode(line: &[u8]) -> Result<Record<'_>, Undecodable> {
    relaxed::decode(std::str::from_utf8(line).map_err(|_| Undecodable::Utf8)?)
}

/// A line at the start of `bytes` that is of a frequent kind and as it was written: its members in their order, no
/// escapes, no spaces, and `\n` at its end. Tells how many bytes it has. `None` for any other line, good or bad.
///
/// Inlined together with what it calls, so that a caller who uses two members of a record pays for no more.
#[inline]
pub(in crate::ledger) fn as_written(bytes: &[u8]) -> Option<(Record<'_>, usize)> {
    let mut line = Cursor { rest: bytes };
    let record = if line.skip(b"{\"key\":\"") {
        Record::Settlement(settlement(&mut line)?)
    } else if line.skip(b"{\"do\":\"link\",\"key\":\"") {
        Record::Intent(intent(&mut line)?)
    } else if line.skip(b"{\"unlink\":\"") {
        Record::UnlinkSettlement(unlink_settlement(&mut line)?)
    } else if line.skip(b"{\"do\":\"unlink\",\"key\":\"") {
        Record::Unlink(intent(&mut line)?)
    } else if line.skip(b"{\"withdrawn\":\"") {
        Record::Withdrawal(withdrawal(&mut line)?)
    } else if line.skip(b"{\"invalid\":\"") {
        Record::Invalid(invalid(&mut line)?)
    } else {
        return None;
    };
    Some((record, bytes.len() - line.rest.len()))
}

#[inline]
fn intent<'a>(line: &mut Cursor<'a>) -> Option<Intent<'a>> {
    let key = line.key()?;
    let row = RowNumber(line.number_after(b",\"row\":")?);
    let at = line.number_after(b",\"t\":")?.try_into().ok()?;
    let destination_provider = line.text_after(b",\"dp\":\"")?.into();
    let destination_value = line.text_after(b",\"dv\":\"").map(PersonalText::new)?;
    let source_provider = line.text_after(b",\"sp\":\"")?.into();
    let source_attribute = line.text_after(b",\"sa\":\"")?.into();
    let source_value = line.text_after(b",\"sv\":\"").map(PersonalText::new)?;
    line.end()?;
    Some(Intent {
        key,
        row,
        at,
        destination_provider,
        destination_value,
        source_provider,
        source_attribute,
        source_value,
    })
}

#[inline]
fn withdrawal(line: &mut Cursor<'_>) -> Option<Withdrawal> {
    let key = line.key()?;
    let row = RowNumber(line.number_after(b",\"row\":")?);
    let at = line.number_after(b",\"t\":")?.try_into().ok()?;
    line.end()?;
    Some(Withdrawal { key, row, at })
}

#[inline]
fn settlement<'a>(line: &mut Cursor<'a>) -> Option<Settlement<'a>> {
    let key = line.key()?;
    let row = RowNumber(line.number_after(b",\"row\":")?);
    let state = line.text_after(b",\"state\":\"")?;
    let at = line.number_after(b",\"t\":")?.try_into().ok()?;
    let attempts = line.number_after(b",\"n\":")?.try_into().ok()?;
    let request_id = line.optional_text(b",\"id\":\"")?;
    let code = line.optional_text(b",\"code\":\"")?;
    let recovered = line.skip(b",\"recovered\":true");
    let said = line.optional_text(b",\"said\":\"")?;
    let message = line.optional_text(b",\"message\":\"")?;
    line.end()?;
    Some(Settlement {
        key,
        row,
        state: state_of(state, code, recovered)?,
        at,
        attempts,
        request_id: request_id.map(Cow::Borrowed),
        recovered,
        said: said_of(said.map(Cow::Borrowed), message.map(Cow::Borrowed))?,
    })
}

#[inline]
fn unlink_settlement<'a>(line: &mut Cursor<'a>) -> Option<UnlinkSettlement<'a>> {
    let key = line.key()?;
    let row = RowNumber(line.number_after(b",\"row\":")?);
    let word = line.text_after(b",\"undo\":\"")?;
    let at = line.number_after(b",\"t\":")?.try_into().ok()?;
    let attempts = line.number_after(b",\"n\":")?.try_into().ok()?;
    let request_id = line.optional_text(b",\"id\":\"")?;
    let code = line.optional_text(b",\"code\":\"")?;
    let said = line.optional_text(b",\"said\":\"")?;
    let message = line.optional_text(b",\"message\":\"")?;
    line.end()?;
    Some(UnlinkSettlement {
        key,
        row,
        ended: unlink_end_of(word, code)?,
        at,
        attempts,
        request_id: request_id.map(Cow::Borrowed),
        said: said_of(said.map(Cow::Borrowed), message.map(Cow::Borrowed))?,
    })
}

/// What these members tell; `None` when they contradict each other.
pub(super) fn unlink_end_of(word: &str, code: Option<&str>) -> Option<UnlinkEnd> {
    Some(match (word, code) {
        ("undone", None) => UnlinkEnd::Undone,
        ("failed", None) => UnlinkEnd::Failed,
        ("in_doubt", None) => UnlinkEnd::InDoubt,
        ("withdrawn", None) => UnlinkEnd::Withdrawn,
        ("refused", Some(code)) => UnlinkEnd::Refused(RefusalCode::parse(code)?),
        _ => return None,
    })
}

#[inline]
fn invalid<'a>(line: &mut Cursor<'a>) -> Option<InvalidRow<'a>> {
    let code = finding_code(line.text()?)?;
    let row = RowNumber(line.number_after(b",\"row\":")?);
    let at_line = line.number_after(b",\"line\":")?;
    let field = line.number_after(b",\"field\":")?.try_into().ok()?;
    let column = line.text_after(b",\"column\":\"")?.into();
    let at = line.number_after(b",\"t\":")?.try_into().ok()?;
    line.end()?;
    Some(InvalidRow { code, row, line: at_line, field, column, at })
}

/// The state that these members tell; `None` when they contradict each other.
pub(super) fn state_of(state: &str, code: Option<&str>, recovered: bool) -> Option<RowState> {
    let state = match (state, code) {
        ("linked", None) => RowState::Linked,
        ("already_linked", None) => RowState::AlreadyLinked,
        ("failed", None) => RowState::Failed,
        ("in_doubt", None) => RowState::InDoubt,
        ("refused", Some(code)) => RowState::Refused(RefusalCode::parse(code)?),
        _ => return None,
    };
    (!recovered || state == RowState::Linked).then_some(state)
}

/// What the service said: code and message come together or not at all.
#[expect(
    clippy::option_option,
    reason = "the outer one is whether the members fit, the inner one whether they are there"
)]
pub(super) fn said_of<'a>(
    said: Option<Cow<'a, str>>,
    message: Option<Cow<'a, str>>,
) -> Option<Option<(Cow<'a, str>, PersonalText<'a>)>> {
    match (said, message) {
        (Some(code), Some(message)) => Some(Some((code, PersonalText::new(message)))),
        (None, None) => Some(None),
        _ => None,
    }
}

pub(super) fn finding_code(text: &str) -> Option<FindingCode> {
    FindingCode::ALL.iter().copied().find(|code| code.as_str() == text)
}

/// What is left of the bytes.
struct Cursor<'a> {
    rest: &'a [u8],
}

impl<'a> Cursor<'a> {
    /// Passes over the literal, if it comes next. Its length is a constant where this is called: one comparison.
    #[inline]
    fn skip<const N: usize>(&mut self, literal: &[u8; N]) -> bool {
        match self.rest.split_first_chunk() {
            Some((start, rest)) if start == literal => {
                self.rest = rest;
                true
            }
            _ => false,
        }
    }

    #[inline]
    fn number_after<const N: usize>(&mut self, literal: &[u8; N]) -> Option<u64> {
        if self.skip(literal) { self.number() } else { None }
    }

    #[inline]
    fn text_after<const N: usize>(&mut self, literal: &[u8; N]) -> Option<&'a str> {
        if self.skip(literal) { self.text() } else { None }
    }

    #[inline]
    #[expect(
        clippy::option_option,
        reason = "the outer one is whether it can be read, the inner one whether it is there"
    )]
    fn optional_text<const N: usize>(&mut self, literal: &[u8; N]) -> Option<Option<&'a str>> {
        if self.skip(literal) { self.text().map(Some) } else { Some(None) }
    }

    fn end(&mut self) -> Option<()> {
        self.skip(b"}\n").then_some(())
    }

    /// A key and its closing quote.
    fn key(&mut self) -> Option<RowKey> {
        let (digits, rest) = self.rest.split_at_checked(32)?;
        self.rest = rest;
        if self.skip(b"\"") { RowKey::parse(digits) } else { None }
    }

    /// Up to 19 digits, which any `u64` can hold, without a leading zero, as JSON has it.
    fn number(&mut self) -> Option<u64> {
        let mut value: u64 = 0;
        let mut digit_count = 0;
        for digit in self.rest.iter().map(|byte| byte.wrapping_sub(b'0')).take_while(|digit| *digit < 10) {
            value = value.wrapping_mul(10).wrapping_add(u64::from(digit));
            digit_count += 1;
        }
        let leading_zero = digit_count > 1 && self.rest.starts_with(b"0");
        if !(1..=19).contains(&digit_count) || leading_zero {
            return None;
        }
        self.rest = &self.rest[digit_count..];
        Some(value)
    }

    /// A text without escapes, and its closing quote.
    fn text(&mut self) -> Option<&'a str> {
        let length = plain_bytes(self.rest);
        let (text, rest) = self.rest.split_at(length);
        self.rest = rest;
        if self.skip(b"\"") { std::str::from_utf8(text).ok() } else { None }
    }
}
