//! How the stack gets its addresses and finds those of others.

use crate::{
    frames::{datagram, ethernet, ipv4, ipv6, udp},
    wire::{CLIENT_MAC, CLIENT_V4, Lonely, SERVER_MAC, SERVER_V4, SERVER_V6},
};
use kalends_tls_frontend::{
    Network,
    stack::{Ipv4, Ipv6, StackNetwork},
};
use smoltcp::{
    phy::ChecksumCapabilities,
    wire::{
        ArpOperation, ArpPacket, ArpRepr, DhcpMessageType, DhcpPacket, DhcpRepr, EthernetAddress,
        EthernetFrame, EthernetProtocol, Icmpv4Packet, Icmpv4Repr, Icmpv6Message, Icmpv6Packet, Icmpv6Repr,
        IpProtocol, Ipv4Packet, Ipv6Packet, NdiscPrefixInfoFlags, NdiscPrefixInformation, NdiscRepr,
        NdiscRouterFlags,
    },
};
use std::{
    future::poll_fn,
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    task::Poll,
    time::Duration,
};

const LEASED: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 77);
const CLIENT_LINK_LOCAL: Ipv6Addr = Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 2);
const SERVER_LINK_LOCAL: Ipv6Addr = Ipv6Addr::new(0xfe80, 0, 0, 0, 0x0000, 0x00ff, 0xfe00, 0x0001);
const ALL_NODES: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 1);

/// The client asks for the server's hardware address.
pub(crate) fn arp_request() -> Vec<u8> {
    let repr = ArpRepr::EthernetIpv4 {
        operation: ArpOperation::Request,
        source_hardware_addr: EthernetAddress(CLIENT_MAC),
        source_protocol_addr: CLIENT_V4,
        target_hardware_addr: EthernetAddress([0; 6]),
        target_protocol_addr: SERVER_V4,
    };
    let mut packet = [0; 28];
    repr.emit(&mut ArpPacket::new_unchecked(&mut packet[..]));
    ethernet([0xff; 6], EthernetProtocol::Arp, &packet)
}

/// The client tells its hardware address.
pub(crate) fn arp_reply() -> Vec<u8> {
    let repr = ArpRepr::EthernetIpv4 {
        operation: ArpOperation::Reply,
        source_hardware_addr: EthernetAddress(CLIENT_MAC),
        source_protocol_addr: CLIENT_V4,
        target_hardware_addr: EthernetAddress(SERVER_MAC),
        target_protocol_addr: SERVER_V4,
    };
    let mut packet = [0; 28];
    repr.emit(&mut ArpPacket::new_unchecked(&mut packet[..]));
    ethernet(SERVER_MAC, EthernetProtocol::Arp, &packet)
}

/// Whether a frame asks for the client's hardware address.
pub(crate) fn asks_for_client(frame: &[u8]) -> bool {
    let frame = EthernetFrame::new_checked(frame).unwrap();
    let packet = ArpPacket::new_checked(frame.payload());
    frame.ethertype() == EthernetProtocol::Arp
        && packet.is_ok_and(|packet| packet.target_protocol_addr() == CLIENT_V4.octets())
}

/// An ICMPv6 message from the client's link-local address.
pub(crate) fn icmpv6(destination: Ipv6Addr, hop_limit: u8, repr: &Icmpv6Repr<'_>) -> Vec<u8> {
    let mut message = vec![0; repr.buffer_len()];
    let mut packet = Icmpv6Packet::new_unchecked(&mut message[..]);
    repr.emit(&CLIENT_LINK_LOCAL, &destination, &mut packet, &ChecksumCapabilities::default());
    ipv6(CLIENT_LINK_LOCAL, destination, IpProtocol::Icmpv6, hop_limit, &message)
}

/// A router's advertisement of a network.
pub(crate) fn advertisement(prefix: Ipv6Addr, prefix_length: u8, lifetime: Duration) -> NdiscRepr<'static> {
    NdiscRepr::RouterAdvert {
        hop_limit: 64,
        flags: NdiscRouterFlags::empty(),
        router_lifetime: smoltcp::time::Duration::from_secs(1800),
        reachable_time: smoltcp::time::Duration::ZERO,
        retrans_time: smoltcp::time::Duration::ZERO,
        lladdr: Some(EthernetAddress(CLIENT_MAC).into()),
        mtu: None,
        prefix_info: Some(NdiscPrefixInformation {
            prefix_len: prefix_length,
            flags: NdiscPrefixInfoFlags::ON_LINK | NdiscPrefixInfoFlags::ADDRCONF,
            valid_lifetime: lifetime.into(),
            preferred_lifetime: lifetime.into(),
            prefix,
        }),
    }
}

