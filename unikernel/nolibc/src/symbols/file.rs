//! Files: there are none but the console.

use super::{EBADF, EINVAL, ENOENT, ENOSYS, fail};
use crate::platform::{Current, Platform};
use std::{
    ffi::{c_char, c_int, c_short, c_void},
    ptr, slice,
};

const STANDARD_OUTPUT: c_int = 1;
const STANDARD_ERROR: c_int = 2;

/// `struct iovec`.
#[repr(C)]
pub struct Vector {
    start: *const u8,
    length: usize,
}

/// `struct pollfd`.
#[repr(C)]
pub struct PollDescriptor {
    descriptor: c_int,
    events: c_short,
    returned: c_short,
}

#[cfg_attr(any(feature = "spt", feature = "hvt", feature = "virtio"), unsafe(no_mangle))]
pub unsafe extern "C" fn write(descriptor: c_int, data: *const c_void, size: usize) -> isize {
    if !matches!(descriptor, STANDARD_OUTPUT | STANDARD_ERROR) {
        return fail(EBADF) as isize;
    }
    // SAFETY: the caller promises `size` readable bytes.
    Current::console(unsafe { slice::from_raw_parts(data.cast(), size) });
    size as isize
}

#[cfg_attr(any(feature = "spt", feature = "hvt", feature = "virtio"), unsafe(no_mangle))]
pub unsafe extern "C" fn writev(descriptor: c_int, vectors: *const Vector, count: c_int) -> isize {
    let Ok(count) = usize::try_from(count) else { return fail(EINVAL) as isize };
    let mut written = 0;
    // SAFETY: the caller promises `count` vectors, each of which names readable bytes.
    for vector in unsafe { slice::from_raw_parts(vectors, count) } {
        if vector.length > 0 {
            // SAFETY: as above.
            match unsafe { write(descriptor, vector.start.cast(), vector.length) } {
                -1 => return -1,
                more => written += more,
            }
        }
    }
    written
}

#[cfg_attr(any(feature = "spt", feature = "hvt", feature = "virtio"), unsafe(no_mangle))]
pub extern "C" fn read(_descriptor: c_int, _buffer: *mut c_void, _size: usize) -> isize {
    fail(EBADF) as isize
}

#[cfg_attr(any(feature = "spt", feature = "hvt", feature = "virtio"), unsafe(no_mangle))]
pub extern "C" fn open(_path: *const c_char, _flags: c_int) -> c_int {
    fail(ENOENT)
}

#[cfg_attr(any(feature = "spt", feature = "hvt", feature = "virtio"), unsafe(no_mangle))]
pub extern "C" fn open64(_path: *const c_char, _flags: c_int) -> c_int {
    fail(ENOENT)
}

#[cfg_attr(any(feature = "spt", feature = "hvt", feature = "virtio"), unsafe(no_mangle))]
pub extern "C" fn close(_descriptor: c_int) -> c_int {
    fail(EBADF)
}

#[cfg_attr(any(feature = "spt", feature = "hvt", feature = "virtio"), unsafe(no_mangle))]
pub extern "C" fn lseek64(_descriptor: c_int, _offset: i64, _whence: c_int) -> i64 {
    fail(EBADF).into()
}

#[cfg_attr(any(feature = "spt", feature = "hvt", feature = "virtio"), unsafe(no_mangle))]
pub extern "C" fn stat64(_path: *const c_char, _result: *mut c_void) -> c_int {
    fail(ENOENT)
}

#[cfg_attr(any(feature = "spt", feature = "hvt", feature = "virtio"), unsafe(no_mangle))]
pub extern "C" fn fstat64(_descriptor: c_int, _result: *mut c_void) -> c_int {
    fail(EBADF)
}

#[cfg_attr(any(feature = "spt", feature = "hvt", feature = "virtio"), unsafe(no_mangle))]
pub extern "C" fn getcwd(_buffer: *mut c_char, _size: usize) -> *mut c_char {
    fail(ENOENT);
    ptr::null_mut()
}

#[cfg_attr(any(feature = "spt", feature = "hvt", feature = "virtio"), unsafe(no_mangle))]
pub extern "C" fn readlink(_path: *const c_char, _buffer: *mut c_char, _size: usize) -> isize {
    fail(ENOENT) as isize
}

#[cfg_attr(any(feature = "spt", feature = "hvt", feature = "virtio"), unsafe(no_mangle))]
pub extern "C" fn realpath(_path: *const c_char, _resolved: *mut c_char) -> *mut c_char {
    fail(ENOENT);
    ptr::null_mut()
}

#[cfg_attr(any(feature = "spt", feature = "hvt", feature = "virtio"), unsafe(no_mangle))]
pub extern "C" fn mmap64(
    _address: *mut c_void,
    _length: usize,
    _protection: c_int,
    _flags: c_int,
    _descriptor: c_int,
    _offset: i64,
) -> *mut c_void {
    fail(ENOSYS);
    ptr::without_provenance_mut(usize::MAX)
}

#[cfg_attr(any(feature = "spt", feature = "hvt", feature = "virtio"), unsafe(no_mangle))]
pub extern "C" fn munmap(_address: *mut c_void, _length: usize) -> c_int {
    fail(EINVAL)
}

/// Nothing has descriptors that could become ready.
#[cfg_attr(any(feature = "spt", feature = "hvt", feature = "virtio"), unsafe(no_mangle))]
pub extern "C" fn poll(_descriptors: *mut PollDescriptor, _count: usize, _milliseconds: c_int) -> c_int {
    fail(ENOSYS)
}
