//! The guest's memory.

use crate::elf::{Image, Segment};
use std::{io, ops::Range, ptr, slice};

/// Below this the host maps nothing in a process.
const LOWEST: usize = 0x10000;

/// Memory of a guest, which stays mapped for ever.
pub(crate) struct GuestMemory {
    /// Where the guest's address zero is in this process.
    base: usize,
    /// The guest's addresses that are memory.
    range: Range<usize>,
}

impl GuestMemory {
    /// Memory at the guest's own addresses, from [`LOWEST`] to `size`, for a guest that is this process.
    pub(crate) fn at_its_addresses(size: usize) -> Result<Self, String> {
        map(LOWEST, size - LOWEST, libc::MAP_FIXED_NOREPLACE)?;
        Ok(Self { base: 0, range: LOWEST..size })
    }

    /// Memory of `size` bytes for a virtual machine.
    pub(crate) fn for_machine(size: usize) -> Result<Self, String> {
        Ok(Self { base: map(0, size, 0)?, range: 0..size })
    }

    /// Address in this process of the guest's address zero.
    pub(crate) fn base(&self) -> usize {
        self.base
    }

    /// Bytes that the guest names; `None` when they are not all its memory.
    ///
    /// # Safety
    /// The guest must not run while they are referred to.
    pub(crate) unsafe fn slice(&mut self, address: u64, length: u64) -> Option<&mut [u8]> {
        let (address, length) = (usize::try_from(address).ok()?, usize::try_from(length).ok()?);
        let end = address.checked_add(length)?;
        if address < self.range.start || end > self.range.end {
            return None;
        }
        // SAFETY: the range is within the mapping; the caller promises that the guest does not use it.
        Some(unsafe { slice::from_raw_parts_mut((self.base + address) as *mut u8, length) })
    }

    /// Writes bytes at an address.
    pub(crate) fn write(&mut self, address: u64, bytes: &[u8]) -> Result<(), String> {
        // SAFETY: the guest does not run yet.
        match unsafe { self.slice(address, bytes.len() as u64) } {
            Some(place) => {
                place.copy_from_slice(bytes);
                Ok(())
            }
            None => Err(self.too_small()),
        }
    }

    /// Puts an image where it wants to be, with the rights that it names.
    pub(crate) fn load(&mut self, image: &Image<'_>) -> Result<(), String> {
        if image.end() >= self.range.end as u64 {
            return Err(self.too_small());
        }
        for segment in &image.segments {
            self.write(segment.address, segment.bytes)?;
            self.protect(segment)?;
        }
        Ok(())
    }

    fn protect(&mut self, segment: &Segment<'_>) -> Result<(), String> {
        let mut protection = libc::PROT_READ;
        if segment.write {
            protection |= libc::PROT_WRITE;
        }
        if segment.execute {
            protection |= libc::PROT_EXEC;
        }
        let start = (self.base + segment.pages.start as usize) as *mut libc::c_void;
        let length = (segment.pages.end - segment.pages.start) as usize;
        // SAFETY: whole pages of the mapping, as the image was checked to end within it; nothing refers to them.
        match unsafe { libc::mprotect(start, length, protection) } {
            0 => Ok(()),
            _ => Err(format!("cannot protect the guest: {}", io::Error::last_os_error())),
        }
    }

    fn too_small(&self) -> String {
        format!("{} MiB of memory are not enough for it; give more with --memory", self.range.end >> 20)
    }
}

fn map(address: usize, size: usize, flags: i32) -> Result<usize, String> {
    let protection = libc::PROT_READ | libc::PROT_WRITE;
    let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE | flags;
    // SAFETY: a new mapping, which replaces none.
    let mapped = unsafe { libc::mmap(ptr::without_provenance_mut(address), size, protection, flags, -1, 0) };
    if mapped == libc::MAP_FAILED || (address != 0 && mapped as usize != address) {
        return Err(format!("cannot map {} MiB for the guest: {}", size >> 20, io::Error::last_os_error()));
    }
    Ok(mapped as usize)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_memory_is_reached() {
        let mut memory = GuestMemory::for_machine(1 << 20).unwrap();
        memory.write(0xf_fffe, &[1, 2]).unwrap();
        assert!(memory.write(0xf_ffff, &[1, 2]).unwrap_err().contains("--memory"));
        // SAFETY: no guest runs.
        unsafe {
            assert_eq!(memory.slice(0xf_fffe, 2), Some(&mut [1, 2][..]));
            assert_eq!(memory.slice(u64::MAX, 2), None);
            assert_eq!(memory.slice(1, u64::MAX), None);
            assert!(memory.slice(1 << 20, 0).is_some_and(|bytes| bytes.is_empty()));
        }
    }
}
