//! Frames that nobody should send.

use crate::{
    addresses::{arp_request, icmpv6},
    frames::{ethernet, ipv4, ipv6},
    wire::{CLIENT_V4, CLIENT_V6, Faults, Lonely, PORT, Pair, Random, SERVER_MAC, SERVER_V4, SERVER_V6, all},
};
use futures_util::{
    future::join,
    io::{AsyncReadExt, AsyncWriteExt},
};
use kalends_tls_frontend::{
    Listener, Network,
    stack::{Ipv4, Ipv6},
};
use smoltcp::wire::{
    EthernetFrame, EthernetProtocol, Icmpv4Packet, Icmpv6Packet, IpAddress, IpProtocol, Ipv4Packet,
    Ipv6Packet, TcpPacket, UdpPacket,
};
use std::{net::Ipv6Addr, time::Duration};

/// Makes the checksums right, as far as the frame can be read, so that it is not refused for those alone.
fn with_checksums(frame: &mut [u8]) {
    let Ok(mut ethernet) = EthernetFrame::new_checked(frame) else { return };
    let kind = ethernet.ethertype();
    let (source, destination, protocol, payload): (IpAddress, IpAddress, _, _) = match kind {
        EthernetProtocol::Ipv4 => {
            let payload = ethernet.payload_mut();
            let Ok(mut packet) = Ipv4Packet::new_checked(&mut *payload) else { return };
            packet.fill_checksum();
            let (source, destination) = (packet.src_addr(), packet.dst_addr());
            let protocol = packet.next_header();
            let (from, to) = (usize::from(packet.header_len()), usize::from(packet.total_len()));
            (source.into(), destination.into(), protocol, &mut payload[from..to])
        }
        EthernetProtocol::Ipv6 => {
            let payload = ethernet.payload_mut();
            let Ok(packet) = Ipv6Packet::new_checked(&mut *payload) else { return };
            let (source, destination) = (packet.src_addr(), packet.dst_addr());
            let (protocol, to) = (packet.next_header(), packet.total_len());
            (source.into(), destination.into(), protocol, &mut payload[40..to])
        }
        _ => return,
    };
    match (protocol, source, destination) {
        (IpProtocol::Tcp, ..) => {
            if let Ok(mut segment) = TcpPacket::new_checked(payload) {
                segment.fill_checksum(&source, &destination);
            }
        }
        (IpProtocol::Udp, ..) => {
            if let Ok(mut datagram) = UdpPacket::new_checked(payload) {
                datagram.fill_checksum(&source, &destination);
            }
        }
        (IpProtocol::Icmp, ..) => {
            if let Ok(mut message) = Icmpv4Packet::new_checked(payload) {
                message.fill_checksum();
            }
        }
        (IpProtocol::Icmpv6, IpAddress::Ipv6(source), IpAddress::Ipv6(destination)) => {
            if let Ok(mut message) = Icmpv6Packet::new_checked(payload) {
                message.fill_checksum(&source, &destination);
            }
        }
        _ => {}
    }
}

/// The frames of a conversation, both ways, and of what a network has besides.
fn sound_frames() -> Vec<Vec<u8>> {
    let mut frames = vec![arp_request()];
    for server in [SERVER_V4.into(), SERVER_V6.into()] {
        let mut pair = Pair::new(Faults::default(), 1);
        let (ours, theirs) = pair.networks();
        let recorded = pair.record();
        let listener = ours.listen(all()).unwrap();
        pair.run(async {
            let serve = async {
                let (mut stream, _) = listener.accept().await.unwrap();
                let mut received = [0; 3000];
                stream.read_exact(&mut received).await.unwrap();
                stream.write_all(&received).await.unwrap();
            };
            let ask = async {
                let mut stream = theirs.connect(std::net::SocketAddr::new(server, PORT)).await.unwrap();
                stream.write_all(&[7; 3000]).await.unwrap();
                let mut received = Vec::new();
                stream.read_to_end(&mut received).await.unwrap();
            };
            join(serve, ask).await;
        });
        frames.append(&mut recorded.borrow_mut());
    }
    let global = Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 0);
    let all_nodes = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 1);
    let advertisement = crate::addresses::advertisement(global, 64, Duration::from_secs(60));
    frames.push(icmpv6(all_nodes, 255, &smoltcp::wire::Icmpv6Repr::Ndisc(advertisement)));
    frames
}

/// A stack in the middle of everything: it listens, asks for an address, and takes what routers say.
fn target() -> Lonely {
    Lonely::new(|configuration| configuration.ipv6 = Ipv6::Automatic)
}

