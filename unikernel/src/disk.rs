//! What a disk holds, before it is formatted.

use kalends_block_backend::BlockDevice;

/// What is looked at, at the start and at the end: partition tables, file systems and RAID have their marks
/// there, and all of it is made blank before a store is made.
const LOOKED_AT: u64 = 1 << 20;

/// Where a mark is from the start, the mark, and what it is of.
const MARKS: [(usize, &[u8], &str); 18] = [
    (0, b"KALENDS\0", "a Kalends store"),
    (64 << 10, b"KALENDS\0", "a Kalends store"),
    (512, b"EFI PART", "a partition table (GPT)"),
    (4096, b"EFI PART", "a partition table (GPT)"),
    (1080, b"\x53\xef", "a file system (ext2, ext3 or ext4)"),
    (0, b"XFSB", "a file system (XFS)"),
    (0x1_0040, b"_BHRfS_M", "a file system (btrfs)"),
    (1024, b"\x10\x20\xf5\xf2", "a file system (F2FS)"),
    (3, b"NTFS    ", "a file system (NTFS)"),
    (3, b"EXFAT   ", "a file system (exFAT)"),
    (54, b"FAT1", "a file system (FAT)"),
    (82, b"FAT32", "a file system (FAT)"),
    (0x8001, b"CD001", "a file system (ISO 9660)"),
    (0, b"hsqs", "a file system (squashfs)"),
    (4086, b"SWAPSPACE2", "swap space"),
    (0, b"LUKS\xba\xbe", "an encrypted volume (LUKS)"),
    (512, b"LABELONE", "a volume of LVM"),
    (4096, b"\xfc\x4e\x2b\xa9", "a part of a RAID (md)"),
];

/// Says what a device seems to hold; `None` when it is blank where that would show.
pub(crate) fn contents(device: &dyn BlockDevice) -> Result<Option<String>, String> {
    let start = read(device, 0)?;
    let known =
        MARKS.iter().find(|(at, mark, _)| start.get(*at..).is_some_and(|rest| rest.starts_with(mark)));
    if let Some((_, _, what)) = known {
        return Ok(Some((*what).to_owned()));
    }
    if start.get(510..512) == Some(&[0x55, 0xaa]) {
        return Ok(Some("a partition table (MBR) or a boot sector".into()));
    }
    if start.iter().any(|byte| *byte != 0) {
        return Ok(Some("data in its first MiB".into()));
    }
    let end = read(device, end(device))?;
    if end.iter().any(|byte| *byte != 0) {
        return Ok(Some("data in its last MiB, where a partition table or RAID may have a copy".into()));
    }
    Ok(None)
}

/// Makes blank what [`contents`] looks at.
pub(crate) fn blank(device: &dyn BlockDevice) -> Result<(), String> {
    for at in [end(device), 0] {
        let zeros = vec![0; length(device, at)];
        device.write(at, &zeros).map_err(|error| error.to_string())?;
    }
    device.flush().map_err(|error| error.to_string())
}

/// Where the last MiB begins.
fn end(device: &dyn BlockDevice) -> u64 {
    device.capacity().saturating_sub(LOOKED_AT)
}

fn length(device: &dyn BlockDevice, at: u64) -> usize {
    LOOKED_AT.min(device.capacity() - at) as usize
}

fn read(device: &dyn BlockDevice, at: u64) -> Result<Vec<u8>, String> {
    let mut bytes = vec![0; length(device, at)];
    device.read(at, &mut bytes).map_err(|error| error.to_string())?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use kalends_block_backend::MemoryDevice;

    #[test]
    fn what_is_on_a_disk_is_told_and_can_be_made_blank() {
        let device = MemoryDevice::new(4 << 20);
        assert_eq!(contents(&device), Ok(None));
        let put = |at: usize, mark: &[u8]| {
            let first = at / 512 * 512;
            let mut blocks = vec![0; 1024];
            blocks[at - first..at - first + mark.len()].copy_from_slice(mark);
            device.write(first as u64, &blocks).unwrap();
        };
        for (at, mark, what) in MARKS {
            put(at, mark);
            assert_eq!(contents(&device), Ok(Some(what.to_owned())));
            blank(&device).unwrap();
            assert_eq!(contents(&device), Ok(None), "{what}");
        }
        for (at, mark, what) in [
            (510, &[0x55, 0xaa][..], "a partition table (MBR)"),
            (700_000, &[1], "its first MiB"),
            ((4 << 20) - 600, b"EFI PART", "its last MiB"),
        ] {
            put(at, mark);
            assert!(contents(&device).unwrap().unwrap().contains(what), "{what}");
            blank(&device).unwrap();
        }
        // In between nothing is looked at, or changed.
        put(2 << 20, b"data");
        assert_eq!(contents(&device), Ok(None));
        // A device smaller than that is looked at all over.
        let small = MemoryDevice::new(1024);
        blank(&small).unwrap();
        assert_eq!(contents(&small), Ok(None));
    }
}
