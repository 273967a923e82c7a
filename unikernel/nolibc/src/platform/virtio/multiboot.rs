//! Start by multiboot (Multiboot Specification 0.6.96, 3.3 Boot information format).
//!
//! `cargo guest multiboot` puts the header into the file; in memory the image is the one for PVH.

use super::{
    command_line,
    loader::{Loaded, memory_end},
};
use std::{
    ffi::{CStr, c_char},
    ops::Range,
    ptr,
};

/// What a loader has in EAX.
pub(super) const MAGIC: u32 = 0x2bad_b002;

const HAS_COMMAND_LINE: u32 = 1 << 2;
const HAS_MEMORY_MAP: u32 = 1 << 6;
const RAM: u32 = 1;
/// More bytes of map than any firmware makes.
const LONGEST_MAP: u32 = 64 << 10;

/// The information, as far as it is of use. Modules are not: their memory becomes the heap's.
#[derive(Clone, Copy)]
#[repr(C)]
pub(super) struct Information {
    flags: u32,
    memory: [u32; 2],
    boot_device: u32,
    command_line: u32,
    modules: [u32; 2],
    symbols: [u32; 4],
    map_length: u32,
    map: u32,
}

/// An entry of the map, whose first field is the size of the others.
#[derive(Clone, Copy)]
#[repr(C, packed)]
struct MemoryEntry {
    size: u32,
    start: u64,
    length: u64,
    kind: u32,
}

/// Reads what the loader says.
///
/// # Safety
/// The pointer must be what a loader handed over.
pub(super) unsafe fn read(information: *const Information, image: &Range<u64>) -> Loaded<'static> {
    // SAFETY: the loader has put the information there.
    let information = unsafe { ptr::read_unaligned(information) };
    let command_line = match information.command_line {
        address if information.flags & HAS_COMMAND_LINE != 0 && address != 0 => {
            // SAFETY: the loader has put a C string there.
            unsafe { CStr::from_ptr(address as usize as *const c_char) }.to_bytes()
        }
        _ => &[],
    };
    let map = match information.flags & HAS_MEMORY_MAP {
        0 => 0..0,
        _ => {
            information.map.into()
                ..u64::from(information.map) + u64::from(information.map_length.min(LONGEST_MAP))
        }
    };
    // SAFETY: the loader has put so many bytes of map there.
    let memory = unsafe { entries(map) }.filter(|entry| entry.kind == RAM);
    let memory_end = memory_end(memory.map(|entry| (entry.start, entry.length)), image);
    Loaded { command_line: without_name(command_line), memory_end, acpi_root: 0 }
}

/// # Safety
/// There must be whole entries in the range.
unsafe fn entries(map: Range<u64>) -> impl Iterator<Item = MemoryEntry> {
    let mut at = map.start;
    std::iter::from_fn(move || {
        let size = size_of::<MemoryEntry>() as u64;
        if at.checked_add(size)? > map.end {
            return None;
        }
        // SAFETY: the entry is within the range.
        let entry = unsafe { ptr::read_unaligned(at as *const MemoryEntry) };
        at = at.checked_add(u64::from(entry.size) + 4)?;
        Some(entry)
    })
}

/// QEMU and older loaders put the image's name before the options.
fn without_name(line: &[u8]) -> &[u8] {
    let line = line.trim_ascii();
    let end = line.iter().position(u8::is_ascii_whitespace).unwrap_or(line.len());
    let (first, rest) = line.split_at(end);
    if first.starts_with(b"--") || command_line::is_of_the_machine(first) { line } else { rest }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_images_name_is_not_an_option() {
        for (line, options) in [
            (&b"/boot/kalends.multiboot --port=1"[..], &b" --port=1"[..]),
            (b"kalends.multiboot", b""),
            (b"--port=1 --log info", b"--port=1 --log info"),
            (b"pci=off --port=1", b"pci=off --port=1"),
            (b" ", b""),
        ] {
            assert_eq!(without_name(line), options);
        }
    }

    #[test]
    fn entries_of_any_size_are_passed_over() {
        let mut map = Vec::new();
        for (size, start, length, kind) in [(24_u32, 0_u64, 64_u64 << 20, 2_u32), (20, 0, 32 << 20, RAM)] {
            map.extend(size.to_le_bytes());
            map.extend(start.to_le_bytes());
            map.extend(length.to_le_bytes());
            map.extend(kind.to_le_bytes());
            map.resize(map.len() + size as usize - 20, 0);
        }
        let bytes = |end: usize| map.as_ptr() as u64..map.as_ptr() as u64 + end as u64;
        // SAFETY: the bytes are there.
        let found = |end: usize| unsafe { entries(bytes(end)) }.map(|entry| entry.length).collect::<Vec<_>>();
        assert_eq!(found(map.len()), [64 << 20, 32 << 20]);
        assert_eq!(found(map.len() - 1), [64 << 20]);
        assert_eq!(found(0), [0; 0]);
    }
}
