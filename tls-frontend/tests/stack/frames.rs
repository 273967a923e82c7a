//! Frames as a peer without a stack would make them.
#![allow(unreachable_pub)]

use crate::wire::{CLIENT_MAC, SERVER_MAC};
use smoltcp::{
    phy::ChecksumCapabilities,
    wire::{
        EthernetAddress, EthernetFrame, EthernetProtocol, IpAddress, IpProtocol, Ipv4Packet, Ipv4Repr,
        Ipv6Packet, Ipv6Repr, TcpControl, TcpPacket, TcpRepr, TcpSeqNumber, UdpPacket, UdpRepr,
    },
};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};

/// An Ethernet frame from the client's side.
pub fn ethernet(destination: [u8; 6], kind: EthernetProtocol, payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![0; 14 + payload.len()];
    let mut ethernet = EthernetFrame::new_unchecked(&mut frame[..]);
    ethernet.set_dst_addr(EthernetAddress(destination));
    ethernet.set_src_addr(EthernetAddress(CLIENT_MAC));
    ethernet.set_ethertype(kind);
    ethernet.payload_mut().copy_from_slice(payload);
    frame
}

/// An IPv4 packet in a frame.
pub fn ipv4(source: Ipv4Addr, destination: Ipv4Addr, protocol: IpProtocol, payload: &[u8]) -> Vec<u8> {
    let repr = Ipv4Repr {
        src_addr: source,
        dst_addr: destination,
        next_header: protocol,
        payload_len: payload.len(),
        hop_limit: 64,
    };
    let mut packet = vec![0; 20 + payload.len()];
    repr.emit(&mut Ipv4Packet::new_unchecked(&mut packet[..]), &ChecksumCapabilities::default());
    packet[20..].copy_from_slice(payload);
    let to = if destination.is_broadcast() { [0xff; 6] } else { SERVER_MAC };
    ethernet(to, EthernetProtocol::Ipv4, &packet)
}

/// An IPv6 packet in a frame, to everyone when its destination is a group.
pub fn ipv6(
    source: Ipv6Addr,
    destination: Ipv6Addr,
    protocol: IpProtocol,
    hop_limit: u8,
    payload: &[u8],
) -> Vec<u8> {
    let repr = Ipv6Repr {
        src_addr: source,
        dst_addr: destination,
        next_header: protocol,
        payload_len: payload.len(),
        hop_limit,
    };
    let mut packet = vec![0; 40 + payload.len()];
    repr.emit(&mut Ipv6Packet::new_unchecked(&mut packet[..]));
    packet[40..].copy_from_slice(payload);
    let [.., a, b, c, d] = destination.octets();
    let to = if destination.is_multicast() { [0x33, 0x33, a, b, c, d] } else { SERVER_MAC };
    ethernet(to, EthernetProtocol::Ipv6, &packet)
}

/// A UDP datagram over IPv4 in a frame.
pub fn udp(source: (Ipv4Addr, u16), destination: (Ipv4Addr, u16), payload: &[u8]) -> Vec<u8> {
    let repr = UdpRepr { src_port: source.1, dst_port: destination.1 };
    let mut datagram = vec![0; 8 + payload.len()];
    repr.emit(
        &mut UdpPacket::new_unchecked(&mut datagram[..]),
        &source.0.into(),
        &destination.0.into(),
        payload.len(),
        |buffer| buffer.copy_from_slice(payload),
        &ChecksumCapabilities::default(),
    );
    ipv4(source.0, destination.0, IpProtocol::Udp, &datagram)
}

/// A segment that opens a connection, over IPv4, in a frame.
pub fn syn(source: (Ipv4Addr, u16), destination: (Ipv4Addr, u16)) -> Vec<u8> {
    let repr = TcpRepr {
        src_port: source.1,
        dst_port: destination.1,
        control: TcpControl::Syn,
        seq_number: TcpSeqNumber(1000),
        ack_number: None,
        window_len: 64000,
        window_scale: Some(7),
        max_seg_size: Some(1460),
        sack_permitted: true,
        sack_ranges: [None; 3],
        timestamp: None,
        payload: &[],
    };
    let mut segment = vec![0; repr.buffer_len()];
    repr.emit(
        &mut TcpPacket::new_unchecked(&mut segment[..]),
        &source.0.into(),
        &destination.0.into(),
        &ChecksumCapabilities::default(),
    );
    ipv4(source.0, destination.0, IpProtocol::Tcp, &segment)
}

/// What a TCP segment over IPv4 says.
pub struct Segment {
    pub source: SocketAddr,
    pub destination: SocketAddr,
    pub syn: bool,
    pub ack: bool,
    pub rst: bool,
}

/// The TCP segment in a frame, if there is one.
pub fn segment(frame: &[u8]) -> Option<Segment> {
    let (source, destination, protocol, payload) = ipv4_payload(frame)?;
    let tcp = TcpPacket::new_checked(payload).ok().filter(|_| protocol == IpProtocol::Tcp)?;
    assert!(tcp.verify_checksum(&IpAddress::from(source), &IpAddress::from(destination)));
    Some(Segment {
        source: (source, tcp.src_port()).into(),
        destination: (destination, tcp.dst_port()).into(),
        syn: tcp.syn(),
        ack: tcp.ack(),
        rst: tcp.rst(),
    })
}

/// The UDP datagram over IPv4 in a frame, if there is one.
pub fn datagram(frame: &[u8]) -> Option<(SocketAddr, SocketAddr, &[u8])> {
    let (source, destination, protocol, payload) = ipv4_payload(frame)?;
    let udp = UdpPacket::new_checked(payload).ok().filter(|_| protocol == IpProtocol::Udp)?;
    Some(((source, udp.src_port()).into(), (destination, udp.dst_port()).into(), udp.payload()))
}

fn ipv4_payload(frame: &[u8]) -> Option<(Ipv4Addr, Ipv4Addr, IpProtocol, &[u8])> {
    let ethernet = EthernetFrame::new_checked(frame).ok()?;
    if ethernet.ethertype() != EthernetProtocol::Ipv4 {
        return None;
    }
    let packet = Ipv4Packet::new_checked(ethernet.payload()).ok()?;
    assert!(packet.verify_checksum());
    Some((packet.src_addr(), packet.dst_addr(), packet.next_header(), packet.payload()))
}
