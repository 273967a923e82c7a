//! `memcpy` and its like, with SSE2, which every x86-64 processor has.
//!
//! Short sizes take two overlapping moves from both ends; larger ones a loop of 64 bytes. The loops are in
//! assembly: the compiler would make calls of `memcpy` from loops written in Rust.

use std::{
    arch::{
        asm,
        x86_64::{
            __m128i, _mm_and_si128, _mm_cmpeq_epi8, _mm_loadu_si128, _mm_movemask_epi8, _mm_set1_epi8,
            _mm_storeu_si128,
        },
    },
    ffi::c_int,
    mem,
};

/// From here on the processor's own string instructions are faster than the loops.
const STRING_INSTRUCTION: usize = 1024;

/// Loads from both ends before it stores, so that the ranges may overlap.
///
/// # Safety
/// As for `memmove`; `size` is from `size_of::<T>()` to twice that.
#[inline(always)]
unsafe fn ends<T>(to: *mut u8, from: *const u8, size: usize) {
    let last = size - size_of::<T>();
    // SAFETY: both places are within the `size` bytes.
    unsafe {
        let first_value = from.cast::<T>().read_unaligned();
        let last_value = from.add(last).cast::<T>().read_unaligned();
        to.cast::<T>().write_unaligned(first_value);
        to.add(last).cast::<T>().write_unaligned(last_value);
    }
}

/// Up to 32 bytes, which may overlap.
///
/// # Safety
/// As for `memmove`.
#[inline(always)]
unsafe fn short(to: *mut u8, from: *const u8, size: usize) {
    // SAFETY: each arm takes the sizes that its type covers.
    unsafe {
        match size {
            16.. => ends::<__m128i>(to, from, size),
            8.. => ends::<u64>(to, from, size),
            4.. => ends::<u32>(to, from, size),
            2.. => ends::<u16>(to, from, size),
            1 => to.write(from.read()),
            0 => {}
        }
    }
}

#[cfg_attr(any(feature = "spt", feature = "hvt", feature = "virtio"), unsafe(no_mangle))]
pub unsafe extern "C" fn memcpy(to: *mut u8, from: *const u8, size: usize) -> *mut u8 {
    // SAFETY: all accesses are within the `size` bytes that the caller promises.
    unsafe {
        if size <= 32 {
            short(to, from, size);
        } else {
            forward(to, from, size);
        }
    }
    to
}

#[cfg_attr(any(feature = "spt", feature = "hvt", feature = "virtio"), unsafe(no_mangle))]
pub unsafe extern "C" fn memmove(to: *mut u8, from: *const u8, size: usize) -> *mut u8 {
    // SAFETY: all accesses are within the `size` bytes that the caller promises.
    unsafe {
        if size <= 32 {
            short(to, from, size);
        } else if (to as usize).wrapping_sub(from as usize) >= size {
            forward(to, from, size);
        } else {
            backward(to, from, size);
        }
    }
    to
}

/// More than 32 bytes; `to` is not within the bytes from `from` on.
///
/// # Safety
/// As for `memmove`.
#[inline(always)]
unsafe fn forward(to: *mut u8, from: *const u8, size: usize) {
    // SAFETY: all accesses are within the `size` bytes that the caller promises. The last 32 bytes are
    // loaded first, as the loop may overwrite their source.
    unsafe {
        if size >= STRING_INSTRUCTION && (from as usize).wrapping_sub(to as usize) >= size {
            asm!(
                "rep movsb",
                inout("rcx") size => _, inout("rdi") to => _, inout("rsi") from => _,
                options(nostack, preserves_flags),
            );
            return;
        }
        let tail = size - 32;
        let before_last = _mm_loadu_si128(from.add(tail).cast());
        let last = _mm_loadu_si128(from.add(tail + 16).cast());
        asm!(
            "2: movups {a}, [{from}]",
            "movups {b}, [{from} + 16]",
            "movups [{to}], {a}",
            "movups [{to} + 16], {b}",
            "add {from}, 32",
            "add {to}, 32",
            "sub {left}, 32",
            "ja 2b",
            from = inout(reg) from => _, to = inout(reg) to => _, left = inout(reg) tail => _,
            a = out(xmm_reg) _, b = out(xmm_reg) _,
            options(nostack),
        );
        _mm_storeu_si128(to.add(tail).cast(), before_last);
        _mm_storeu_si128(to.add(tail + 16).cast(), last);
    }
}

