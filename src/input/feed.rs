//! A window on the decoded bytes: always a whole record in view, never more memory than one buffer.

use std::io::{self, Read};

use super::encoding::Bytes;
use crate::limits::{READ_BUFFER_BYTES, RECORD_BYTES_MAX};

/// The longest record and its line end: with this much in view, or all there is, a record never needs a second look.
const VIEW_BYTES: usize = RECORD_BYTES_MAX + 2;

/// What is let go of when the window moves on.
#[derive(Debug, Clone, Copy)]
enum Held {
    Bytes { count: usize, lines: u64 },
    RestOfLine { carriage_return_ends: bool },
}

/// The window. The record that was looked at last stays in view until the next [`Feed::advance`].
pub(super) struct Feed {
    reader: Bytes,
    buffer: Box<[u8]>,
    start: usize,
    end: usize,
    ended: bool,
    line: u64,
    held: Held,
}

impl Feed {
    pub(super) fn new(reader: Bytes) -> Self {
        let buffer = vec![0; VIEW_BYTES + READ_BUFFER_BYTES].into_boxed_slice();
        Self { reader, buffer, start: 0, end: 0, ended: false, line: 1, held: Held::Bytes { count: 0, lines: 0 } }
    }

    /// Lets go of what was held and brings at least the longest record into view, or all that is left.
    pub(super) fn advance(&mut self) -> io::Result<()> {
        match self.held {
            Held::Bytes { count, lines } => {
                self.start += count;
                self.line += lines;
            }
            Held::RestOfLine { carriage_return_ends } => self.skip_line(carriage_return_ends)?,
        }
        self.held = Held::Bytes { count: 0, lines: 0 };
        self.top_up()
    }

    /// What is in view, from the start of the next record; empty at the end.
    pub(super) fn view(&self) -> &[u8] {
        &self.buffer[self.start..self.end]
    }

    /// The line at which the view starts, from 1.
    pub(super) fn line(&self) -> u64 {
        self.line
    }

    /// The next record takes up this many bytes and lines.
    pub(super) fn hold(&mut self, count: usize, lines: u64) {
        self.held = Held::Bytes { count, lines };
    }

    /// The next record takes up the whole line, however long it is.
    pub(super) fn hold_line(&mut self, carriage_return_ends: bool) {
        self.held = Held::RestOfLine { carriage_return_ends };
    }

    fn top_up(&mut self) -> io::Result<()> {
        if self.ended || self.end - self.start >= VIEW_BYTES {
            return Ok(());
        }
        self.buffer.copy_within(self.start..self.end, 0);
        self.end -= self.start;
        self.start = 0;
        while !self.ended && self.end < VIEW_BYTES {
            match self.reader.read(&mut self.buffer[self.end..]) {
                Ok(0) => self.ended = true,
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
            self.top_up()?;
            let view = self.view();
            let Some(at) = view.iter().position(ends) else {
                self.start = self.end;
                if self.ended {
                    return Ok(());
                }
                continue;
            };
            if view[at] == b'\r' && at + 1 == view.len() && !self.ended {
                // The line feed that belongs to it may not be in view yet.
                self.start += at;
                continue;
            }
            self.start += at + line_end_bytes(&view[at..]);
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
        let mut feed = Feed::new(Box::new(Trickle(b"one\ntwo".to_vec(), false)));
        feed.advance().unwrap();
        assert_eq!((feed.view(), feed.line()), (&b"one\ntwo"[..], 1));
        feed.hold(4, 1);
        feed.advance().unwrap();
        assert_eq!((feed.view(), feed.line()), (&b"two"[..], 2));
    }

    #[test]
    fn a_line_of_any_length_is_skipped_in_bounded_memory() {
        for end in ["\n", "\r\n", "\r"] {
            // Lengths around the buffer's, so that the line end falls on either side of its edge.
            for spare in 0..4 {
                let long = "x".repeat(VIEW_BYTES + READ_BUFFER_BYTES - spare);
                let mut feed = Feed::new(Box::new(io::Cursor::new(format!("{long}{end}next").into_bytes())));
                feed.advance().unwrap();
                feed.hold_line(true);
                feed.advance().unwrap();
                assert_eq!((feed.view(), feed.line()), (&b"next"[..], 2), "{end:?} {spare}");
            }
        }
        let mut feed = Feed::new(Box::new(io::Cursor::new(b"without an end".to_vec())));
        feed.advance().unwrap();
        feed.hold_line(false);
        feed.advance().unwrap();
        assert_eq!((feed.view(), feed.line()), (&b""[..], 1));
    }
}
