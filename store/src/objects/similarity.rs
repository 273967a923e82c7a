//! Finding objects that are alike, whatever they are about.
//!
//! Broder's min-wise sketches: of the hashes of all short pieces of an object, each of some permutations
//! keeps the least. Objects that share most of their pieces share most of these, and a table by them tells
//! which came before.

/// Bytes of a piece.
const PIECE: usize = 16;
/// Hashes kept of each object.
const PERMUTATIONS: [u64; 4] =
    [0x9e37_79b9_7f4a_7c15, 0xc2b2_ae3d_27d4_eb4f, 0x1656_67b1_9e37_79f9, 0x27d4_eb2f_1656_67c5];
/// Places of the table: 1 MiB. An older object gives its place to a newer one.
const SLOTS: usize = 1 << 17;

/// The least hashes of an object; `None` when it is too short to have any.
pub(crate) fn sketch(data: &[u8]) -> Option<[u64; PERMUTATIONS.len()]> {
    let mut least = [u64::MAX; PERMUTATIONS.len()];
    for piece in data.windows(PIECE) {
        let word = |bytes: Option<&[u8]>| {
            bytes.and_then(<[u8]>::first_chunk).map_or(0, |word| u64::from_le_bytes(*word))
        };
        let mixed = word(Some(piece)).wrapping_mul(0xff51_afd7_ed55_8ccd)
            ^ word(piece.get(8..)).wrapping_mul(0xc4ce_b9fe_1a85_ec53);
        let mixed = mixed ^ mixed >> 32;
        for (least, multiplier) in least.iter_mut().zip(PERMUTATIONS) {
            let hash = mixed.wrapping_mul(multiplier);
            *least = (*least).min(hash ^ hash >> 29);
        }
    }
    (data.len() >= PIECE).then_some(least)
}

/// Which objects came before, by their sketches.
pub(crate) struct SketchTable<T> {
    slots: Vec<Option<(u32, T)>>,
}

impl<T: Copy + PartialEq> SketchTable<T> {
    /// An empty table.
    pub(crate) fn new() -> Self {
        Self { slots: Vec::new() }
    }

    /// The objects that have something of a sketch, each once; those that have more of it first.
    pub(crate) fn similar(&self, sketch: &[u64]) -> Vec<T> {
        let mut found: Vec<(usize, T)> = Vec::new();
        for (permutation, hash) in sketch.iter().enumerate() {
            let (slot, tag) = place(permutation, *hash);
            let Some(Some((known, object))) = self.slots.get(slot) else { continue };
            if *known == tag {
                match found.iter_mut().find(|(_, other)| other == object) {
                    Some((count, _)) => *count += 1,
                    None => found.push((1, *object)),
                }
            }
        }
        found.sort_by_key(|(count, _)| std::cmp::Reverse(*count));
        found.into_iter().map(|(_, object)| object).collect()
    }

    /// Adds an object.
    pub(crate) fn insert(&mut self, sketch: &[u64], object: T) {
        if self.slots.is_empty() {
            self.slots.resize(SLOTS, None);
        }
        for (permutation, hash) in sketch.iter().enumerate() {
            let (slot, tag) = place(permutation, *hash);
            if let Some(slot) = self.slots.get_mut(slot) {
                *slot = Some((tag, object));
            }
        }
    }
}

fn place(permutation: usize, hash: u64) -> (usize, u32) {
    // The least of many hashes has zeros at its upper end.
    let mixed = hash.wrapping_mul(0x9e37_79b9_7f4a_7c15).wrapping_add(permutation as u64);
    ((mixed >> 40) as usize % SLOTS, mixed as u32)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(seed: usize, changed: usize) -> Vec<u8> {
        let line = |number: usize| match number {
            number if number == changed => "SUMMARY:something else\r\n".to_owned(),
            number => format!("X-{number}:{}\r\n", (number + 3) * (seed + 11) * 7919),
        };
        (0..30).map(line).collect::<String>().into()
    }

    #[test]
    fn versions_of_one_text_are_found_among_many_others() {
        let mut table = SketchTable::new();
        for seed in 0..2000 {
            table.insert(&sketch(&text(seed, 99)).unwrap(), seed);
        }
        let found = |seed| table.similar(&sketch(&text(seed, seed % 30)).unwrap()).first() == Some(&seed);
        let count = (0..2000).filter(|seed| found(*seed)).count();
        assert!(count > 1900, "{count}");
        assert_eq!(sketch(b"too short"), None);
    }
}