/// Lets the server answer for a moment; gives the frames it sends.
fn answers(lonely: &mut Lonely) -> Vec<Vec<u8>> {
    let (network, from_server) = (lonely.stack.network(), lonely.from_server.clone());
    let mut frames = Vec::new();
    lonely.run(
        || {
            while let Some(frame) = from_server.borrow_mut().take() {
                frames.push(frame);
            }
        },
        network.sleep(Duration::from_millis(10)),
    );
    frames
}

#[test]
fn its_hardware_address_is_told_and_it_answers_an_echo() {
    let mut lonely = Lonely::new(|_| {});
    lonely.to_server.borrow_mut().put(&arp_request(), Duration::ZERO);
    let echo = Icmpv4Repr::EchoRequest { ident: 1, seq_no: 2, data: b"are you there" };
    let mut message = vec![0; echo.buffer_len()];
    echo.emit(&mut Icmpv4Packet::new_unchecked(&mut message[..]), &ChecksumCapabilities::default());
    let frame = ipv4(CLIENT_V4, SERVER_V4, IpProtocol::Icmp, &message);
    lonely.to_server.borrow_mut().put(&frame, Duration::ZERO);
    let frames = answers(&mut lonely);
    let of_kind = |kind| {
        let frames = frames.iter().map(|frame| EthernetFrame::new_checked(&frame[..]).unwrap());
        frames.filter(move |frame| frame.ethertype() == kind).map(|frame| frame.payload().to_vec())
    };
    let told = of_kind(EthernetProtocol::Arp).any(|packet| {
        let reply = ArpRepr::parse(&ArpPacket::new_checked(&packet[..]).unwrap()).unwrap();
        let ArpRepr::EthernetIpv4 { operation, source_hardware_addr, source_protocol_addr, .. } = reply
        else {
            return false;
        };
        operation == ArpOperation::Reply
            && source_hardware_addr == EthernetAddress(SERVER_MAC)
            && source_protocol_addr == SERVER_V4
    });
    assert!(told);
    let echoed = of_kind(EthernetProtocol::Ipv4).any(|packet| {
        let packet = Ipv4Packet::new_checked(&packet[..]).unwrap();
        packet.next_header() == IpProtocol::Icmp && packet.payload().ends_with(b"are you there")
    });
    assert!(echoed);
}

#[test]
fn its_hardware_address_is_told_and_it_answers_an_echo_over_ipv6() {
    let mut lonely = Lonely::new(|_| {});
    let solicited = SERVER_V6.octets();
    let group = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 1, 0xff00 | u16::from(solicited[13]), 1);
    let solicit = Icmpv6Repr::Ndisc(NdiscRepr::NeighborSolicit {
        target_addr: SERVER_V6,
        lladdr: Some(EthernetAddress(CLIENT_MAC).into()),
    });
    let echo = Icmpv6Repr::EchoRequest { ident: 1, seq_no: 2, data: b"are you there" };
    // The first solicitation cannot be from this link (RFC 4861 §7.1.1).
    let frames =
        [icmpv6(group, 64, &solicit), icmpv6(group, 255, &solicit), icmpv6(SERVER_LINK_LOCAL, 64, &echo)];
    for frame in frames {
        lonely.to_server.borrow_mut().put(&frame, Duration::ZERO);
    }
    let kinds: Vec<_> = answers(&mut lonely)
        .iter()
        .filter_map(|frame| {
            let frame = EthernetFrame::new_checked(&frame[..]).unwrap();
            let packet = Ipv6Packet::new_checked(frame.payload()).ok()?;
            let message = Icmpv6Packet::new_checked(packet.payload()).ok()?;
            (packet.dst_addr() == CLIENT_LINK_LOCAL).then(|| message.msg_type())
        })
        .collect();
    assert_eq!(kinds, [Icmpv6Message::NeighborAdvert, Icmpv6Message::EchoReply]);
}

/// A DHCP server for one client, as RFC 2131 has it.
struct DhcpServer {
    lonely: crate::wire::SharedLane,
    from_server: crate::wire::SharedLane,
    lease: Duration,
    requests: usize,
}