/// More than 32 bytes, from the end on; `from` may be within the bytes from `to` on.
///
/// # Safety
/// As for `memmove`.
unsafe fn backward(to: *mut u8, from: *const u8, size: usize) {
    // SAFETY: all accesses are within the `size` bytes that the caller promises. The first 32 bytes are
    // loaded first, as the loop may overwrite their source.
    unsafe {
        let first = _mm_loadu_si128(from.cast());
        let second = _mm_loadu_si128(from.add(16).cast());
        asm!(
            "2: movups {a}, [{from} + {left}]",
            "movups {b}, [{from} + {left} + 16]",
            "movups [{to} + {left}], {a}",
            "movups [{to} + {left} + 16], {b}",
            "sub {left}, 32",
            "ja 2b",
            from = in(reg) from, to = in(reg) to, left = inout(reg) size - 32 => _,
            a = out(xmm_reg) _, b = out(xmm_reg) _,
            options(nostack),
        );
        _mm_storeu_si128(to.cast(), first);
        _mm_storeu_si128(to.add(16).cast(), second);
    }
}

#[cfg_attr(any(feature = "spt", feature = "hvt", feature = "virtio"), unsafe(no_mangle))]
pub unsafe extern "C" fn memset(to: *mut u8, value: c_int, size: usize) -> *mut u8 {
    let word = u64::from(value as u8) * 0x0101_0101_0101_0101;
    // SAFETY: all accesses are within the `size` bytes that the caller promises; each arm takes the sizes
    // that its type covers from both ends.
    unsafe {
        match size {
            33.. => large_set(to, value as u8, size),
            16.. => {
                let wide = _mm_set1_epi8(value as i8);
                _mm_storeu_si128(to.cast(), wide);
                _mm_storeu_si128(to.add(size - 16).cast(), wide);
            }
            8.. => {
                to.cast::<u64>().write_unaligned(word);
                to.add(size - 8).cast::<u64>().write_unaligned(word);
            }
            4.. => {
                to.cast::<u32>().write_unaligned(word as u32);
                to.add(size - 4).cast::<u32>().write_unaligned(word as u32);
            }
            2.. => {
                to.cast::<u16>().write_unaligned(word as u16);
                to.add(size - 2).cast::<u16>().write_unaligned(word as u16);
            }
            1 => to.write(value as u8),
            0 => {}
        }
    }
    to
}

/// # Safety
/// As for `memset`, with more than 32 bytes.
#[inline(always)]
unsafe fn large_set(to: *mut u8, value: u8, size: usize) {
    // SAFETY: all accesses are within the `size` bytes that the caller promises.
    unsafe {
        if size >= STRING_INSTRUCTION {
            asm!(
                "rep stosb",
                inout("rcx") size => _, inout("rdi") to => _, in("al") value,
                options(nostack, preserves_flags),
            );
            return;
        }
        let wide = _mm_set1_epi8(value as i8);
        asm!(
            "2: movups [{at}], {wide}",
            "movups [{at} + 16], {wide}",
            "add {at}, 32",
            "sub {left}, 32",
            "ja 2b",
            at = inout(reg) to => _, left = inout(reg) size - 32 => _, wide = in(xmm_reg) wide,
            options(nostack),
        );
        _mm_storeu_si128(to.add(size - 32).cast(), wide);
        _mm_storeu_si128(to.add(size - 16).cast(), wide);
    }
}

/// The place of the first difference, or `size`.
///
/// # Safety
/// As for `memcmp`.
#[inline(always)]
unsafe fn first_difference(a: *const u8, b: *const u8, size: usize) -> usize {
    let mut at = 0;
    // SAFETY: all accesses are within the `size` bytes that the caller promises.
    unsafe {
        // Four at a time, and only whether one of them differs.
        while at + 64 <= size {
            let equal = |part: usize| {
                let at = at + 16 * part;
                _mm_cmpeq_epi8(_mm_loadu_si128(a.add(at).cast()), _mm_loadu_si128(b.add(at).cast()))
            };
            let all = _mm_and_si128(_mm_and_si128(equal(0), equal(1)), _mm_and_si128(equal(2), equal(3)));
            if _mm_movemask_epi8(all) != 0xffff {
                break;
            }
            at += 64;
        }
        while at + 16 <= size {
            let (one, two) = (_mm_loadu_si128(a.add(at).cast()), _mm_loadu_si128(b.add(at).cast()));
            let equal = _mm_movemask_epi8(_mm_cmpeq_epi8(one, two)) as u32;
            if equal != 0xffff {
                return at + (!equal).trailing_zeros() as usize;
            }
            at += 16;
        }
        if at + 8 <= size {
            let one = a.add(at).cast::<u64>().read_unaligned();
            let two = b.add(at).cast::<u64>().read_unaligned();
            if one != two {
                return at + (one ^ two).trailing_zeros() as usize / 8;
            }
            at += 8;
        }
        while at < size && a.add(at).read() == b.add(at).read() {
            at += 1;
        }
    }
    at
}

