//! Rows of JSON lines: one object a line, flat or in the shape of the API's request.

use std::io;

use super::across::Cursor;
use super::check::Report;
use super::feed::Feed;
use super::harvest::Harvest;
use super::naming::Naming;
use super::record::{Glimpse, Layout, RawRecord, RawShape};
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
    across: Option<Cursor>,
    rows: u64,
    blank_lines: u64,
    raw_length: usize,
    raw_is_object: bool,
}

impl JsonlRows {
    pub(super) fn open(feed: Feed, naming: Naming) -> Self {
        let (layout, path, across) = (Layout::jsonl(), String::new(), None);
        Self { feed, naming, layout, path, across, rows: 0, blank_lines: 0, raw_length: 0, raw_is_object: false }
    }

    /// From here on rows are also told what is known of them beside the others.
    pub(super) fn look_across(&mut self, across: Cursor) {
        self.across = Some(across);
    }

    /// Shows the next row; `None` at the end. Lines of nothing but space are counted and passed over.
    pub(super) fn visit<T>(&mut self, see: impl FnOnce(Glimpse<'_>) -> T) -> io::Result<Option<T>> {
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
                return Ok(Some(see(self.too_long())));
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
            let seen = self.row(see);
            self.feed.hold(length + usize::from(line_end.is_some()), u64::from(line_end.is_some()));
            return Ok(Some(seen));
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

    fn too_long(&mut self) -> Glimpse<'static> {
        self.raw_length = RAW_EXCERPT_BYTES;
        self.raw_is_object = false;
        self.feed.hold_line(false);
        self.faulty(
            FindingCode::RecordTooLong,
            format!("is longer than {RECORD_BYTES_MAX} bytes; is a line end missing"),
        )
    }

    fn row<T>(&mut self, see: impl FnOnce(Glimpse<'_>) -> T) -> T {
        self.raw_is_object = false;
        let Ok(text) = std::str::from_utf8(&self.feed.view()[..self.raw_length]) else {
            return see(self.faulty(FindingCode::InvalidUtf8, "is not valid UTF-8; save the file as UTF-8".to_owned()));
        };
        let mut harvest = Harvest::new(&self.naming, std::mem::take(&mut self.path));
        let seen = match harvest.read(text) {
            Ok(()) => {
                self.raw_is_object = true;
                harvest.judge(RowNumber(self.rows), self.feed.line(), self.across.as_ref(), see)
            }
            Err(message) => see(self.faulty(FindingCode::InvalidJson, message)),
        };
        self.path = harvest.path;
        seen
    }

    fn faulty(&self, code: FindingCode, message: String) -> Glimpse<'static> {
        let nowhere = |_| (0, String::new());
        let (number, line) = (RowNumber(self.rows), self.feed.line());
        let mut report = Report::new(number, line, &nowhere, &[]);
        report.add_row(code, message);
        Glimpse { number, line, asked: None, findings: report.into_findings() }
    }
}

#[cfg(test)]
mod tests;
