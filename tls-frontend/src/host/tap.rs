//! A Linux tap interface: the stack of our own on a network of the host.

use super::interrupt::Interrupt;
use crate::stack::{Idle, PacketDevice};
use rustix::{
    event::{PollFd, PollFlags, Timespec},
    fd::{AsFd, OwnedFd},
    fs::{Mode, OFlags},
    io::Errno,
    ioctl::{Updater, ioctl},
};
use std::{io, sync::Arc, task::Waker, time::Instant};

/// Longest name of an interface in bytes, without the zero at its end (`IFNAMSIZ`).
const LONGEST_NAME: usize = 15;

/// A tap interface, attached to. The host's kernel is at the other end.
pub struct Tap {
    queue: Arc<OwnedFd>,
    mac: [u8; 6],
    mtu: usize,
}

/// Waits for frames from a [`Tap`], and for other threads.
pub struct TapIdle {
    queue: Arc<OwnedFd>,
    interrupt: Arc<Interrupt>,
}

impl Tap {
    /// Attaches to the tap interface called `name`, and makes it if there is none and the process may. The
    /// hardware address of this end follows from that of the host's, so that it stays the same as long as the
    /// interface exists (DHCP servers go by it); where that is unknown it is random.
    ///
    /// # Errors
    /// [`io::ErrorKind::InvalidInput`] for an impossible name, and those of Linux: there is no `/dev/net/tun`,
    /// the process may not use it or the interface, another program has it.
    pub fn attach(name: &str) -> io::Result<Self> {
        let valid = |byte: u8| byte.is_ascii_graphic() && !b"/:%".contains(&byte);
        if name.is_empty()
            || name.len() > LONGEST_NAME
            || matches!(name, "." | "..")
            || !name.bytes().all(valid)
        {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "not a name of a network interface"));
        }
        let flags = OFlags::RDWR | OFlags::CLOEXEC | OFlags::NONBLOCK;
        let queue = rustix::fs::open("/dev/net/tun", flags, Mode::empty())?;
        set_interface(&queue, name)?;
        let attribute = |attribute| {
            let text = std::fs::read_to_string(format!("/sys/class/net/{name}/{attribute}"));
            text.map(|text| text.trim().to_owned()).unwrap_or_default()
        };
        let mac = match parse_mac(&attribute("address")) {
            Some([first, a, b, c, d, e]) => [first ^ 4, a, b, c, d, e],
            None => {
                let mut mac = [0; 6];
                getrandom::fill(&mut mac).map_err(io::Error::other)?;
                mac
            }
        };
        let mac = locally_administered(mac);
        let mtu = attribute("mtu").parse().unwrap_or(1500).clamp(1280, 9000);
        Ok(Self { queue: Arc::new(queue), mac, mtu })
    }

    /// What waits for its frames.
    ///
    /// # Errors
    /// When the process has no descriptors left.
    pub fn idle(&self) -> io::Result<TapIdle> {
        Ok(TapIdle { queue: self.queue.clone(), interrupt: Arc::new(Interrupt::new()?) })
    }
}

/// A hardware address in the usual notation.
fn parse_mac(text: &str) -> Option<[u8; 6]> {
    let octets: Option<Vec<u8>> = text.split(':').map(|octet| u8::from_str_radix(octet, 16).ok()).collect();
    octets?.try_into().ok()
}

/// The address as one of a single interface and from no vendor (IEEE 802 §8.2).
fn locally_administered(mut mac: [u8; 6]) -> [u8; 6] {
    mac[0] = mac[0] & 0xfc | 2;
    mac
}

/// `struct ifreq` of Linux as `TUNSETIFF` takes it.
#[repr(C)]
struct InterfaceRequest {
    name: [u8; LONGEST_NAME + 1],
    flags: u16,
    rest: [u8; 22],
}

