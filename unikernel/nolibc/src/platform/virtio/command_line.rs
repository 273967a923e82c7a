//! The command line: the guest's own options, and words about the machine that monitors add.

use super::mmio::MmioDevice;
use crate::one_thread::OneThread;
use std::{
    cell::{Cell, RefCell},
    fmt,
};

/// The longest command line.
const LENGTH: usize = 4096;
/// More devices than the guest uses.
const DEVICES: usize = 16;

/// Linux's word for a device at a fixed address; QEMU's microvm and Firecracker add one a device.
const DEVICE: &str = "virtio_mmio.device=";
/// Firecracker's word for a machine without PCI, whose ports give anything.
const NO_PCI: &str = "pci=off";

struct CommandLine {
    options: RefCell<[u8; LENGTH]>,
    length: Cell<usize>,
    devices: RefCell<[Option<MmioDevice>; DEVICES]>,
    pci: Cell<bool>,
}

static COMMAND_LINE: OneThread<CommandLine> = OneThread::new(CommandLine {
    options: RefCell::new([0; LENGTH]),
    length: Cell::new(0),
    devices: RefCell::new([None; DEVICES]),
    pci: Cell::new(true),
});

/// Whether a word is one about the machine.
pub(super) fn is_of_the_machine(word: &[u8]) -> bool {
    word.starts_with(DEVICE.as_bytes()) || word == NO_PCI.as_bytes()
}

/// Keeps what the loader passed, of which nothing is needed afterwards. Nothing is allocated.
pub(super) fn keep(line: &[u8]) -> Result<(), Mistake<'_>> {
    let line = std::str::from_utf8(line).map_err(|_| Mistake("the command line", "it is not UTF-8"))?;
    let mut options = COMMAND_LINE.options.borrow_mut();
    let mut devices = COMMAND_LINE.devices.borrow_mut();
    let (mut length, mut places) = (0, devices.iter_mut());
    for word in line.split_ascii_whitespace() {
        if let Some(place) = word.strip_prefix(DEVICE) {
            let device =
                MmioDevice::parse(place).ok_or(Mistake(word, "expected SIZE@ADDRESS:LINE below 4 GiB"))?;
            *places.next().ok_or(Mistake(word, "there are more devices than 16"))? = Some(device);
        } else if word == NO_PCI {
            COMMAND_LINE.pci.set(false);
        } else {
            let place = options.get_mut(length..length + word.len() + 1);
            let (space, place) = place
                .and_then(<[u8]>::split_first_mut)
                .ok_or(Mistake("the command line", "it is longer than 4095 bytes"))?;
            *space = b' ';
            place.copy_from_slice(word.as_bytes());
            length += word.len() + 1;
        }
    }
    COMMAND_LINE.length.set(length);
    Ok(())
}

/// What is wrong, and why.
#[derive(Debug, PartialEq)]
pub(super) struct Mistake<'a>(&'a str, &'static str);

impl fmt::Display for Mistake<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.0, self.1)
    }
}

/// The guest's options.
pub(super) fn options() -> &'static [u8] {
    // SAFETY: they are written once, before the first call of this.
    let line = unsafe { &*COMMAND_LINE.options.as_ptr() };
    line.get(..COMMAND_LINE.length.get()).unwrap_or_default()
}

/// The devices that were named.
pub(super) fn devices() -> impl Iterator<Item = MmioDevice> {
    let devices = *COMMAND_LINE.devices.borrow();
    devices.into_iter().flatten()
}

/// Whether PCI devices may be looked for.
pub(super) fn has_pci() -> bool {
    COMMAND_LINE.pci.get()
}

#[cfg(test)]
mod tests {
    use super::*;

    // One test, as what is kept is one for the program.
    #[test]
    fn words_about_the_machine_are_taken_out() {
        assert!(has_pci());
        let line = b" --port=8443  virtio_mmio.device=4K@0xc0001000:5 pci=off --hostname cal.example \
                     virtio_mmio.device=4K@0xc0002000:6";
        assert_eq!(keep(line), Ok(()));
        assert_eq!(options(), b" --port=8443 --hostname cal.example");
        assert_eq!(devices().map(|device| device.line).collect::<Vec<_>>(), [5, 6]);
        assert!(!has_pci());

        let word = "virtio_mmio.device=4K@0xc0001000";
        assert_eq!(keep(word.as_bytes()).unwrap_err().0, word);
        assert!(keep(&[b'a'; LENGTH]).is_err());
        assert!(keep(&[b'a'; LENGTH - 1]).is_ok());
        assert!(keep(b"\xff").is_err());
        let many = "virtio_mmio.device=4K@0xc0001000:5 ".repeat(DEVICES + 1);
        assert!(keep(many.as_bytes()).is_err());
    }
}
