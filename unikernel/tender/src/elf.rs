//! The image: an ELF file of Solo5's kind, checked before anything of it is used.

use std::ops::Range;

const HEADER: usize = 64;
const PROGRAM_HEADER: usize = 56;
const EXECUTABLE: u16 = 2;
const X86_64: u16 = 62;

const LOAD: u32 = 1;
const NOTE: u32 = 4;
const EXECUTE: u32 = 1;
const WRITE: u32 = 2;
const READ: u32 = 4;

const PAGE: u64 = 4096;
/// Where guests may begin.
const LOWEST: u64 = 0x10_0000;
/// Segments are few; more are no image.
const MOST_SEGMENTS: usize = 64;

/// What is wrong with an image.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Unfit(&'static str);

impl std::fmt::Display for Unfit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.0)
    }
}

/// A checked image.
#[derive(Debug)]
pub(crate) struct Image<'f> {
    file: &'f [u8],
    pub(crate) entry: u64,
    pub(crate) segments: Vec<Segment<'f>>,
    notes: Vec<Range<usize>>,
}

/// A part that is loaded.
#[derive(Debug)]
pub(crate) struct Segment<'f> {
    /// Its address, in whole pages.
    pub(crate) pages: Range<u64>,
    /// Where its bytes begin.
    pub(crate) address: u64,
    /// Its bytes; the rest of the pages is zero.
    pub(crate) bytes: &'f [u8],
    pub(crate) write: bool,
    pub(crate) execute: bool,
}

impl<'f> Image<'f> {
    /// Checks an image.
    pub(crate) fn parse(file: &'f [u8]) -> Result<Self, Unfit> {
        let header = Fields(file.get(..HEADER).ok_or(Unfit("not an ELF file"))?);
        // 64 bits, little-endian, version 1.
        if file[..7] != *b"\x7fELF\x02\x01\x01" {
            return Err(Unfit("not a 64-bit ELF file"));
        }
        if (header.u16(16)?, header.u16(18)?) != (EXECUTABLE, X86_64) {
            return Err(Unfit("not a statically linked x86-64 program"));
        }
        let entry = header.u64(24)?;
        let (table, size, count) = (header.u64(32)?, header.u16(54)?, usize::from(header.u16(56)?));
        if usize::from(size) != PROGRAM_HEADER || count > MOST_SEGMENTS {
            return Err(Unfit("its program headers are of another size"));
        }
        let mut image = Self { file, entry, segments: Vec::new(), notes: Vec::new() };
        for number in 0..count {
            let at = usize::try_from(table).ok().and_then(|table| table.checked_add(number * PROGRAM_HEADER));
            let header = at.and_then(|at| file.get(at..at.checked_add(PROGRAM_HEADER)?));
            let header = Fields(header.ok_or(Unfit("its program headers are cut off"))?);
            let bytes = range(header.u64(8)?, header.u64(32)?)
                .filter(|range| range.end <= file.len())
                .ok_or(Unfit("a segment is cut off"))?;
            match header.u32(0)? {
                LOAD if !bytes.is_empty() => image.add(&header, bytes)?,
                NOTE => image.notes.push(bytes),
                _ => {}
            }
        }
        let inside = |segment: &Segment<'_>| segment.execute && segment.pages.contains(&entry);
        if !image.segments.iter().any(inside) {
            return Err(Unfit("its entry point is not code"));
        }
        Ok(image)
    }

    fn add(&mut self, header: &Fields<'_>, bytes: Range<usize>) -> Result<(), Unfit> {
        let (flags, address, size) = (header.u32(4)?, header.u64(16)?, header.u64(40)?);
        let end = address.checked_add(size).and_then(|end| end.checked_next_multiple_of(PAGE));
        let end = end.ok_or(Unfit("a segment lies outside of memory"))?;
        let lowest = self.segments.last().map_or(LOWEST, |segment| segment.pages.end);
        let start = address - address % PAGE;
        if start < lowest || size < bytes.len() as u64 {
            return Err(Unfit("its segments overlap or are out of order"));
        }
        let (write, execute) = (flags & WRITE != 0, flags & EXECUTE != 0);
        if write && execute || flags & READ == 0 {
            return Err(Unfit("a segment can be written and executed, or not read"));
        }
        let bytes = self.file.get(bytes).ok_or(Unfit("a segment is cut off"))?;
        self.segments.push(Segment { pages: start..end, address, bytes, write, execute });
        Ok(())
    }

    /// Where the image ends.
    pub(crate) fn end(&self) -> u64 {
        self.segments.last().map_or(LOWEST, |segment| segment.pages.end)
    }

    /// The description of Solo5's note of this kind, without the padding that aligns it.
    pub(crate) fn note(&self, kind: &[u8; 4], align: usize) -> Option<&'f [u8]> {
        const NAME: &[u8; 8] = b"Solo5\0\0\0";
        const NOTE_HEADER: usize = 20;
        self.notes.iter().find_map(|range| {
            let note = self.file.get(range.clone())?;
            let fields = Fields(note);
            let described = usize::try_from(fields.u32(4).ok()?).ok()?;
            let is_it = fields.u32(0).ok()? == 6 && note.get(8..12)? == kind && note.get(12..20)? == NAME;
            let end = NOTE_HEADER.checked_add(described)?;
            is_it.then(|| note.get(NOTE_HEADER.next_multiple_of(align)..end)).flatten()
        })
    }

    /// Whether it has Xen's note of the entry by PVH.
    pub(crate) fn starts_by_pvh(&self) -> bool {
        const ENTRY: u32 = 18;
        self.notes.iter().any(|range| {
            let note = self.file.get(range.clone()).unwrap_or_default();
            Fields(note).u32(8) == Ok(ENTRY) && note.get(12..16) == Some(b"Xen\0")
        })
    }
}

