//! A host file, or a block special file, as a device.

use crate::{BlockDevice, DeviceError, Durability, FlushFuture, flusher::Flusher};
use std::{
    fmt,
    fs::{File, OpenOptions, TryLockError},
    io::{self, Seek, SeekFrom},
    os::unix::fs::{FileExt, FileTypeExt, OpenOptionsExt},
    path::{Path, PathBuf},
    sync::Arc,
};

/// Why a file cannot serve as a device.
#[derive(Debug)]
pub enum OpenError {
    /// Another process has it open as a device.
    InUse(PathBuf),
    /// The system uses it: a file system on it is mounted, or it is part of something else.
    Busy(PathBuf),
    /// It is neither a regular file nor a block special file.
    NotADevice(PathBuf),
    /// The host refused.
    Io(PathBuf, io::Error),
}

impl fmt::Display for OpenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::InUse(path) => write!(f, "{} is in use by another process", path.display()),
            Self::Busy(path) => write!(
                f,
                "{} is mounted, or in use as swap, by RAID, by the device mapper or by another server",
                path.display()
            ),
            Self::NotADevice(path) => {
                write!(f, "{} is neither a regular file nor a block device", path.display())
            }
            Self::Io(path, error) => write!(f, "{}: {error}", path.display()),
        }
    }
}

impl std::error::Error for OpenError {}

/// A device in a host file, or a disk of the host. It is locked against a second process as long as it lives.
///
/// A flush is an fdatasync. Once one has failed, the kernel may have dropped what was written, so every
/// later write and flush fails too.
pub struct FileDevice {
    file: Arc<File>,
    flusher: Flusher,
    block_size: u32,
    capacity: u64,
}

impl FileDevice {
    /// Makes a sparse file of `capacity` bytes, rounded down to whole blocks. The file must not exist.
    pub fn create(path: &Path, capacity: u64) -> Result<Self, OpenError> {
        let io = |error| OpenError::Io(path.into(), error);
        let file = OpenOptions::new().read(true).write(true).create_new(true).open(path).map_err(io)?;
        file.set_len(capacity / 512 * 512).map_err(io)?;
        // The file's size and name must be durable before anything in the file is.
        file.sync_all().map_err(io)?;
        if let Some(directory) = path.parent() {
            let directory = if directory.as_os_str().is_empty() { Path::new(".") } else { directory };
            File::open(directory).and_then(|directory| directory.sync_all()).map_err(io)?;
        }
        Self::from_file(path, file, File::try_lock)
    }

    /// Opens an existing file or block special file. The latter is claimed as a mount does (`O_EXCL`): what
    /// is mounted, or part of a RAID or of a mapped device, is [`OpenError::Busy`].
    pub fn open(path: &Path) -> Result<Self, OpenError> {
        let io = |error| OpenError::Io(path.into(), error);
        let mut options = OpenOptions::new();
        options.read(true).write(true);
        // Without O_CREAT this has a meaning for block special files only (open(2)).
        if std::fs::metadata(path).map_err(io)?.file_type().is_block_device() {
            options.custom_flags(rustix::fs::OFlags::EXCL.bits().cast_signed());
        }
        let file = options.open(path).map_err(|error| match error.kind() {
            io::ErrorKind::ResourceBusy => OpenError::Busy(path.into()),
            _ => io(error),
        })?;
        Self::from_file(path, file, File::try_lock)
    }

    /// Opens an existing file for reading; writes fail. Other readers may have it open, but no writer.
    pub fn open_read_only(path: &Path) -> Result<Self, OpenError> {
        let file = File::open(path).map_err(|error| OpenError::Io(path.into(), error))?;
        Self::from_file(path, file, File::try_lock_shared)
    }

    fn from_file(
        path: &Path,
        mut file: File,
        lock: fn(&File) -> Result<(), TryLockError>,
    ) -> Result<Self, OpenError> {
        let io = |error| OpenError::Io(path.into(), error);
        let kind = file.metadata().map_err(io)?.file_type();
        if !kind.is_file() && !kind.is_block_device() {
            return Err(OpenError::NotADevice(path.into()));
        }
        match lock(&file) {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(OpenError::InUse(path.into())),
            Err(TryLockError::Error(error)) => return Err(io(error)),
        }
        let block_size = match kind.is_block_device() {
            true => rustix::fs::ioctl_blksszget(&file).map_err(|error| io(error.into()))?.max(512),
            false => 512,
        };
        // A block special file has no length; its end can be sought.
        let end = file.seek(SeekFrom::End(0)).map_err(io)?;
        let capacity = end / u64::from(block_size) * u64::from(block_size);
        let file = Arc::new(file);
        Ok(Self { flusher: Flusher::new(file.clone()), file, block_size, capacity })
    }
}

impl BlockDevice for FileDevice {
    fn block_size(&self) -> u32 {
        self.block_size
    }

    fn capacity(&self) -> u64 {
        self.capacity
    }

