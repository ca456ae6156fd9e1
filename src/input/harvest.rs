//! What one JSON object says about the columns: read member by member, without building the object.

use std::borrow::Cow;
use std::fmt::{self, Write};

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};

use super::across::Cursor;
use super::check::{self, Report, Values};
use super::columns::Column;
use super::naming::{Name, Naming};
use super::record::Glimpse;
use crate::domain::finding::FindingCode;
use crate::domain::row::RowNumber;
use crate::limits::JSON_DEPTH_MAX;

/// The values of one object. Members of objects inside are named by their path, as in `SourceUser.ProviderName`, and
/// those of arrays by their place, as in `identities[0].userId`, where a name of the run asks for it.
pub(super) struct Harvest<'n, 't> {
    naming: &'n Naming,
    /// The path of the member being read. Handed in and taken back, to spare an allocation a row.
    pub(super) path: String,
    values: Values<'t>,
    /// Where each column was found: the position of the outermost member, from 1, and its known name.
    places: [Option<(u32, &'n str)>; Column::ALL.len()],
    faults: Vec<(FindingCode, Column, String)>,
    position: u32,
    too_deep: bool,
}

impl<'n, 't> Harvest<'n, 't> {
    pub(super) fn new(naming: &'n Naming, mut path: String) -> Self {
        path.clear();
        let (values, places) = (Values::default(), [None; Column::ALL.len()]);
        Self { naming, path, values, places, faults: Vec::new(), position: 0, too_deep: false }
    }

    /// Reads a line.
    ///
    /// # Errors
    /// What is wrong with the line as JSON, without anything of what it holds.
    pub(super) fn read(&mut self, line: &'t str) -> Result<(), String> {
        let mut parser = serde_json::Deserializer::from_str(line);
        let root = Node { harvest: self, depth: 0, wanted: None, named: true };
        let read = root.deserialize(&mut parser).and_then(|()| parser.end());
        match read {
            Ok(()) if line.trim_ascii_start().starts_with('{') => Ok(()),
            Ok(()) => Err("is JSON but not an object; give one object a line".to_owned()),
            Err(_) if self.too_deep => Err(format!("is nested deeper than {JSON_DEPTH_MAX} levels")),
            // The parser's own text could quote the line.
            Err(fault) => Err(format!("is not JSON at byte {}; give one whole object a line", fault.column())),
        }
    }

    /// Shows the link that the object asks for, and everything that is wrong with it.
    pub(super) fn judge<T>(
        &mut self,
        number: RowNumber,
        line: u64,
        across: Option<&Cursor>,
        see: impl FnOnce(Glimpse<'_>) -> T,
    ) -> T {
        for column in Column::ALL {
            if let Some(constant) = self.naming.constant(column) {
                self.values.put(column, Cow::Owned(constant.to_owned()));
            } else if let Some(default) = self.naming.default(column)
                && self.places[column.index()].is_none()
            {
                self.values.put(column, Cow::Borrowed(default));
            }
        }
        let locate = |column: Column| match self.places[column.index()] {
            Some((position, name)) => (position, name.to_owned()),
            None => (0, self.naming.mapped(column).unwrap_or(column.name()).to_owned()),
        };
        let mut report = Report::new(number, line, &locate, self.naming.allowed());
        for (code, column, message) in self.faults.drain(..) {
            report.add_certain(code, column, message);
        }
        let asked = check::judge(&self.values, number, across, &mut report);
        see(Glimpse { number, line, asked, findings: report.into_findings() })
    }

    fn found_wrong(&mut self, wanted: Option<&'n Name>, code: FindingCode, told: &str) {
        for (column, name) in columns(wanted) {
            if self.claim(column, name) {
                self.values.put_unreadable(column);
                self.faults.push((code, column, told.to_owned()));
            }
        }
    }

    /// Notes where a column stands; false, with a finding, where the object or an option gives it already.
    fn claim(&mut self, column: Column, name: &'n Name) -> bool {
        let told = match (self.places[column.index()], self.naming.constant(column)) {
            (Some((first, _)), _) if first == self.position => {
                format!("member {first} holds more than one {}; write a row for each", column.name())
            }
            (Some((first, _)), _) => {
                format!("members {first} and {} both mean {}; keep one of them", self.position, column.name())
            }
            (None, Some(_)) => format!("--set {} and the row both give it; drop one of them", column.name()),
            (None, None) => {
                self.places[column.index()] = Some((self.position, self.naming.spelling(column, name)));
                return true;
            }
        };
        self.faults.push((FindingCode::DuplicateColumn, column, told));
        false
    }
}

/// The columns of a name, each with it.
fn columns(name: Option<&Name>) -> impl Iterator<Item = (Column, &Name)> {
    name.into_iter().flat_map(|name| name.columns().iter().map(move |column| (column, name)))
}

/// One value on its way through the parser.
struct Node<'h, 'n, 't> {
    harvest: &'h mut Harvest<'n, 't>,
    depth: usize,
    /// Its name, where columns stand under it.
    wanted: Option<&'n Name>,
    /// Whether its members have names: inside arrays only where a name of the run asks for it.
    named: bool,
}

impl Node<'_, '_, '_> {
    fn check_depth<E: Error>(&mut self) -> Result<(), E> {
        if self.depth < JSON_DEPTH_MAX {
            return Ok(());
        }
        self.harvest.too_deep = true;
        Err(E::custom("too deep"))
    }

    fn wrong(self, code: FindingCode, told: &str) {
        self.harvest.found_wrong(self.wanted, code, told);
    }

    fn number(self) {
        self.wrong(FindingCode::NumberDamaged, "is a JSON number, which may have lost digits; quote it");
    }
}

impl<'t> DeserializeSeed<'t> for Node<'_, '_, 't> {
    type Value = ();

