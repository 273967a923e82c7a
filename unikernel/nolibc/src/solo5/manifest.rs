//! The manifest: which devices a guest wants, and what a tender attached.

use std::{ffi::c_int, slice};

/// The network interface of the guest.
pub const NETWORK: &str = "service";
/// The block device of the guest.
pub const STORAGE: &str = "storage";

const VERSION: u32 = 1;
const NAME_SIZE: usize = 68;
/// Manifests of more entries are refused by every tender.
const MAX_ENTRIES: u32 = 64;

/// Kind of an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum Kind {
    /// A block device.
    Block = 1,
    /// A network interface.
    Network = 2,
    /// The first entry of a manifest.
    First = 1 << 30,
}

/// One device.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct Entry {
    name: [u8; NAME_SIZE],
    kind: u32,
    /// Capacity (64 bits) and block size (16 bits), or hardware address (6 bytes) and MTU (16 bits).
    properties: [u64; 2],
    host: HostHandle,
    attached: bool,
}

/// The tender's own handle.
#[derive(Clone, Copy)]
#[repr(C)]
union HostHandle {
    descriptor: c_int,
    pointer: u64,
}

/// The manifest's head.
#[repr(C)]
pub struct Manifest {
    version: u32,
    entries: u32,
}

/// The manifest of this guest: `N` entries in the layout of Solo5's `struct mft`.
#[repr(C)]
pub struct Declared<const N: usize> {
    head: Manifest,
    entries: [Entry; N],
}

/// What every guest of Kalends asks for.
pub const DECLARED: Declared<3> = Declared {
    head: Manifest { version: VERSION, entries: 3 },
    entries: [
        Entry::new("", Kind::First),
        Entry::new(NETWORK, Kind::Network),
        Entry::new(STORAGE, Kind::Block),
    ],
};

impl Entry {
    const fn new(name: &str, kind: Kind) -> Self {
        let mut field = [0; NAME_SIZE];
        let mut at = 0;
        while at < name.len() {
            field[at] = name.as_bytes()[at];
            at += 1;
        }
        Self {
            name: field,
            kind: kind as u32,
            properties: [0; 2],
            host: HostHandle { pointer: 0 },
            attached: false,
        }
    }

    /// Of a block device: capacity and block size in bytes.
    pub fn block(&self) -> (u64, u32) {
        (self.properties[0], (self.properties[1] & 0xffff) as u32)
    }

    /// Of a network interface: hardware address and MTU.
    pub fn network(&self) -> ([u8; 6], usize) {
        let [a, b, c, d, e, f, low, high] = self.properties[0].to_le_bytes();
        ([a, b, c, d, e, f], usize::from(u16::from_le_bytes([low, high])))
    }

    /// The descriptor that the tender of spt opened for the device.
    pub fn descriptor(&self) -> c_int {
        // SAFETY: every bit pattern is an integer.
        unsafe { self.host.descriptor }
    }
}

impl Manifest {
    /// The attached device of this name and kind, with its number, which is the handle in hypercalls.
    ///
    /// # Safety
    /// The manifest must be followed by its entries, as in what a tender hands over.
    pub unsafe fn find(&self, name: &str, kind: Kind) -> Option<(u64, Entry)> {
        let first = (&raw const *self).wrapping_add(1).cast::<Entry>();
        let count = self.entries.min(MAX_ENTRIES) as usize;
        // SAFETY: the caller promises that the entries follow.
        let entries = unsafe { slice::from_raw_parts(first, count) };
        let fits = |entry: &&Entry| {
            let length = entry.name.iter().position(|byte| *byte == 0).unwrap_or(NAME_SIZE);
            entry.kind == kind as u32 && entry.name[..length] == *name.as_bytes() && entry.attached
        };
        (0..).zip(entries).find(|(_, entry)| fits(entry)).map(|(number, entry)| (number, *entry))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::mem::{offset_of, size_of};

    #[test]
    fn the_layout_is_that_of_the_c_interface() {
        // Offsets of `struct mft_entry` on x86-64.
        assert_eq!(offset_of!(Entry, kind), 68);
        assert_eq!(offset_of!(Entry, properties), 72);
        assert_eq!(offset_of!(Entry, host), 88);
        assert_eq!(offset_of!(Entry, attached), 96);
        assert_eq!(size_of::<Entry>(), 104);
        assert_eq!(offset_of!(Declared<3>, entries), 8);
    }

    #[test]
    fn a_device_is_found_once_attached() {
        let mut declared = DECLARED;
        // SAFETY: the entries follow the head in `Declared`.
        let found = |declared: &Declared<3>| unsafe { declared.head.find(STORAGE, Kind::Block) };
        assert!(found(&declared).is_none());
        let storage = &mut declared.entries[2];
        (storage.attached, storage.properties) = (true, [1 << 30, 512]);
        let (number, entry) = found(&declared).unwrap();
        assert_eq!((number, entry.block()), (2, (1 << 30, 512)));
        // SAFETY: as above.
        assert!(unsafe { declared.head.find(STORAGE, Kind::Network) }.is_none());
        declared.entries[1].properties[0] = u64::from_le_bytes([2, 0, 0, 0, 0, 1, 0xdc, 5]);
        assert_eq!(declared.entries[1].network(), ([2, 0, 0, 0, 0, 1], 1500));
    }
}
