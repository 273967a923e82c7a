//! Mutations of seeds, the same ones on every machine.

/// Inputs grow to this many bytes at most, unless a seed is larger.
const MOST: usize = 1 << 20;

/// Steele, Lea and Flood's SplitMix64.
pub(crate) struct Random(pub(crate) u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound.max(1) as u64) as usize
    }
}

/// A seed after some changes.
pub(crate) fn mutate(seeds: &[Vec<u8>], random: &mut Random) -> Vec<u8> {
    // The first number of neighbouring seeds is not independent enough.
    random.next();
    let mut input = seeds[random.below(seeds.len())].clone();
    for _ in 0..1 << random.below(5) {
        change(&mut input, seeds, random);
        if input.len() > MOST.max(seeds.iter().map(Vec::len).max().unwrap_or(0)) {
            break;
        }
    }
    input
}

fn change(input: &mut Vec<u8>, seeds: &[Vec<u8>], random: &mut Random) {
    let at = random.below(input.len() + 1);
    let most = 1 << random.below(10);
    let length = 1 + random.below(most);
    let end = (at + length).min(input.len());
    match random.below(10) {
        0..2 if at < input.len() => input[at] ^= 1 << random.below(8),
        2 if at < input.len() => input[at] = random.next() as u8,
        3 => {
            // A number that is often a boundary.
            let number = [0, 1, 0x7f, 0xff, 0x7fff, 0xffff, 0x7fff_ffff, u64::from(u32::MAX), u64::MAX];
            let bytes = number[random.below(number.len())].wrapping_add(random.below(3) as u64).to_le_bytes();
            let width = 1 << random.below(4);
            for (place, byte) in input.iter_mut().skip(at).zip(&bytes[..width]) {
                *place = *byte;
            }
        }
        4 => {
            input.drain(at..end);
        }
        5 => {
            let copy = input[at..end].to_vec();
            let to = random.below(input.len() + 1);
            input.splice(to..to, copy);
        }
        6 => {
            let other = &seeds[random.below(seeds.len())];
            let from = random.below(other.len() + 1);
            let part = other[from..(from + length).min(other.len())].to_vec();
            input.splice(at..end, part);
        }
        7 => {
            let byte = random.next() as u8;
            input.splice(at..at, std::iter::repeat_n(byte, length));
        }
        8 => input.truncate(at),
        // Digits and letters in place of one another: text stays text.
        _ => {
            if let Some(byte) = input.get_mut(at).filter(|byte| byte.is_ascii_alphanumeric()) {
                *byte = b"0123456789AZaz-+"[random.below(16)];
            }
        }
    }
}
