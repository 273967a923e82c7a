//! The command line of `kalends run`.

use crate::virtio::accelerator::Accelerator;
use lexopt::{Arg, Parser, ValueExt};
use std::{ffi::OsString, path::PathBuf};

pub(crate) const HELP: &str = "\
Runs an image of Kalends that boots without an operating system.

Usage: kalends run TARGET IMAGE --block FILE [--net TAP] [OPTIONS] [-- GUEST-OPTIONS]

  spt              a Linux process that may make nine system calls and no others
  hvt              a virtual machine (KVM) whose tender may make few
  virtio           a virtual machine of QEMU's

Options:
  --block FILE     the guest's block device: a file or a disk that Kalends has formatted
  --net TAP        the guest's network interface: an existing tap device that is up; virtio can do without
  --mac ADDRESS    its hardware address, such as 02:00:00:00:00:01 [default: a random one]
  --memory SIZE    the guest's memory in MiB [default: 256]
  --sync           make every write durable as it is made (O_DSYNC): slower, and needed for a guest whose
                   acknowledged changes must survive a loss of power, as Solo5 has no flush; virtio has one

Options for virtio:
  --forward PORT   without --net: the port of 127.0.0.1 that leads to the guest [default: 8443]
  --machine NAME   pc, q35 or microvm [default: pc]
  --accel NAME     kvm or tcg, QEMU's translator [default: kvm where it can be used]

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

/// What confines the guest, and what that needs.
#[derive(Debug, PartialEq)]
pub(crate) enum Target {
    Hvt { tap: String },
    Spt { tap: String },
    Virtio(VirtualMachine),
}

/// How QEMU is to be used.
#[derive(Debug, PartialEq)]
pub(crate) struct VirtualMachine {
    pub(crate) kind: Machine,
    pub(crate) network: Network,
    /// `None` leaves it to this program.
    pub(crate) accelerator: Option<Accelerator>,
}

/// QEMU's kinds of machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Machine {
    Pc,
    Q35,
    Microvm,
}

/// How the guest is reached.
#[derive(Debug, PartialEq)]
pub(crate) enum Network {
    /// By a tap device.
    Tap(String),
    /// By QEMU's own network, and this port of loopback.
    Forward(u16),
}

/// The port of loopback, unless another is chosen.
const FORWARD: u16 = 8443;

/// What to run, and with what.
#[derive(Debug, PartialEq)]
pub(crate) struct Options {
    pub(crate) target: Target,
    pub(crate) image: PathBuf,
    pub(crate) block: PathBuf,
    pub(crate) mac: Option<[u8; 6]>,
    /// Bytes of memory.
    pub(crate) memory: usize,
    pub(crate) sync: bool,
    /// The guest's command line.
    pub(crate) guest: String,
}

/// What is said of the target, in any order.
#[derive(Default)]
struct Choices {
    target: Option<String>,
    tap: Option<String>,
    forward: Option<u16>,
    machine: Option<Machine>,
    accelerator: Option<Accelerator>,
}

impl Choices {
    fn target(self) -> Result<Target, String> {
        let target = self.target.ok_or("run what? `kalends run --help` tells")?;
        if target == "virtio" {
            let network = match (self.tap, self.forward) {
                (Some(_), Some(_)) => return Err("--forward is for a guest without --net".into()),
                (Some(tap), None) if tap.contains(',') => {
                    return Err(format!("--net {tap}: not the name of a network interface"));
                }
                (Some(tap), None) => Network::Tap(tap),
                (None, port) => Network::Forward(port.unwrap_or(FORWARD)),
            };
            let kind = self.machine.unwrap_or(Machine::Pc);
            return Ok(Target::Virtio(VirtualMachine { kind, network, accelerator: self.accelerator }));
        }
        for (name, given) in [
            ("forward", self.forward.is_some()),
            ("machine", self.machine.is_some()),
            ("accel", self.accelerator.is_some()),
        ] {
            if given {
                return Err(format!("--{name} is for virtio only"));
            }
        }
        let tap = self.tap.ok_or("--net TAP is missing: the guest needs its network interface")?;
        match target.as_str() {
            "hvt" => Ok(Target::Hvt { tap }),
            _ => Ok(Target::Spt { tap }),
        }
    }
}

fn line(error: lexopt::Error) -> String {
    format!("{error}; `kalends run --help` lists what there is")
}

fn text(parser: &mut Parser) -> Result<String, String> {
    parser.value().and_then(|value| value.string()).map_err(line)
}

