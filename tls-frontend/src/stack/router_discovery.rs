//! IPv6 addresses and the router, as routers advertise them (SLAAC: RFC 4861 §6.3, RFC 4862 §5.5).
//!
//! smoltcp 0.14 has this too, but its timers hide those of the sockets, and it panics on some prefixes.

use super::{core::Core, device_adapter::DeviceAdapter, packet_device::PacketDevice};
use smoltcp::{
    phy::{ChecksumCapabilities, Device, TxToken},
    wire::{
        EthernetAddress, EthernetFrame, EthernetProtocol, HardwareAddress, Icmpv6Message, Icmpv6Packet,
        Icmpv6Repr, IpCidr, IpProtocol, Ipv6Address, Ipv6Cidr, Ipv6Packet, Ipv6Repr, NdiscRepr,
    },
};
use std::time::{Duration, Instant};

/// RFC 4861 §10: MAX_RTR_SOLICITATIONS and RTR_SOLICITATION_INTERVAL.
const SOLICITATIONS: u8 = 3;
const SOLICITATION_INTERVAL: Duration = Duration::from_secs(4);
/// An advertisement shortens the life of an address to this at least (RFC 4862 §5.5.3 e).
const SHORTEST_CUT: Duration = Duration::from_secs(2 * 3600);
/// Addresses taken from advertisements.
const MOST_ADDRESSES: usize = 4;
/// A lifetime of all ones does not end.
const INFINITE: u32 = u32::MAX;

/// What a router advertises.
#[derive(Debug, PartialEq)]
pub(super) struct Advertisement {
    router: Ipv6Address,
    /// How long it serves as default router; zero when it does not.
    lifetime: Duration,
    prefixes: Vec<Prefix>,
}

/// A network that addresses may be made in.
#[derive(Debug, PartialEq)]
struct Prefix {
    /// Its first 64 bits.
    network: [u8; 8],
    /// `None` when it does not end.
    valid: Option<Duration>,
}

/// What has been learnt from routers.
pub(super) struct RouterDiscovery {
    solicitations: u8,
    next_solicitation: Instant,
    router: Option<(Ipv6Address, Instant)>,
    addresses: Vec<(Ipv6Cidr, Option<Instant>)>,
}

impl Advertisement {
    /// Reads an advertisement in an ICMPv6 message; none when it must be ignored (RFC 4861 §6.1.2).
    pub(super) fn parse(packet: &Ipv6Packet<&[u8]>, message: &[u8]) -> Option<Self> {
        /// The options begin here.
        const OPTIONS: usize = 16;
        let advertisement = Icmpv6Packet::new_checked(message).ok()?;
        let (router, destination) = (packet.src_addr(), packet.dst_addr());
        let from_this_link = packet.hop_limit() == 255 && router.is_unicast_link_local();
        if advertisement.msg_type() != Icmpv6Message::RouterAdvert
            || advertisement.msg_code() != 0
            || !from_this_link
            || !advertisement.verify_checksum(&router, &destination)
        {
            return None;
        }
        let mut options = message.get(OPTIONS..)?;
        let [lifetime_high, lifetime_low] = *message.get(6..8)? else { return None };
        let mut prefixes = Vec::new();
        while let [kind, length, ..] = *options {
            let length = usize::from(length) * 8;
            if length == 0 {
                return None;
            }
            let (option, rest) = options.split_at_checked(length)?;
            if prefixes.len() < MOST_ADDRESSES {
                prefixes.extend(Prefix::parse(kind, option));
            }
            options = rest;
        }
        let lifetime = u16::from_be_bytes([lifetime_high, lifetime_low]);
        Some(Self { router, lifetime: Duration::from_secs(lifetime.into()), prefixes })
    }
}

