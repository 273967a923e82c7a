//! Reading and writing numbers and byte strings. All integers are little endian.

use crate::Error;
use gix_hash::ObjectId;

/// Reads from bytes that may be damaged: every step is checked.
pub(crate) struct Reader<'a> {
    bytes: &'a [u8],
    position: usize,
}

impl<'a> Reader<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, position: 0 }
    }

    /// How much has been read.
    pub(crate) fn position(&self) -> usize {
        self.position
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.position == self.bytes.len()
    }

    /// What has not been read.
    pub(crate) fn remaining(&self) -> usize {
        self.bytes.len() - self.position
    }

    pub(crate) fn bytes(&mut self, length: usize) -> Result<&'a [u8], Error> {
        let part = self.position.checked_add(length).and_then(|end| self.bytes.get(self.position..end));
        let part = part.ok_or_else(|| Error::Malformed("ends early".into()))?;
        self.position += length;
        Ok(part)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], Error> {
        let mut array = [0; N];
        array.copy_from_slice(self.bytes(N)?);
        Ok(array)
    }

    pub(crate) fn u8(&mut self) -> Result<u8, Error> {
        self.array::<1>().map(|[byte]| byte)
    }

    pub(crate) fn u16(&mut self) -> Result<u16, Error> {
        self.array().map(u16::from_le_bytes)
    }

    pub(crate) fn u32(&mut self) -> Result<u32, Error> {
        self.array().map(u32::from_le_bytes)
    }

    pub(crate) fn u64(&mut self) -> Result<u64, Error> {
        self.array().map(u64::from_le_bytes)
    }

    pub(crate) fn u128(&mut self) -> Result<u128, Error> {
        self.array().map(u128::from_le_bytes)
    }

    pub(crate) fn id(&mut self) -> Result<ObjectId, Error> {
        self.array().map(ObjectId::Sha1)
    }

    /// A string of up to 64 KiB with its length before it.
    pub(crate) fn text(&mut self) -> Result<&'a str, Error> {
        let length = self.u16()?;
        let bytes = self.bytes(length.into())?;
        std::str::from_utf8(bytes).map_err(|_| Error::Malformed("a name is not UTF-8".into()))
    }
}

/// Writes what [`Reader::text`] reads. Callers have bounded the length.
pub(crate) fn put_text(out: &mut Vec<u8>, text: &str) {
    debug_assert!(u16::try_from(text.len()).is_ok());
    out.extend_from_slice(&(text.len() as u16).to_le_bytes());
    out.extend_from_slice(text.as_bytes());
}
