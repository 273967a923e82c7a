//! Asking for a secret at a terminal.

use rustix::termios::{LocalModes, OptionalActions, SpecialCodeIndex, Termios, tcgetattr, tcsetattr};
use std::{
    io::{self, Read, Write},
    os::fd::AsFd,
};

/// Longer input is not taken, in bytes.
const MAX_LENGTH: usize = 4096;

/// Asks on standard error and reads a line from the terminal at standard input, showing nothing of it.
///
/// The terminal is read byte by byte, so that Ctrl-C ends the prompt here, with the terminal as it was.
pub(crate) fn hidden(prompt: &str) -> Result<String, String> {
    let stdin = io::stdin();
    let before = tcgetattr(stdin.as_fd()).map_err(|error| format!("cannot use the terminal: {error}"))?;
    let mut raw = before.clone();
    raw.local_modes.remove(LocalModes::ECHO | LocalModes::ICANON | LocalModes::ISIG);
    raw.special_codes[SpecialCodeIndex::VMIN] = 1;
    raw.special_codes[SpecialCodeIndex::VTIME] = 0;
    let restore = Restore(before);
    tcsetattr(stdin.as_fd(), OptionalActions::Flush, &raw)
        .map_err(|error| format!("cannot use the terminal: {error}"))?;
    eprint!("{prompt}");
    let _ = io::stderr().flush();
    let line = read_line(&mut stdin.lock());
    drop(restore);
    eprintln!();
    line
}

/// Puts the terminal back.
struct Restore(Termios);

impl Drop for Restore {
    fn drop(&mut self) {
        let _ = tcsetattr(io::stdin().as_fd(), OptionalActions::Flush, &self.0);
    }
}

/// Reads up to the end of a line, with the keys that terminals have for editing.
fn read_line(input: &mut impl Read) -> Result<String, String> {
    const CTRL_C: u8 = 3;
    const CTRL_D: u8 = 4;
    const BACKSPACE: u8 = 8;
    const CTRL_U: u8 = 21;
    const DELETE: u8 = 127;
    let mut line = Vec::new();
    loop {
        let mut byte = [0];
        let read = input.read(&mut byte).map_err(|error| format!("cannot read the password: {error}"))?;
        match byte[0] {
            _ if read == 0 => return Err("the input ended before the line did".into()),
            CTRL_C | CTRL_D => return Err("stopped".into()),
            b'\r' | b'\n' => break,
            CTRL_U => line.clear(),
            BACKSPACE | DELETE => {
                // One character, however many bytes it has.
                while line.pop().is_some_and(|byte: u8| byte & 0xc0 == 0x80) {}
            }
            other if line.len() < MAX_LENGTH => line.push(other),
            _ => return Err(format!("the password has more than {MAX_LENGTH} bytes")),
        }
    }
    String::from_utf8(line).map_err(|_| "the password is not UTF-8".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_can_be_edited_as_it_is_typed() {
        let read = |mut input: &[u8]| read_line(&mut input);
        assert_eq!(read(b"horse\nmore"), Ok("horse".into()));
        assert_eq!(read(b"horx\x7fse\r"), Ok("horse".into()));
        assert_eq!(read("hö\u{8}orse\n".as_bytes()), Ok("horse".into()));
        assert_eq!(read(b"wrong\x15horse\n"), Ok("horse".into()));
        assert_eq!(read(b"\x7f\x7f\n"), Ok(String::new()));
        assert_eq!(read(b"hor\x03"), Err("stopped".into()));
        assert!(read(b"no end").is_err() && read(b"\xff\n").is_err());
        assert!(read(&[b'x'; MAX_LENGTH + 1]).is_err());
    }
}
