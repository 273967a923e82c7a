//! What a loader says of the machine, in whatever form.

use std::ops::Range;

/// Memory above this is not used: the page tables end here.
pub(super) const END: u64 = 1 << 32;

/// What the guest needs of it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Loaded<'a> {
    /// The command line.
    pub(super) command_line: &'a [u8],
    /// Where the memory that holds the image ends; `None` where the map has no such memory.
    pub(super) memory_end: Option<u64>,
    /// Address of ACPI's root pointer, or zero.
    pub(super) acpi_root: u64,
}

/// Where the memory that holds the image ends, by a map of memory: starts and sizes.
pub(super) fn memory_end(map: impl Iterator<Item = (u64, u64)>, image: &Range<u64>) -> Option<u64> {
    map.filter(|(start, _)| *start <= image.start)
        .filter_map(|(start, size)| start.checked_add(size))
        .find(|end| *end >= image.end)
        .map(|end| end.min(END))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_the_region_that_holds_the_image() {
        let image = 0x10_0000..0x100_0000;
        let end = |map: &[(u64, u64)]| memory_end(map.iter().copied(), &image);
        let map = [(0, 0x9_fc00), (0x10_0000, 0x7fe_0000), (1 << 32, 1 << 30)];
        assert_eq!(end(&map), Some(0x80e_0000));
        assert_eq!(end(&map[..1]), None, "no memory there");
        assert_eq!(end(&[(0x10_0000, 0x1000)]), None, "too small");
        assert_eq!(end(&[(0, u64::MAX)]), Some(END));
        assert_eq!(end(&[(0x1000, u64::MAX)]), None, "nonsense");
    }
}
