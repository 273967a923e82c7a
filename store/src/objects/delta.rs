//! git's delta encoding: copy and insert instructions that make one object from another.
//!
//! `gix-pack` applies deltas only inside its own pack files and has no encoder, so both are here.

use crate::Error;

/// The longest insert instruction.
const MAX_INSERT: usize = 0x7f;
/// The longest copy instruction; git's pack format gives the size three bytes but readers of version 2
/// know 0xffffff, and older ones 0x10000, so that is used.
const MAX_COPY: usize = 0x1_0000;

fn malformed(what: &str) -> Error {
    Error::Malformed(format!("delta: {what}"))
}

/// Builds a delta from the parts of the result, in order.
pub(crate) struct DeltaBuilder {
    instructions: Vec<u8>,
    /// A copy that may still grow: start and end in the base.
    copy: Option<(usize, usize)>,
    /// Bytes to insert that are not written yet, at most [`MAX_INSERT`].
    insert: Vec<u8>,
}

impl DeltaBuilder {
    /// A delta from a base of `base_size` bytes to a result of `result_size` bytes.
    pub(crate) fn new(base_size: usize, result_size: usize) -> Self {
        let mut instructions = Vec::with_capacity(64);
        for size in [base_size, result_size] {
            let mut rest = size;
            while rest >= 0x80 {
                instructions.push(rest as u8 | 0x80);
                rest >>= 7;
            }
            instructions.push(rest as u8);
        }
        Self { instructions, copy: None, insert: Vec::new() }
    }

    /// The result goes on with these bytes of the base.
    pub(crate) fn copy(&mut self, range: std::ops::Range<usize>) {
        if range.is_empty() {
            return;
        }
        self.end_insert();
        match &mut self.copy {
            Some((_, end)) if *end == range.start => *end = range.end,
            _ => {
                self.end_copy();
                self.copy = Some((range.start, range.end));
            }
        }
    }

    /// The result goes on with these bytes.
    pub(crate) fn insert(&mut self, bytes: &[u8]) {
        if bytes.is_empty() {
            return;
        }
        self.end_copy();
        self.insert.extend_from_slice(bytes);
    }

    /// The delta.
    pub(crate) fn finish(mut self) -> Vec<u8> {
        self.end_copy();
        self.end_insert();
        self.instructions
    }

    fn end_insert(&mut self) {
        for part in self.insert.chunks(MAX_INSERT) {
            self.instructions.push(part.len() as u8);
            self.instructions.extend_from_slice(part);
        }
        self.insert.clear();
    }

    fn end_copy(&mut self) {
        let Some((mut start, end)) = self.copy.take() else { return };
        while start < end {
            let size = (end - start).min(MAX_COPY);
            let at = self.instructions.len();
            let mut command = 0x80_u8;
            self.instructions.push(command);
            for (bit, byte) in (start as u32).to_le_bytes().into_iter().enumerate() {
                if byte != 0 {
                    command |= 1 << bit;
                    self.instructions.push(byte);
                }
            }
            // A size of 0x10000 is written as no size at all.
            for (bit, byte) in (size as u16).to_le_bytes().into_iter().enumerate() {
                if byte != 0 {
                    command |= 0x10 << bit;
                    self.instructions.push(byte);
                }
            }
            self.instructions[at] = command;
            start += size;
        }
    }
}

/// The sizes of base and result that a delta begins with, and what follows them.
pub(crate) fn sizes(delta: &[u8]) -> Result<(u64, u64, &[u8]), Error> {
    fn size(delta: &[u8]) -> Result<(u64, &[u8]), Error> {
        let mut value = 0_u64;
        for (at, byte) in delta.iter().enumerate().take(9) {
            value |= u64::from(byte & 0x7f) << (7 * at);
            if byte & 0x80 == 0 {
                return Ok((value, &delta[at + 1..]));
            }
        }
        Err(malformed("the sizes are incomplete"))
    }
    let (base, rest) = size(delta)?;
    let (result, rest) = size(rest)?;
    Ok((base, result, rest))
}

