//! `cargo guest TARGET`: builds an image of Kalends that boots without an operating system.
//!
//! It runs cargo and the linker that comes with the toolchain with the options that an image needs; see
//! docs/guest.md. Two builds of the same source in different directories give the same bytes.

mod command_line;
mod image;
mod multiboot;
mod target;

use command_line::Command;
use std::process::ExitCode;

fn main() -> ExitCode {
    let result = match command_line::parse(std::env::args_os()) {
        Ok(Command::Help) => {
            print!("{}", command_line::HELP);
            Ok(())
        }
        Ok(Command::Build(options)) => image::build(&options).map(|image| println!("{}", image.display())),
        Err(error) => {
            eprintln!("kalends-build: {error}");
            return ExitCode::from(2);
        }
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("kalends-build: {error}");
            ExitCode::FAILURE
        }
    }
}
