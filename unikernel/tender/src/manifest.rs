//! The manifest: which devices the guest asks for, filled in with what is attached.
//!
//! The layout is that of Solo5's `include/mft_abi.h`, version 1.

const HEAD: usize = 8;
const ENTRY: usize = 104;
const KIND: usize = 68;
const PROPERTIES: usize = 72;
const DESCRIPTOR: usize = 88;
const ATTACHED: usize = 96;

const BLOCK: u32 = 1;
const NETWORK: u32 = 2;
const FIRST: u32 = 1 << 30;

/// The device names that images of Kalends use.
const STORAGE: &[u8] = b"storage";
const SERVICE: &[u8] = b"service";

/// A manifest that is being filled in.
pub(crate) struct Manifest(Vec<u8>);

impl Manifest {
    /// Checks the manifest of an image.
    pub(crate) fn parse(bytes: &[u8]) -> Result<Self, String> {
        let manifest = Self(bytes.to_vec());
        let (version, count) = (manifest.u32(0), manifest.u32(4));
        let size = count.and_then(|count| usize::try_from(count).ok()?.checked_mul(ENTRY)?.checked_add(HEAD));
        let whole = version == Some(1)
            && count.is_some_and(|count| (1..=64).contains(&count))
            && size == Some(bytes.len());
        if !whole || manifest.u32(HEAD + KIND) != Some(FIRST) {
            return Err("its device manifest is broken".into());
        }
        Ok(manifest)
    }

    /// Fills in the block device; gives its number.
    pub(crate) fn attach_block(
        &mut self,
        descriptor: i32,
        capacity: u64,
        block_size: u16,
    ) -> Result<u64, String> {
        let mut properties = [0; 16];
        properties[..8].copy_from_slice(&capacity.to_le_bytes());
        properties[8..10].copy_from_slice(&block_size.to_le_bytes());
        self.attach(BLOCK, STORAGE, descriptor, properties)
    }

    /// Fills in the network interface; gives its number.
    pub(crate) fn attach_network(&mut self, descriptor: i32, mac: [u8; 6], mtu: u16) -> Result<u64, String> {
        let mut properties = [0; 16];
        properties[..6].copy_from_slice(&mac);
        properties[6..8].copy_from_slice(&mtu.to_le_bytes());
        self.attach(NETWORK, SERVICE, descriptor, properties)
    }

    fn attach(
        &mut self,
        kind: u32,
        name: &[u8],
        descriptor: i32,
        properties: [u8; 16],
    ) -> Result<u64, String> {
        let entries = self.0.get_mut(HEAD..).unwrap_or_default().chunks_exact_mut(ENTRY);
        for (number, entry) in (0..).zip(entries) {
            let is_it = entry[KIND..KIND + 4] == kind.to_le_bytes()
                && entry.starts_with(name)
                && entry[name.len()] == 0;
            if is_it {
                entry[PROPERTIES..PROPERTIES + 16].copy_from_slice(&properties);
                entry[DESCRIPTOR..DESCRIPTOR + 4].copy_from_slice(&descriptor.to_le_bytes());
                entry[ATTACHED] = 1;
                return Ok(number);
            }
        }
        Err(format!("it asks for no device named {}: not an image of Kalends", String::from_utf8_lossy(name)))
    }

    /// The manifest for the guest, once every device that it asks for is attached.
    pub(crate) fn finish(self) -> Result<Vec<u8>, String> {
        let entries = self.0.get(HEAD..).unwrap_or_default().chunks_exact(ENTRY).skip(1);
        match entries.into_iter().find(|entry| entry[ATTACHED] == 0) {
            Some(entry) => {
                let name = entry[..KIND].split(|byte| *byte == 0).next().unwrap_or_default();
                Err(format!("it asks for a device {} that cannot be given", String::from_utf8_lossy(name)))
            }
            None => Ok(self.0),
        }
    }

    fn u32(&self, at: usize) -> Option<u32> {
        self.0.get(at..)?.first_chunk().copied().map(u32::from_le_bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(name: &[u8], kind: u32) -> [u8; ENTRY] {
        let mut entry = [0; ENTRY];
        entry[..name.len()].copy_from_slice(name);
        entry[KIND..KIND + 4].copy_from_slice(&kind.to_le_bytes());
        entry
    }

    fn example() -> Vec<u8> {
        let mut bytes = vec![1, 0, 0, 0, 3, 0, 0, 0];
        for entry in [entry(b"", FIRST), entry(SERVICE, NETWORK), entry(STORAGE, BLOCK)] {
            bytes.extend(entry);
        }
        bytes
    }

    #[test]
    fn devices_are_filled_in_by_name() {
        let mut manifest = Manifest::parse(&example()).unwrap();
        assert_eq!(manifest.attach_block(7, 1 << 30, 512), Ok(2));
        assert_eq!(manifest.attach_network(8, [2, 0, 0, 0, 0, 1], 1500), Ok(1));
        let bytes = manifest.finish().unwrap();
        let storage = &bytes[HEAD + 2 * ENTRY..];
        assert_eq!(storage[PROPERTIES..PROPERTIES + 10], [0, 0, 0, 64, 0, 0, 0, 0, 0, 2]);
        assert_eq!((storage[DESCRIPTOR], storage[ATTACHED]), (7, 1));
    }

    #[test]
    fn what_cannot_be_attached_is_named() {
        let mut manifest = Manifest::parse(&example()).unwrap();
        manifest.attach_block(7, 1 << 30, 512).unwrap();
        assert!(manifest.finish().unwrap_err().contains("service"));
        let mut other = example();
        other[HEAD + 2 * ENTRY] = b'x';
        let error = Manifest::parse(&other).unwrap().attach_block(7, 512, 512).unwrap_err();
        assert!(error.contains("storage"), "{error}");
    }

    #[test]
    fn broken_manifests_are_refused() {
        let whole = example();
        for bytes in [&whole[..whole.len() - 1], &whole[..HEAD], &[], &[2, 0, 0, 0, 0, 0, 0, 0]] {
            assert!(Manifest::parse(bytes).is_err());
        }
    }
}
