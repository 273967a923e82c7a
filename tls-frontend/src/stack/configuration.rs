//! How a stack is set up.

use crate::clock::Clock;
use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    time::Duration,
};

/// The addresses, limits and clock of a stack.
#[derive(Clone, Debug, Default)]
pub struct StackConfiguration {
    /// How it gets its IPv4 address.
    pub ipv4: Ipv4,
    /// How it gets its IPv6 addresses.
    pub ipv6: Ipv6,
    /// Name servers, before those that DHCP tells of. At most four are asked, one after another.
    pub name_servers: Vec<IpAddr>,
    /// What peers may use.
    pub limits: StackLimits,
    /// The time it goes by.
    pub clock: Clock,
}

impl StackConfiguration {
    /// The addresses that are fixed, and so known beforehand.
    pub fn fixed_addresses(&self) -> impl Iterator<Item = IpAddr> + use<> {
        let ipv4 = match self.ipv4 {
            Ipv4::Static { address, .. } => Some(address.into()),
            Ipv4::Dhcp | Ipv4::Off => None,
        };
        let ipv6 = match self.ipv6 {
            Ipv6::Static { address, .. } => Some(address.into()),
            Ipv6::Automatic | Ipv6::Off => None,
        };
        ipv4.into_iter().chain(ipv6)
    }
}

/// How the stack gets its IPv4 address.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum Ipv4 {
    /// By DHCP (RFC 2131).
    #[default]
    Dhcp,
    /// A fixed one.
    Static {
        /// The address.
        address: Ipv4Addr,
        /// Bits of the network, at most 32.
        prefix_length: u8,
        /// The router to all other networks.
        gateway: Option<Ipv4Addr>,
    },
    /// Not at all.
    Off,
}

/// How the stack gets its IPv6 addresses. Unless it is off there is always a link-local one, made from the
/// hardware address (RFC 4862 §5.3). Duplicates are not detected.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum Ipv6 {
    /// From router advertisements (SLAAC, RFC 4862).
    #[default]
    Automatic,
    /// A fixed one; router advertisements are ignored.
    Static {
        /// The address.
        address: Ipv6Addr,
        /// Bits of the network, at most 128.
        prefix_length: u8,
        /// The router to all other networks.
        gateway: Option<Ipv6Addr>,
    },
    /// Not at all.
    Off,
}

/// Bounds on what peers can make the stack hold or wait for. The buffers are the memory it needs: at most
/// `connections * (receive_buffer + send_buffer)` bytes.
#[derive(Clone, Debug)]
pub struct StackLimits {
    /// Connections at once, from the first segment to the last. When all are taken, one that has ended, a
    /// handshake, or one that is ending makes room for a new one; when there is none of these, the new one is
    /// not answered, so that its peer tries again.
    pub connections: usize,
    /// Connections at once whose handshake has not ended. The oldest makes room for a new one when it has had
    /// 200 ms; a flood of N a second thus leaves no peer out as long as N is below five times this number.
    pub half_open: usize,
    /// Connections at once that wait to be accepted, for one listener.
    pub backlog: usize,
    /// Time for the handshake.
    pub handshake: Duration,
    /// Time for a closed connection to send what it still holds and to agree on the end.
    pub linger: Duration,
    /// Time without a segment from the peer after which it is asked whether it is still there.
    pub keep_alive: Duration,
    /// Time without a segment from the peer, though asked or owing an acknowledgement, after which the
    /// connection fails.
    pub silence: Duration,
    /// Bytes received and not yet read by the program, for one connection: the largest window.
    pub receive_buffer: usize,
    /// Bytes written by the program and not yet acknowledged, for one connection.
    pub send_buffer: usize,
}

impl Default for StackLimits {
    fn default() -> Self {
        Self {
            connections: 384,
            half_open: 256,
            backlog: 128,
            handshake: Duration::from_secs(10),
            linger: Duration::from_secs(30),
            keep_alive: Duration::from_secs(60),
            silence: Duration::from_secs(150),
            receive_buffer: 64 * 1024,
            send_buffer: 64 * 1024,
        }
    }
}

impl StackLimits {
    /// Limits whose buffers take at most `memory` bytes: smaller buffers rather than fewer than 128
    /// connections, down to buffers of 8 KiB, and then fewer connections, down to 16.
    pub fn within(memory: usize) -> Self {
        let default = Self::default();
        let mut buffer = default.receive_buffer;
        while buffer > 8 * 1024 && memory / (2 * buffer) < 128 {
            buffer /= 2;
        }
        let connections = (memory / (2 * buffer)).clamp(16, default.connections);
        Self {
            connections,
            half_open: default.half_open.min(connections / 2),
            receive_buffer: buffer,
            send_buffer: buffer,
            ..default
        }
    }
}

