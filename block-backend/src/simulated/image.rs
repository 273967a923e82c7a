//! The bytes of a simulated disk: pages that copies share until one of them writes.

use std::rc::Rc;

const PAGE: usize = 4096;

/// Bytes, most of them zero, that are cheap to copy: 8 bytes a page.
#[derive(Clone)]
pub(super) struct Image {
    /// `None` where nothing was ever written.
    pages: Vec<Option<Rc<[u8; PAGE]>>>,
    length: usize,
}

impl Image {
    /// So many zeros.
    pub(super) fn new(length: usize) -> Self {
        Self { pages: vec![None; length.div_ceil(PAGE)], length }
    }

    pub(super) fn from_bytes(bytes: &[u8]) -> Self {
        let mut image = Self::new(bytes.len());
        for (page, content) in image.pages.iter_mut().zip(bytes.chunks(PAGE)) {
            if content.iter().any(|byte| *byte != 0) {
                let mut data = [0; PAGE];
                data[..content.len()].copy_from_slice(content);
                *page = Some(Rc::new(data));
            }
        }
        image
    }

    pub(super) fn len(&self) -> usize {
        self.length
    }

    /// Fills `buffer` from `offset`; the range has been checked.
    pub(super) fn read(&self, offset: usize, buffer: &mut [u8]) {
        for_pages(offset, buffer.len(), |page, within, at| match &self.pages[page] {
            Some(data) => buffer[at].copy_from_slice(&data[within]),
            None => buffer[at].fill(0),
        });
    }

    /// Writes at `offset`; the range has been checked.
    pub(super) fn write(&mut self, offset: usize, data: &[u8]) {
        for_pages(offset, data.len(), |page, within, at| {
            let page = self.pages[page].get_or_insert_with(|| Rc::new([0; PAGE]));
            Rc::make_mut(page)[within].copy_from_slice(&data[at]);
        });
    }

    /// The offsets of all pages that were written.
    pub(super) fn written_places(&self) -> Vec<u64> {
        let written = self.pages.iter().zip(0_u64..).filter(|(page, _)| page.is_some());
        written.map(|(_, number)| number * PAGE as u64).collect()
    }

    /// All bytes.
    pub(super) fn to_vec(&self) -> Vec<u8> {
        let mut bytes = vec![0; self.length];
        for (page, content) in self.pages.iter().zip(bytes.chunks_mut(PAGE)) {
            if let Some(data) = page {
                content.copy_from_slice(&data[..content.len()]);
            }
        }
        bytes
    }
}

/// Calls with each page of a range: its number, the range in it, and the range in the buffer.
fn for_pages(
    offset: usize,
    length: usize,
    mut call: impl FnMut(usize, std::ops::Range<usize>, std::ops::Range<usize>),
) {
    let mut at = 0;
    while at < length {
        let (page, within) = ((offset + at) / PAGE, (offset + at) % PAGE);
        let count = (PAGE - within).min(length - at);
        call(page, within..within + count, at..at + count);
        at += count;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn copies_share_bytes_until_one_of_them_writes() {
        let mut image = Image::new(3 * PAGE + 512);
        image.write(PAGE - 100, &[7; 300]);
        let copy = image.clone();
        image.write(3 * PAGE, &[8; 512]);
        image.write(PAGE, &[9]);
        let mut expected = vec![0; 3 * PAGE + 512];
        expected[PAGE - 100..PAGE + 200].fill(7);
        assert!(copy.to_vec() == expected && Image::from_bytes(&expected).to_vec() == expected);
        expected[3 * PAGE..].fill(8);
        expected[PAGE] = 9;
        let mut read = vec![1; expected.len() - 10];
        image.read(10, &mut read);
        assert_eq!(image.written_places(), [0, PAGE as u64, 3 * PAGE as u64]);
        assert!(image.to_vec() == expected && read == expected[10..]);
    }
}
