//! Devices at fixed addresses (virtio 1.2, 4.2), of which the command line tells.

use std::{ops::Range, ptr::NonNull, ptr::read_volatile};
use virtio_drivers::transport::{
    DeviceType,
    mmio::{MmioTransport, VirtIOHeader},
};

const MAGIC: u32 = u32::from_le_bytes(*b"virt");
const TYPE: u64 = 8;
/// Registers, and a little of the device's own configuration behind them.
const LEAST_SIZE: u64 = 0x100;

/// Where a device is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct MmioDevice {
    pub(super) base: u64,
    pub(super) size: u64,
    /// Its interrupt line.
    pub(super) line: u32,
}

impl MmioDevice {
    /// Reads `<size>@<base>:<line>`, as Linux's `virtio_mmio.device` has it, where an `:<id>` may follow.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let (size, rest) = text.split_once('@')?;
        let (base, rest) = rest.split_once(':')?;
        let (line, id) = rest.split_once(':').unwrap_or((rest, "0"));
        let device = Self { size: size_of(size)?, base: number(base)?, line: number(line)?.try_into().ok()? };
        let end = device.base.checked_add(device.size)?;
        let fits = device.base.is_multiple_of(4) && device.size >= LEAST_SIZE && end <= 1 << 32;
        (fits && number(id).is_some()).then_some(device)
    }

    /// Addresses of its registers.
    pub(super) fn registers(&self) -> Range<u64> {
        self.base..self.base + self.size
    }

    /// What it is; `None` where nothing is attached.
    pub(super) fn device_type(&self) -> Option<DeviceType> {
        // SAFETY: the addresses are those of device registers, which are mapped, and reading these changes
        // nothing.
        let [magic, kind] =
            [self.base, self.base + TYPE].map(|address| unsafe { read_volatile(address as *const u32) });
        if magic == MAGIC { DeviceType::try_from(kind).ok() } else { None }
    }

    /// Access for a driver.
    pub(super) fn open(&self) -> Result<MmioTransport<'static>, String> {
        let registers = NonNull::new(self.base as *mut VirtIOHeader).ok_or("it is at address zero")?;
        // SAFETY: the registers are mapped, aligned, and used by one driver.
        let transport = unsafe { MmioTransport::new(registers, self.size as usize) };
        transport.map_err(|error| format!("virtio device at {:#x}: {error}", self.base))
    }
}

/// Decimal, or hexadecimal after `0x`.
fn number(text: &str) -> Option<u64> {
    match text.strip_prefix("0x") {
        Some(digits) => u64::from_str_radix(digits, 16).ok(),
        None => text.parse().ok(),
    }
}

/// A number of bytes, or of KiB, MiB or GiB.
fn size_of(text: &str) -> Option<u64> {
    let shift = match text.bytes().last()? {
        b'k' | b'K' => 10,
        b'm' | b'M' => 20,
        b'g' | b'G' => 30,
        _ => return number(text),
    };
    number(&text[..text.len() - 1])?.checked_mul(1 << shift)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_read_as_monitors_write_them() {
        let qemu = MmioDevice { base: 0xfeb0_0e00, size: 512, line: 12 };
        assert_eq!(MmioDevice::parse("512@0xfeb00e00:12"), Some(qemu));
        let firecracker = MmioDevice { base: 0xc000_1000, size: 4096, line: 5 };
        assert_eq!(MmioDevice::parse("4K@0xc0001000:5"), Some(firecracker));
        assert_eq!(MmioDevice::parse("0x1000@3221229568:5:0"), Some(firecracker));
    }

    #[test]
    fn nonsense_is_refused() {
        for text in [
            "",
            "512",
            "512@0xfeb00e00",
            "@0xfeb00e00:1",
            "512@:1",
            "512@0xfeb00e00:",
            "512@0xfeb00e00:x",
            "512@0xfeb00e00:1:",
            "255@0xfeb00e00:1",
            "512@0xfeb00e02:1",
            "K@0xfeb00e00:1",
            "512@0xffffff00:1",
            "4K@0xfffffffffffff000:1",
            "99999999999G@0:1",
            "é@0:1",
        ] {
            assert_eq!(MmioDevice::parse(text), None, "{text}");
        }
    }
}