/// The options of a command line that set up a stack, in any order, hosted and in a guest.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct StackOptions {
    ipv4: Option<String>,
    ipv4_gateway: Option<String>,
    ipv6: Option<String>,
    ipv6_gateway: Option<String>,
    name_servers: Vec<IpAddr>,
}

impl StackOptions {
    /// The names of the options, without the two hyphens. Each takes a value.
    pub const NAMES: [&'static str; 5] = ["ipv4", "ipv4-gateway", "ipv6", "ipv6-gateway", "name-server"];

    /// Takes one option. The error is one line and names the option.
    ///
    /// # Errors
    /// When there is no such option, it was given before (only `name-server` may be repeated, up to four
    /// times), or its value cannot be read.
    pub fn set(&mut self, name: &str, value: &str) -> Result<(), String> {
        let slot = match name {
            "ipv4" => &mut self.ipv4,
            "ipv4-gateway" => &mut self.ipv4_gateway,
            "ipv6" => &mut self.ipv6,
            "ipv6-gateway" => &mut self.ipv6_gateway,
            "name-server" => {
                let address =
                    value.parse().map_err(|_| format!("--name-server {value}: expected an IP address"))?;
                if self.name_servers.len() == 4 {
                    return Err("--name-server: at most four".into());
                }
                self.name_servers.push(address);
                return Ok(());
            }
            _ => return Err(format!("no option --{name}")),
        };
        if slot.replace(value.to_owned()).is_some() {
            return Err(format!("--{name}: given twice"));
        }
        Ok(())
    }

    /// Whether no option was given.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// What the options say, with default limits. The error is one line and names the option.
    ///
    /// # Errors
    /// When a value cannot be read, or a gateway is out of reach.
    pub fn configuration(&self) -> Result<StackConfiguration, String> {
        Ok(StackConfiguration {
            ipv4: self.ipv4()?,
            ipv6: self.ipv6()?,
            name_servers: self.name_servers.clone(),
            ..StackConfiguration::default()
        })
    }

    fn ipv4(&self) -> Result<Ipv4, String> {
        let (address, prefix_length) = match self.ipv4.as_deref() {
            None | Some("dhcp") => return self.no_gateway("ipv4", &self.ipv4_gateway, Ipv4::Dhcp),
            Some("off") => return self.no_gateway("ipv4", &self.ipv4_gateway, Ipv4::Off),
            Some(text) => network::<Ipv4Addr>(text, 32).ok_or_else(|| {
                format!("--ipv4 {text}: expected dhcp, off or an address with its prefix length, such as 10.0.0.2/24")
            })?,
        };
        if !(1..=32).contains(&prefix_length)
            || address.is_unspecified()
            || address.is_multicast()
            || address.is_broadcast()
            || address.is_loopback()
        {
            return Err(format!("--ipv4 {address}/{prefix_length}: not an address of a host in a network"));
        }
        let gateway = match &self.ipv4_gateway {
            None => None,
            Some(text) => {
                let gateway: Ipv4Addr =
                    text.parse().map_err(|_| format!("--ipv4-gateway {text}: expected an IPv4 address"))?;
                let different = u32::from(gateway) ^ u32::from(address);
                if different == 0 || different.leading_zeros() < prefix_length.into() {
                    return Err(format!(
                        "--ipv4-gateway {text}: expected another host in the network {address}/{prefix_length}"
                    ));
                }
                Some(gateway)
            }
        };
        Ok(Ipv4::Static { address, prefix_length, gateway })
    }

    fn ipv6(&self) -> Result<Ipv6, String> {
        let (address, prefix_length) = match self.ipv6.as_deref() {
            None | Some("auto") => return self.no_gateway("ipv6", &self.ipv6_gateway, Ipv6::Automatic),
            Some("off") => return self.no_gateway("ipv6", &self.ipv6_gateway, Ipv6::Off),
            Some(text) => network::<Ipv6Addr>(text, 128).ok_or_else(|| {
                format!("--ipv6 {text}: expected auto, off or an address with its prefix length, such as fd00::2/64")
            })?,
        };
        if prefix_length == 0 || address.is_unspecified() || address.is_multicast() || address.is_loopback() {
            return Err(format!("--ipv6 {address}/{prefix_length}: not an address of a host in a network"));
        }
        let gateway = match &self.ipv6_gateway {
            None => None,
            Some(text) => {
                let gateway: Ipv6Addr =
                    text.parse().map_err(|_| format!("--ipv6-gateway {text}: expected an IPv6 address"))?;
                let different = u128::from(gateway) ^ u128::from(address);
                let reachable =
                    different.leading_zeros() >= prefix_length.into() || gateway.is_unicast_link_local();
                if different == 0 || !reachable {
                    return Err(format!(
                        "--ipv6-gateway {text}: expected another host in the network {address}/{prefix_length}, \
                         or a link-local address"
                    ));
                }
                Some(gateway)
            }
        };
        Ok(Ipv6::Static { address, prefix_length, gateway })
    }

    fn no_gateway<T>(&self, name: &str, gateway: &Option<String>, value: T) -> Result<T, String> {
        match gateway {
            None => Ok(value),
            Some(_) => Err(format!("--{name}-gateway needs --{name} with a fixed address")),
        }
    }
}

/// An address and its prefix length.
fn network<T: std::str::FromStr>(text: &str, bits: u8) -> Option<(T, u8)> {
    let (address, length) = text.split_once('/')?;
    let length = length.parse().ok().filter(|length| *length <= bits)?;
    Some((address.parse().ok()?, length))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(options: &[(&str, &str)]) -> Result<StackConfiguration, String> {
        let mut read = StackOptions::default();
        for (name, value) in options {
            read.set(name, value)?;
        }
        read.configuration()
    }

    #[test]
    fn no_options_ask_dhcp_and_routers() {
        let configuration = read(&[]).unwrap();
        assert_eq!((configuration.ipv4, configuration.ipv6), (Ipv4::Dhcp, Ipv6::Automatic));
        assert!(configuration.name_servers.is_empty());
    }

    #[test]
    fn fixed_addresses_are_read_in_any_order() {
        let configuration = read(&[
            ("ipv4-gateway", "10.0.0.1"),
            ("name-server", "10.0.0.3"),
            ("ipv6", "fd00::2/64"),
            ("ipv4", "10.0.0.2/24"),
            ("ipv6-gateway", "fe80::1"),
            ("name-server", "fd00::3"),
        ])
        .unwrap();
        let (address, gateway) = (Ipv4Addr::new(10, 0, 0, 2), Some(Ipv4Addr::new(10, 0, 0, 1)));
        assert_eq!(configuration.ipv4, Ipv4::Static { address, prefix_length: 24, gateway });
        let (address, gateway) = ("fd00::2".parse().unwrap(), Some("fe80::1".parse().unwrap()));
        assert_eq!(configuration.ipv6, Ipv6::Static { address, prefix_length: 64, gateway });
        assert_eq!(configuration.name_servers.len(), 2);
    }

    #[test]
    fn limits_keep_within_the_memory_given() {
        for (mebibytes, connections, buffer) in [
            (64, 384, 65536),
            (32, 256, 65536),
            (16, 128, 65536),
            (6, 192, 16384),
            (2, 128, 8192),
            (1, 64, 8192),
        ] {
            let limits = StackLimits::within(mebibytes << 20);
            assert_eq!((limits.connections, limits.receive_buffer), (connections, buffer));
            assert!(limits.connections * (limits.receive_buffer + limits.send_buffer) <= mebibytes << 20);
        }
        assert_eq!(StackLimits::within(0).connections, 16);
    }

    #[test]
    fn mistakes_are_named() {
        for (options, part) in [
            (&[("ipv4", "10.0.0.2")][..], "--ipv4 10.0.0.2"),
            (&[("ipv4", "10.0.0.2/33")], "--ipv4 10.0.0.2/33"),
            (&[("ipv4", "224.0.0.1/24")], "not an address of a host"),
            (&[("ipv4", "10.0.0.2/24"), ("ipv4", "off")], "--ipv4: given twice"),
            (&[("ipv4-gateway", "10.0.0.1")], "--ipv4-gateway needs --ipv4"),
            (&[("ipv4", "10.0.0.2/24"), ("ipv4-gateway", "10.0.1.1")], "--ipv4-gateway 10.0.1.1"),
            (&[("ipv4", "10.0.0.2/24"), ("ipv4-gateway", "10.0.0.2")], "expected another host"),
            (&[("ipv6", "fd00::2")], "--ipv6 fd00::2"),
            (&[("ipv6", "ff02::1/64")], "not an address of a host"),
            (&[("ipv6", "fd00::2/64"), ("ipv6-gateway", "fd01::1")], "--ipv6-gateway fd01::1"),
            (&[("name-server", "one")], "--name-server one"),
            (&[("name-server", "1.1.1.1"); 5], "at most four"),
            (&[("ipv5", "1")], "--ipv5"),
        ] {
            let error = read(options).unwrap_err();
            assert!(error.contains(part), "{error}");
            assert!(!error.contains('\n'), "{error}");
        }
    }
}
