//! JSON lines: one object a line, flat or in the shape of the API's request. An object is read member by member,
//! without building it.

use std::fmt::{self, Write};
use std::ops::Range;

use memchr::memchr;
use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};

use super::column_names::{ColumnName, ColumnNames};
use super::columns::{Column, ColumnSet};
use super::input_buffer::Extent;
use super::record::{ParsedRecord, RecordFault};
use super::row_check::{RowValues, ValueFault};
use crate::domain::finding::FindingCode;
use crate::limits::{JSON_DEPTH_MAX, RAW_EXCERPT_BYTES, RECORD_BYTES_MAX};

/// Parses JSON lines, and holds what the last object says about the columns. Members of nested objects are named by
/// their path, as in `SourceUser.ProviderName`, and those of arrays by their index, as in `identities[0].userId`, if one
/// of the known names has an index.
#[derive(Default)]
pub(super) struct JsonlParser {
    /// The texts of the members that give columns, one after the other.
    text: String,
    members: [Option<JsonMember>; Column::ALL.len()],
    unreadable: ColumnSet,
    faults: Vec<ValueFault>,
    /// The path of the member that is being read.
    path: String,
    /// The number of the outermost member that is being read, from 1.
    position: u32,
    is_too_deep: bool,
}

/// The member that gives a column.
struct JsonMember {
    position: u32,
    /// Its name, in the spelling of the option or of the documentation.
    name: String,
    text: Range<usize>,
}

/// Returns the bytes of the line at the start of `bytes` with its line end, if it has nothing but white space.
pub(super) fn blank_line_bytes(bytes: &[u8]) -> usize {
    let line_bytes = match memchr(b'\n', &bytes[..bytes.len().min(RECORD_BYTES_MAX + 1)]) {
        Some(at) => at + 1,
        None if bytes.len() <= RECORD_BYTES_MAX => bytes.len(),
        None => return 0,
    };
    if bytes[..line_bytes].trim_ascii().is_empty() { line_bytes } else { 0 }
}

impl JsonlParser {
    /// Parses the line that `bytes` start with, which are more than [`RECORD_BYTES_MAX`] or all that is left.
    pub(super) fn parse(&mut self, bytes: &[u8], names: &ColumnNames) -> ParsedRecord {
        let window = &bytes[..bytes.len().min(RECORD_BYTES_MAX + 1)];
        let line_end = memchr(b'\n', window);
        if line_end.is_none() && window.len() > RECORD_BYTES_MAX {
            let message = format!("is longer than {RECORD_BYTES_MAX} bytes; check for a missing line end");
            return ParsedRecord {
                length: RAW_EXCERPT_BYTES,
                extent: Extent::RestOfLine { carriage_return_ends: false },
                is_whole: false,
                fault: Some(RecordFault::new(FindingCode::RecordTooLong, message)),
            };
        }
        let line = &window[..line_end.unwrap_or(window.len())];
        let lines = u64::from(line_end.is_some());
        let extent = Extent::Bytes { count: line.len() + usize::from(line_end.is_some()), lines };
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        let fault = match str::from_utf8(line) {
            Ok(text) => self.read_object(text, names).err().map(|message| (FindingCode::InvalidJson, message)),
            Err(_) => Some((FindingCode::InvalidUtf8, "is not valid UTF-8; save the file as UTF-8".to_owned())),
        };
        let fault = fault.map(|(code, message)| RecordFault::new(code, message));
        ParsedRecord { length: line.len(), extent, is_whole: fault.is_none(), fault }
    }

    /// Fails with what is wrong with the line as JSON, without anything that the line contains.
    fn read_object(&mut self, line: &str, names: &ColumnNames) -> Result<(), String> {
        self.text.clear();
        self.members = Default::default();
        self.unreadable = ColumnSet::default();
        self.faults.clear();
        self.path.clear();
        self.position = 0;
        self.is_too_deep = false;
        let mut json = serde_json::Deserializer::from_str(line);
        let root = JsonNode { parser: self, names, depth: 0, name: None, has_named_members: true };
        match root.deserialize(&mut json).and_then(|()| json.end()) {
            Ok(()) if line.trim_ascii_start().starts_with('{') => Ok(()),
            Ok(()) => Err("is JSON but not an object; write one object per line".to_owned()),
            Err(_) if self.is_too_deep => Err(format!("is nested deeper than {JSON_DEPTH_MAX} levels")),
            // The parser's own text could quote the line.
            Err(fault) => {
                // The parser counts bytes, and people count characters.
                let before = line.get(..fault.column().saturating_sub(1));
                let place = before.map_or(fault.column(), |before| before.chars().count() + 1);
                Err(format!("is not JSON at column {place}; write one whole object per line"))
            }
        }
    }

    /// Returns the values of the object that was parsed last.
    pub(super) fn values<'v>(&'v self, names: &'v ColumnNames) -> RowValues<'v> {
        let texts = Column::ALL.map(|column| {
            let text = match (names.constant(column), &self.members[column.index()]) {
                (Some(constant), _) => constant,
                (None, Some(member)) => &self.text[member.text.clone()],
                (None, None) => names.default(column).unwrap_or_default(),
            };
            text.as_bytes()
        });
        RowValues { texts, unreadable: self.unreadable, preset_shape: names.preset_shape(), faults: &self.faults }
    }

    /// Returns the number of the outermost member that gives a column, from 1, and its name.
    pub(super) fn member_of(&self, column: Column) -> Option<(u32, &str)> {
        self.members[column.index()].as_ref().map(|member| (member.position, member.name.as_str()))
    }

