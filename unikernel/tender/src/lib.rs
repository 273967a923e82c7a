//! A tender for guests: it loads an image of Solo5's kind, attaches a block device and a network interface, confines
//! itself, and becomes the guest (spt) or its virtual machine (hvt); for virtio it has QEMU do so.
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
mod virtio;

use command_line::{Command, Target};
use std::{ffi::OsString, fs};

/// What `kalends run` came to, when it comes back.
#[derive(Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The help text was asked for.
    Help(&'static str),
    /// The guest ended with this status.
    Ended(u8),
}

/// Runs `kalends run` with the arguments after `run`. A guest of spt or hvt replaces this process.
///
/// # Errors
/// One line, when an argument, the image or a device is unfit, or the host refuses something.
pub fn run(arguments: impl IntoIterator<Item = OsString>) -> Result<Outcome, String> {
    let options = match command_line::parse(arguments)? {
        Command::Help => return Ok(Outcome::Help(command_line::HELP)),
        Command::Run(options) => options,
    };
    let file = fs::read(&options.image)
        .map_err(|error| format!("cannot read {}: {error}", options.image.display()))?;
    let named = |error| format!("{}: {error}", options.image.display());
    let image = elf::Image::parse(&file).map_err(named)?;
    match &options.target {
        Target::Hvt { tap } => match hvt::run(&image, &options, tap)? {},
        Target::Spt { tap } => match spt::run(&image, &options, tap)? {},
        Target::Virtio(machine) => virtio::run(&image, &options, machine).map(Outcome::Ended),
    }
}
