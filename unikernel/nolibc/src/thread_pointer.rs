//! The one thread's local storage (ELF thread-local storage, variant II).
//!
//! The block lies below the thread pointer and ends at it; the linker script places it and computes the
//! pointer, with the same rounding as the linker's relocations. At the pointer is the pointer itself, and
//! 40 bytes above it the canary of C code compiled with a stack protector.

use crate::platform::{Current, Platform};
use crate::processor;
use std::ptr;

unsafe extern "C" {
    static __tls_image: u8;
    static __tls_image_end: u8;
    static __tls_block: u8;
    static __thread_pointer: u8;
}

/// Bytes from the thread pointer to the stack protector's canary.
const CANARY: usize = 0x28;

/// Fills the block and points the FS base behind it. Nothing that uses thread-local storage may run before.
#[inline(never)]
pub(crate) fn install() {
    let image = (&raw const __tls_image, &raw const __tls_image_end);
    let block = (&raw const __tls_block).cast_mut();
    let pointer = (&raw const __thread_pointer).cast_mut();
    let canary = processor::entropy_word().unwrap_or(0) & !0xff;
    // SAFETY: the linker script reserves the block for this, as large as the image and the zeroes that
    // follow it, with 64 bytes behind the thread pointer, aligned to 64; nothing else uses it.
    unsafe {
        ptr::copy_nonoverlapping(image.0, block, image.1 as usize - image.0 as usize);
        pointer.cast::<usize>().write(pointer as usize);
        pointer.add(CANARY).cast::<u64>().write(canary);
        Current::set_thread_pointer(pointer as usize);
    }
}
