//! The network interface: a tap device.

use std::{
    ffi::c_ulong,
    fs::{self, File, OpenOptions},
    io::{self, Read},
    os::{fd::AsRawFd, unix::fs::OpenOptionsExt},
};

const TUNSETIFF: c_ulong = 0x4004_54ca;
const IFF_TAP: i16 = 2;
const IFF_NO_PI: i16 = 0x1000;
const NAME: usize = 16;

/// The MTU of an existing network interface.
pub(crate) fn mtu(name: &str) -> Result<u16, String> {
    if name.is_empty() || name.len() >= NAME || name.contains(['/', '\0']) {
        return Err(format!("--net {name}: not the name of a network interface"));
    }
    let mtu = fs::read_to_string(format!("/sys/class/net/{name}/mtu")).map_err(|_| {
        format!("there is no network interface {name}: `ip tuntap add {name} mode tap` makes one")
    })?;
    mtu.trim().parse().map_err(|_| format!("{name} has no MTU that a guest could use"))
}

/// Opens an existing tap device, and gives its MTU.
pub(crate) fn open(name: &str) -> Result<(File, u16), String> {
    // Without this, opening would make a device that nothing is connected to.
    let mtu = mtu(name)?;
    let file = OpenOptions::new()
        .read(true)
        .write(true)
        .custom_flags(libc::O_NONBLOCK)
        .open("/dev/net/tun")
        .map_err(|error| format!("/dev/net/tun: {error}"))?;
    let mut request = Request { name: [0; NAME], flags: IFF_TAP | IFF_NO_PI, rest: [0; 22] };
    request.name[..name.len()].copy_from_slice(name.as_bytes());
    // SAFETY: the request is a `struct ifreq`.
    if unsafe { libc::ioctl(file.as_raw_fd(), TUNSETIFF, &raw mut request) } != 0 {
        return Err(format!("{name} cannot be used as a tap device: {}", io::Error::last_os_error()));
    }
    Ok((file, mtu))
}

/// `struct ifreq`.
#[repr(C)]
struct Request {
    name: [u8; NAME],
    flags: i16,
    rest: [u8; 22],
}

/// A random hardware address: unicast, locally administered.
pub(crate) fn random_mac() -> Result<[u8; 6], String> {
    let mut address = [0; 6];
    let read = File::open("/dev/urandom").and_then(|mut file| file.read_exact(&mut address));
    read.map_err(|error| format!("/dev/urandom: {error}"))?;
    address[0] = address[0] & 0xfc | 2;
    Ok(address)
}
