//! What differs between the ways to boot.

pub mod hvt;
pub mod spt;
pub mod virtio;

mod x86;

use std::{fmt, ops::Range, time::Duration};

/// The platform that this guest is built for.
#[cfg(feature = "hvt")]
pub type Current = hvt::Hvt;
/// The platform that this guest is built for.
#[cfg(all(feature = "virtio", not(feature = "hvt")))]
pub type Current = virtio::Virtio;
/// The platform that this guest is built for.
#[cfg(not(any(feature = "hvt", feature = "virtio")))]
pub type Current = spt::Spt;

/// What a guest needs from below. There is one guest in an address space, hence no `self`.
pub trait Platform {
    /// A block device.
    type Block: Block;
    /// An Ethernet interface.
    type Frames: Frames;

    /// The name of the target, such as `spt`.
    const NAME: &str;
    /// What an operator can do when there is no entropy, to end a sentence with.
    const ENTROPY_ADVICE: &str;
    /// Why a device that the operator has attached may not be found, to end a sentence with.
    const DEVICE_ADVICE: &str;

    /// Sets the FS base, below which thread-local storage lies.
    ///
    /// # Safety
    /// The storage of the address must be ready.
    unsafe fn set_thread_pointer(pointer: usize);

    /// Memory for the heap. Called once.
    fn memory() -> Range<usize>;

    /// The command line as the loader passed it.
    fn command_line() -> &'static [u8];

    /// Writes to the console, all of it.
    fn console(bytes: &[u8]);

    /// Time since some start; never goes back.
    fn monotonic() -> Duration;

    /// Time since 1970-01-01 00:00 UTC.
    fn wall() -> Duration;

    /// Fills `bytes` from a device of the host that gives entropy; says whether there is one.
    fn host_entropy(bytes: &mut [u8]) -> bool;

    /// Waits until a frame is there, or until [`monotonic`](Self::monotonic) time `until`; it may return early.
    fn wait(until: Option<Duration>);

    /// The block device of this name; `None` where the loader attached none.
    fn block(name: &str) -> Option<Attached<Self::Block>>;

    /// The Ethernet interface of this name; `None` where the loader attached none.
    fn frames(name: &str) -> Option<Attached<Self::Frames>>;

    /// Ends the guest.
    fn exit(status: u8) -> !;
}

/// A device, or why the guest cannot use it.
pub type Attached<T> = Result<T, String>;

/// A device of whole blocks.
pub trait Block {
    /// Bytes of a block: a power of two, at least 512.
    fn block_size(&self) -> u32;

    /// Capacity in bytes, a multiple of the block size.
    fn capacity(&self) -> u64;

    /// Fills `buffer` from byte `offset`; both are multiples of the block size, within the capacity.
    fn read(&self, offset: u64, buffer: &mut [u8]) -> Result<(), TransferError>;

    /// Writes `data` at byte `offset`; both are multiples of the block size, within the capacity.
    fn write(&self, offset: u64, data: &[u8]) -> Result<(), TransferError>;

    /// Makes earlier writes durable, where [`can_flush`](Self::can_flush) says that the device does so.
    fn flush(&self) -> Result<(), TransferError>;

    /// Whether a flush means that writes survive a loss of power.
    fn can_flush(&self) -> bool;
}

/// An Ethernet interface, a frame at a time.
pub trait Frames {
    /// Hardware address.
    fn mac(&self) -> [u8; 6];

    /// Bytes that a frame can carry after its 14-byte header.
    fn mtu(&self) -> usize;

    /// Takes a waiting frame into `frame`, and its length; `None` when there is none.
    fn receive(&mut self, frame: &mut [u8]) -> Option<usize>;

    /// Sends a frame; `false` when there is no room now.
    fn send(&mut self, frame: &[u8]) -> bool;
}

/// A transfer to or from a block device failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TransferError {
    /// The host refused or failed; its number, where it gives one (an `errno` on spt).
    Host(i64),
    /// It transferred less than a whole block.
    Short,
    /// The device says that it failed.
    Device,
}

impl fmt::Display for TransferError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Host(number) => write!(f, "the host refused the transfer (error {number})"),
            Self::Short => write!(f, "the host transferred less than a block"),
            Self::Device => write!(f, "the device reports a failure"),
        }
    }
}

impl std::error::Error for TransferError {}
