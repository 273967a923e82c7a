//! PCI configuration space by its two ports (PCI Local Bus 3.0, 3.2.2.3.2), and interrupts as messages (MSI-X,
//! 6.8.2).

use super::{dma, interrupts, local_apic};
use crate::platform::x86::instructions::{input_32, output_32};
use std::ptr::{read_volatile, write_volatile};
use virtio_drivers::transport::pci::bus::{
    CapabilityInfo, Command, ConfigurationAccess, DeviceFunction, PciRoot,
};

const ADDRESS: u16 = 0xcf8;
const DATA: u16 = 0xcfc;
const ENABLE: u32 = 1 << 31;

const INTERRUPT_LINE: u8 = 0x3c;

const VENDOR_SPECIFIC: u8 = 0x09;
const MSI_X: u8 = 0x11;
const MSI_X_ENABLE: u32 = 1 << 31;
const MSI_X_MASK: u32 = 1 << 30;
/// Bytes of an entry in the table of messages: address, data, and whether it is masked.
const ENTRY: u64 = 16;
/// Where messages to the local APICs go.
const MESSAGES: u32 = 0xfee0_0000;

/// Virtio's common configuration structure (virtio 1.2, 4.1.4.3), and two of its registers.
const COMMON: u16 = 1;
const COMMON_SIZE: u64 = 56;
const QUEUE_SELECT: u64 = 22;
const QUEUE_VECTOR: u64 = 26;

/// Access by the ports.
pub(super) struct Ports;

impl Ports {
    fn select(at: DeviceFunction, register: u8) {
        let address = ENABLE
            | u32::from(at.bus) << 16
            | u32::from(at.device) << 11
            | u32::from(at.function) << 8
            | u32::from(register & 0xfc);
        // SAFETY: this selects a register, no more.
        unsafe { output_32(ADDRESS, address) };
    }
}

impl ConfigurationAccess for Ports {
    fn read_word(&self, at: DeviceFunction, register: u8) -> u32 {
        Self::select(at, register);
        // SAFETY: reading configuration space changes nothing.
        unsafe { input_32(DATA) }
    }

    fn write_word(&mut self, at: DeviceFunction, register: u8, data: u32) {
        Self::select(at, register);
        // SAFETY: only the drivers write, to devices that are theirs.
        unsafe { output_32(DATA, data) };
    }

    unsafe fn unsafe_clone(&self) -> Self {
        Self
    }
}

/// Lets a device be used, without interrupts.
pub(super) fn enable(root: &mut PciRoot<Ports>, at: DeviceFunction) {
    root.set_command(at, Command::MEMORY_SPACE | Command::BUS_MASTER | Command::INTERRUPT_DISABLE);
}

/// Lets a device use its interrupt line (INTx); gives the one that firmware chose.
pub(super) fn enable_line(root: &mut PciRoot<Ports>, at: DeviceFunction) -> Option<u8> {
    root.set_command(at, Command::MEMORY_SPACE | Command::BUS_MASTER);
    let line = Ports.read_word(at, INTERRUPT_LINE) as u8;
    (1..16).contains(&line).then_some(line)
}

/// How the queues of a device announce by messages.
pub(super) struct QueueMessages {
    /// The common configuration structure.
    common: u64,
}

impl QueueMessages {
    /// Lets a queue, which is not enabled yet, send the first message of the table.
    pub(super) fn announce(&self, queue: u16) {
        let [select, vector] =
            [QUEUE_SELECT, QUEUE_VECTOR].map(|register| (self.common + register) as *mut u16);
        // SAFETY: the registers are mapped. The driver selects a queue whenever it needs one.
        let taken = unsafe {
            write_volatile(select, queue);
            write_volatile(vector, 0);
            read_volatile(vector)
        };
        // A device that has no room for it says so by another number.
        if taken != 0 {
            interrupts::poll();
        }
    }
}

/// Lets the first message of a device end waits; `None` where it sends none.
pub(super) fn enable_messages(root: &mut PciRoot<Ports>, at: DeviceFunction) -> Option<QueueMessages> {
    let message = root.capabilities(at).find(|capability| capability.id == MSI_X)?;
    let is_common = |capability: &CapabilityInfo| {
        capability.id == VENDOR_SPECIFIC && capability.private_header >> 8 == COMMON
    };
    let common = root.capabilities(at).find(is_common)?.offset;
    let common =
        place(root, at, Ports.read_word(at, common + 4) as u8, Ports.read_word(at, common + 8), COMMON_SIZE)?;
    let table = Ports.read_word(at, message.offset + 4);
    let table = place(root, at, table as u8 & 7, table & !7, ENTRY)?;
    let address = MESSAGES | u32::from(local_apic::id()) << 12;
    for (number, word) in [address, 0, local_apic::DEVICE_VECTOR.into(), 0].into_iter().enumerate() {
        // SAFETY: the table is mapped.
        unsafe { write_volatile((table as *mut u32).add(number), word) };
    }
    let control = Ports.read_word(at, message.offset);
    Ports.write_word(at, message.offset, control & !MSI_X_MASK | MSI_X_ENABLE);
    Some(QueueMessages { common })
}

/// The address of something in a device's memory, mapped.
fn place(root: &mut PciRoot<Ports>, at: DeviceFunction, bar: u8, offset: u32, size: u64) -> Option<u64> {
    let (start, length) = root.bar_info(at, bar).ok()??.memory_address_size()?;
    let offset = u64::from(offset);
    if start == 0 || offset + size > length {
        return None;
    }
    let address = start.checked_add(offset)?;
    dma::map_registers(address, size);
    Some(address)
}
