//! The C symbols that `std` and the few C and assembly files of dependencies refer to.
//!
//! The list is what the linker asks for after garbage collection, no more: a new one fails the link by
//! name, and is then either implemented here as POSIX says or found to be avoidable. Functions that have no
//! meaning in a guest fail with the `errno` that says so (`ENOSYS`, `EAGAIN`), never with success.
//!
//! The contract of each function is that of its manual page.
#![allow(missing_docs, clippy::missing_safety_doc)]

pub mod allocation;
pub mod file;
pub mod loader;
pub mod memory;
pub mod process;
pub mod system_call;
pub mod thread;
pub mod time;
pub mod unwind;

use crate::one_thread::OneThread;
use std::{
    cell::Cell,
    ffi::{c_char, c_int},
};

pub(crate) const ENOENT: c_int = 2;
pub(crate) const EBADF: c_int = 9;
pub(crate) const EAGAIN: c_int = 11;
pub(crate) const ENOMEM: c_int = 12;
pub(crate) const EINVAL: c_int = 22;
pub(crate) const ERANGE: c_int = 34;
pub(crate) const ENOSYS: c_int = 38;
pub(crate) const ETIMEDOUT: c_int = 110;

static ERRNO: OneThread<Cell<c_int>> = OneThread::new(Cell::new(0));

/// Sets `errno` and gives -1.
pub(crate) fn fail(errno: c_int) -> c_int {
    ERRNO.set(errno);
    -1
}

#[cfg_attr(any(feature = "spt", feature = "hvt", feature = "virtio"), unsafe(no_mangle))]
pub extern "C" fn __errno_location() -> *mut c_int {
    ERRNO.as_ptr()
}

/// `std` prints "error N" where the text is unknown; the texts of a whole libc are not worth their place.
#[cfg_attr(any(feature = "spt", feature = "hvt", feature = "virtio"), unsafe(no_mangle))]
pub unsafe extern "C" fn __xpg_strerror_r(errno: c_int, text: *mut c_char, size: usize) -> c_int {
    let known = match errno {
        ENOENT => c"no such file",
        EBADF => c"no such descriptor",
        EAGAIN => c"not possible in a guest",
        ENOMEM => c"out of memory",
        EINVAL => c"invalid argument",
        ENOSYS => c"not possible in a guest",
        ETIMEDOUT => c"timed out",
        _ => c"error",
    };
    let bytes = known.to_bytes_with_nul();
    if bytes.len() > size {
        return ERANGE;
    }
    // SAFETY: the caller gives `size` bytes, and the text fits.
    unsafe { text.copy_from_nonoverlapping(bytes.as_ptr().cast(), bytes.len()) };
    0
}
