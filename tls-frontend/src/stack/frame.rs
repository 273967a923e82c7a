//! What the stack looks for in a frame before smoltcp gets it.

use super::router_discovery::Advertisement;
use smoltcp::wire::{
    EthernetFrame, EthernetProtocol, IpAddress, IpEndpoint, IpProtocol, Ipv4Packet, Ipv6Packet, TcpPacket,
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
    /// A TCP segment; it opens a connection when it has SYN and neither ACK, RST nor FIN.
    Segment { tuple: Tuple, opens: bool },
    /// A router's advertisement, sound and from this link.
    Advertisement(Advertisement),
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
                    segment(packet.dst_addr().into(), packet.src_addr().into(), packet.payload())
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
                IpProtocol::Tcp => segment(packet.dst_addr().into(), packet.src_addr().into(), payload),
                IpProtocol::Icmpv6 => {
                    Advertisement::parse(&packet, payload).map_or(Inspected::Other, Inspected::Advertisement)
                }
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

fn segment(local: IpAddress, remote: IpAddress, segment: &[u8]) -> Inspected {
    let Ok(segment) = TcpPacket::new_checked(segment) else { return Inspected::Refused };
    let tuple = Tuple {
        local: IpEndpoint::new(local, segment.dst_port()),
        remote: IpEndpoint::new(remote, segment.src_port()),
    };
    let opens = segment.syn() && !segment.ack() && !segment.rst() && !segment.fin();
    Inspected::Segment { tuple, opens }
}
