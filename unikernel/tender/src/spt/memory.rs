//! The guest's memory: the lowest addresses of this process.

use crate::elf::Image;
use std::{io, ptr};

/// Below this the host maps nothing.
const LOWEST: usize = 0x10000;

/// Memory from [`LOWEST`] to its size, which stays mapped for ever.
pub(super) struct GuestMemory {
    size: usize,
}

impl GuestMemory {
    /// Maps memory up to address `size`.
    pub(super) fn new(size: usize) -> Result<Self, String> {
        let address = LOWEST as *mut libc::c_void;
        let protection = libc::PROT_READ | libc::PROT_WRITE;
        let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_FIXED_NOREPLACE | libc::MAP_NORESERVE;
        // SAFETY: a new mapping, which replaces none.
        let mapped = unsafe { libc::mmap(address, size - LOWEST, protection, flags, -1, 0) };
        if mapped == address {
            Ok(Self { size })
        } else {
            Err(format!("cannot map {} MiB for the guest: {}", size >> 20, io::Error::last_os_error()))
        }
    }

    /// Writes bytes at an address.
    pub(super) fn write(&mut self, address: u64, bytes: &[u8]) -> Result<(), String> {
        let start = usize::try_from(address).map_err(|_| self.too_small())?;
        let end = start.checked_add(bytes.len()).filter(|end| start >= LOWEST && *end <= self.size);
        end.ok_or_else(|| self.too_small())?;
        // SAFETY: the range is within the mapping, which nothing else refers to.
        unsafe { ptr::copy_nonoverlapping(bytes.as_ptr(), start as *mut u8, bytes.len()) };
        Ok(())
    }

    /// Puts an image where it wants to be, with the rights that it names.
    pub(super) fn load(&mut self, image: &Image<'_>) -> Result<(), String> {
        if image.end() >= self.size as u64 {
            return Err(self.too_small());
        }
        for segment in &image.segments {
            self.write(segment.address, segment.bytes)?;
            let mut protection = libc::PROT_READ;
            if segment.write {
                protection |= libc::PROT_WRITE;
            }
            if segment.execute {
                protection |= libc::PROT_EXEC;
            }
            let length = (segment.pages.end - segment.pages.start) as usize;
            // SAFETY: whole pages of the mapping, which nothing else refers to.
            if unsafe { libc::mprotect(segment.pages.start as *mut libc::c_void, length, protection) } != 0 {
                return Err(format!("cannot protect the guest: {}", io::Error::last_os_error()));
            }
        }
        Ok(())
    }

    fn too_small(&self) -> String {
        format!("{} MiB of memory are not enough for it; give more with --memory", self.size >> 20)
    }
}