impl Prefix {
    /// A prefix that addresses may be made in (RFC 4862 §5.5.3 a to d).
    fn parse(kind: u8, option: &[u8]) -> Option<Self> {
        const PREFIX_INFORMATION: u8 = 3;
        const AUTONOMOUS: u8 = 0x40;
        let (head, prefix) = option.split_first_chunk::<16>()?;
        let prefix = <[u8; 16]>::try_from(prefix).ok()?;
        let [_, _, length, flags, a, b, c, d, e, f, g, h, ..] = *head;
        let (valid, preferred) = (u32::from_be_bytes([a, b, c, d]), u32::from_be_bytes([e, f, g, h]));
        let address = Ipv6Address::from(prefix);
        if kind != PREFIX_INFORMATION
            || flags & AUTONOMOUS == 0
            || length != 64
            || preferred > valid
            || address.is_unicast_link_local()
            || address.is_multicast()
        {
            return None;
        }
        let valid = (valid != INFINITE).then(|| Duration::from_secs(valid.into()));
        Some(Self { network: *prefix.first_chunk()?, valid })
    }
}

impl RouterDiscovery {
    pub(super) fn new(now: Instant) -> Self {
        Self { solicitations: SOLICITATIONS, next_solicitation: now, router: None, addresses: Vec::new() }
    }

    /// When something is to be done.
    fn due(&self) -> Option<Instant> {
        let solicitation = (self.solicitations > 0).then_some(self.next_solicitation);
        let router = self.router.map(|(_, until)| until);
        let addresses = self.addresses.iter().filter_map(|(_, until)| *until);
        addresses.chain(solicitation).chain(router).min()
    }

    fn take_address(&mut self, address: Ipv6Cidr, valid: Option<Duration>, now: Instant) {
        let until = valid.map(|valid| now + valid);
        let room = self.addresses.len() < MOST_ADDRESSES;
        match self.addresses.iter_mut().find(|(known, _)| *known == address) {
            Some((_, known_until)) => {
                // Whoever can send advertisements shall not be able to take addresses away at once.
                let cut = now + SHORTEST_CUT;
                let longer = match (until, *known_until) {
                    (None, _) => true,
                    (Some(_), None) => false,
                    (Some(until), Some(known)) => until > known,
                };
                if longer || until.is_some_and(|until| until > cut) {
                    *known_until = until;
                } else if known_until.is_none_or(|known| known > cut) {
                    *known_until = Some(cut);
                }
            }
            None if valid != Some(Duration::ZERO) && room => {
                self.addresses.push((address, until));
            }
            None => {}
        }
    }
}

impl Core {
    /// Takes over what a router advertises.
    pub(super) fn take_advertisement(&mut self, advertisement: &Advertisement) {
        let now = self.now;
        let HardwareAddress::Ethernet(mac) = self.interface.hardware_addr();
        let Some(discovery) = &mut self.router_discovery else { return };
        discovery.solicitations = 0;
        let Advertisement { router, lifetime, prefixes } = advertisement;
        let is_known = discovery.router.is_some_and(|(known, _)| known == *router);
        if lifetime.is_zero() {
            discovery.router = discovery.router.filter(|_| !is_known);
        } else if is_known || discovery.router.is_none() {
            discovery.router = Some((*router, now + *lifetime));
        }
        for prefix in prefixes {
            let mut address = [0; 16];
            address[..8].copy_from_slice(&prefix.network);
            address[8..].copy_from_slice(&interface_identifier(mac));
            discovery.take_address(Ipv6Cidr::new(address.into(), 64), prefix.valid, now);
        }
        self.apply_router_discovery();
    }

    /// Asks for routers, and drops what is no longer valid. Gives the instant by which to call it again.
    pub(super) fn advance_router_discovery<D: PacketDevice>(
        &mut self,
        adapter: &mut DeviceAdapter<D>,
    ) -> Option<Instant> {
        let (now, timestamp) = (self.now, self.timestamp(self.now));
        let HardwareAddress::Ethernet(mac) = self.interface.hardware_addr();
        let discovery = self.router_discovery.as_mut()?;
        if discovery.solicitations > 0
            && now >= discovery.next_solicitation
            && let Some(room) = adapter.transmit(timestamp)
        {
            let frame = solicitation(mac);
            room.consume(frame.len(), |to| to.copy_from_slice(&frame));
            discovery.solicitations -= 1;
            discovery.next_solicitation = now + SOLICITATION_INTERVAL;
        }
        let known = (discovery.addresses.len(), discovery.router);
        discovery.addresses.retain(|(_, until)| until.is_none_or(|until| now < until));
        discovery.router = discovery.router.filter(|(_, until)| now < *until);
        let (changed, due) = (known != (discovery.addresses.len(), discovery.router), discovery.due());
        if changed {
            self.apply_router_discovery();
        }
        due
    }

