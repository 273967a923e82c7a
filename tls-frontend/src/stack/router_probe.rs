//! Keeping the routers' hardware addresses known.
//!
//! smoltcp forgets a neighbour after a minute and asks for one neighbour a second, all together. Segments
//! from many addresses of the link where nobody is could thus keep it from finding the router again, and so
//! from everybody beyond. Routers are asked for before they are forgotten.

use super::{
    core::Core,
    device_adapter::DeviceAdapter,
    packet_device::PacketDevice,
    router_discovery::{icmpv6_frame, link_local},
};
use smoltcp::{
    phy::{Device, TxToken},
    wire::{
        ArpOperation, ArpPacket, ArpRepr, EthernetAddress, EthernetFrame, EthernetProtocol, HardwareAddress,
        Icmpv6Repr, IpAddress, Ipv4Address, Ipv6Address, NdiscRepr,
    },
};
use std::time::{Duration, Instant};

/// Twice before a neighbour is forgotten.
const INTERVAL: Duration = Duration::from_secs(25);

/// The routers that are asked for, and when next.
#[derive(Default)]
pub(super) struct RouterProbe {
    ipv4: Option<Ipv4Address>,
    ipv6: Option<Ipv6Address>,
    next: Option<Instant>,
}

impl Core {
    /// Asks for the routers when it is time. Gives the instant of the next time.
    pub(super) fn probe_routers<D: PacketDevice>(
        &mut self,
        adapter: &mut DeviceAdapter<D>,
    ) -> Option<Instant> {
        let routes = self.interface.routes();
        let ipv4 = routes.get_default_ipv4_route().and_then(|route| match route.via_router {
            IpAddress::Ipv4(router) => Some(router),
            IpAddress::Ipv6(_) => None,
        });
        let ipv6 = routes.get_default_ipv6_route().and_then(|route| match route.via_router {
            IpAddress::Ipv6(router) => Some(router),
            IpAddress::Ipv4(_) => None,
        });
        let probe = &mut self.router_probe;
        let known = (probe.ipv4, probe.ipv6) == (ipv4, ipv6);
        (probe.ipv4, probe.ipv6) = (ipv4, ipv6);
        if ipv4.is_none() && ipv6.is_none() {
            return None;
        }
        let next = probe.next.filter(|next| known && self.now < *next);
        if next.is_some() {
            return next;
        }
        let HardwareAddress::Ethernet(mac) = self.interface.hardware_addr();
        let arp = ipv4.zip(self.interface.ipv4_addr()).map(|(router, own)| arp_request(mac, own, router));
        let solicitation = ipv6.map(|router| neighbor_solicitation(mac, router));
        let timestamp = self.timestamp(self.now);
        for frame in arp.into_iter().chain(solicitation) {
            if let Some(room) = adapter.transmit(timestamp) {
                room.consume(frame.len(), |to| to.copy_from_slice(&frame));
            }
        }
        self.router_probe.next = Some(self.now + INTERVAL);
        self.router_probe.next
    }
}

fn arp_request(mac: EthernetAddress, own: Ipv4Address, router: Ipv4Address) -> Vec<u8> {
    let request = ArpRepr::EthernetIpv4 {
        operation: ArpOperation::Request,
        source_hardware_addr: mac,
        source_protocol_addr: own,
        target_hardware_addr: EthernetAddress([0; 6]),
        target_protocol_addr: router,
    };
    let mut bytes = vec![0; EthernetFrame::<&[u8]>::buffer_len(request.buffer_len())];
    let mut frame = EthernetFrame::new_unchecked(&mut bytes[..]);
    frame.set_src_addr(mac);
    frame.set_dst_addr(EthernetAddress::BROADCAST);
    frame.set_ethertype(EthernetProtocol::Arp);
    request.emit(&mut ArpPacket::new_unchecked(frame.payload_mut()));
    bytes
}

/// To the group of all whose address ends as the router's does (RFC 4291 §2.7.1).
fn neighbor_solicitation(mac: EthernetAddress, router: Ipv6Address) -> Vec<u8> {
    let [.., a, b, c] = router.octets();
    let group = Ipv6Address::new(0xff02, 0, 0, 0, 0, 1, 0xff00 | u16::from(a), u16::from_be_bytes([b, c]));
    let message = NdiscRepr::NeighborSolicit { target_addr: router, lladdr: Some(mac.into()) };
    icmpv6_frame(mac, link_local(mac), group, &Icmpv6Repr::Ndisc(message))
}