    fn deserialize<D: Deserializer<'t>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'t> Visitor<'t> for Node<'_, '_, 't> {
    type Value = ();

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a JSON value")
    }

    fn visit_borrowed_str<E: Error>(self, text: &'t str) -> Result<(), E> {
        for (column, name) in columns(self.wanted) {
            if self.harvest.claim(column, name) {
                self.harvest.values.put(column, Cow::Borrowed(text));
            }
        }
        Ok(())
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<(), E> {
        for (column, name) in columns(self.wanted) {
            if self.harvest.claim(column, name) {
                self.harvest.values.put(column, Cow::Owned(text.to_owned()));
            }
        }
        Ok(())
    }

    fn visit_unit<E: Error>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_u64<E: Error>(self, _: u64) -> Result<(), E> {
        self.number();
        Ok(())
    }

    fn visit_i64<E: Error>(self, _: i64) -> Result<(), E> {
        self.number();
        Ok(())
    }

    fn visit_f64<E: Error>(self, _: f64) -> Result<(), E> {
        self.number();
        Ok(())
    }

    fn visit_bool<E: Error>(self, _: bool) -> Result<(), E> {
        self.wrong(FindingCode::InvalidJson, "is true or false where a text is needed; quote the value");
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'t>>(mut self, mut items: A) -> Result<(), A::Error> {
        self.check_depth()?;
        let depth = self.depth + 1;
        let named = self.named && self.wanted.is_none() && self.harvest.naming.names_items();
        let mark = self.harvest.path.len();
        for index in 0_usize.. {
            let mut wanted = None;
            if named {
                self.harvest.path.truncate(mark);
                // Writing to a text does not fail.
                let _ = write!(self.harvest.path, "[{index}]");
                wanted = self.harvest.naming.find(&self.harvest.path);
            }
            if items.next_element_seed(Node { harvest: &mut *self.harvest, depth, wanted, named })?.is_none() {
                break;
            }
        }
        self.harvest.path.truncate(mark);
        self.wrong(FindingCode::InvalidJson, "is an array where a text is needed");
        Ok(())
    }

    fn visit_map<A: MapAccess<'t>>(mut self, mut members: A) -> Result<(), A::Error> {
        self.check_depth()?;
        let depth = self.depth + 1;
        let named = self.named && self.wanted.is_none();
        let mark = self.harvest.path.len();
        loop {
            if mark > 0 {
                self.harvest.path.push('.');
            }
            if members.next_key_seed(Key(&mut self.harvest.path))?.is_none() {
                break;
            }
            self.harvest.position += u32::from(self.depth == 0);
            let wanted = if named { self.harvest.naming.find(&self.harvest.path) } else { None };
            members.next_value_seed(Node { harvest: &mut *self.harvest, depth, wanted, named })?;
            self.harvest.path.truncate(mark);
        }
        self.harvest.path.truncate(mark);
        self.wrong(FindingCode::InvalidJson, "is an object where a text is needed");
        Ok(())
    }
}

/// Puts a member's name on the path.
struct Key<'p>(&'p mut String);

impl<'t> DeserializeSeed<'t> for Key<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'t>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for Key<'_> {
    type Value = ();

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a member's name")
    }

    fn visit_str<E: Error>(self, name: &str) -> Result<(), E> {
        self.0.push_str(name);
        Ok(())
    }
}
