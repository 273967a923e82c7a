//! Unwinding: a panic stops the guest, and an image holds no unwind tables, so these are never reached but
//! by the backtraces that `std` could print.

use crate::exit;
use std::ffi::{c_int, c_void};

const END_OF_STACK: c_int = 5;

macro_rules! unreachable_symbols {
    ($($name:ident)*) => { $(
        #[cfg_attr(any(feature = "spt", feature = "hvt", feature = "virtio"), unsafe(no_mangle))]
        #[allow(non_snake_case)]
        pub extern "C" fn $name() -> ! {
            exit::stop(exit::ABORT, format_args!("bug: {} was called", stringify!($name)))
        }
    )* };
}

unreachable_symbols! {
    _Unwind_GetDataRelBase
    _Unwind_GetIP
    _Unwind_GetIPInfo
    _Unwind_GetLanguageSpecificData
    _Unwind_GetRegionStart
    _Unwind_GetTextRelBase
    _Unwind_Resume
    _Unwind_SetGR
    _Unwind_SetIP
}

#[cfg_attr(any(feature = "spt", feature = "hvt", feature = "virtio"), unsafe(no_mangle))]
#[allow(non_snake_case)]
pub extern "C" fn _Unwind_Backtrace(_trace: *mut c_void, _data: *mut c_void) -> c_int {
    END_OF_STACK
}