/// Ties a queue to an interface.
#[allow(unsafe_code)]
fn set_interface(queue: &OwnedFd, name: &str) -> io::Result<()> {
    /// `_IOW('T', 202, int)`.
    const TUNSETIFF: rustix::ioctl::Opcode = 0x4004_54ca;
    /// Ethernet frames, without a header before them.
    const IFF_TAP_IFF_NO_PI: u16 = 0x0002 | 0x1000;
    let mut request =
        InterfaceRequest { name: [0; LONGEST_NAME + 1], flags: IFF_TAP_IFF_NO_PI, rest: [0; 22] };
    for (to, from) in request.name.iter_mut().zip(name.bytes().take(LONGEST_NAME)) {
        *to = from;
    }
    // SAFETY: TUNSETIFF reads and writes one `struct ifreq`, 40 bytes on 64-bit Linux, which the request is
    // laid out as; it keeps no pointer to it.
    unsafe { ioctl(queue, Updater::<TUNSETIFF, InterfaceRequest>::new(&mut request)) }?;
    Ok(())
}

impl PacketDevice for Tap {
    fn mac(&self) -> [u8; 6] {
        self.mac
    }

    fn mtu(&self) -> usize {
        self.mtu
    }

    fn receive(&mut self, frame: &mut [u8]) -> Option<usize> {
        loop {
            match rustix::io::read(&self.queue, &mut *frame) {
                Ok(length) => return Some(length),
                Err(Errno::INTR) => {}
                // None there, or the interface is down.
                Err(_) => return None,
            }
        }
    }

    fn send(&mut self, frame: &[u8]) -> bool {
        // A frame that cannot be sent for another reason than a full queue (the interface is down) is lost, as
        // it would be on an unplugged cable.
        !matches!(rustix::io::write(&self.queue, frame), Err(Errno::AGAIN | Errno::INTR))
    }
}

impl Idle for TapIdle {
    fn wait(&mut self, until: Option<Instant>) {
        let timeout = until.map(|until| {
            let left = until.saturating_duration_since(Instant::now());
            Timespec {
                tv_sec: i64::try_from(left.as_secs()).unwrap_or(i64::MAX),
                tv_nsec: left.subsec_nanos().into(),
            }
        });
        let mut waited = [
            PollFd::from_borrowed_fd(self.queue.as_fd(), PollFlags::IN),
            PollFd::from_borrowed_fd(self.interrupt.as_fd(), PollFlags::IN),
        ];
        // An error, such as a signal, ends the wait early, which is never wrong.
        let _ = rustix::event::poll(&mut waited, timeout.as_ref());
        if waited[0].revents().contains(PollFlags::ERR) {
            // The interface has been removed, or is down: reading fails at once, and so would every wait.
            std::thread::sleep(std::time::Duration::from_millis(10));
        }
        if waited[1].revents().contains(PollFlags::IN) {
            self.interrupt.reset();
        }
    }

    fn interrupt(&self) -> Option<Waker> {
        Some(self.interrupt.clone().into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hardware_addresses_are_read_and_made_local() {
        assert_eq!(parse_mac("0a:0b:0c:0d:0e:ff"), Some([10, 11, 12, 13, 14, 255]));
        for text in ["", "0a:0b:0c:0d:0e", "0a:0b:0c:0d:0e:0f:10", "0a:0b:0c:0d:0e:xx", "0a:0b:0c:0d:0e:100"]
        {
            assert_eq!(parse_mac(text), None, "{text}");
        }
        assert_eq!(locally_administered([0xff; 6])[0], 0xfe);
        assert_eq!(locally_administered([0; 6])[0], 2);
    }

    #[test]
    fn impossible_names_are_refused() {
        for name in ["", ".", "..", "a/b", "a b", "tap%d", "sixteen-letters-"] {
            let error = Tap::attach(name).err().map(|error| error.kind());
            assert_eq!(error, Some(io::ErrorKind::InvalidInput), "{name}");
        }
    }
}
