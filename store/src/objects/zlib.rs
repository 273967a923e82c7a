//! zlib streams, with (de)compressor state kept between calls: setting it up costs more than most objects.

use crate::Error;
use flate2::{Compress, Compression, Decompress, FlushCompress, FlushDecompress, Status};
use std::cell::RefCell;

/// What is worth spending on the compression of something. `docs/performance.md` has the measurement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Effort {
    /// Level 1, whose codes are fixed: half of the time of level 6, and for a commit 13% more bytes.
    Fast,
    /// Level 6: for iCalendar objects within 1% of level 9 in size.
    Small,
}

/// What is no longer than this is stored as it is, which takes 11 bytes more. Most such objects are small
/// trees and deltas of one entry, mostly ids, which no compression makes shorter.
const STORED: usize = 128;

/// What inflates to no more than this is inflated into a buffer of its own first, which has room beyond the end:
/// inflating is fast while the longest match (258 bytes) surely fits, and an event is hardly longer than that.
const SCRATCH_ROOM: usize = 32 << 10;
const SLACK: usize = 512;

thread_local! {
    static FAST: RefCell<Compress> = RefCell::new(Compress::new(Compression::new(1), true));
    static SMALL: RefCell<Compress> = RefCell::new(Compress::new(Compression::new(6), true));
    static INFLATE: RefCell<Decompress> = RefCell::new(Decompress::new(true));
    static SCRATCH: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// Appends the zlib stream of `data` to `out`.
pub(crate) fn deflate(data: &[u8], effort: Effort, out: &mut Vec<u8>) {
    if data.len() <= STORED {
        return store(data, out);
    }
    let state = match effort {
        Effort::Fast => &FAST,
        Effort::Small => &SMALL,
    };
    state.with_borrow_mut(|state| {
        state.reset();
        out.reserve(data.len() / 2 + 64);
        loop {
            let consumed = state.total_in() as usize;
            let status = state.compress_vec(&data[consumed..], out, FlushCompress::Finish);
            match status {
                Ok(Status::StreamEnd) => return,
                // Out of space: compress_vec never grows the vector itself.
                Ok(_) => out.reserve(data.len() / 4 + 64),
                Err(error) => unreachable!("deflate has no failing input: {error}"),
            }
        }
    });
}

/// Appends a zlib stream (RFC 1950) of one stored block (RFC 1951 §3.2.4).
fn store(data: &[u8], out: &mut Vec<u8>) {
    let length = data.len() as u16;
    out.reserve(data.len() + 11);
    out.extend_from_slice(&[0x78, 0x01, 1]);
    out.extend_from_slice(&length.to_le_bytes());
    out.extend_from_slice(&(!length).to_le_bytes());
    out.extend_from_slice(data);
    // Adler-32; at this length the sums cannot overflow.
    let (mut a, mut b) = (1_u32, 0_u32);
    for byte in data {
        a += u32::from(*byte);
        b += a;
    }
    out.extend_from_slice(&(((b % 65521) << 16) | (a % 65521)).to_be_bytes());
}

/// Inflates the stream that `zlib` begins with, which must give exactly `size` bytes, and says how long
/// the stream is.
///
/// # Errors
/// [`Error::Malformed`] when the stream is broken, incomplete or of another size.
pub(crate) fn inflate(zlib: &[u8], size: usize) -> Result<(Vec<u8>, usize), Error> {
    if size > SCRATCH_ROOM {
        // A stream can expand 1032-fold at most, so that a lying size cannot claim much memory.
        let mut out = Vec::with_capacity(size.min(zlib.len().saturating_mul(1032)).saturating_add(1));
        return inflate_into(zlib, size, &mut out).map(|consumed| (out, consumed));
    }
    SCRATCH.with_borrow_mut(|scratch| {
        scratch.clear();
        scratch.reserve_exact(SCRATCH_ROOM + SLACK);
        inflate_into(zlib, size, scratch).map(|consumed| (scratch.to_vec(), consumed))
    })
}

fn inflate_into(zlib: &[u8], size: usize, out: &mut Vec<u8>) -> Result<usize, Error> {
    INFLATE.with_borrow_mut(|state| {
        state.reset(true);
        loop {
            let (consumed, produced) = (state.total_in(), state.total_out());
            let input = zlib.get(consumed as usize..).unwrap_or_default();
            let status = state
                .decompress_vec(input, out, FlushDecompress::Finish)
                .map_err(|error| Error::Malformed(format!("zlib stream: {error}")))?;
            if out.len() > size {
                return Err(Error::Malformed(format!("zlib stream gives more than {size} bytes")));
            }
            match status {
                Status::StreamEnd if out.len() == size => return Ok(state.total_in() as usize),
                Status::StreamEnd => {
                    return Err(Error::Malformed(format!(
                        "zlib stream gives {} bytes, not {size}",
                        out.len()
                    )));
                }
                _ if state.total_in() == consumed && state.total_out() == produced => {
                    return Err(Error::Malformed("zlib stream ends early".into()));
                }
                _ => {}
            }
        }
    })
}

/// Inflates the first bytes of a stream, at most `size`, whatever follows.
pub(crate) fn inflate_start(zlib: &[u8], size: usize) -> Result<Vec<u8>, Error> {
    INFLATE.with_borrow_mut(|state| {
        state.reset(true);
        let mut out = Vec::with_capacity(size);
        state
            .decompress_vec(zlib, &mut out, FlushDecompress::None)
            .map_err(|error| Error::Malformed(format!("zlib stream: {error}")))?;
        Ok(out)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_is_deflated_inflates_to_itself(
            data in proptest::collection::vec(0_u8..8, 0..3000),
            tail in proptest::collection::vec(any::<u8>(), 0..9),
            fast in any::<bool>(),
        ) {
            let mut stream = Vec::new();
            deflate(&data, if fast { Effort::Fast } else { Effort::Small }, &mut stream);
            let length = stream.len();
            stream.extend_from_slice(&tail);
            prop_assert_eq!(inflate(&stream, data.len()).unwrap(), (data.clone(), length));
            prop_assert!(inflate(&stream, data.len() + 1).is_err());
            prop_assert!(data.is_empty() || inflate(&stream, data.len() - 1).is_err());
            prop_assert!(inflate(&stream[..length - 1], data.len()).is_err());
            let start = inflate_start(&stream, 10).unwrap();
            prop_assert!(data.starts_with(&start) && start.len() >= data.len().min(10));
        }

        #[test]
        fn what_is_stored_inflates_to_itself(data in proptest::collection::vec(any::<u8>(), 0..=STORED)) {
            let mut stream = Vec::new();
            deflate(&data, Effort::Small, &mut stream);
            prop_assert_eq!(stream.len(), data.len() + 11);
            prop_assert_eq!(inflate(&stream, data.len()).unwrap(), (data, stream.len()));
        }

        #[test]
        fn noise_never_panics(noise in proptest::collection::vec(any::<u8>(), 0..200), size in 0_usize..5000) {
            let _ = inflate(&noise, size);
            let _ = inflate_start(&noise, size.min(32));
        }
    }
}