fn throw(lonely: &mut Lonely, frame: &[u8], random: &mut Random) {
    lonely.to_server.borrow_mut().put(frame, Duration::ZERO);
    lonely.stack.turn();
    while lonely.from_server.borrow_mut().take().is_some() {}
    if random.below(50) == 0 {
        let now = lonely.clock.now();
        lonely.clock.advance(now + Duration::from_millis(random.below(5000)));
        lonely.stack.turn();
    }
}

#[test]
fn random_bytes_do_nothing() {
    let mut random = Random(1);
    for dhcp in [false, true] {
        let mut lonely = target();
        if dhcp {
            lonely = Lonely::new(|configuration| configuration.ipv4 = Ipv4::Dhcp);
        }
        let _listener = lonely.stack.network().listen(all()).unwrap();
        for round in 0..50_000 {
            let length = random.below(if round % 2 == 0 { 100 } else { 1600 }) as usize;
            let bytes = random.bytes(length);
            let frame = match random.below(8) {
                0 => bytes,
                1 => ethernet(SERVER_MAC, EthernetProtocol::Ipv4, &bytes),
                2 => ethernet(SERVER_MAC, EthernetProtocol::Ipv6, &bytes),
                3 => ethernet([0xff; 6], EthernetProtocol::Arp, &bytes),
                4 => ipv4(CLIENT_V4, SERVER_V4, (random.next() as u8).into(), &bytes),
                5 => ipv6(CLIENT_V6, SERVER_V6, (random.next() as u8).into(), 255, &bytes),
                kind => {
                    let protocols = [
                        IpProtocol::Tcp,
                        IpProtocol::Udp,
                        IpProtocol::Icmp,
                        IpProtocol::Icmpv6,
                        IpProtocol::HopByHop,
                        IpProtocol::Igmp,
                    ];
                    let protocol = protocols[random.below(6) as usize];
                    let mut frame = match kind {
                        6 => ipv4(CLIENT_V4, SERVER_V4, protocol, &bytes),
                        _ => ipv6(CLIENT_V6, SERVER_V6, protocol, 255, &bytes),
                    };
                    with_checksums(&mut frame);
                    frame
                }
            };
            throw(&mut lonely, &frame, &mut random);
        }
    }
}

#[test]
fn sound_frames_with_a_few_wrong_bits_do_nothing_worse_than_a_reset() {
    let mut random = Random(2);
    let sound = sound_frames();
    assert!(sound.len() > 20);
    let mut lonely = target();
    let network = lonely.stack.network();
    let _listener = network.listen(all()).unwrap();
    for _ in 0..150_000 {
        let mut frame = sound[random.below(sound.len() as u64) as usize].clone();
        for _ in 0..random.below(4) {
            let at = random.below(frame.len() as u64) as usize;
            match random.below(3) {
                0 => frame[at] ^= 1 << random.below(8),
                1 => frame[at] = random.next() as u8,
                _ => frame.truncate(at.max(1)),
            }
        }
        with_checksums(&mut frame);
        throw(&mut lonely, &frame, &mut random);
    }
    // It still has its addresses, and time goes on.
    assert!(network.addresses().iter().any(|(address, _)| *address == SERVER_V4));
    lonely.run(|| {}, network.sleep(Duration::from_secs(600)));
}

#[test]
fn a_connection_survives_a_storm_of_junk() {
    let mut random = Random(3);
    let mut pair = Pair::new(Faults::default(), 1);
    let (ours, theirs) = pair.networks();
    let listener = ours.listen(all()).unwrap();
    for milliseconds in 0..3000 {
        let bytes = random.bytes(200);
        let frame = match milliseconds % 3 {
            0 => ipv4(CLIENT_V4, SERVER_V4, IpProtocol::Tcp, &bytes),
            1 => ethernet([0xff; 6], EthernetProtocol::Arp, &bytes),
            _ => ipv6(CLIENT_V6, SERVER_V6, IpProtocol::Icmpv6, 255, &bytes),
        };
        pair.to_server.borrow_mut().put(&frame, Duration::from_millis(milliseconds));
    }
    pair.to_server.borrow_mut().capacity = usize::MAX;
    let text = Random(4).bytes(1 << 20);
    pair.run(async {
        let serve = async {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut received = Vec::new();
            stream.read_to_end(&mut received).await.unwrap();
            assert!(received == text);
        };
        let send = async {
            let mut stream = theirs.connect((SERVER_V4, PORT).into()).await.unwrap();
            for part in text.chunks(1 << 16) {
                stream.write_all(part).await.unwrap();
                theirs.sleep(Duration::from_millis(150)).await;
            }
        };
        join(serve, send).await;
    });
}
