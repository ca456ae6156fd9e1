//! Rows of JSON lines: one object a line, flat or in the shape of the API's request.

use std::io;

use super::check::Report;
use super::feed::Feed;
use super::harvest::Harvest;
use super::naming::Naming;
use super::record::{Layout, RawRecord, RawShape, Record};
use super::words;
use crate::domain::finding::FindingCode;
use crate::domain::row::RowNumber;
use crate::limits::{RAW_EXCERPT_BYTES, RECORD_BYTES_MAX};

/// JSON lines from the first one on.
pub(super) struct JsonlRows {
    feed: Feed,
    naming: Naming,
    layout: Layout,
    /// The path of the member being read, kept to spare an allocation a member.
    path: String,
    rows: u64,
    blank_lines: u64,
    raw_length: usize,
    raw_is_object: bool,
}

impl JsonlRows {
    pub(super) fn open(feed: Feed, naming: Naming) -> Self {
        let (layout, path) = (Layout::jsonl(), String::new());
        Self { feed, naming, layout, path, rows: 0, blank_lines: 0, raw_length: 0, raw_is_object: false }
    }

    /// The next row; `None` at the end. Lines of nothing but space are counted and passed over.
    pub(super) fn next_record(&mut self) -> io::Result<Option<Record>> {
        self.raw_length = 0;
        loop {
            self.feed.advance()?;
            let view = self.feed.view();
            if view.is_empty() {
                return Ok(None);
            }
            let window = &view[..view.len().min(RECORD_BYTES_MAX + 1)];
            let before_end = words::bytes_before(window, [b'\n'; 3]);
            let line_end = (before_end < window.len()).then_some(before_end);
            if line_end.is_none() && window.len() > RECORD_BYTES_MAX {
                self.rows += 1;
                return Ok(Some(self.too_long()));
            }
            let length = line_end.unwrap_or(window.len());
            let line = &window[..length];
            self.raw_length = line.strip_suffix(b"\r").unwrap_or(line).len();
            if line.trim_ascii().is_empty() {
                self.blank_lines += 1;
                self.feed.hold(length + usize::from(line_end.is_some()), 1);
                continue;
            }
            self.rows += 1;
            let record = self.row();
            self.feed.hold(length + usize::from(line_end.is_some()), u64::from(line_end.is_some()));
            return Ok(Some(record));
        }
    }

    /// The record last returned, as it stands in the file.
    pub(super) fn raw(&self) -> RawRecord<'_> {
        let shape = if self.raw_is_object { RawShape::Object } else { RawShape::Broken };
        RawRecord { bytes: &self.feed.view()[..self.raw_length], shape }
    }

    pub(super) fn layout(&self) -> &Layout {
        &self.layout
    }

    pub(super) fn line(&self) -> u64 {
        self.feed.line()
    }

    pub(super) fn blank_lines(&self) -> u64 {
        self.blank_lines
    }

    fn too_long(&mut self) -> Record {
        self.raw_length = RAW_EXCERPT_BYTES;
        self.raw_is_object = false;
        self.feed.hold_line(false);
        self.faulty(
            FindingCode::RecordTooLong,
            format!("is longer than {RECORD_BYTES_MAX} bytes; is a line end missing"),
        )
    }

    fn row(&mut self) -> Record {
        self.raw_is_object = false;
        let Ok(text) = std::str::from_utf8(&self.feed.view()[..self.raw_length]) else {
            return self.faulty(FindingCode::InvalidUtf8, "is not valid UTF-8; save the file as UTF-8".to_owned());
        };
        let mut harvest = Harvest::new(&self.naming, std::mem::take(&mut self.path));
        let record = match harvest.read(text) {
            Ok(()) => {
                self.raw_is_object = true;
                harvest.judge(RowNumber(self.rows), self.feed.line())
            }
            Err(message) => self.faulty(FindingCode::InvalidJson, message),
        };
        self.path = harvest.path;
        record
    }

    fn faulty(&self, code: FindingCode, message: String) -> Record {
        let nowhere = |_| (0, String::new());
        let mut report = Report::new(RowNumber(self.rows), self.feed.line(), &nowhere, &[]);
        report.add_row(code, message);
        Record { number: RowNumber(self.rows), line: self.feed.line(), link: None, findings: report.into_findings() }
    }
}

#[cfg(test)]
mod tests;