/// Makes the result from the base, refusing results above `limit` bytes.
pub(crate) fn apply(base: &[u8], delta: &[u8], limit: u64) -> Result<Vec<u8>, Error> {
    let (base_size, result_size, mut rest) = sizes(delta)?;
    if base_size != base.len() as u64 {
        return Err(malformed("made for a base of another size"));
    }
    if result_size > limit {
        return Err(Error::Limit(format!("an object of {result_size} bytes")));
    }
    let result_size = usize::try_from(result_size).map_err(|_| malformed("the result is too large"))?;
    // What the instructions can give bounds the allocation: 0xffffff bytes for each byte of delta.
    let mut result = Vec::with_capacity(result_size.min(rest.len().saturating_mul(0xff_ffff)));
    let next = |rest: &mut &[u8]| -> Option<u8> {
        let (first, tail) = rest.split_first()?;
        *rest = tail;
        Some(*first)
    };
    while let Some(command) = next(&mut rest) {
        let part = if command & 0x80 != 0 {
            let (mut offset, mut size) = (0_usize, 0_usize);
            for bit in 0..7 {
                if command & (1 << bit) != 0 {
                    let byte = next(&mut rest).ok_or_else(|| malformed("a copy is incomplete"))?;
                    match bit {
                        0..4 => offset |= usize::from(byte) << (8 * bit),
                        _ => size |= usize::from(byte) << (8 * (bit - 4)),
                    }
                }
            }
            if size == 0 {
                size = MAX_COPY;
            }
            let end = offset.checked_add(size).ok_or_else(|| malformed("a copy overflows"))?;
            base.get(offset..end).ok_or_else(|| malformed("a copy reaches beyond the base"))?
        } else {
            if command == 0 {
                return Err(malformed("instruction 0 is reserved"));
            }
            let (part, tail) = rest
                .split_at_checked(usize::from(command))
                .ok_or_else(|| malformed("an insert is incomplete"))?;
            rest = tail;
            part
        };
        if part.len() > result_size - result.len() {
            return Err(malformed("gives more than it says"));
        }
        result.extend_from_slice(part);
    }
    if result.len() != result_size {
        return Err(malformed("gives less than it says"));
    }
    Ok(result)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[derive(Clone, Debug)]
    enum Part {
        Copy(usize, usize),
        Insert(Vec<u8>),
    }

    fn parts(base_size: usize) -> impl Strategy<Value = Vec<Part>> {
        let part = prop_oneof![
            (0..=base_size, 0..=base_size).prop_map(|(a, b)| Part::Copy(a.min(b), a.max(b))),
            proptest::collection::vec(any::<u8>(), 0..400).prop_map(Part::Insert),
        ];
        proptest::collection::vec(part, 0..8)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn a_built_delta_gives_the_parts_it_was_built_from(seed in any::<u8>(), parts in parts(200_000)) {
            let base: Vec<u8> = (0..200_000_u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 13) as u8 ^ seed).collect();
            let mut expected = Vec::new();
            for part in &parts {
                match part {
                    Part::Copy(start, end) => expected.extend_from_slice(&base[*start..*end]),
                    Part::Insert(bytes) => expected.extend_from_slice(bytes),
                }
            }
            let mut builder = DeltaBuilder::new(base.len(), expected.len());
            for part in &parts {
                match part {
                    Part::Copy(start, end) => builder.copy(*start..*end),
                    Part::Insert(bytes) => builder.insert(bytes),
                }
            }
            let delta = builder.finish();
            prop_assert!(apply(&base, &delta, u64::MAX).unwrap() == expected);
            prop_assert!(apply(&base[1..], &delta, u64::MAX).is_err());
            prop_assert!(expected.is_empty() || apply(&base, &delta, expected.len() as u64 - 1).is_err());
        }

        #[test]
        fn noise_never_panics(noise in proptest::collection::vec(any::<u8>(), 0..60)) {
            let _ = apply(b"some base", &noise, 1 << 20);
        }
    }
}
