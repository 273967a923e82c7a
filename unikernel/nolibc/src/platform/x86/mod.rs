//! What the targets share that have a processor to themselves (hvt and virtio), and the clock of spt.

pub(super) mod clock;
pub(super) mod descriptors;
pub(super) mod exception;
pub(super) mod features;
pub(super) mod followed_clock;
pub(super) mod hypervisor;
pub(super) mod instructions;
pub(super) mod paging;

unsafe extern "C" {
    pub(super) static __image_start: u8;
    pub(super) static __text_end: u8;
    pub(super) static __rodata_end: u8;
    pub(super) static __image_end: u8;
}

/// Sets the FS base.
///
/// # Safety
/// The thread-local storage of the address must be ready.
pub(super) unsafe fn set_thread_pointer(pointer: usize) {
    const FS_BASE: u32 = 0xc000_0100;
    // SAFETY: only the thread pointer changes, which is what the caller wants.
    unsafe { instructions::write_register(FS_BASE, pointer as u64) };
}