#[cfg_attr(any(feature = "spt", feature = "hvt", feature = "virtio"), unsafe(no_mangle))]
pub unsafe extern "C" fn memcmp(a: *const u8, b: *const u8, size: usize) -> c_int {
    // SAFETY: as the caller promises; a difference is within the bytes.
    unsafe {
        let at = first_difference(a, b, size);
        if at == size { 0 } else { c_int::from(a.add(at).read()) - c_int::from(b.add(at).read()) }
    }
}

#[cfg_attr(any(feature = "spt", feature = "hvt", feature = "virtio"), unsafe(no_mangle))]
pub unsafe extern "C" fn bcmp(a: *const u8, b: *const u8, size: usize) -> c_int {
    // SAFETY: as the caller promises.
    c_int::from(unsafe { first_difference(a, b, size) } != size)
}

#[cfg_attr(any(feature = "spt", feature = "hvt", feature = "virtio"), unsafe(no_mangle))]
pub unsafe extern "C" fn strlen(text: *const u8) -> usize {
    let mut length = 0;
    // SAFETY: the caller promises a zero. Volatile, lest the compiler make a call of `strlen` from this.
    while unsafe { text.add(length).read_volatile() } != 0 {
        length += 1;
    }
    length
}

const _: () = assert!(mem::size_of::<__m128i>() == 16);

#[cfg(test)]
mod tests {
    use super::*;

    /// Sizes around every threshold, at every alignment of a 16-byte move.
    fn cases() -> impl Iterator<Item = (usize, usize, usize)> {
        let sizes = (0..200).chain([255, 256, 257, 511, 512, 1023, 1024, 1025, 5000]);
        sizes
            .flat_map(|size| [0, 1, 7, 15].map(move |to| [0, 3, 8].map(move |from| (size, to, from))))
            .flatten()
    }

    fn pattern(length: usize) -> Vec<u8> {
        (0..length).map(|at| (at * 31 % 251) as u8).collect()
    }

    #[test]
    fn copies_are_exact_and_touch_nothing_else() {
        for (size, to, from) in cases() {
            let source = pattern(size + 64);
            let mut target = vec![0xaa; size + 64];
            // SAFETY: both ranges are within their vectors.
            unsafe { memcpy(target.as_mut_ptr().add(to), source.as_ptr().add(from), size) };
            assert_eq!(target[to..to + size], source[from..from + size], "{size} {to} {from}");
            assert!(target[..to].iter().chain(&target[to + size..]).all(|byte| *byte == 0xaa));
        }
    }

    #[test]
    fn moves_may_overlap_either_way() {
        for (size, to, from) in cases() {
            for shift in [0, 1, 16, 31, 33, 64] {
                for (to, from) in [(to + shift, from), (to, from + shift)] {
                    let mut bytes = pattern(size + 128);
                    let mut expected = bytes.clone();
                    expected.copy_within(from..from + size, to);
                    // SAFETY: both ranges are within the vector.
                    unsafe { memmove(bytes.as_mut_ptr().add(to), bytes.as_ptr().add(from), size) };
                    assert!(bytes == expected, "{size} bytes from {from} to {to}");
                }
            }
        }
    }

    #[test]
    fn setting_is_exact() {
        for (size, to, _) in cases() {
            let mut target = vec![0xaa; size + 64];
            // SAFETY: the range is within the vector.
            unsafe { memset(target.as_mut_ptr().add(to), 0x155, size) };
            assert!(target[to..to + size].iter().all(|byte| *byte == 0x55), "{size} {to}");
            assert!(target[..to].iter().chain(&target[to + size..]).all(|byte| *byte == 0xaa));
        }
    }

    #[test]
    fn comparing_finds_the_first_difference() {
        for (size, to, from) in cases().filter(|case| case.0 < 600) {
            let (mut one, two) = (pattern(size + 64), pattern(size + 64 + to));
            one.splice(0..0, std::iter::repeat_n(9, from));
            let (a, b) = (one[from..].as_mut_ptr(), two.as_ptr());
            // SAFETY: both ranges are within their vectors.
            unsafe {
                assert_eq!((memcmp(a, b, size), bcmp(a, b, size)), (0, 0));
                for at in [0, size / 2, size.saturating_sub(1)].into_iter().filter(|at| *at < size) {
                    let kept = a.add(at).read();
                    a.add(at).write(kept ^ 0x80);
                    let expected = (kept ^ 0x80).cmp(&kept) as c_int;
                    assert_eq!(memcmp(a, b, size).signum(), expected, "{size} {at}");
                    assert_ne!(bcmp(a, b, size), 0);
                    a.add(at).write(kept);
                }
            }
        }
    }

    #[test]
    fn a_string_ends_at_its_zero() {
        // SAFETY: the strings end with a zero.
        unsafe {
            assert_eq!(strlen(c"".as_ptr().cast()), 0);
            assert_eq!(strlen(c"calendar".as_ptr().cast()), 8);
        }
    }
}