    /// Sets addresses and default route to what has been learnt.
    fn apply_router_discovery(&mut self) {
        let Some(discovery) = &self.router_discovery else { return };
        let router = discovery.router.map(|(router, _)| router);
        let wanted: Vec<_> = discovery.addresses.iter().map(|(address, _)| IpCidr::Ipv6(*address)).collect();
        if !self.interface.ip_addrs().iter().filter(|address| is_advertised(address)).eq(&wanted) {
            self.interface.update_ip_addrs(|addresses| {
                addresses.retain(|address| !is_advertised(address));
            });
            for address in wanted {
                self.add_address(address);
            }
        }
        let routes = self.interface.routes_mut();
        routes.remove_default_ipv6_route();
        if let Some(router) = router {
            // The table has room: there is one default route of each version.
            let _ = routes.add_default_ipv6_route(router);
        }
    }
}

/// Whether an address of the interface comes from an advertisement: all IPv6 ones but the link-local.
fn is_advertised(address: &IpCidr) -> bool {
    matches!(address, IpCidr::Ipv6(address) if !address.address().is_unicast_link_local())
}

/// The modified EUI-64 of a hardware address (RFC 4291 appendix A).
pub(super) fn interface_identifier(address: EthernetAddress) -> [u8; 8] {
    let [a, b, c, d, e, f] = address.0;
    [a ^ 2, b, c, 0xff, 0xfe, d, e, f]
}

/// The link-local address of a hardware address (RFC 4862 §5.3).
pub(super) fn link_local(address: EthernetAddress) -> Ipv6Address {
    let mut octets = [0; 16];
    octets[..2].copy_from_slice(&[0xfe, 0x80]);
    octets[8..].copy_from_slice(&interface_identifier(address));
    octets.into()
}

/// A frame that asks all routers to advertise themselves.
fn solicitation(mac: EthernetAddress) -> Vec<u8> {
    const ALL_ROUTERS: Ipv6Address = Ipv6Address::new(0xff02, 0, 0, 0, 0, 0, 0, 2);
    let message = NdiscRepr::RouterSolicit { lladdr: Some(mac.into()) };
    icmpv6_frame(mac, link_local(mac), ALL_ROUTERS, &Icmpv6Repr::Ndisc(message))
}

/// A neighbour discovery message to a group, in a frame.
pub(super) fn icmpv6_frame(
    mac: EthernetAddress,
    source: Ipv6Address,
    group: Ipv6Address,
    message: &Icmpv6Repr<'_>,
) -> Vec<u8> {
    let packet = Ipv6Repr {
        src_addr: source,
        dst_addr: group,
        next_header: IpProtocol::Icmpv6,
        payload_len: message.buffer_len(),
        hop_limit: 255,
    };
    let length = EthernetFrame::<&[u8]>::buffer_len(packet.buffer_len() + message.buffer_len());
    let mut bytes = vec![0; length];
    let mut frame = EthernetFrame::new_unchecked(&mut bytes[..]);
    // RFC 2464 §7.
    let [.., a, b, c, d] = group.octets();
    frame.set_src_addr(mac);
    frame.set_dst_addr(EthernetAddress([0x33, 0x33, a, b, c, d]));
    frame.set_ethertype(EthernetProtocol::Ipv6);
    let mut ipv6 = Ipv6Packet::new_unchecked(frame.payload_mut());
    packet.emit(&mut ipv6);
    let mut icmpv6 = Icmpv6Packet::new_unchecked(ipv6.payload_mut());
    message.emit(&source, &group, &mut icmpv6, &ChecksumCapabilities::default());
    bytes
}
