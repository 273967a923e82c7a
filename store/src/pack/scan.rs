//! The entries of a pack, one after another, while it arrives in pieces of any size.

use crate::{
    Error,
    objects::entry::{EntryContent, EntryHeader, MAX_ENTRY_HEADER},
    pack::PackLimits,
};
use flate2::{Decompress, FlushDecompress, Status};

/// Length of the header of a pack.
pub(crate) const HEADER: usize = gix_pack::data::header::SIZE;
/// Length of the checksum at the end of a pack.
pub(crate) const TRAILER: usize = 20;
/// Room that an object gets at once while it is inflated: what it says of its size is not believed.
const ROOM: usize = 64 << 10;
/// Room beyond the end: inflating is fast while the longest match (258 bytes) surely fits.
const SLACK: usize = 512;

/// One entry of a pack.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Entry {
    /// Where its header begins.
    pub(crate) offset: u64,
    /// Bytes of header and zlib stream.
    pub(crate) length: u32,
    /// How it encodes its object.
    pub(crate) content: EntryContent,
}

/// What the next bytes are.
enum State {
    PackHeader,
    EntryHeader,
    Stream(EntryHeader),
    Trailer,
}

/// Reads the entries of a complete or thin pack.
pub(crate) struct Scanner {
    state: State,
    /// Bytes of a header or of the trailer that is not complete.
    partial: Vec<u8>,
    inflate: Decompress,
    /// What has come of the entry at hand.
    content: Vec<u8>,
    /// Where the entry at hand begins.
    start: u64,
    /// How much of the pack was read, without its trailer.
    offset: u64,
    /// Entries read.
    read: u32,
    /// Entries that the pack declares, once that is known.
    count: u32,
    excess: u64,
}

impl Scanner {
    /// A scanner that has read nothing.
    pub(crate) fn new() -> Self {
        Self {
            state: State::PackHeader,
            partial: Vec::new(),
            inflate: Decompress::new(true),
            content: Vec::new(),
            start: 0,
            offset: 0,
            read: 0,
            count: 0,
            excess: 0,
        }
    }

    /// The number of entries that the pack declares, once its header was read.
    pub(crate) fn count(&self) -> u32 {
        self.count
    }

    /// Takes bytes off the front of `input`, and gives the next entry with what it inflates to; `None` when
    /// the input ends before the entry, or there are no more entries.
    pub(crate) fn next_entry(
        &mut self,
        input: &mut &[u8],
        limits: &PackLimits,
    ) -> Result<Option<(Entry, Vec<u8>)>, Error> {
        while !input.is_empty() {
            match self.state {
                State::PackHeader => {
                    if let Some(header) = self.fill::<HEADER>(input) {
                        self.offset += HEADER as u64;
                        self.start_pack(&header, limits)?;
                    }
                }
                State::EntryHeader => self.read_header(input, limits)?,
                State::Stream(header) => {
                    if let Some(content) =
                        self.read_stream(input, &header).map_err(|error| self.place(error))?
                    {
                        return self.end_entry(&header, content).map(Some);
                    }
                }
                State::Trailer => {
                    let part = input.len().min(TRAILER - self.partial.len().min(TRAILER));
                    self.partial.extend_from_slice(input.get(..part).unwrap_or_default());
                    self.excess += (input.len() - part) as u64;
                    *input = &[];
                }
            }
        }
        Ok(None)
    }

    /// Collects as many bytes, and gives them when they are all there.
    fn fill<const N: usize>(&mut self, input: &mut &[u8]) -> Option<[u8; N]> {
        let part = input.len().min(N - self.partial.len().min(N));
        let (now, rest) = input.split_at_checked(part)?;
        self.partial.extend_from_slice(now);
        *input = rest;
        let whole = self.partial.first_chunk().copied()?;
        self.partial.clear();
        Some(whole)
    }

    fn start_pack(&mut self, header: &[u8; HEADER], limits: &PackLimits) -> Result<(), Error> {
        let (version, count) = gix_pack::data::header::decode(header)
            .map_err(|error| Error::Malformed(format!("pack header: {error}")))?;
        if version != gix_pack::data::Version::V2 {
            return Err(Error::Malformed("pack version is not 2".into()));
        }
        if count > limits.objects {
            return Err(Error::Limit(format!("a pack of {count} objects (at most {})", limits.objects)));
        }
        self.count = count;
        self.next_state();
        Ok(())
    }

    fn next_state(&mut self) {
        self.start = self.offset;
        self.state = if self.read == self.count { State::Trailer } else { State::EntryHeader };
    }

    fn read_header(&mut self, input: &mut &[u8], limits: &PackLimits) -> Result<(), Error> {
        // Most headers are whole, and read where they are.
        if self.partial.is_empty()
            && let Some(start) = input.get(..MAX_ENTRY_HEADER)
        {
            let header = EntryHeader::parse(start).map_err(|error| self.place(error))?;
            *input = input.get(header.length..).unwrap_or_default();
            return self.start_stream(header, limits);
        }
        while let Some((byte, rest)) = input.split_first() {
            *input = rest;
            self.partial.push(*byte);
            if is_whole_header(&self.partial) || self.partial.len() == MAX_ENTRY_HEADER {
                let header = EntryHeader::parse(&self.partial).map_err(|error| self.place(error))?;
                self.partial.clear();
                return self.start_stream(header, limits);
            }
        }
        Ok(())
    }