impl DhcpServer {
    fn answer(&mut self) {
        while let Some(frame) = self.from_server.borrow_mut().take() {
            let Some((source, destination, payload)) = datagram(&frame) else { continue };
            if (source.port(), destination.port()) != (68, 67) {
                continue;
            }
            let packet = DhcpPacket::new_checked(payload).unwrap();
            let question = DhcpRepr::parse(&packet).unwrap();
            let message_type = match question.message_type {
                DhcpMessageType::Discover => DhcpMessageType::Offer,
                DhcpMessageType::Request => {
                    self.requests += 1;
                    DhcpMessageType::Ack
                }
                other => panic!("{other:?}"),
            };
            assert_eq!(question.client_hardware_address, EthernetAddress(SERVER_MAC));
            let answer = DhcpRepr {
                message_type,
                your_ip: LEASED,
                server_ip: CLIENT_V4,
                server_identifier: Some(CLIENT_V4),
                router: Some(CLIENT_V4),
                subnet_mask: Some(Ipv4Addr::new(255, 255, 255, 0)),
                dns_servers: Some([CLIENT_V4].into_iter().collect()),
                lease_duration: Some(u32::try_from(self.lease.as_secs()).unwrap()),
                client_ip: Ipv4Addr::UNSPECIFIED,
                client_identifier: None,
                requested_ip: None,
                parameter_request_list: None,
                max_size: None,
                ..question
            };
            let mut bytes = vec![0; answer.buffer_len()];
            answer.emit(&mut DhcpPacket::new_unchecked(&mut bytes[..])).unwrap();
            let frame = udp((CLIENT_V4, 67), (Ipv4Addr::BROADCAST, 68), &bytes);
            self.lonely.borrow_mut().put(&frame, Duration::from_millis(1));
        }
    }
}

#[test]
fn dhcp_gives_an_address_and_keeps_it_as_long_as_its_server_answers() {
    let mut lonely = Lonely::new(|configuration| configuration.ipv4 = Ipv4::Dhcp);
    let network = lonely.stack.network();
    let lease = Duration::from_secs(600);
    let mut server = DhcpServer {
        lonely: lonely.to_server.clone(),
        from_server: lonely.from_server.clone(),
        lease,
        requests: 0,
    };
    let has =
        |network: &StackNetwork, address: IpAddr| network.addresses().iter().any(|(at, _)| *at == address);
    assert!(!has(&network, LEASED.into()));
    let clock = lonely.clock.clone();
    let began = clock.now();
    lonely.run(|| server.answer(), async {
        // The fixed IPv6 address is there at once.
        network.configured().await;
        while !has(&network, LEASED.into()) {
            network.sleep(Duration::from_secs(1)).await;
        }
        assert!(clock.now() - began < Duration::from_secs(20));
        network.sleep(lease * 5).await;
        assert!(has(&network, LEASED.into()));
    });
    assert!(server.requests >= 6, "the lease was renewed: {} requests", server.requests);
    // Nobody renews the lease any more.
    lonely.run(|| {}, network.sleep(lease * 2));
    assert!(!has(&network, LEASED.into()));
}

#[test]
fn who_waits_for_an_address_is_told() {
    let mut lonely = Lonely::new(|configuration| {
        (configuration.ipv4, configuration.ipv6) = (Ipv4::Dhcp, Ipv6::Automatic);
    });
    let network = lonely.stack.network();
    let mut server = DhcpServer {
        lonely: lonely.to_server.clone(),
        from_server: lonely.from_server.clone(),
        lease: Duration::from_secs(600),
        requests: 0,
    };
    let addresses = lonely.run(|| server.answer(), network.configured());
    assert!(addresses.contains(&(LEASED.into(), 24)), "{addresses:?}");
    assert!(addresses.contains(&(SERVER_LINK_LOCAL.into(), 64)), "{addresses:?}");
}

#[test]
fn a_router_gives_an_address_until_its_time_is_over() {
    let mut lonely = Lonely::new(|configuration| configuration.ipv6 = Ipv6::Automatic);
    let network = lonely.stack.network();
    let prefix = Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 0);
    let address = IpAddr::from(Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0x0000, 0x00ff, 0xfe00, 0x0001));
    let has = || network.addresses().contains(&(address, 64));
    let repr = Icmpv6Repr::Ndisc(advertisement(prefix, 64, Duration::from_secs(7200)));
    lonely.to_server.borrow_mut().put(&icmpv6(ALL_NODES, 255, &repr), Duration::from_secs(5));
    lonely.run(|| {}, async {
        network.sleep(Duration::from_secs(6)).await;
        assert!(has());
        network.sleep(Duration::from_secs(7100)).await;
        assert!(has());
        network.sleep(Duration::from_secs(200)).await;
        assert!(!has());
    });
}

