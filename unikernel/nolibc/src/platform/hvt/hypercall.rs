//! Hypercalls: the address of a structure, written to a port; the tender answers in the structure.

use crate::platform::x86::instructions::output_32;
use std::{ffi::c_int, ptr, time::Duration};

const PORTS: u16 = 0x500;

const WALL_TIME: u16 = 1;
const PUTS: u16 = 2;
const POLL: u16 = 3;
const BLOCK_WRITE: u16 = 4;
const BLOCK_READ: u16 = 5;
const NET_WRITE: u16 = 6;
const NET_READ: u16 = 7;
const HALT: u16 = 8;

/// Bytes that the tender may read at the cookie of a halt.
const COOKIE: usize = 512;

/// How a transfer ended (`solo5_result_t`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    Done,
    TryAgain,
    Failed(c_int),
}

impl From<c_int> for Outcome {
    fn from(result: c_int) -> Self {
        match result {
            0 => Self::Done,
            1 => Self::TryAgain,
            other => Self::Failed(other),
        }
    }
}

/// A transfer, as all four kinds have it.
#[repr(C)]
struct Transfer {
    handle: u64,
    offset: u64,
    data: *const u8,
    length: usize,
    result: c_int,
}

/// A transfer of a frame, which has no offset.
#[repr(C)]
struct FrameTransfer {
    handle: u64,
    data: *const u8,
    length: usize,
    result: c_int,
}

/// # Safety
/// The structure must be that of the hypercall, and what it points to valid for what the tender does.
unsafe fn call<T>(number: u16, argument: &mut T) {
    let address = ptr::from_mut(argument) as usize;
    debug_assert!(u32::try_from(address).is_ok(), "the port takes 32 bits, and memory ends below 4 GiB");
    // SAFETY: as the caller promises.
    unsafe { output_32(PORTS + number, address as u32) };
}

pub(super) fn wall_time() -> Duration {
    let mut nanoseconds = 0_u64;
    // SAFETY: the tender writes the one number.
    unsafe { call(WALL_TIME, &mut nanoseconds) };
    Duration::from_nanos(nanoseconds)
}

pub(super) fn write_console(bytes: &[u8]) {
    #[repr(C)]
    struct Puts {
        data: *const u8,
        length: usize,
    }
    // SAFETY: the tender reads the bytes.
    unsafe { call(PUTS, &mut Puts { data: bytes.as_ptr(), length: bytes.len() }) };
}

/// Waits for a frame, at most so long.
pub(super) fn poll(timeout: Duration) {
    #[repr(C)]
    struct Poll {
        timeout: u64,
        ready: u64,
        result: c_int,
    }
    let timeout = u64::try_from(timeout.as_nanos()).unwrap_or(u64::MAX);
    // SAFETY: the tender writes the two results.
    unsafe { call(POLL, &mut Poll { timeout, ready: 0, result: 0 }) };
}

pub(super) fn read_block(handle: u64, offset: u64, buffer: &mut [u8]) -> Outcome {
    let mut transfer =
        Transfer { handle, offset, data: buffer.as_mut_ptr(), length: buffer.len(), result: 0 };
    // SAFETY: the tender writes at most `length` bytes there.
    unsafe { call(BLOCK_READ, &mut transfer) };
    transfer.result.into()
}

pub(super) fn write_block(handle: u64, offset: u64, data: &[u8]) -> Outcome {
    let mut transfer = Transfer { handle, offset, data: data.as_ptr(), length: data.len(), result: 0 };
    // SAFETY: the tender reads the data.
    unsafe { call(BLOCK_WRITE, &mut transfer) };
    transfer.result.into()
}

/// The length of the frame that was read, if one was there.
pub(super) fn read_frame(handle: u64, buffer: &mut [u8]) -> Option<usize> {
    let mut transfer = FrameTransfer { handle, data: buffer.as_mut_ptr(), length: buffer.len(), result: 0 };
    // SAFETY: the tender writes at most `length` bytes there.
    unsafe { call(NET_READ, &mut transfer) };
    (Outcome::from(transfer.result) == Outcome::Done).then_some(transfer.length.min(buffer.len()))
}

pub(super) fn write_frame(handle: u64, frame: &[u8]) -> Outcome {
    let mut transfer = FrameTransfer { handle, data: frame.as_ptr(), length: frame.len(), result: 0 };
    // SAFETY: the tender reads the frame.
    unsafe { call(NET_WRITE, &mut transfer) };
    transfer.result.into()
}

pub(super) fn halt(status: u8) -> ! {
    #[repr(C)]
    struct Halt {
        cookie: *const [u8; COOKIE],
        status: c_int,
    }
    static COOKIE_BYTES: [u8; COOKIE] = [0; COOKIE];
    loop {
        // SAFETY: the tender may read the cookie; it does not return.
        unsafe { call(HALT, &mut Halt { cookie: &COOKIE_BYTES, status: status.into() }) };
    }
}
