//! Gzip of any number of members, with or without the zeros that tapes and block devices pad files with.

use std::io::{self, BufRead, BufReader, Read};

use flate2::bufread::GzDecoder;

use crate::limits::READ_BUFFER_BYTES;

/// The first byte of a member.
const MAGIC: u8 = 0x1f;

/// Unpacks one member after the other.
pub(super) struct Members<R> {
    /// The member being unpacked; `None` at the end.
    member: Option<GzDecoder<BufReader<R>>>,
}

impl<R: Read> Members<R> {
    pub(super) fn new(packed: R) -> Self {
        Self { member: Some(GzDecoder::new(BufReader::with_capacity(READ_BUFFER_BYTES, packed))) }
    }
}

impl<R: Read> Read for Members<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if buffer.is_empty() {
            return Ok(0);
        }
        while let Some(member) = &mut self.member {
            let count = member.read(buffer)?;
            if count > 0 {
                return Ok(count);
            }
            let has_next = has_next_member(member.get_mut());
            let ended = self.member.take();
            if has_next? {
                self.member = ended.map(|member| GzDecoder::new(member.into_inner()));
            }
        }
        Ok(0)
    }
}

/// Whether another member follows; whatever is neither that nor zeros to the end is damage.
fn has_next_member(packed: &mut impl BufRead) -> io::Result<bool> {
    let mut is_padded = false;
    loop {
        let rest = match packed.fill_buf() {
            Err(fault) if fault.kind() == io::ErrorKind::Interrupted => continue,
            rest => rest?,
        };
        match rest.iter().find(|byte| **byte != 0) {
            None if rest.is_empty() => return Ok(false),
            None => is_padded = true,
            Some(_) if rest[0] == MAGIC && !is_padded => return Ok(true),
            Some(_) => return Err(io::Error::new(io::ErrorKind::InvalidData, "something else stands behind it")),
        }
        let zeros = rest.len();
        packed.consume(zeros);
    }
}
