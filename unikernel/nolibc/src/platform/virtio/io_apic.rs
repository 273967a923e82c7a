//! The interrupt controllers that carry lines to the local APIC (82093AA, I/O APIC).

use super::local_apic::{self, DEVICE_VECTOR};
use std::ptr::{read_volatile, write_volatile};

/// Where they are, and their first line. All monitors have the first one there; QEMU's microvm has the second
/// when it has ACPI.
const CONTROLLERS: [(usize, u32); 2] = [(0xfec0_0000, 0), (0xfec1_0000, 24)];

const SELECT: usize = 0;
const WINDOW: usize = 0x10;

const VERSION: u32 = 1;
/// Two registers a line from here on.
const LINES: u32 = 0x10;

fn read(controller: usize, register: u32) -> u32 {
    // SAFETY: device registers are mapped, and these are used here only.
    unsafe {
        write_volatile((controller + SELECT) as *mut u32, register);
        read_volatile((controller + WINDOW) as *const u32)
    }
}

fn write(controller: usize, register: u32, value: u32) {
    // SAFETY: device registers are mapped, and these are used here only.
    unsafe {
        write_volatile((controller + SELECT) as *mut u32, register);
        write_volatile((controller + WINDOW) as *mut u32, value);
    }
}

/// The controller's own number of a line, if it has the line, by its version register.
fn pin(line: u32, first: u32, version: u32) -> Option<u32> {
    // What does not exist reads as zeros or ones.
    let last = match version {
        0 | u32::MAX => return None,
        version => version >> 16 & 0xff,
    };
    line.checked_sub(first).filter(|pin| *pin <= last)
}

/// Lets a line of devices end waits; says whether there is one of this number.
///
/// It is taken as one that announces by its rise, whatever the device thinks: it is lowered, by acknowledging,
/// before each wait, and stays unmasked, so that a rise at any time is kept.
pub(super) fn add_line(line: u32) -> bool {
    CONTROLLERS.into_iter().any(|(controller, first)| {
        // The second is only asked for lines that the first cannot have.
        let pin = (line >= first).then(|| pin(line, first, read(controller, VERSION))).flatten();
        if let Some(pin) = pin {
            let register = LINES + 2 * pin;
            write(controller, register + 1, u32::from(local_apic::id()) << 24);
            // Fixed delivery to one processor, active high, edge, not masked.
            write(controller, register, DEVICE_VECTOR.into());
        }
        pin.is_some()
    })
}

#[cfg(test)]
mod tests {
    use super::pin;

    #[test]
    fn a_line_belongs_to_the_controller_that_has_it() {
        let version = 23 << 16 | 0x20;
        assert_eq!(pin(5, 0, version), Some(5));
        assert_eq!(pin(23, 0, version), Some(23));
        assert_eq!(pin(24, 0, version), None);
        assert_eq!(pin(24, 24, version), Some(0));
        assert_eq!(pin(47, 24, version), Some(23));
        assert_eq!(pin(0, 0, 0), None);
        assert_eq!(pin(0, 0, u32::MAX), None);
    }
}
