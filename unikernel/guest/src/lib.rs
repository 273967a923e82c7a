//! Kalends as a guest: the same service over the devices that a tender or a virtual machine gives.

mod certificates;
mod command_line;
mod console_log;
mod ending;
mod idle;
mod interface;
mod memory;
mod serve;
mod storage;

use ending::Ending;
use kalends_nolibc::exit;

/// Runs the guest; the result is its exit status.
pub fn run(command_line: &str) -> u8 {
    let options = match command_line::parse(command_line) {
        Ok(options) => options,
        Err(error) => {
            eprintln!("kalends: {error}");
            return exit::USAGE;
        }
    };
    match serve::serve(&options) {
        Ok(()) => exit::SUCCESS,
        Err(Ending { status, reason }) => {
            eprintln!("kalends: {reason}");
            status
        }
    }
}
