//! The command line of `kalends run`.

use lexopt::{Arg, Parser, ValueExt};
use std::{ffi::OsString, path::PathBuf};

pub(crate) const HELP: &str = "\
Runs an image of Kalends that was built for Solo5.

Usage: kalends run TARGET IMAGE --block FILE --net TAP [OPTIONS] [-- GUEST-OPTIONS]

  spt            a Linux process that may make nine system calls and no others
  hvt            a virtual machine (KVM) whose tender may make few

Options:
  --block FILE   the guest's block device: a file or a disk that Kalends has formatted
  --net TAP      the guest's network interface: an existing tap device that is up
  --mac ADDRESS  its hardware address, such as 02:00:00:00:00:01 [default: a random one]
  --memory SIZE  the guest's memory in MiB [default: 256]
  --sync         make every write durable as it is made (O_DSYNC): slower, and needed for a guest whose
                 acknowledged changes must survive a loss of power, as Solo5 has no flush

Options of the guest, after `--`:
  --ipv4 dhcp|off|ADDRESS/LENGTH [dhcp], --ipv4-gateway ADDRESS, --ipv6 auto|off|ADDRESS/LENGTH [auto],
  --ipv6-gateway ADDRESS, --name-server ADDRESS, --hostname NAME, --port NUMBER [443], --log LEVEL
";

/// What to do.
#[derive(Debug, PartialEq)]
pub(crate) enum Command {
    Help,
    Run(Options),
}

/// The kind of confinement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Target {
    Hvt,
    Spt,
}

/// What to run, and with what.
#[derive(Debug, PartialEq)]
pub(crate) struct Options {
    pub(crate) target: Target,
    pub(crate) image: PathBuf,
    pub(crate) block: PathBuf,
    pub(crate) tap: String,
    pub(crate) mac: Option<[u8; 6]>,
    /// Bytes of memory.
    pub(crate) memory: usize,
    pub(crate) sync: bool,
    /// The guest's command line.
    pub(crate) guest: String,
}

/// Reads the arguments after `run`; the error is one line.
pub(crate) fn parse(arguments: impl IntoIterator<Item = OsString>) -> Result<Command, String> {
    let mut parser = Parser::from_args(arguments);
    let line = |error: lexopt::Error| format!("{error}; `kalends run --help` lists what there is");
    let (mut target, mut image, mut block, mut tap) = (None, None, None, None);
    let (mut mac, mut memory, mut sync) = (None, 256 << 20, false);
    let mut guest = Vec::new();
    loop {
        if target.is_some()
            && image.is_some()
            && parser.try_raw_args().is_some_and(|mut raw| raw.next_if(|next| next == "--").is_some())
        {
            let rest = parser.raw_args().map_err(line)?;
            for argument in rest {
                guest.push(argument.string().map_err(line)?);
            }
            break;
        }
        let Some(argument) = parser.next().map_err(line)? else { break };
        match argument {
            Arg::Short('h') | Arg::Long("help") => return Ok(Command::Help),
            Arg::Value(name) if target.is_none() => match name.to_str() {
                Some("hvt") => target = Some(Target::Hvt),
                Some("spt") => target = Some(Target::Spt),
                _ => return Err(format!("no target {:?}; spt or hvt", name.to_string_lossy())),
            },
            Arg::Value(path) if image.is_none() => image = Some(path.into()),
            Arg::Long("block") => block = Some(parser.value().map_err(line)?.into()),
            Arg::Long("net") => tap = Some(parser.value().and_then(|value| value.string()).map_err(line)?),
            Arg::Long("mac") => {
                let text = parser.value().and_then(|value| value.string()).map_err(line)?;
                let address = mac_address(&text);
                mac = Some(address.ok_or_else(|| {
                    format!("--mac {text}: expected a unicast address such as 02:00:00:00:00:01")
                })?);
            }
            Arg::Long("memory") => {
                let text = parser.value().and_then(|value| value.string()).map_err(line)?;
                let mebibytes: Option<usize> = text.parse().ok().filter(|size| (16..=4096).contains(size));
                memory = mebibytes.ok_or_else(|| format!("--memory {text}: expected MiB, 16 to 4096"))? << 20;
            }
            Arg::Long("sync") => sync = true,
            other => return Err(line(other.unexpected())),
        }
    }
    let target = target.ok_or("run what? `kalends run --help` tells")?;
    Ok(Command::Run(Options {
        target,
        image: image.ok_or("which image? `cargo guest spt` builds one")?,
        block: block.ok_or("--block FILE is missing: the guest needs its block device")?,
        tap: tap.ok_or("--net TAP is missing: the guest needs its network interface")?,
        mac,
        memory,
        sync,
        guest: guest.join(" "),
    }))
}

/// A unicast hardware address: six pairs of hexadecimal digits between colons.
fn mac_address(text: &str) -> Option<[u8; 6]> {
    let mut address = [0; 6];
    let mut pairs = text.split(':');
    for byte in &mut address {
        let pair = pairs.next().filter(|pair| pair.len() == 2)?;
        *byte = u8::from_str_radix(pair, 16).ok()?;
    }
    (pairs.next().is_none() && address[0] & 1 == 0 && address != [0; 6]).then_some(address)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(line: &str) -> Result<Command, String> {
        parse(line.split_whitespace().map(OsString::from))
    }

    #[test]
    fn everything_is_read() {
        let line = "spt a.spt --block d.img --net tap0 --mac 02:00:00:00:0a:ff --memory 64 --sync -- --ipv4 \
                    10.0.0.2/24 --log=info";
        let Ok(Command::Run(options)) = run(line) else { panic!("refused") };
        assert_eq!((options.image, options.block), ("a.spt".into(), "d.img".into()));
        assert_eq!((options.tap.as_str(), options.memory, options.sync), ("tap0", 64 << 20, true));
        assert_eq!(options.mac, Some([2, 0, 0, 0, 10, 255]));
        assert_eq!(options.guest, "--ipv4 10.0.0.2/24 --log=info");
    }

    #[test]
    fn mistakes_are_named() {
        let all = "spt a --block b --net c";
        for (line, part) in [
            (String::new(), "run what"),
            ("xen a".into(), "xen"),
            ("spt".into(), "which image"),
            ("spt a --net c".into(), "--block"),
            ("spt a --block b".into(), "--net"),
            (format!("{all} --memory 1"), "--memory 1"),
            (format!("{all} --mac 03:00:00:00:00:00"), "--mac 03"),
            (format!("{all} --mac 02:00:00:00:00"), "--mac 02"),
            (format!("{all} --ipv4 dhcp"), "--ipv4"),
        ] {
            let error = run(&line).unwrap_err();
            assert!(error.contains(part), "{line}: {error}");
            assert!(!error.contains('\n'), "{error}");
        }
        assert_eq!(run("--help"), Ok(Command::Help));
    }
}
