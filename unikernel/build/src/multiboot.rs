//! The same image for loaders of multiboot: in a 32-bit ELF file, as they take no other, with a multiboot header
//! (Multiboot Specification 0.6.96, 3.1) that is no part of what is loaded.

const MAGIC: u32 = 0x1bad_b002;
/// The loader must tell where memory is; modules begin at pages.
const FLAGS: u32 = 0b11;

const SEGMENT_64: usize = 56;
const HEADER_32: usize = 52;
const SEGMENT_32: usize = 32;
const LOAD: u32 = 1;
const PAGE: usize = 4096;

/// Little-endian numbers of the image.
struct Image<'i>(&'i [u8]);

impl Image<'_> {
    fn bytes<const N: usize>(&self, at: usize) -> Result<[u8; N], String> {
        let found = self.0.get(at..).and_then(|rest| rest.first_chunk());
        found.copied().ok_or_else(|| "the image is cut off".into())
    }

    fn short(&self, at: usize) -> Result<usize, String> {
        Ok(u16::from_le_bytes(self.bytes(at)?).into())
    }

    fn word(&self, at: usize) -> Result<u32, String> {
        Ok(u32::from_le_bytes(self.bytes(at)?))
    }

    /// A number of 64 bits that must do with 32.
    fn long(&self, at: usize) -> Result<u32, String> {
        let long = u64::from_le_bytes(self.bytes(at)?);
        long.try_into().map_err(|_| format!("{long:#x} is above 4 GiB"))
    }
}

/// Makes the file from a 64-bit image whose entry is 32-bit code; the error is one line.
pub(crate) fn wrap(image: &[u8]) -> Result<Vec<u8>, String> {
    let file = Image(image);
    if !image.starts_with(b"\x7fELF\x02\x01\x01") || file.short(54)? != SEGMENT_64 {
        return Err("the image is no 64-bit ELF file".into());
    }
    let (table, count) = (file.long(32)? as usize, file.short(56)?);
    let mut segments = Vec::new();
    for at in (0..count).map(|number| table + number * SEGMENT_64) {
        if file.word(at)? == LOAD {
            let [offset, address, file_size, memory_size] =
                [file.long(at + 8)?, file.long(at + 24)?, file.long(at + 32)?, file.long(at + 40)?];
            let start = offset as usize;
            let bytes =
                image.get(start..start.saturating_add(file_size as usize)).ok_or("a segment is cut off")?;
            segments.push((address, bytes, memory_size, file.word(at + 4)?));
        }
    }

    let mut new = Vec::with_capacity(image.len());
    new.extend(b"\x7fELF\x01\x01\x01");
    new.resize(16, 0);
    // Executable, i386, version 1, entry, table of segments, no sections.
    new.extend([2_u16, 3].map(u16::to_le_bytes).as_flattened());
    new.extend([1, file.long(24)?, HEADER_32 as u32, 0, 0].map(u32::to_le_bytes).as_flattened());
    let sizes = [HEADER_32, SEGMENT_32, segments.len(), 0, 0, 0];
    new.extend(sizes.map(|size| (size as u16).to_le_bytes()).as_flattened());
    // The header is behind the table, within the first 8 KiB.
    let mut offset = (HEADER_32 + segments.len() * SEGMENT_32 + 12).next_multiple_of(PAGE);
    for (address, bytes, memory_size, flags) in &segments {
        // Addresses and offsets are the same within a page.
        offset += *address as usize % PAGE;
        let length = bytes.len() as u32;
        let fields = [LOAD, offset as u32, *address, *address, length, *memory_size, *flags, PAGE as u32];
        new.extend(fields.map(u32::to_le_bytes).as_flattened());
        offset = (offset + bytes.len()).next_multiple_of(PAGE);
    }
    let checksum = 0_u32.wrapping_sub(MAGIC).wrapping_sub(FLAGS);
    new.extend([MAGIC, FLAGS, checksum].map(u32::to_le_bytes).as_flattened());
    for (address, bytes, _, _) in segments {
        new.resize(new.len().next_multiple_of(PAGE) + address as usize % PAGE, 0);
        new.extend(bytes);
    }
    Ok(new)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEADER_64: usize = 64;

    fn example(segments: &[(u32, u64, &[u8], u64)]) -> Vec<u8> {
        let mut file = b"\x7fELF\x02\x01\x01".to_vec();
        file.resize(HEADER_64 + segments.len() * SEGMENT_64, 0);
        file[24..32].copy_from_slice(&0x10_0000_u64.to_le_bytes());
        file[32..40].copy_from_slice(&(HEADER_64 as u64).to_le_bytes());
        file[54..56].copy_from_slice(&(SEGMENT_64 as u16).to_le_bytes());
        file[56..58].copy_from_slice(&(segments.len() as u16).to_le_bytes());
        for (number, (kind, address, bytes, size)) in segments.iter().enumerate() {
            let at = HEADER_64 + number * SEGMENT_64;
            let offset = file.len() as u64;
            file[at..at + 4].copy_from_slice(&kind.to_le_bytes());
            for (field, value) in
                [(8, offset), (16, *address), (24, *address), (32, bytes.len() as u64), (40, *size)]
            {
                file[at + field..at + field + 8].copy_from_slice(&value.to_le_bytes());
            }
            file.extend(*bytes);
        }
        file
    }

    #[test]
    fn segments_keep_their_places_and_bytes() {
        let code = vec![1; 5000];
        let image =
            example(&[(LOAD, 0x10_0000, &code, 5000), (4, 0, b"note", 4), (LOAD, 0x20_0010, b"data", 999)]);
        let new = wrap(&image).unwrap();
        let word = |at: usize| u32::from_le_bytes(*new[at..].first_chunk().unwrap());
        assert_eq!((word(24), word(28)), (0x10_0000, HEADER_32 as u32));
        assert_eq!(u16::from_le_bytes([new[44], new[45]]), 2);
        for (number, (address, bytes, size)) in
            [(0x10_0000, &code[..], 5000), (0x20_0010, b"data", 999)].into_iter().enumerate()
        {
            let at = HEADER_32 + number * SEGMENT_32;
            let offset = word(at + 4) as usize;
            assert_eq!(
                [word(at), word(at + 8), word(at + 12), word(at + 20)],
                [LOAD, address, address, size]
            );
            assert_eq!(&new[offset..offset + word(at + 16) as usize], bytes);
            assert_eq!(offset % PAGE, address as usize % PAGE);
        }
        let header = HEADER_32 + 2 * SEGMENT_32;
        assert_eq!(word(header), MAGIC);
        assert_eq!([0, 4, 8].map(|field| word(header + field)).into_iter().fold(0, u32::wrapping_add), 0);
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        let image = example(&[(LOAD, 0x10_0000, b"code", 4)]);
        for length in 0..image.len() {
            assert!(wrap(&image[..length]).is_err(), "{length}");
        }
        assert!(wrap(&example(&[(LOAD, 1 << 32, b"code", 4)])).unwrap_err().contains("4 GiB"));
    }
}
