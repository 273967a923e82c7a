//! What the tender says at the start, and where the guest begins.

use crate::solo5::manifest::Manifest;
use std::{
    ffi::{CStr, c_char},
    ops::Range,
    ptr,
    sync::atomic::{AtomicPtr, Ordering},
};

/// Solo5's `struct hvt_boot_info`, as far as older tenders have it.
#[repr(C)]
pub(super) struct BootInfo {
    memory_size: u64,
    image_end: u64,
    /// Cycles of the time stamp counter a second.
    cycles_per_second: u64,
    command_line: *const c_char,
    pub(super) manifest: *const Manifest,
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
    #[cfg(feature = "hvt")]
    mod entry {
        use super::{BootInfo, INFO, Ordering};
        use crate::{
            platform::{hvt::{CLOCK, hypercall}, x86},
            solo5::{manifest::Declared, note::{self, Interface, Note}},
        };

        #[used]
        #[unsafe(link_section = ".note.solo5.abi")]
        static INTERFACE: Note<Interface> = note::interface(Interface::HVT);

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

        /// Where the tender leaves its tables and the boot information: the latter can be read.
        const LOADER: std::ops::Range<u64> = 0x10000..0x10_0000;

        extern "C" fn enter(info: *mut BootInfo) -> ! {
            INFO.store(info, Ordering::Relaxed);
            let info = super::info();
            x86::descriptors::load();
            x86::exception::install();
            x86::features::enable();
            let layout = x86::paging::Layout {
                loader: LOADER,
                text: (&raw const x86::__image_start) as u64..(&raw const x86::__text_end) as u64,
                constants: (&raw const x86::__text_end) as u64..(&raw const x86::__rodata_end) as u64,
                memory_end: info.memory_size,
                devices: 0..0,
            };
            // SAFETY: the layout is that of the linker script and the tender's.
            unsafe { x86::paging::enable(&layout) };
            CLOCK.begin(info.cycles_per_second, hypercall::wall_time());
            crate::start()
        }
    }
}
