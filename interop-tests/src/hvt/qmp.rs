//! QEMU's machine protocol (QMP): devices come and go while the machine runs.

use std::{
    io::{self, BufRead, BufReader, Write},
    os::unix::net::UnixStream,
    path::Path,
    time::Duration,
};

/// Longest wait for an answer or an event.
const PATIENCE: Duration = Duration::from_secs(30);

/// A connection to QEMU.
#[derive(Debug)]
pub(super) struct Qmp(BufReader<UnixStream>);

impl Qmp {
    /// Greets QEMU.
    pub(super) fn new(stream: UnixStream) -> io::Result<Self> {
        stream.set_read_timeout(Some(PATIENCE))?;
        let mut qmp = Self(BufReader::new(stream));
        qmp.await_line(|line| line.contains("\"QMP\""))?;
        qmp.execute("qmp_capabilities", "{}")?;
        Ok(qmp)
    }

    /// Plugs a file in as a virtio disk, which has its name as serial number.
    pub(super) fn plug(&mut self, file: &Path, name: &str) -> io::Result<()> {
        let file = file.to_str().filter(|path| !path.contains(['"', '\\'])).expect("a plain path");
        let file = format!(r#"{{"driver":"file","filename":"{file}"}}"#);
        self.execute("blockdev-add", &format!(r#"{{"driver":"raw","node-name":"{name}","file":{file}}}"#))?;
        let disk = format!(r#""drive":"{name}","id":"{name}-disk","serial":"{name}""#);
        self.execute("device_add", &format!(r#"{{"driver":"virtio-blk-pci",{disk}}}"#))
    }

    /// Pulls the disk out, once Linux lets it go.
    pub(super) fn unplug(&mut self, name: &str) -> io::Result<()> {
        let device = format!("\"device\": \"{name}-disk\"");
        self.send("device_del", &format!(r#"{{"id":"{name}-disk"}}"#))?;
        // The event may come before the answer.
        let (mut is_answered, mut is_gone) = (false, false);
        self.await_line(|line| {
            is_answered |= line.starts_with("{\"return\"");
            is_gone |= line.contains("\"DEVICE_DELETED\"") && line.contains(&device);
            is_answered && is_gone
        })?;
        self.execute("blockdev-del", &format!(r#"{{"node-name":"{name}"}}"#))
    }

    /// Gives a command, and waits until it is carried out.
    fn execute(&mut self, command: &str, arguments: &str) -> io::Result<()> {
        self.send(command, arguments)?;
        self.await_line(|line| line.starts_with("{\"return\""))
    }

    fn send(&mut self, command: &str, arguments: &str) -> io::Result<()> {
        let line = format!("{{\"execute\":\"{command}\",\"arguments\":{arguments}}}\n");
        self.0.get_mut().write_all(line.as_bytes())
    }

    fn await_line(&mut self, mut is_it: impl FnMut(&str) -> bool) -> io::Result<()> {
        loop {
            let mut line = String::new();
            if self.0.read_line(&mut line)? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            if line.starts_with("{\"error\"") {
                return Err(io::Error::other(line));
            }
            if is_it(&line) {
                return Ok(());
            }
        }
    }
}
