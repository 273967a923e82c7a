//! The hypercalls. What the guest names is checked; a guest that breaks the interface is ended, and a transfer
//! that it may not make fails.

use crate::memory::GuestMemory;
use std::{
    fs::File,
    io::{self, ErrorKind, Read, Write},
    os::{fd::AsRawFd, unix::fs::FileExt},
    time::{SystemTime, UNIX_EPOCH},
};

const WALL_TIME: u16 = 1;
const PUTS: u16 = 2;
const POLL: u16 = 3;
const BLOCK_WRITE: u16 = 4;
const BLOCK_READ: u16 = 5;
const NET_WRITE: u16 = 6;
const NET_READ: u16 = 7;
const HALT: u16 = 8;

// `solo5_result_t`.
const DONE: u64 = 0;
const TRY_AGAIN: u64 = 1;
const INVALID: u64 = 2;
const UNSPECIFIED: u64 = 3;

const NANOSECONDS: u64 = 1_000_000_000;

/// What the guest has.
pub(super) struct Devices {
    pub(super) memory: GuestMemory,
    pub(super) disk: File,
    pub(super) disk_handle: u64,
    pub(super) capacity: u64,
    pub(super) interface: File,
    pub(super) interface_handle: u64,
}

/// How the guest goes on.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Next {
    Go,
    End(i32),
}

impl Devices {
    /// Serves a hypercall, whose structure is at `argument`.
    pub(super) fn call(&mut self, number: u16, argument: u64) -> Result<Next, String> {
        match number {
            WALL_TIME => {
                let time = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
                self.set(argument, u64::try_from(time.as_nanos()).unwrap_or(u64::MAX))?;
            }
            PUTS => {
                let (data, length) = (self.get(argument)?, self.get(argument + 8)?);
                // The console may be gone; the guest goes on.
                let _ = io::stdout().write_all(self.bytes(data, length)?);
                let _ = io::stdout().flush();
            }
            POLL => {
                let ready = {
                    let timeout = self.get(argument)?;
                    self.poll(timeout)
                };
                self.set(argument + 8, u64::from(ready) << self.interface_handle)?;
                self.set_result(argument + 16, ready.into())?;
            }
            BLOCK_READ | BLOCK_WRITE => {
                let [handle, offset, data, length] = self.get_all(argument)?;
                let result = self.transfer(number == BLOCK_READ, handle, offset, data, length)?;
                self.set_result(argument + 32, result)?;
            }
            NET_WRITE => {
                let [handle, data, length] = self.get_all(argument)?;
                let result = self.send(handle, data, length)?;
                self.set_result(argument + 24, result)?;
            }
            NET_READ => {
                let [handle, data, length] = self.get_all(argument)?;
                let (result, length) = self.receive(handle, data, length)?;
                self.set(argument + 16, length)?;
                self.set_result(argument + 24, result)?;
            }
            HALT => return Ok(Next::End(self.get(argument + 8)? as i32)),
            number => return Err(format!("the guest makes hypercall {number}, which does not exist")),
        }
        Ok(Next::Go)
    }

    fn poll(&self, timeout: u64) -> bool {
        let mut interface = libc::pollfd { fd: self.interface.as_raw_fd(), events: libc::POLLIN, revents: 0 };
        let timeout = libc::timespec {
            tv_sec: (timeout / NANOSECONDS) as libc::time_t,
            tv_nsec: (timeout % NANOSECONDS) as libc::c_long,
        };
        // SAFETY: one descriptor and a time.
        unsafe { libc::ppoll(&raw mut interface, 1, &raw const timeout, std::ptr::null()) == 1 }
    }

    fn transfer(
        &mut self,
        read: bool,
        handle: u64,
        offset: u64,
        data: u64,
        length: u64,
    ) -> Result<u64, String> {
        let inside = offset.checked_add(length).is_some_and(|end| end <= self.capacity);
        if handle != self.disk_handle || !inside {
            return Ok(INVALID);
        }
        // SAFETY: the guest's processor has stopped for the hypercall.
        let bytes = unsafe { self.memory.slice(data, length) }.ok_or_else(outside)?;
        let done = match read {
            true => self.disk.read_exact_at(bytes, offset),
            false => self.disk.write_all_at(bytes, offset),
        };
        Ok(if done.is_ok() { DONE } else { UNSPECIFIED })
    }

    fn send(&mut self, handle: u64, data: u64, length: u64) -> Result<u64, String> {
        if handle != self.interface_handle {
            return Ok(INVALID);
        }
        // SAFETY: the guest's processor has stopped for the hypercall.
        let bytes = unsafe { self.memory.slice(data, length) }.ok_or_else(outside)?;
        Ok(match self.interface.write(bytes) {
            Ok(_) => DONE,
            Err(error) if error.kind() == ErrorKind::WouldBlock => TRY_AGAIN,
            Err(_) => UNSPECIFIED,
        })
    }

