//! The block device: a file or a disk of the host.

use std::{
    fs::{File, OpenOptions, TryLockError},
    io::{Seek, SeekFrom},
    os::unix::fs::OpenOptionsExt,
    path::Path,
};

/// Block size in bytes: that of stores which the hosted program makes.
pub(crate) const BLOCK_SIZE: u16 = 512;

/// Opens a device and gives its capacity, locked against other users of it as the hosted program does.
pub(crate) fn open(path: &Path, sync: bool) -> Result<(File, u64), String> {
    let named = |error| format!("{}: {error}", path.display());
    let flags = if sync { libc::O_DSYNC } else { 0 };
    let mut file = OpenOptions::new().read(true).write(true).custom_flags(flags).open(path).map_err(named)?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            return Err(format!("{} is in use by another process", path.display()));
        }
        Err(TryLockError::Error(error)) => return Err(named(error)),
    }
    let end = file.seek(SeekFrom::End(0)).map_err(named)?;
    match end - end % u64::from(BLOCK_SIZE) {
        0 => Err(format!("{} has no room for a block", path.display())),
        capacity => Ok((file, capacity)),
    }
}
