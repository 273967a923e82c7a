//! The console: the first serial port (16550).

use crate::platform::x86::instructions::{input_8, output_8};

const PORT: u16 = 0x3f8;
const LINE_STATUS: u16 = PORT + 5;
const TRANSMITTER_EMPTY: u8 = 1 << 5;
/// Where there is no port at all, reads give ones, and the transmitter seems empty; where one is stuck, this
/// ends the wait.
const ATTEMPTS: usize = 1 << 20;

/// 115,200 bits a second, 8 data bits, no parity, queue on, no interrupts.
pub(super) fn begin() {
    for (register, value) in [(1, 0), (3, 0x80), (0, 1), (1, 0), (3, 3), (2, 0xc7), (4, 3)] {
        // SAFETY: the port is the console's.
        unsafe { output_8(PORT + register, value) };
    }
}

/// Writes all bytes, with carriage returns for terminals.
pub(super) fn write(bytes: &[u8]) {
    for byte in bytes {
        if *byte == b'\n' {
            put(b'\r');
        }
        put(*byte);
    }
}

fn put(byte: u8) {
    for _ in 0..ATTEMPTS {
        // SAFETY: the port is the console's.
        if unsafe { input_8(LINE_STATUS) } & TRANSMITTER_EMPTY != 0 {
            break;
        }
        std::hint::spin_loop();
    }
    // SAFETY: the port is the console's.
    unsafe { output_8(PORT, byte) };
}