#[test]
fn an_advertisement_cannot_take_an_address_away_at_once() {
    let mut lonely = Lonely::new(|configuration| configuration.ipv6 = Ipv6::Automatic);
    let network = lonely.stack.network();
    let prefix = Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 0);
    let has = || network.addresses().iter().filter(|(address, _)| address.is_ipv6()).count() == 2;
    for (lifetime, at) in [(30 * 86_400, 0), (0, 10), (60, 20), (0, 3600)] {
        let repr = Icmpv6Repr::Ndisc(advertisement(prefix, 64, Duration::from_secs(lifetime)));
        lonely.to_server.borrow_mut().put(&icmpv6(ALL_NODES, 255, &repr), Duration::from_secs(at));
    }
    lonely.run(|| {}, async {
        network.sleep(Duration::from_secs(2 * 3600)).await;
        assert!(has());
        network.sleep(Duration::from_secs(60)).await;
        assert!(!has());
    });
}

#[test]
fn routers_are_asked_three_times_and_the_one_that_answers_is_used() {
    let mut lonely = Lonely::new(|configuration| configuration.ipv6 = Ipv6::Automatic);
    let network = lonely.stack.network();
    let (to_server, from_server) = (lonely.to_server.clone(), lonely.from_server.clone());
    let mut messages = Vec::new();
    let far = "[2001:db8:ffff::1]:443".parse().unwrap();
    lonely.run(
        || {
            while let Some(frame) = from_server.borrow_mut().take() {
                let frame = EthernetFrame::new_checked(&frame[..]).unwrap();
                let Ok(packet) = Ipv6Packet::new_checked(frame.payload()) else { continue };
                let Ok(message) = Icmpv6Packet::new_checked(packet.payload()) else { continue };
                assert!(message.verify_checksum(&packet.src_addr(), &packet.dst_addr()));
                messages.push(message.msg_type());
                if message.msg_type() == Icmpv6Message::NeighborSolicit {
                    assert_eq!(message.target_addr(), CLIENT_LINK_LOCAL, "the router is asked for");
                }
            }
        },
        async {
            network.sleep(Duration::from_secs(60)).await;
            let prefix = Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 0);
            let repr = Icmpv6Repr::Ndisc(advertisement(prefix, 64, Duration::from_secs(7200)));
            to_server.borrow_mut().put(&icmpv6(ALL_NODES, 255, &repr), Duration::ZERO);
            network.sleep(Duration::from_secs(1)).await;
            assert!(network.connect(far).await.is_err(), "nobody is there");
        },
    );
    let count = |kind| messages.iter().filter(|message| **message == kind).count();
    assert_eq!(count(Icmpv6Message::RouterSolicit), 3);
    assert!(count(Icmpv6Message::NeighborSolicit) > 0);
}

#[test]
fn without_a_router_nothing_is_left_to_do() {
    let mut lonely = Lonely::new(|configuration| {
        (configuration.ipv4, configuration.ipv6) = (Ipv4::Off, Ipv6::Automatic);
    });
    let network = lonely.stack.network();
    lonely.run(|| {}, network.sleep(Duration::from_secs(60)));
    assert_eq!(lonely.stack.turn(), None);
}

#[test]
fn what_is_not_a_network_of_this_link_is_not_taken_from_a_router() {
    let mut lonely = Lonely::new(|configuration| configuration.ipv6 = Ipv6::Automatic);
    let network = lonely.stack.network();
    let global = Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 0);
    let lifetime = Duration::from_secs(7200);
    let multicast = Ipv6Addr::new(0xff05, 0, 0, 0, 0, 0, 0, 0);
    let cases = [(multicast, 64, 255), (global, 200, 255), (global, 48, 255), (global, 64, 64)];
    for (prefix, length, hop_limit) in cases {
        let repr = Icmpv6Repr::Ndisc(advertisement(prefix, length, lifetime));
        lonely.to_server.borrow_mut().put(&icmpv6(ALL_NODES, hop_limit, &repr), Duration::ZERO);
        // The same, behind hop-by-hop options.
        let frame = icmpv6(ALL_NODES, hop_limit, &repr);
        let mut payload = vec![58, 0, 1, 4, 0, 0, 0, 0];
        payload.extend(&frame[14 + 40..]);
        let hidden = ipv6(CLIENT_LINK_LOCAL, ALL_NODES, IpProtocol::HopByHop, hop_limit, &payload);
        lonely.to_server.borrow_mut().put(&hidden, Duration::ZERO);
    }
    lonely.run(|| {}, network.sleep(Duration::from_secs(60)));
    let addresses: Vec<_> = network.addresses().into_iter().map(|(address, _)| address).collect();
    assert_eq!(addresses, [IpAddr::from(SERVER_V4), SERVER_LINK_LOCAL.into()]);
}