    fn read(&self, offset: u64, buffer: &mut [u8]) -> Result<(), DeviceError> {
        crate::check_range(self, offset, buffer.len())?;
        self.file.read_exact_at(buffer, offset).map_err(DeviceError::Io)
    }

    fn write(&self, offset: u64, data: &[u8]) -> Result<(), DeviceError> {
        crate::check_range(self, offset, data.len())?;
        self.flusher.check().map_err(DeviceError::Io)?;
        self.file.write_all_at(data, offset).map_err(DeviceError::Io)
    }

    fn flush(&self) -> Result<(), DeviceError> {
        self.flusher.flush().map_err(DeviceError::Io)
    }

    fn flush_async(&self) -> FlushFuture {
        self.flusher.flush_async()
    }

    fn durability(&self) -> Durability {
        Durability::Flushed
    }
}

impl Drop for FileDevice {
    fn drop(&mut self) {
        // The flusher thread may hold the file a moment longer; the lock ends here.
        let _ = self.file.unlock();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::task;

    /// A path of its own for one test, removed when dropped.
    struct Scratch(PathBuf);

    impl Scratch {
        fn new(name: &str) -> Self {
            let directory = std::env::temp_dir();
            Self(directory.join(format!("kalends-{name}-{}.img", std::process::id())))
        }
    }

    impl Drop for Scratch {
        fn drop(&mut self) {
            let _ = std::fs::remove_file(&self.0);
        }
    }

    /// Wakes the thread that waits.
    struct Unpark(std::thread::Thread);

    impl task::Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }

    fn wait(mut future: FlushFuture) -> Result<(), DeviceError> {
        let waker = Arc::new(Unpark(std::thread::current())).into();
        let mut context = task::Context::from_waker(&waker);
        loop {
            match future.as_mut().poll(&mut context) {
                task::Poll::Ready(result) => return result,
                task::Poll::Pending => std::thread::park(),
            }
        }
    }

    #[test]
    fn what_is_written_is_read_again_after_reopening() {
        let path = Scratch::new("reopen");
        let device = FileDevice::create(&path.0, 1 << 20).unwrap();
        assert_eq!((device.capacity(), device.block_size()), (1 << 20, 512));
        device.write(512, &[7; 1024]).unwrap();
        device.flush().unwrap();
        drop(device);
        let device = FileDevice::open_read_only(&path.0).unwrap();
        let mut buffer = [0; 2048];
        device.read(0, &mut buffer).unwrap();
        assert!(buffer[..512] == [0; 512] && buffer[512..1536] == [7; 1024] && buffer[1536..] == [0; 512]);
        assert!(matches!(device.write(0, &[0; 512]), Err(DeviceError::Io(_))));
    }

    #[test]
    fn a_device_has_one_writer() {
        let path = Scratch::new("lock");
        let device = FileDevice::create(&path.0, 1 << 20).unwrap();
        let refusal = FileDevice::open(&path.0).err().unwrap().to_string();
        assert!(refusal.ends_with("is in use by another process"), "{refusal}");
        assert!(matches!(FileDevice::open_read_only(&path.0), Err(OpenError::InUse(_))));
        drop(device);
        let reader = FileDevice::open_read_only(&path.0).unwrap();
        assert!(FileDevice::open_read_only(&path.0).is_ok(), "readers share");
        assert!(matches!(FileDevice::open(&path.0), Err(OpenError::InUse(_))));
        drop(reader);
    }

    #[test]
    fn an_existing_file_is_not_overwritten_and_a_directory_is_no_device() {
        let path = Scratch::new("exists");
        std::fs::write(&path.0, b"precious").unwrap();
        assert!(matches!(FileDevice::create(&path.0, 1 << 20), Err(OpenError::Io(..))));
        assert_eq!(std::fs::read(&path.0).unwrap(), b"precious");
        assert!(matches!(FileDevice::open_read_only(&std::env::temp_dir()), Err(OpenError::NotADevice(_))));
    }

    #[test]
    fn transfers_outside_the_device_or_unaligned_are_refused() {
        let path = Scratch::new("range");
        let device = FileDevice::create(&path.0, 4096).unwrap();
        for (offset, length) in [(4096, 512), (1, 512), (0, 100), (3584, 1024), (u64::MAX - 511, 512)] {
            let refused = device.write(offset, &vec![0; length]);
            assert!(matches!(refused, Err(DeviceError::OutOfRange { .. })), "{offset} {length}");
            assert!(device.read(offset, &mut vec![0; length]).is_err());
        }
    }

    #[test]
    fn flushes_on_the_flusher_thread_wake_their_waiter() {
        let path = Scratch::new("flush");
        let device = FileDevice::create(&path.0, 1 << 20).unwrap();
        for _ in 0..20 {
            device.write(0, &[1; 512]).unwrap();
            let (first, second) = (device.flush_async(), device.flush_async());
            wait(second).unwrap();
            wait(first).unwrap();
        }
        // A flush whose waiter has gone is no trouble.
        drop(device.flush_async());
        device.flush().unwrap();
    }
}
