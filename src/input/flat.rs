//! The quick way through a line of JSON: one flat object of plain texts, as nearly every line is, read without a parser.
//!
//! Whatever is not as plain as that (an escape, a letter beyond ASCII, a number, an object inside, a member that stands
//! twice, anything that is no JSON) goes the way of [`super::harvest`], which alone knows what to say of it.

use super::columns::Column;
use super::naming::{Name, Naming};
use super::words;
use crate::limits::{PLAIN_MEMBER_NAME_BYTES_MAX, PLAIN_MEMBERS_MAX};

/// The values of a line by column; empty where there is none.
pub(super) type Texts<'t> = [&'t [u8]; Column::ALL.len()];

/// Reads plain lines, and remembers the names of the last one's members: the next line mostly has the same.
#[derive(Default)]
pub(super) struct Flat {
    members: Vec<Member>,
}

/// What stands under a name.
struct Member {
    name: Vec<u8>,
    column: Option<Column>,
}

impl Flat {
    /// The values that a line has for the columns; `None` where it is not plain.
    pub(super) fn read<'t>(&mut self, line: &'t [u8], naming: &'t Naming) -> Option<Texts<'t>> {
        let mut texts: [Option<&[u8]>; Column::ALL.len()] = [None; Column::ALL.len()];
        let mut rest = skip(after_space(line), b'{')?;
        for at in 0..PLAIN_MEMBERS_MAX {
            let (column, value) = self.member(at, after_space(rest), naming)?;
            let value = after_space(skip(after_space(value), b':')?);
            rest = match column {
                Some(column) => {
                    let (text, behind) = text(value)?;
                    if texts[column.index()].replace(text).is_some() {
                        return None;
                    }
                    behind
                }
                None => unused(value)?,
            };
            rest = after_space(rest);
            if let Some(end) = skip(rest, b'}') {
                return after_space(end).is_empty().then(|| with_the_rest(&texts, naming)).flatten();
            }
            rest = skip(rest, b',')?;
        }
        None
    }

    /// The column of the member that starts here, and what stands behind its name.
    fn member<'t>(&mut self, at: usize, line: &'t [u8], naming: &Naming) -> Option<(Option<Column>, &'t [u8])> {
        let start = skip(line, b'"')?;
        if let Some(known) = self.members.get(at)
            && let Some(rest) = start.strip_prefix(known.name.as_slice())
            && let Some(rest) = skip(rest, b'"')
        {
            return Some((known.column, rest));
        }
        let (name, rest) = text(line)?;
        let columns = naming.find(str::from_utf8(name).ok()?).map(Name::columns).unwrap_or_default();
        let column = columns.iter().next();
        if columns.iter().nth(1).is_some() || name.len() > PLAIN_MEMBER_NAME_BYTES_MAX {
            return None;
        }
        self.members.truncate(at);
        self.members.push(Member { name: name.to_vec(), column });
        Some((column, rest))
    }
}

/// With the values that the options and the preset give. A column that an option gives must not stand in the line too.
fn with_the_rest<'t>(found: &[Option<&'t [u8]>; Column::ALL.len()], naming: &'t Naming) -> Option<Texts<'t>> {
    let mut texts = Texts::default();
    for (column, text) in Column::ALL.into_iter().zip(found) {
        texts[column.index()] = match (naming.constant(column), text) {
            (Some(_), Some(_)) => return None,
            (Some(constant), None) => constant.as_bytes(),
            (None, Some(text)) => text,
            (None, None) => naming.default(column).unwrap_or_default().as_bytes(),
        };
    }
    Some(texts)
}

/// What stands behind this byte, where it is the next.
fn skip(line: &[u8], byte: u8) -> Option<&[u8]> {
    line.split_first().filter(|(first, _)| **first == byte).map(|(_, rest)| rest)
}

/// What stands behind the space that JSON allows between its parts.
fn after_space(mut line: &[u8]) -> &[u8] {
    while let [b' ' | b'\t' | b'\n' | b'\r', rest @ ..] = line {
        line = rest;
    }
    line
}

/// The quoted text that starts here, and what stands behind it.
fn text(line: &[u8]) -> Option<(&[u8], &[u8])> {
    let start = skip(line, b'"')?;
    let (text, rest) = start.split_at(words::plain_bytes(start));
    Some((text, skip(rest, b'"')?))
}

/// What stands behind a value that no column wants.
fn unused(value: &[u8]) -> Option<&[u8]> {
    let words: [&[u8]; 3] = [b"true", b"false", b"null"];
    match words.iter().find_map(|word| value.strip_prefix(*word)) {
        Some(rest) => Some(rest),
        None => text(value).map(|(_, rest)| rest),
    }
}

#[cfg(test)]
mod tests;