    fn start_stream(&mut self, header: EntryHeader, limits: &PackLimits) -> Result<(), Error> {
        if header.inflated_size > limits.object_size {
            return Err(Error::Limit(format!(
                "an object of {} bytes (at most {})",
                header.inflated_size, limits.object_size
            )));
        }
        self.offset += header.length as u64;
        self.inflate.reset(true);
        self.content.clear();
        self.content.reserve_exact(ROOM + SLACK);
        self.state = State::Stream(header);
        Ok(())
    }

    fn read_stream(&mut self, input: &mut &[u8], header: &EntryHeader) -> Result<Option<Vec<u8>>, Error> {
        let size = header.inflated_size as usize;
        loop {
            if self.content.len() == self.content.capacity() {
                let more = self.content.len().max(ROOM).min(size.saturating_sub(self.content.len()) + 1);
                self.content.reserve_exact(more);
            }
            let (consumed, produced) = (self.inflate.total_in(), self.inflate.total_out());
            let status = self
                .inflate
                .decompress_vec(input, &mut self.content, FlushDecompress::None)
                .map_err(|error| Error::Malformed(format!("zlib stream: {error}")))?;
            let taken = self.inflate.total_in() - consumed;
            *input = input.get(taken as usize..).unwrap_or_default();
            self.offset += taken;
            if self.content.len() > size {
                return Err(Error::Malformed(format!("zlib stream gives more than {size} bytes")));
            }
            match status {
                Status::StreamEnd if self.content.len() == size => {
                    return Ok(Some(std::mem::take(&mut self.content)));
                }
                Status::StreamEnd => {
                    let found = self.content.len();
                    return Err(Error::Malformed(format!("zlib stream gives {found} bytes, not {size}")));
                }
                _ if taken == 0 && self.inflate.total_out() == produced => {
                    return match input.is_empty() {
                        true => Ok(None),
                        false => Err(Error::Malformed("zlib stream makes no progress".into())),
                    };
                }
                _ => {}
            }
        }
    }

    fn end_entry(&mut self, header: &EntryHeader, content: Vec<u8>) -> Result<(Entry, Vec<u8>), Error> {
        let length = self.offset - self.start;
        let length =
            u32::try_from(length).map_err(|_| Error::Limit(format!("an entry of {length} bytes")))?;
        let entry = Entry { offset: self.start, length, content: header.content };
        self.read += 1;
        self.next_state();
        Ok((entry, content))
    }

    fn place(&self, error: Error) -> Error {
        match error {
            Error::Malformed(reason) => {
                Error::Malformed(format!("pack entry {} at offset {}: {reason}", self.read, self.start))
            }
            other => other,
        }
    }

    /// Takes back what an entry inflated to, to use its memory again.
    pub(crate) fn recycle(&mut self, content: Vec<u8>) {
        // A large one would hold its memory until the end.
        if content.capacity() <= 2 * ROOM {
            self.content = content;
        }
    }

    /// Checks that all of the pack was there and nothing more, and gives its trailer.
    pub(crate) fn end(&self) -> Result<[u8; TRAILER], Error> {
        match (&self.state, self.partial.first_chunk()) {
            (State::Trailer, _) if self.excess > 0 => {
                Err(Error::Malformed(format!("{} bytes after the last entry of the pack", self.excess)))
            }
            (State::Trailer, Some(trailer)) => Ok(*trailer),
            _ => Err(Error::Malformed("pack is truncated".into())),
        }
    }
}

/// Whether these bytes are all of an entry's header (gitformat-pack(5)).
fn is_whole_header(bytes: &[u8]) -> bool {
    let number = |bytes: &[u8]| bytes.iter().position(|byte| byte & 0x80 == 0).map(|last| last + 1);
    let Some(size) = number(bytes) else { return false };
    let rest = bytes.get(size..).unwrap_or_default();
    match bytes.first().map(|first| first >> 4 & 7) {
        Some(6) => number(rest).is_some(),
        Some(7) => rest.len() >= 20,
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pack::test_pack::{TestPack, append, blob_id};

    #[test]
    fn entries_are_the_same_in_pieces_of_any_size() {
        let mut pack = TestPack::default();
        let first = pack.blob(&b"some text ".repeat(500));
        pack.blob(b"");
        let delta = append(&b"some text ".repeat(500), b"more");
        pack.delta(first, &delta);
        pack.delta_by_id(blob_id(b"elsewhere"), &delta);
        let pack = pack.finish();
        let limits = PackLimits::default();
        let scan = |size: usize| {
            let mut scanner = Scanner::new();
            let mut found = Vec::new();
            for mut piece in pack.chunks(size) {
                while let Some((entry, content)) = scanner.next_entry(&mut piece, &limits).unwrap() {
                    found.push((entry.offset, entry.length, entry.content, content.clone()));
                    scanner.recycle(content);
                }
                assert!(piece.is_empty());
            }
            assert_eq!(scanner.count(), 4);
            assert_eq!(scanner.end().unwrap(), pack[pack.len() - 20..]);
            found
        };
        let whole = scan(pack.len());
        assert_eq!(whole.len(), 4);
        assert_eq!(whole.last().map(|last| last.0 + u64::from(last.1)), Some(pack.len() as u64 - 20));
        for size in [1, 2, 3, 7, 29, 30, 31, 100] {
            assert!(scan(size) == whole, "{size}");
        }
    }
}
