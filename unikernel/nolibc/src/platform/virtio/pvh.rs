//! Start by PVH: Xen's `docs/misc/pvh.pandoc`, `xen/include/public/arch-x86/hvm/start_info.h`.

use super::loader::{Loaded, memory_end};
use std::{
    ffi::{CStr, c_char},
    ops::Range,
    ptr, slice,
};

/// Xen's `struct hvm_start_info`, version 1.
#[derive(Clone, Copy)]
#[repr(C)]
pub(super) struct StartInfo {
    magic: u32,
    version: u32,
    flags: u32,
    module_count: u32,
    modules: u64,
    command_line: u64,
    rsdp: u64,
    memory_map: u64,
    memory_map_entries: u32,
    reserved: u32,
}

/// Xen's `struct hvm_memmap_table_entry`.
#[repr(C)]
struct MemoryEntry {
    start: u64,
    size: u64,
    kind: u32,
    reserved: u32,
}

const MAGIC: u32 = 0x336e_c578;
const RAM: u32 = 1;
/// More entries than any firmware makes.
const MAX_ENTRIES: u32 = 128;

/// Reads what the loader says; `None` where it does not speak PVH.
///
/// # Safety
/// The pointer must be what a loader handed over.
pub(super) unsafe fn read(info: *const StartInfo, image: &Range<u64>) -> Option<Loaded<'static>> {
    // SAFETY: the loader has put the information there.
    let info = unsafe { ptr::read_unaligned(info) };
    if info.magic != MAGIC {
        return None;
    }
    let entries: &[MemoryEntry] = match info.version {
        0 => &[],
        // SAFETY: the loader has put so many entries there.
        _ => unsafe {
            let count = info.memory_map_entries.min(MAX_ENTRIES) as usize;
            slice::from_raw_parts(info.memory_map as *const MemoryEntry, count)
        },
    };
    let command_line = match info.command_line {
        0 => &[],
        // SAFETY: the loader has put a C string there.
        address => unsafe { CStr::from_ptr(address as *const c_char) }.to_bytes(),
    };
    let memory = entries.iter().filter(|entry| entry.kind == RAM).map(|entry| (entry.start, entry.size));
    Some(Loaded { command_line, memory_end: memory_end(memory, image), acpi_root: info.rsdp })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_and_command_line_are_read() {
        let entry = |start, size, kind| MemoryEntry { start, size, kind, reserved: 0 };
        let map = [entry(0, 64 << 20, 2), entry(0, 32 << 20, RAM)];
        let mut info = StartInfo {
            magic: MAGIC,
            version: 1,
            flags: 0,
            module_count: 0,
            modules: 0,
            command_line: c"--port=1".as_ptr() as u64,
            rsdp: 0xe_0000,
            memory_map: map.as_ptr() as u64,
            memory_map_entries: 2,
            reserved: 0,
        };
        // SAFETY: the information is as a loader has it.
        let read = |info: &StartInfo| unsafe { super::read(info, &(1 << 20..2 << 20)) };
        let expected = Loaded { command_line: b"--port=1", memory_end: Some(32 << 20), acpi_root: 0xe_0000 };
        assert_eq!(read(&info), Some(expected));
        (info.version, info.command_line) = (0, 0);
        assert_eq!(read(&info), Some(Loaded { command_line: b"", memory_end: None, acpi_root: 0xe_0000 }));
        info.magic = 0;
        assert_eq!(read(&info), None);
    }
}
