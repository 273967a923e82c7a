//! Processor exceptions: each is a bug, and stops the guest with what is known of it.

use super::{
    __rodata_end,
    descriptors::{EXCEPTION_STACK, set_handler},
    instructions,
};
use crate::exit;
use std::arch::global_asm;

/// Exceptions are the vectors below this.
const EXCEPTIONS: u8 = 32;
const PAGE_FAULT: u64 = 14;
/// Bytes of an entry in the table of handlers.
const ENTRY: usize = 16;

// Each entry pushes its vector, and first a zero where the processor pushes no error code (all but 8, 10 to
// 14, 17, 21, 29 and 30), so that the frame is the same for all.
global_asm!(
    ".balign 16",
    "kalends_exceptions:",
    ".set vector, 0",
    ".rept 32",
    ".balign 16",
    ".if ((0x60227d00 >> vector) & 1) == 0",
    "push 0",
    ".endif",
    "push vector",
    "jmp 2f",
    ".set vector, vector + 1",
    ".endr",
    "2: cld",
    "mov rdi, rsp",
    "and rsp, -16",
    "call {report}",
    "ud2",
    report = sym report,
);

unsafe extern "C" {
    #[link_name = "kalends_exceptions"]
    static HANDLERS: u8;
}

/// What is on the stack.
#[repr(C)]
struct Frame {
    vector: u64,
    error: u64,
    instruction: u64,
    code: u64,
    flags: u64,
    stack: u64,
}

/// Lets exceptions be reported; the tables must be loaded.
pub(in crate::platform) fn install() {
    for vector in 0..EXCEPTIONS {
        let handler = (&raw const HANDLERS) as usize + usize::from(vector) * ENTRY;
        // SAFETY: the entries end in `report`, which never returns.
        unsafe { set_handler(vector, handler, EXCEPTION_STACK) };
    }
}

extern "C" fn report(frame: &Frame) -> ! {
    let Frame { vector, error, instruction, stack, .. } = *frame;
    let name = match vector {
        0 => "division by zero",
        6 => "invalid instruction",
        8 => "double fault",
        13 => "general protection fault",
        PAGE_FAULT => "page fault",
        _ => "processor exception",
    };
    if vector == PAGE_FAULT {
        let address = instructions::fault_address();
        // The stack ends where the read-only data begins.
        let end = (&raw const __rodata_end) as u64;
        let overrun = if (end - 0x10000..end).contains(&address) { " (the stack was overrun)" } else { "" };
        exit::stop(
            exit::EXCEPTION,
            format_args!(
                "bug: page fault at {instruction:#x} accessing {address:#x}{overrun}, error {error:#x}, \
                 stack {stack:#x}"
            ),
        )
    }
    exit::stop(
        exit::EXCEPTION,
        format_args!("bug: {name} {vector} at {instruction:#x}, error {error:#x}, stack {stack:#x}"),
    )
}