fn range(start: u64, length: u64) -> Option<Range<usize>> {
    let end = start.checked_add(length)?;
    Some(usize::try_from(start).ok()?..usize::try_from(end).ok()?)
}

/// Little-endian numbers.
struct Fields<'b>(&'b [u8]);

impl Fields<'_> {
    fn bytes<const N: usize>(&self, at: usize) -> Result<[u8; N], Unfit> {
        self.0.get(at..).and_then(|rest| rest.first_chunk()).copied().ok_or(Unfit("it is cut off"))
    }

    fn u16(&self, at: usize) -> Result<u16, Unfit> {
        self.bytes(at).map(u16::from_le_bytes)
    }

    fn u32(&self, at: usize) -> Result<u32, Unfit> {
        self.bytes(at).map(u32::from_le_bytes)
    }

    fn u64(&self, at: usize) -> Result<u64, Unfit> {
        self.bytes(at).map(u64::from_le_bytes)
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// An image with one page of code, one of data, and one note of four bytes.
    fn example() -> Vec<u8> {
        let mut file = vec![0; 0x3000];
        file[..7].copy_from_slice(b"\x7fELF\x02\x01\x01");
        put(&mut file, 16, &2_u16.to_le_bytes());
        put(&mut file, 18, &62_u16.to_le_bytes());
        put(&mut file, 24, &0x10_0000_u64.to_le_bytes());
        put(&mut file, 32, &64_u64.to_le_bytes());
        put(&mut file, 54, &56_u16.to_le_bytes());
        put(&mut file, 56, &3_u16.to_le_bytes());
        for (number, kind, flags, offset, address, size, memory) in [
            (0, LOAD, 5_u32, 0x1000_u64, 0x10_0000_u64, 0x1000_u64, 0x1000_u64),
            (1, LOAD, 6, 0x2000, 0x10_2000, 0x800, 0x1800),
            (2, NOTE, 4, 0x2800, 0, 24, 24),
        ] {
            let at = 64 + number * 56;
            put(&mut file, at, &kind.to_le_bytes());
            put(&mut file, at + 4, &flags.to_le_bytes());
            for (field, value) in [(8, offset), (16, address), (32, size), (40, memory)] {
                put(&mut file, at + field, &value.to_le_bytes());
            }
        }
        for (at, bytes) in [(0, &6_u32.to_le_bytes()[..]), (4, &4_u32.to_le_bytes()), (8, b"ABI1Solo5")] {
            put(&mut file, 0x2800 + at, bytes);
        }
        put(&mut file, 0x2800 + 20, b"info");
        file
    }

    fn put(file: &mut [u8], at: usize, bytes: &[u8]) {
        file[at..at + bytes.len()].copy_from_slice(bytes);
    }

    #[test]
    fn segments_and_notes_are_found() {
        let file = example();
        let image = Image::parse(&file).unwrap();
        assert_eq!((image.entry, image.end()), (0x10_0000, 0x10_4000));
        assert_eq!(image.segments[1].pages, 0x10_2000..0x10_4000);
        assert_eq!(image.segments[1].bytes.len(), 0x800);
        assert!(image.segments[1].write && !image.segments[1].execute);
        assert_eq!(image.note(b"ABI1", 4), Some(&b"info"[..]));
        assert_eq!(image.note(b"MFT1", 8), None);
    }

    #[test]
    fn unfit_images_are_refused() {
        let refuse = |at: usize, bytes: &[u8]| {
            let mut file = example();
            put(&mut file, at, bytes);
            Image::parse(&file).map(|_| ()).unwrap_err()
        };
        assert_eq!(refuse(0, b"MZ"), Unfit("not a 64-bit ELF file"));
        assert_eq!(refuse(16, &[3]), Unfit("not a statically linked x86-64 program"));
        assert_eq!(refuse(24, &[0xff; 8]), Unfit("its entry point is not code"));
        assert_eq!(refuse(32, &[0xff; 8]), Unfit("its program headers are cut off"));
        assert_eq!(refuse(56, &[0xff; 2]), Unfit("its program headers are of another size"));
        assert_eq!(refuse(64 + 4, &[7]), Unfit("a segment can be written and executed, or not read"));
        assert_eq!(refuse(64 + 8, &[0xff; 8]), Unfit("a segment is cut off"));
        assert_eq!(refuse(64 + 16, &[0; 8]), Unfit("its segments overlap or are out of order"));
        assert_eq!(refuse(120 + 16, &[0, 0, 0x10]), Unfit("its segments overlap or are out of order"));
        assert_eq!(refuse(120 + 40, &[0xff; 8]), Unfit("a segment lies outside of memory"));
    }

    #[test]
    fn every_cut_is_refused_or_read_without_a_panic() {
        let file = example();
        for length in 0..file.len() {
            let _ = Image::parse(&file[..length]);
        }
    }
}
