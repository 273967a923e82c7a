//! What the stack looks for in a frame before smoltcp gets it.

use smoltcp::wire::{
    EthernetFrame, EthernetProtocol, Icmpv6Message, Icmpv6Packet, IpAddress, IpEndpoint, IpProtocol,
    Ipv4Packet, Ipv6Packet, TcpPacket,
};

/// The two ends of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Tuple {
    pub(super) local: IpEndpoint,
    pub(super) remote: IpEndpoint,
}

/// What a frame is.
#[derive(Debug, PartialEq)]
pub(super) enum Inspected {
    /// Opens a connection: a TCP segment with SYN and neither ACK, RST nor FIN.
    Opening(Tuple),
    /// Must not be processed.
    Refused,
    /// Anything else.
    Other,
}

/// Looks into a frame.
pub(super) fn inspect(frame: &[u8]) -> Inspected {
    let Ok(frame) = EthernetFrame::new_checked(frame) else { return Inspected::Refused };
    let destination = frame.dst_addr();
    let group = destination.is_multicast() || destination.is_broadcast();
    match frame.ethertype() {
        EthernetProtocol::Ipv4 => {
            let Ok(packet) = Ipv4Packet::new_checked(frame.payload()) else { return Inspected::Refused };
            // TCP does not fragment, and what else this stack speaks is short: nothing is put together here.
            if packet.more_frags() || packet.frag_offset() != 0 {
                return Inspected::Refused;
            }
            match packet.next_header() {
                // A connection is with one host (RFC 1122 §4.2.3.10).
                IpProtocol::Tcp if group => Inspected::Refused,
                IpProtocol::Tcp => {
                    opening(packet.dst_addr().into(), packet.src_addr().into(), packet.payload())
                }
                _ => Inspected::Other,
            }
        }
        EthernetProtocol::Ipv6 => {
            let Ok(packet) = Ipv6Packet::new_checked(frame.payload()) else { return Inspected::Refused };
            let Some((protocol, payload)) = skip_hop_by_hop(packet.next_header(), packet.payload()) else {
                return Inspected::Refused;
            };
            match protocol {
                IpProtocol::Tcp if group => Inspected::Refused,
                IpProtocol::Tcp => opening(packet.dst_addr().into(), packet.src_addr().into(), payload),
                IpProtocol::Icmpv6 => discovery(packet.hop_limit(), payload),
                _ => Inspected::Other,
            }
        }
        _ => Inspected::Other,
    }
}

/// What follows the hop-by-hop options, if there are any (RFC 8200 §4.3).
fn skip_hop_by_hop(protocol: IpProtocol, payload: &[u8]) -> Option<(IpProtocol, &[u8])> {
    if protocol != IpProtocol::HopByHop {
        return Some((protocol, payload));
    }
    let [next, length, ..] = *payload else { return None };
    Some((next.into(), payload.get((usize::from(length) + 1) * 8..)?))
}

fn opening(local: IpAddress, remote: IpAddress, segment: &[u8]) -> Inspected {
    let Ok(segment) = TcpPacket::new_checked(segment) else { return Inspected::Refused };
    if !segment.syn() || segment.ack() || segment.rst() || segment.fin() {
        return Inspected::Other;
    }
    Inspected::Opening(Tuple {
        local: IpEndpoint::new(local, segment.dst_port()),
        remote: IpEndpoint::new(remote, segment.src_port()),
    })
}

/// Neighbour discovery counts only from the same link, which a hop limit of 255 proves (RFC 4861 §6.1, §7.1).
/// smoltcp does not ask for it everywhere, and panics on an advertised prefix that no address can be made of.
fn discovery(hop_limit: u8, message: &[u8]) -> Inspected {
    let Ok(packet) = Icmpv6Packet::new_checked(message) else { return Inspected::Refused };
    let options = match packet.msg_type() {
        Icmpv6Message::RouterAdvert => 16,
        Icmpv6Message::RouterSolicit
        | Icmpv6Message::NeighborSolicit
        | Icmpv6Message::NeighborAdvert
        | Icmpv6Message::Redirect => {
            return if hop_limit == 255 { Inspected::Other } else { Inspected::Refused };
        }
        _ => return Inspected::Other,
    };
    match message.get(options..) {
        Some(options) if hop_limit == 255 && prefixes_are_sound(options) => Inspected::Other,
        _ => Inspected::Refused,
    }
}

/// Whether every prefix that the options advertise is one that addresses can be made of (RFC 4861 §4.6.2).
fn prefixes_are_sound(mut options: &[u8]) -> bool {
    const PREFIX_INFORMATION: u8 = 3;
    while let [kind, length, ..] = *options {
        let length = usize::from(length) * 8;
        if length == 0 || length > options.len() {
            return false;
        }
        let (option, rest) = options.split_at(length);
        if kind == PREFIX_INFORMATION {
            let (Some(prefix_length), Some(first)) = (option.get(2), option.get(16)) else { return false };
            let multicast = *first == 0xff;
            if length != 32 || *prefix_length > 128 || multicast {
                return false;
            }
        }
        options = rest;
    }
    options.is_empty()
}
