//! The dynamic loader: nothing is loaded.

use std::{
    ffi::{CStr, c_char, c_int, c_void},
    ptr,
};

/// Weak symbols that `std` looks up by name. Those that it cannot do without are found.
#[cfg_attr(any(feature = "spt", feature = "hvt", feature = "virtio"), unsafe(no_mangle))]
pub unsafe extern "C" fn dlsym(_handle: *mut c_void, name: *const c_char) -> *mut c_void {
    // SAFETY: the caller promises a C string.
    match unsafe { CStr::from_ptr(name) }.to_bytes() {
        b"getrandom" => super::system_call::getrandom as *mut c_void,
        _ => ptr::null_mut(),
    }
}

/// Asked by backtraces; there are no unwind tables to show.
#[cfg_attr(any(feature = "spt", feature = "hvt", feature = "virtio"), unsafe(no_mangle))]
pub extern "C" fn dl_iterate_phdr(_callback: *mut c_void, _data: *mut c_void) -> c_int {
    0
}
