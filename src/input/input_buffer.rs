//! A window on the decoded bytes: the next record is always in it as a whole, in memory that does not grow.

use std::io::{self, Read};

use super::encoding::Bytes;
use crate::limits::{READ_BUFFER_BYTES, RECORD_BYTES_MAX};

/// The longest record and its line end. With this much unread, or everything that is left, a record can be judged.
const RECORD_AND_LINE_END_BYTES: usize = RECORD_BYTES_MAX + 2;

/// How far a record reaches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Extent {
    Bytes {
        count: usize,
        lines: u64,
    },
    /// To the end of the line, however long it is.
    RestOfLine {
        carriage_return_ends: bool,
    },
}

/// The window. A record that was consumed stays readable until the next [`InputBuffer::advance`].
pub(super) struct InputBuffer {
    reader: Bytes,
    buffer: Box<[u8]>,
    start: usize,
    end: usize,
    is_at_end: bool,
    line: u64,
    consumed: Extent,
}

impl InputBuffer {
    pub(super) fn new(reader: Bytes) -> Self {
        let buffer = vec![0; RECORD_AND_LINE_END_BYTES + READ_BUFFER_BYTES].into_boxed_slice();
        let consumed = Extent::Bytes { count: 0, lines: 0 };
        Self { reader, buffer, start: 0, end: 0, is_at_end: false, line: 1, consumed }
    }

    /// Drops what was consumed, and reads until the longest record would be in the window, or the end is.
    pub(super) fn advance(&mut self) -> io::Result<()> {
        match std::mem::replace(&mut self.consumed, Extent::Bytes { count: 0, lines: 0 }) {
            Extent::Bytes { count, lines } => {
                self.start += count;
                self.line += lines;
            }
            Extent::RestOfLine { carriage_return_ends } => self.skip_line(carriage_return_ends)?,
        }
        self.fill()
    }

    /// The bytes from the start of the current record; empty at the end.
    pub(super) fn unread(&self) -> &[u8] {
        &self.buffer[self.start..self.end]
    }

    /// The line at which the current record starts, from 1.
    pub(super) fn line(&self) -> u64 {
        self.line
    }

    pub(super) fn consume(&mut self, extent: Extent) {
        self.consumed = extent;
    }

    fn fill(&mut self) -> io::Result<()> {
        if self.is_at_end || self.end - self.start >= RECORD_AND_LINE_END_BYTES {
            return Ok(());
        }
        self.buffer.copy_within(self.start..self.end, 0);
        self.end -= self.start;
        self.start = 0;
        while !self.is_at_end && self.end < RECORD_AND_LINE_END_BYTES {
            match self.reader.read(&mut self.buffer[self.end..]) {
                Ok(0) => self.is_at_end = true,
                Ok(count) => self.end += count,
                Err(fault) if fault.kind() == io::ErrorKind::Interrupted => {}
                Err(fault) => return Err(fault),
            }
        }
        Ok(())
    }

    fn skip_line(&mut self, carriage_return_ends: bool) -> io::Result<()> {
        let ends = |byte: &u8| *byte == b'\n' || (carriage_return_ends && *byte == b'\r');
        loop {
            self.fill()?;
            let unread = self.unread();
            let Some(at) = unread.iter().position(ends) else {
                self.start = self.end;
                if self.is_at_end {
                    return Ok(());
                }
                continue;
            };
            if unread[at] == b'\r' && at + 1 == unread.len() && !self.is_at_end {
                // The line feed that belongs to it may not have been read yet.
                self.start += at;
                continue;
            }
            self.start += at + line_end_bytes(&unread[at..]);
            self.line += 1;
            return Ok(());
        }
    }
}

/// The length of the line end at the start of `bytes`: CR LF is one, LF and CR alone are one each.
pub(super) fn line_end_bytes(bytes: &[u8]) -> usize {
    match bytes {
        [b'\r', b'\n', ..] => 2,
        [b'\r' | b'\n', ..] => 1,
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Hands out one byte at a time, and is interrupted before each.
    struct Trickle(Vec<u8>, bool);

    impl Read for Trickle {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            self.1 = !self.1;
            if self.1 {
                return Err(io::ErrorKind::Interrupted.into());
            }
            if self.0.is_empty() {
                return Ok(0);
            }
            buffer[0] = self.0.remove(0);
            Ok(1)
        }
    }

    #[test]
    fn slow_and_interrupted_reads_are_put_together() {
        let mut buffer = InputBuffer::new(Box::new(Trickle(b"one\ntwo".to_vec(), false)));
        buffer.advance().unwrap();
        assert_eq!((buffer.unread(), buffer.line()), (&b"one\ntwo"[..], 1));
        buffer.consume(Extent::Bytes { count: 4, lines: 1 });
        buffer.advance().unwrap();
        assert_eq!((buffer.unread(), buffer.line()), (&b"two"[..], 2));
    }

    #[test]
    fn a_line_of_any_length_is_skipped_in_bounded_memory() {
        for end in ["\n", "\r\n", "\r"] {
            // Lengths around the buffer's, so that the line end falls on either side of its edge.
            for spare in 0..4 {
                let long = "x".repeat(RECORD_AND_LINE_END_BYTES + READ_BUFFER_BYTES - spare);
                let mut buffer = InputBuffer::new(Box::new(io::Cursor::new(format!("{long}{end}next").into_bytes())));
                buffer.advance().unwrap();
                buffer.consume(Extent::RestOfLine { carriage_return_ends: true });
                buffer.advance().unwrap();
                assert_eq!((buffer.unread(), buffer.line()), (&b"next"[..], 2), "{end:?} {spare}");
            }
        }
        let mut buffer = InputBuffer::new(Box::new(io::Cursor::new(b"without an end".to_vec())));
        buffer.advance().unwrap();
        buffer.consume(Extent::RestOfLine { carriage_return_ends: false });
        buffer.advance().unwrap();
        assert_eq!((buffer.unread(), buffer.line()), (&b""[..], 1));
    }
}
