//! Threads: there is one. Code that starts another does not link.

use std::ffi::{c_int, c_uint, c_void};

/// `std` makes keys to run destructors when a thread ends; the only thread does not end before the guest.
#[cfg_attr(any(feature = "spt", feature = "hvt", feature = "virtio"), unsafe(no_mangle))]
pub unsafe extern "C" fn pthread_key_create(key: *mut c_uint, _destructor: *mut c_void) -> c_int {
    // SAFETY: the caller promises that the key can be written. `std` takes 0 for no key.
    unsafe { key.write(1) };
    0
}

#[cfg_attr(any(feature = "spt", feature = "hvt", feature = "virtio"), unsafe(no_mangle))]
pub extern "C" fn pthread_key_delete(_key: c_uint) -> c_int {
    0
}

/// The value serves only to have the destructor called.
#[cfg_attr(any(feature = "spt", feature = "hvt", feature = "virtio"), unsafe(no_mangle))]
pub extern "C" fn pthread_setspecific(_key: c_uint, _value: *const c_void) -> c_int {
    0
}

#[cfg_attr(any(feature = "spt", feature = "hvt", feature = "virtio"), unsafe(no_mangle))]
pub extern "C" fn pthread_mutex_lock(_mutex: *mut c_void) -> c_int {
    0
}

#[cfg_attr(any(feature = "spt", feature = "hvt", feature = "virtio"), unsafe(no_mangle))]
pub extern "C" fn pthread_mutex_unlock(_mutex: *mut c_void) -> c_int {
    0
}

#[cfg_attr(any(feature = "spt", feature = "hvt", feature = "virtio"), unsafe(no_mangle))]
pub extern "C" fn sched_yield() -> c_int {
    0
}
