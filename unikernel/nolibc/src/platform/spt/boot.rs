//! What the tender says at the start, and where the guest begins.

use crate::solo5::manifest::Manifest;
use std::{
    ffi::{CStr, c_char, c_int},
    ops::Range,
    ptr,
    sync::atomic::{AtomicPtr, Ordering},
};

/// Solo5's `struct spt_boot_info`.
#[repr(C)]
pub(super) struct BootInfo {
    memory_size: u64,
    image_end: u64,
    command_line: *const c_char,
    pub(super) manifest: *const Manifest,
    /// An epoll set that holds the network interfaces and the timer.
    pub(super) poll: c_int,
    pub(super) timer: c_int,
}

static INFO: AtomicPtr<BootInfo> = AtomicPtr::new(ptr::null_mut());

/// What the tender said.
pub(super) fn info() -> &'static BootInfo {
    // SAFETY: the entry point stores the tender's pointer before anything else runs, and the tender's page
    // stays as it is.
    unsafe { &*INFO.load(Ordering::Relaxed) }
}

impl BootInfo {
    pub(super) fn command_line(&self) -> &'static [u8] {
        // SAFETY: the tender ends the command line with a zero, and leaves it in place.
        unsafe { CStr::from_ptr(self.command_line) }.to_bytes()
    }

    /// From the image's end to the memory's. The tender's stack at the very end is no longer used then.
    pub(super) fn free_memory(&self) -> Range<usize> {
        self.image_end as usize..self.memory_size as usize
    }
}

crate::guest_only! {
    #[cfg(feature = "spt")]
    mod entry {
        use super::{BootInfo, INFO, Ordering};
        use crate::solo5::{manifest::Declared, note::{self, Interface, Note}};

        #[used]
        #[unsafe(link_section = ".note.solo5.abi")]
        static INTERFACE: Note<Interface> = note::interface(Interface::SPT);

        #[used]
        #[unsafe(link_section = ".note.solo5.manifest")]
        static MANIFEST: Note<Declared<3>> = note::manifest();

        std::arch::global_asm!(
            ".globl _start",
            "_start:",
            "lea rsp, [rip + __stack_top]",
            "xor ebp, ebp",
            "call {enter}",
            "ud2",
            enter = sym enter,
        );

        extern "C" fn enter(info: *mut BootInfo) -> ! {
            INFO.store(info, Ordering::Relaxed);
            crate::start()
        }
    }
}
