//! What the parsers of both formats return for a record.

use super::input_buffer::Extent;
use crate::domain::finding::FindingCode;

/// A record as far as its format goes; its values are read from the parser.
pub(super) struct ParsedRecord {
    /// Bytes without the line end; of a record that is too long, of an excerpt.
    pub(super) length: usize,
    pub(super) extent: Extent,
    /// Whether a result file can add columns to it.
    pub(super) is_whole: bool,
    /// Why it has no values.
    pub(super) fault: Option<RecordFault>,
}

pub(super) struct RecordFault {
    pub(super) code: FindingCode,
    pub(super) message: String,
    /// Lines between the start of the record and the fault.
    pub(super) line_offset: u64,
    /// The faulty field of a CSV record, from 0.
    pub(super) field: Option<usize>,
}

impl RecordFault {
    pub(super) fn new(code: FindingCode, message: String) -> Self {
        Self { code, message, line_offset: 0, field: None }
    }
}
