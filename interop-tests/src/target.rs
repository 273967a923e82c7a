//! What the server runs on: the same tests are for all of them.

use crate::{
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

/// The variable that chooses: `hosted` (also when it is not set), `spt` or `virtio`.
const VARIABLE: &str = "KALENDS_TARGET";

/// Where a server runs, and how it is reached.
#[derive(Debug)]
pub(crate) enum Target {
    /// A process with the host's sockets.
    Hosted,
    /// A guest of `kalends run spt`, in a network namespace of its own.
    Spt { namespace: Namespace, relay: Relay },
    /// A virtual machine of QEMU, without acceleration, that is reached by this port.
    Virtio { port: u16 },
}

impl Target {
    /// What `KALENDS_TARGET` says.
    pub(crate) fn chosen() -> Self {
        match env::var(VARIABLE).as_deref() {
            Err(_) | Ok("hosted") => Self::Hosted,
            Ok("spt") => {
                let namespace = Namespace::new();
                let guest = SocketAddr::new(GUEST.parse().unwrap(), 443);
                let relay = Relay::new(&namespace, guest);
                Self::Spt { namespace, relay }
            }
            Ok("virtio") => Self::Virtio { port: free_port() },
            Ok(other) => panic!("{VARIABLE} is {other:?}; it may be hosted, spt or virtio"),
        }
    }

    /// The command that boots a guest on a device, and the port of loopback that leads to it.
    pub(crate) fn guest(&self, device: &Path) -> Option<(Command, u16)> {
        match self {
            Self::Hosted => None,
            Self::Spt { namespace, relay } => {
                let mut command = spt(namespace, device, 256);
                command.arg(format!("--ipv4={GUEST}/24")).args(["--ipv6=off", "--hostname=localhost"]);
                Some((command, relay.port()))
            }
            Self::Virtio { port } => {
                Some((qemu(Machine::Pc, device, *port, "max", "--hostname=localhost"), *port))
            }
        }
    }
}

/// A port of loopback that is free now.
pub fn free_port() -> u16 {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap().port()
}

/// `kalends run spt` with so many MiB on `tap0` of the namespace; the guest's options may follow.
pub fn spt(namespace: &Namespace, device: &Path, memory: u32) -> Command {
    let mut command = namespace.command(program().to_str().unwrap());
    command.args(["run", "spt"]).arg(image("spt"));
    command.arg("--block").arg(device).args(["--net", "tap0", "--memory", &memory.to_string(), "--"]);
    command
}