    fn receive(&mut self, handle: u64, data: u64, length: u64) -> Result<(u64, u64), String> {
        if handle != self.interface_handle {
            return Ok((INVALID, 0));
        }
        // SAFETY: the guest's processor has stopped for the hypercall.
        let bytes = unsafe { self.memory.slice(data, length) }.ok_or_else(outside)?;
        Ok(match self.interface.read(bytes) {
            Ok(0) => (TRY_AGAIN, 0),
            Ok(length) => (DONE, length as u64),
            Err(error) if error.kind() == ErrorKind::WouldBlock => (TRY_AGAIN, 0),
            Err(_) => (UNSPECIFIED, 0),
        })
    }

    fn bytes(&mut self, address: u64, length: u64) -> Result<&mut [u8], String> {
        // SAFETY: the guest's processor has stopped for the hypercall.
        unsafe { self.memory.slice(address, length) }.ok_or_else(outside)
    }

    fn get(&mut self, address: u64) -> Result<u64, String> {
        let bytes = self.bytes(address, 8)?.first_chunk().copied().ok_or_else(outside)?;
        Ok(u64::from_le_bytes(bytes))
    }

    fn get_all<const N: usize>(&mut self, address: u64) -> Result<[u64; N], String> {
        let mut words = [0; N];
        for (word, at) in words.iter_mut().zip((address..).step_by(8)) {
            *word = self.get(at)?;
        }
        Ok(words)
    }

    fn set(&mut self, address: u64, value: u64) -> Result<(), String> {
        self.bytes(address, 8)?.copy_from_slice(&value.to_le_bytes());
        Ok(())
    }

    /// Results are 32 bits.
    fn set_result(&mut self, address: u64, value: u64) -> Result<(), String> {
        self.bytes(address, 4)?.copy_from_slice(&(value as u32).to_le_bytes());
        Ok(())
    }
}

fn outside() -> String {
    "the guest names memory that it has not".into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::env;

    /// Devices over a file of 4 KiB and, for the interface, an empty file, which never has a frame.
    fn devices(name: &str) -> Devices {
        let path =
            |end: &str| env::temp_dir().join(format!("kalends-hvt-{}-{name}-{end}", std::process::id()));
        let open = |end: &str| {
            let file = File::options().read(true).write(true).create(true).truncate(true).open(path(end));
            std::fs::remove_file(path(end)).unwrap();
            file.unwrap()
        };
        let disk = open("disk");
        disk.set_len(4096).unwrap();
        let memory = GuestMemory::for_machine(1 << 20).unwrap();
        let interface = open("interface");
        Devices { memory, disk, disk_handle: 2, capacity: 4096, interface, interface_handle: 1 }
    }

    fn put(devices: &mut Devices, words: &[u64]) {
        for (number, word) in words.iter().enumerate() {
            devices.set(0x1000 + 8 * number as u64, *word).unwrap();
        }
    }

    fn result(devices: &mut Devices, at: u64) -> u64 {
        devices.get(0x1000 + at).unwrap() & 0xffff_ffff
    }

    #[test]
    fn blocks_are_written_and_read_within_the_capacity() {
        let mut devices = devices("blocks");
        devices.memory.write(0x2000, &[7; 1024]).unwrap();
        put(&mut devices, &[2, 512, 0x2000, 1024, 99]);
        assert_eq!(devices.call(BLOCK_WRITE, 0x1000), Ok(Next::Go));
        assert_eq!(result(&mut devices, 32), DONE);
        put(&mut devices, &[2, 1024, 0x8000, 512, 99]);
        devices.call(BLOCK_READ, 0x1000).unwrap();
        assert_eq!(result(&mut devices, 32), DONE);
        assert_eq!(devices.bytes(0x8000, 513).unwrap(), [&[7; 512][..], &[0]].concat());
        for words in [[2, 4096, 0x2000, 512], [2, u64::MAX, 0x2000, 512], [1, 0, 0x2000, 512]] {
            put(&mut devices, &words);
            devices.call(BLOCK_WRITE, 0x1000).unwrap();
            assert_eq!(result(&mut devices, 32), INVALID, "{words:?}");
        }
    }

    #[test]
    fn a_guest_that_names_foreign_memory_is_ended() {
        let mut devices = devices("memory");
        put(&mut devices, &[2, 0, (1 << 20) - 1, 512]);
        assert!(devices.call(BLOCK_READ, 0x1000).is_err());
        put(&mut devices, &[(1 << 20) - 1, 2]);
        assert!(devices.call(PUTS, 0x1000).is_err());
        assert!(devices.call(WALL_TIME, 1 << 20).is_err());
        assert!(devices.call(9, 0x1000).is_err());
    }

    #[test]
    fn no_frame_means_try_again_and_a_halt_has_its_status() {
        let mut devices = devices("frames");
        put(&mut devices, &[1, 0x2000, 1514, 99]);
        devices.call(NET_READ, 0x1000).unwrap();
        assert_eq!(result(&mut devices, 24), TRY_AGAIN);
        put(&mut devices, &[0, 102]);
        assert_eq!(devices.call(HALT, 0x1000), Ok(Next::End(102)));
    }
}
