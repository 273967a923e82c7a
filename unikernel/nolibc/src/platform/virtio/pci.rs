//! PCI configuration space by its two ports (PCI Local Bus 3.0, 3.2.2.3.2).

use crate::platform::x86::instructions::{input_32, output_32};
use virtio_drivers::transport::pci::bus::{Command, ConfigurationAccess, DeviceFunction, PciRoot};

const ADDRESS: u16 = 0xcf8;
const DATA: u16 = 0xcfc;
const ENABLE: u32 = 1 << 31;

const INTERRUPT_LINE: u8 = 0x3c;

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

/// Lets a device be used, with its interrupt line or without; gives the line that firmware chose.
pub(super) fn enable(root: &mut PciRoot<Ports>, at: DeviceFunction, interrupts: bool) -> Option<u8> {
    let mut command = Command::MEMORY_SPACE | Command::BUS_MASTER;
    if !interrupts {
        command |= Command::INTERRUPT_DISABLE;
    }
    root.set_command(at, command);
    let line = Ports.read_word(at, INTERRUPT_LINE) as u8;
    (interrupts && (1..16).contains(&line)).then_some(line)
}
