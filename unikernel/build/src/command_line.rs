//! The command line.

use crate::target::Target;
use lexopt::{Arg, Parser, ValueExt};
use std::{ffi::OsString, path::PathBuf};

pub(crate) const HELP: &str = "\
Builds an image of Kalends that boots without an operating system.

Usage: cargo guest TARGET [OPTIONS]

Targets:
  spt        for Solo5's solo5-spt: a Linux process that seccomp confines
  hvt        for Solo5's solo5-hvt: a virtual machine with hypercalls
  virtio     for QEMU and other monitors with virtio devices that boot by PVH
  multiboot  the same, for loaders such as GRUB

Options:
  -o, --output FILE  where to put the image [default: kalends.TARGET in cargo's target directory]
      --symbols      keep symbols, for debuggers
  -h, --help         this text
";

/// What to do.
#[derive(Debug, PartialEq)]
pub(crate) enum Command {
    Help,
    Build(Options),
}

/// What to build.
#[derive(Debug, PartialEq)]
pub(crate) struct Options {
    pub(crate) target: Target,
    pub(crate) output: Option<PathBuf>,
    pub(crate) symbols: bool,
}

/// Reads the command line; the error is one line.
pub(crate) fn parse(arguments: impl IntoIterator<Item = OsString>) -> Result<Command, String> {
    let mut parser = Parser::from_iter(arguments);
    let line = |error: lexopt::Error| format!("{error}; `cargo guest --help` lists what there is");
    let (mut target, mut output, mut symbols) = (None, None, false);
    while let Some(argument) = parser.next().map_err(line)? {
        match argument {
            Arg::Short('h') | Arg::Long("help") => return Ok(Command::Help),
            Arg::Short('o') | Arg::Long("output") => output = Some(parser.value().map_err(line)?.into()),
            Arg::Long("symbols") => symbols = true,
            Arg::Value(name) if target.is_none() => {
                let name = name.string().map_err(line)?;
                let known = Target::parse(&name);
                target =
                    Some(known.ok_or_else(|| format!("no target {name:?}; spt, hvt, virtio or multiboot"))?);
            }
            other => return Err(line(other.unexpected())),
        }
    }
    match target {
        Some(target) => Ok(Command::Build(Options { target, output, symbols })),
        None => Err("which target? spt, hvt, virtio or multiboot".into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(arguments: &[&str]) -> Result<Command, String> {
        parse(std::iter::once("kalends-build").chain(arguments.iter().copied()).map(OsString::from))
    }

    #[test]
    fn a_target_and_its_options_are_read() {
        let expected = Options { target: Target::Hvt, output: Some("a.hvt".into()), symbols: true };
        assert_eq!(run(&["hvt", "-o", "a.hvt", "--symbols"]), Ok(Command::Build(expected)));
        assert_eq!(run(&["--help"]), Ok(Command::Help));
    }

    #[test]
    fn mistakes_are_named() {
        for (arguments, part) in
            [(&[][..], "which target"), (&["xen"], "xen"), (&["spt", "hvt"], "hvt"), (&["spt", "-q"], "-q")]
        {
            let error = run(arguments).unwrap_err();
            assert!(error.contains(part), "{error}");
        }
    }
}