/// Reads the arguments after `run`; the error is one line.
pub(crate) fn parse(arguments: impl IntoIterator<Item = OsString>) -> Result<Command, String> {
    let mut parser = Parser::from_args(arguments);
    let mut choices = Choices::default();
    let (mut image, mut block) = (None, None);
    let (mut mac, mut memory, mut sync) = (None, 256 << 20, false);
    let mut guest = Vec::new();
    loop {
        if choices.target.is_some()
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
            Arg::Value(name) if choices.target.is_none() => match name.to_str() {
                Some(known @ ("hvt" | "spt" | "virtio")) => choices.target = Some(known.into()),
                _ => return Err(format!("no target {:?}; spt, hvt or virtio", name.to_string_lossy())),
            },
            Arg::Value(path) if image.is_none() => image = Some(path.into()),
            Arg::Long("block") => block = Some(parser.value().map_err(line)?.into()),
            Arg::Long("net") => choices.tap = Some(text(&mut parser)?),
            Arg::Long("mac") => {
                let text = text(&mut parser)?;
                let address = mac_address(&text);
                mac = Some(address.ok_or_else(|| {
                    format!("--mac {text}: expected a unicast address such as 02:00:00:00:00:01")
                })?);
            }
            Arg::Long("memory") => {
                let text = text(&mut parser)?;
                let mebibytes: Option<usize> = text.parse().ok().filter(|size| (16..=4096).contains(size));
                memory = mebibytes.ok_or_else(|| format!("--memory {text}: expected MiB, 16 to 4096"))? << 20;
            }
            Arg::Long("sync") => sync = true,
            Arg::Long("forward") => {
                let text = text(&mut parser)?;
                let port = text.parse().ok().filter(|port| *port != 0);
                choices.forward =
                    Some(port.ok_or_else(|| format!("--forward {text}: expected a port from 1 to 65535"))?);
            }
            Arg::Long("machine") => {
                choices.machine = Some(match text(&mut parser)?.as_str() {
                    "pc" => Machine::Pc,
                    "q35" => Machine::Q35,
                    "microvm" => Machine::Microvm,
                    other => return Err(format!("--machine {other}: expected pc, q35 or microvm")),
                });
            }
            Arg::Long("accel") => {
                let text = text(&mut parser)?;
                let known = Accelerator::parse(&text);
                choices.accelerator =
                    Some(known.ok_or_else(|| format!("--accel {text}: expected kvm or tcg"))?);
            }
            other => return Err(line(other.unexpected())),
        }
    }
    Ok(Command::Run(Options {
        target: choices.target()?,
        image: image.ok_or("which image? `cargo guest spt` builds one")?,
        block: block.ok_or("--block FILE is missing: the guest needs its block device")?,
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
        assert_eq!((options.memory, options.sync), (64 << 20, true));
        assert_eq!(options.target, Target::Spt { tap: "tap0".into() });
        assert_eq!(options.mac, Some([2, 0, 0, 0, 10, 255]));
        assert_eq!(options.guest, "--ipv4 10.0.0.2/24 --log=info");
    }

    #[test]
    fn a_virtual_machine_can_do_with_little() {
        let target = |line: &str| match run(line) {
            Ok(Command::Run(options)) => options.target,
            other => panic!("{other:?}"),
        };
        let (kind, network) = (Machine::Pc, Network::Forward(8443));
        let expected = VirtualMachine { kind, network, accelerator: None };
        assert_eq!(target("virtio a --block b"), Target::Virtio(expected));
        let (kind, network) = (Machine::Microvm, Network::Tap("tap0".into()));
        let expected = VirtualMachine { kind, network, accelerator: Some(Accelerator::Tcg) };
        let line = "virtio a --block b --net tap0 --machine microvm --accel tcg";
        assert_eq!(target(line), Target::Virtio(expected));
    }

    #[test]
    fn mistakes_are_named() {
        let all = "spt a --block b --net c";
        for (line, part) in [
            (String::new(), "run what"),
            ("xen a".into(), "xen"),
            ("spt --net c".into(), "which image"),
            ("spt a --net c".into(), "--block"),
            ("spt a --block b".into(), "--net"),
            (format!("{all} --machine q35"), "--machine is for virtio"),
            (format!("{all} --accel tcg"), "--accel is for virtio"),
            (format!("{all} --forward 8443"), "--forward is for virtio"),
            ("virtio a --block b --net c --forward 1".into(), "--forward is for a guest without --net"),
            ("virtio a --block b --net c,d".into(), "--net c,d"),
            ("virtio a --block b --forward 0".into(), "--forward 0"),
            ("virtio a --block b --machine isapc".into(), "--machine isapc"),
            ("virtio a --block b --accel hvf".into(), "--accel hvf"),
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