    /// Takes the value of a member: a text, or what is wrong with the value.
    fn take(&mut self, names: &ColumnNames, name: Option<&ColumnName>, value: Result<&str, (FindingCode, &str)>) {
        let Some(name) = name else { return };
        for column in name.columns.iter() {
            if let Some(message) = self.conflict(names, column) {
                self.faults.push(ValueFault { code: FindingCode::DuplicateColumn, column, message });
                continue;
            }
            let start = self.text.len();
            self.text.push_str(value.unwrap_or_default());
            let spelling = names.mapped(column).unwrap_or(&name.text).to_owned();
            let member = JsonMember { position: self.position, name: spelling, text: start..self.text.len() };
            self.members[column.index()] = Some(member);
            if let Err((code, message)) = value {
                self.unreadable.insert(column);
                self.faults.push(ValueFault { code, column, message: message.to_owned() });
            }
        }
    }

    /// Returns a message if the object or an option gives the column already.
    fn conflict(&self, names: &ColumnNames, column: Column) -> Option<String> {
        match &self.members[column.index()] {
            Some(JsonMember { position, .. }) if *position == self.position => {
                Some(format!("member {position} has more than one {}; write a row for each", column.name()))
            }
            Some(JsonMember { position, .. }) => {
                Some(format!("members {position} and {} both mean {}; keep one of them", self.position, column.name()))
            }
            None => names
                .constant(column)
                .map(|_| format!("--set {} and the row both give it; remove one of them", column.name())),
        }
    }
}

/// A value of the object, on its way through the deserializer.
struct JsonNode<'p, 'n> {
    parser: &'p mut JsonlParser,
    names: &'n ColumnNames,
    depth: usize,
    /// The known name of the value.
    name: Option<&'n ColumnName>,
    /// Whether its members are looked up: inside of arrays only if a known name has an index.
    has_named_members: bool,
}

impl JsonNode<'_, '_> {
    fn take(self, value: Result<&str, (FindingCode, &str)>) {
        self.parser.take(self.names, self.name, value);
    }

    fn take_number(self) {
        self.take(Err((FindingCode::NumberDamaged, "is a JSON number and may have lost digits; quote it")));
    }

    /// Prepares for an object or an array. If `--map` names something in it, it is not the value of a known name.
    fn enter<E: Error>(&mut self) -> Result<(), E> {
        if self.has_named_members && self.name.is_some() && self.names.maps_inside(&self.parser.path) {
            self.name = None;
        }
        self.parser.is_too_deep |= self.depth >= JSON_DEPTH_MAX;
        if self.parser.is_too_deep { Err(E::custom("too deep")) } else { Ok(()) }
    }
}

impl<'t> DeserializeSeed<'t> for JsonNode<'_, '_> {
    type Value = ();

    fn deserialize<D: Deserializer<'t>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'t> Visitor<'t> for JsonNode<'_, '_> {
    type Value = ();

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a JSON value")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<(), E> {
        self.take(Ok(text));
        Ok(())
    }

    /// `null` is no value.
    fn visit_unit<E: Error>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_u64<E: Error>(self, _: u64) -> Result<(), E> {
        self.take_number();
        Ok(())
    }

    fn visit_i64<E: Error>(self, _: i64) -> Result<(), E> {
        self.take_number();
        Ok(())
    }

    fn visit_f64<E: Error>(self, _: f64) -> Result<(), E> {
        self.take_number();
        Ok(())
    }

    fn visit_bool<E: Error>(self, _: bool) -> Result<(), E> {
        self.take(Err((FindingCode::InvalidJson, "is true or false where a text is needed; quote the value")));
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'t>>(mut self, mut items: A) -> Result<(), A::Error> {
        self.enter()?;
        let depth = self.depth + 1;
        let has_named_members = self.has_named_members && self.name.is_none() && self.names.has_array_names;
        let path_length = self.parser.path.len();
        for index in 0_usize.. {
            let mut name = None;
            if has_named_members {
                self.parser.path.truncate(path_length);
                // Writing to a string does not fail.
                let _ = write!(self.parser.path, "[{index}]");
                name = self.names.find(&self.parser.path);
            }
            let item = JsonNode { parser: &mut *self.parser, names: self.names, depth, name, has_named_members };
            if items.next_element_seed(item)?.is_none() {
                break;
            }
        }
        self.parser.path.truncate(path_length);
        self.take(Err((FindingCode::InvalidJson, "is an array where a text is needed")));
        Ok(())
    }

    fn visit_map<A: MapAccess<'t>>(mut self, mut members: A) -> Result<(), A::Error> {
        self.enter()?;
        let depth = self.depth + 1;
        let has_named_members = self.has_named_members && self.name.is_none();
        let path_length = self.parser.path.len();
        loop {
            if path_length > 0 {
                self.parser.path.push('.');
            }
            if members.next_key_seed(JsonKey(&mut self.parser.path))?.is_none() {
                break;
            }
            self.parser.position += u32::from(self.depth == 0);
            let name = if has_named_members { self.names.find(&self.parser.path) } else { None };
            let member = JsonNode { parser: &mut *self.parser, names: self.names, depth, name, has_named_members };
            members.next_value_seed(member)?;
            self.parser.path.truncate(path_length);
        }
        self.parser.path.truncate(path_length);
        self.take(Err((FindingCode::InvalidJson, "is an object where a text is needed")));
        Ok(())
    }
}

/// Appends a member's name to the path.
struct JsonKey<'p>(&'p mut String);

impl<'t> DeserializeSeed<'t> for JsonKey<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'t>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for JsonKey<'_> {
    type Value = ();

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a member's name")
    }

    fn visit_str<E: Error>(self, name: &str) -> Result<(), E> {
        self.0.push_str(name);
        Ok(())
    }
}

#[cfg(test)]
mod tests;
