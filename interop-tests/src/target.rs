//! What the server runs on: the same tests are for all of them.

use crate::{
    hvt::{self, NestedGuest},
    image::image,
    namespace::{GUEST, Namespace},
    qemu::{Machine, qemu},
    relay::Relay,
    server::program,
};
use std::{
    env,
    net::{Ipv4Addr, SocketAddr, TcpListener},
    path::Path,
    process::Command,
};

/// The variable that chooses: `hosted` (also when it is not set), `spt`, `hvt` or `virtio`.
const VARIABLE: &str = "KALENDS_TARGET";

/// Where a server runs, and how it is reached.
#[derive(Debug)]
pub(crate) enum Target {
    /// A process with the host's sockets.
    Hosted,
    /// A guest of `kalends run spt` or `hvt`, in a network namespace of its own.
    Tender { target: &'static str, namespace: Namespace, relay: Relay },
    /// A guest of `kalends run hvt` in an emulated machine.
    Nested { guest: NestedGuest, relay: Relay },
    /// A virtual machine of QEMU, without acceleration, that is reached by this port.
    Virtio { port: u16 },
}

impl Target {
    /// What `KALENDS_TARGET` says.
    pub(crate) fn chosen() -> Self {
        match env::var(VARIABLE).as_deref() {
            Err(_) | Ok("hosted") => Self::Hosted,
            Ok("spt") => Self::tender("spt"),
            Ok("hvt") if hvt::has_kvm() => Self::tender("hvt"),
            Ok("hvt") => {
                let mut guest = NestedGuest::new();
                let relay = Relay::new(None, (Ipv4Addr::LOCALHOST, guest.port()).into());
                Self::Nested { guest, relay }
            }
            Ok("virtio") => Self::Virtio { port: free_port() },
            Ok(other) => panic!("{VARIABLE} is {other:?}; it may be hosted, spt, hvt or virtio"),
        }
    }

    fn tender(target: &'static str) -> Self {
        let namespace = Namespace::new();
        let guest = SocketAddr::new(GUEST.parse().unwrap(), 443);
        let relay = Relay::new(Some(&namespace), guest);
        Self::Tender { target, namespace, relay }
    }

    /// The command that boots a guest on a device, if that is a process of this machine.
    pub(crate) fn command(&self, device: &Path) -> Option<Command> {
        match self {
            Self::Hosted | Self::Nested { .. } => None,
            Self::Tender { target, namespace, .. } => {
                let mut command = tender(target, namespace, device, 256);
                command.arg(format!("--ipv4={GUEST}/24")).args(["--ipv6=off", "--hostname=localhost"]);
                Some(command)
            }
            Self::Virtio { port } => Some(qemu(Machine::Pc, device, *port, "max", "--hostname=localhost")),
        }
    }

    /// The port of loopback that leads to the guest.
    pub(crate) fn port(&self) -> Option<u16> {
        match self {
            Self::Hosted => None,
            Self::Tender { relay, .. } | Self::Nested { relay, .. } => Some(relay.port()),
            Self::Virtio { port } => Some(*port),
        }
    }

    /// What stands between clients and the guest, if its end would not be theirs without.
    pub(crate) fn relay(&self) -> Option<&Relay> {
        match self {
            Self::Hosted | Self::Virtio { .. } => None,
            Self::Tender { relay, .. } | Self::Nested { relay, .. } => Some(relay),
        }
    }
}

/// Different ports of loopback that are free now.
pub(crate) fn free_ports(count: usize) -> Vec<u16> {
    let listeners: Vec<_> =
        (0..count).map(|_| TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap()).collect();
    listeners.iter().map(|listener| listener.local_addr().unwrap().port()).collect()
}

/// A port of loopback that is free now.
pub fn free_port() -> u16 {
    free_ports(1)[0]
}

/// `kalends run` for `spt` or `hvt`, with so many MiB on `tap0` of the namespace; the guest's options may follow.
pub fn tender(target: &str, namespace: &Namespace, device: &Path, memory: u32) -> Command {
    let mut command = namespace.command(program().to_str().unwrap());
    command.args(["run", target]).arg(image(target));
    command.arg("--block").arg(device).args(["--net", "tap0", "--memory", &memory.to_string(), "--"]);
    command
}
