//! A tender for Solo5 guests: it loads an image, attaches a block device and a network interface, confines
//! itself, and becomes the guest (spt) or its virtual machine (hvt).
//!
//! Solo5's own `solo5-spt` and `solo5-hvt` run the same images. This one needs nothing but the program itself, opens the block
//! device so that writes are durable when asked to, and refuses a device that a running server holds.

mod block;
mod command_line;
mod elf;
mod hvt;
mod manifest;
mod memory;
mod spt;
mod tap;

use command_line::{Command, Target};
use std::{ffi::OsString, fs};

/// Runs `kalends run` with the arguments after `run`. A guest replaces this process, so that this only returns
/// with the help text, or with an error of one line.
///
/// # Errors
/// When an argument, the image or a device is unfit, or the host refuses something.
pub fn run(arguments: impl IntoIterator<Item = OsString>) -> Result<&'static str, String> {
    let options = match command_line::parse(arguments)? {
        Command::Help => return Ok(command_line::HELP),
        Command::Run(options) => options,
    };
    let file = fs::read(&options.image)
        .map_err(|error| format!("cannot read {}: {error}", options.image.display()))?;
    let named = |error| format!("{}: {error}", options.image.display());
    let image = elf::Image::parse(&file).map_err(named)?;
    match options.target {
        Target::Hvt => Err(match hvt::run(&image, &options) {
            Err(error) => error,
            Ok(never) => match never {},
        }),
        Target::Spt => Err(match spt::run(&image, &options) {
            Err(error) => error,
            Ok(never) => match never {},
        }),
    }
}