/// Answers questions for addresses of `calendar.example`.
fn answer_dns(to_server: &crate::wire::SharedLane, from_server: &crate::wire::SharedLane) {
    loop {
        let Some(frame) = from_server.borrow_mut().take() else { return };
        let mut to_server = to_server.borrow_mut();
        if EthernetFrame::new_checked(&frame[..]).unwrap().ethertype() == EthernetProtocol::Arp {
            to_server.put(&arp_reply(), Duration::from_millis(1));
            continue;
        }
        let Some((source, destination, question)) = datagram(&frame) else { continue };
        assert_eq!(destination, (CLIENT_V4, 53).into());
        let IpAddr::V4(asking) = source.ip() else { panic!("{source}") };
        let known = question[12..].starts_with(b"\x08calendar\x07example\x00");
        let ipv6 = question[question.len() - 3] == 28;
        let mut answer = question.to_vec();
        // Response, recursion desired and available; NXDOMAIN for other names.
        (answer[2], answer[3]) = (0x81, if known { 0x80 } else { 0x83 });
        if known {
            answer[7] = 1;
            // The name is that of the question.
            answer.extend([0xc0, 12, 0, if ipv6 { 28 } else { 1 }, 0, 1, 0, 0, 0, 60]);
            match ipv6 {
                true => answer.extend([&[0, 16][..], &SERVER_V6.octets()].concat()),
                false => answer.extend([&[0, 4][..], &LEASED.octets()].concat()),
            }
        }
        to_server.put(&udp((CLIENT_V4, 53), (asking, source.port()), &answer), Duration::from_millis(1));
    }
}

#[test]
fn host_names_are_resolved() {
    let mut lonely = Lonely::new(|configuration| configuration.name_servers = vec![CLIENT_V4.into()]);
    let network = lonely.stack.network();
    let (to_server, from_server) = (lonely.to_server.clone(), lonely.from_server.clone());
    lonely.run(|| answer_dns(&to_server, &from_server), async {
        let addresses = network.resolve("calendar.example").await.unwrap();
        assert_eq!(addresses, [IpAddr::from(LEASED), SERVER_V6.into()]);
        assert_eq!(network.resolve("10.1.2.3").await.unwrap(), [IpAddr::from([10, 1, 2, 3])]);
        let kind = async |name: &str| network.resolve(name).await.unwrap_err().kind();
        assert_eq!(kind("nowhere.example").await, io::ErrorKind::NotFound);
        assert_eq!(kind("two..dots").await, io::ErrorKind::InvalidInput);
        assert_eq!(kind(&"long.".repeat(60)).await, io::ErrorKind::InvalidInput);
    });
    // The server answers no more.
    let silent = lonely.run(|| {}, network.resolve("calendar.example"));
    assert_eq!(silent.unwrap_err().kind(), io::ErrorKind::NotFound);
}

#[test]
fn questions_at_once_are_bounded_and_can_be_given_up() {
    let mut lonely = Lonely::new(|configuration| configuration.name_servers = vec![CLIENT_V4.into()]);
    let network = lonely.stack.network();
    for _ in 0..3 {
        let mut refused = 0;
        lonely.run(|| {}, async {
            let mut questions: Vec<_> =
                (0..40).map(|_| Box::pin(network.resolve("calendar.example"))).collect();
            for question in &mut questions {
                let once = poll_fn(|context| Poll::Ready(question.as_mut().poll(context)));
                if let Poll::Ready(answer) = once.await {
                    assert_eq!(answer.unwrap_err().kind(), io::ErrorKind::QuotaExceeded);
                    refused += 1;
                }
            }
        });
        assert_eq!(refused, 32);
    }
}

#[test]
fn without_name_servers_nothing_is_asked() {
    let mut lonely = Lonely::new(|_| {});
    let network = lonely.stack.network();
    let refused = lonely.run(|| {}, network.resolve("calendar.example"));
    assert_eq!(refused.unwrap_err().kind(), io::ErrorKind::NetworkUnreachable);
}
