//! Kalends: a calendar server that is its own operating system. This is the hosted program.

mod command_line;
mod compact;
mod device;
mod disk;
mod export;
mod fsck;
mod git_source;
mod image;
mod memory;
mod passwd;
mod prompt;
mod repair;
mod serve;
mod size;
mod start;
mod tap;
mod tls;

use command_line::Command;
use kalends_tender::Outcome;
use std::process::ExitCode;

fn main() -> ExitCode {
    memory::configure();
    let result = match command_line::parse(std::env::args_os()) {
        Ok(Command::Help(text)) => {
            print!("{text}");
            Ok(())
        }
        Ok(Command::Version) => {
            println!("kalends {}", env!("CARGO_PKG_VERSION"));
            Ok(())
        }
        Ok(Command::Serve(options)) => serve::serve(&options),
        Ok(Command::Fsck { device }) => return fsck::fsck(&device),
        Ok(Command::Compact { device }) => compact::compact(&device),
        Ok(Command::Repair { device, from, dry_run }) => return repair::repair(&device, &from, dry_run),
        Ok(Command::Export { device, directory }) => export::export(&device, &directory),
        Ok(Command::Image(command)) => image::image(&command),
        Ok(Command::Passwd) => passwd::passwd(),
        Ok(Command::Run(arguments)) => match kalends_tender::run(arguments) {
            Ok(Outcome::Help(text)) => {
                print!("{text}");
                Ok(())
            }
            Ok(Outcome::Ended(status)) => return ExitCode::from(status),
            Err(error) => Err(error),
        },
        Err(error) => {
            eprintln!("kalends: {error}");
            return ExitCode::from(2);
        }
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("kalends: {error}");
            ExitCode::FAILURE
        }
    }
}
