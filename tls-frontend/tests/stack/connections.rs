//! Connections: how many, how they begin, and how they end.

use crate::{
    frames::{segment, syn},
    wire::{CLIENT_V4, Faults, Lonely, PORT, Pair, SERVER_V4, all},
};
use futures_util::{
    future::{join, join_all, select},
    io::{AsyncReadExt, AsyncWriteExt},
};
use kalends_tls_frontend::{
    Listener, Network,
    stack::{Ipv4, StackLimits, StackNetwork, TcpListener, TcpStream},
};
use std::{cell::RefCell, collections::HashSet, io, net::Ipv4Addr, pin::pin, time::Duration};

/// Answers every connection with the bytes that it sends, until it ends them.
async fn echo(listener: &TcpListener) -> ! {
    let tasks = async_executor::LocalExecutor::new();
    tasks
        .run(async {
            loop {
                let (mut stream, _) = listener.accept().await.unwrap();
                let answer = async move {
                    let mut buffer = [0; 1024];
                    while let Ok(read @ 1..) = stream.read(&mut buffer).await {
                        if stream.write_all(&buffer[..read]).await.is_err() {
                            break;
                        }
                    }
                };
                tasks.spawn(answer).detach();
            }
        })
        .await
}

/// Asks a server that echoes.
async fn ask(network: &StackNetwork) -> io::Result<TcpStream> {
    let mut stream = network.connect((SERVER_V4, PORT).into()).await?;
    stream.write_all(b"hello").await?;
    let mut answer = [0; 5];
    stream.read_exact(&mut answer).await?;
    assert_eq!(&answer, b"hello");
    Ok(stream)
}

/// Runs `client` against a server that echoes.
fn with_echo<T>(pair: &mut Pair, client: impl Future<Output = T>) -> T {
    let listener = pair.networks().0.listen(all()).unwrap();
    pair.run(async {
        match select(pin!(client), pin!(echo(&listener))).await {
            futures_util::future::Either::Left((value, _)) => value,
            futures_util::future::Either::Right((never, _)) => never,
        }
    })
}

#[test]
fn three_hundred_connections_are_served_at_once_and_after_a_rest() {
    let mut pair = Pair::new(Faults::default(), 1);
    let (ours, theirs) = pair.networks();
    let listener = ours.listen(all()).unwrap();
    pair.run(async {
        let serve = async {
            let mut streams = Vec::new();
            for _ in 0..300 {
                streams.push(listener.accept().await.unwrap().0);
            }
            // Nobody has had an answer before all were accepted.
            join_all(streams.iter_mut().map(async |stream| {
                for _ in 0..2 {
                    let mut line = [0; 4];
                    stream.read_exact(&mut line).await.unwrap();
                    stream.write_all(&line).await.unwrap();
                }
            }))
            .await
        };
        let ask = join_all((0..300_u32).map(async |number| {
            let mut stream = theirs.connect((SERVER_V4, PORT).into()).await.unwrap();
            for _ in 0..2 {
                stream.write_all(&number.to_be_bytes()).await.unwrap();
                let mut line = [0; 4];
                stream.read_exact(&mut line).await.unwrap();
                assert_eq!(u32::from_be_bytes(line), number);
                // Long enough to be at rest.
                theirs.sleep(Duration::from_secs(600)).await;
            }
        }));
        join(serve, ask).await;
    });
}

#[test]
fn a_burst_of_connections_beyond_the_backlog_is_served_in_turn() {
    let limits = StackLimits { half_open: 32, connections: 48, ..StackLimits::default() };
    let mut pair = Pair::with_limits(Faults::default(), 1, limits);
    let (_, theirs) = pair.networks();
    with_echo(&mut pair, join_all((0..100).map(async |_| drop(ask(&theirs).await.unwrap()))));
}

#[test]
fn a_thousand_connections_one_after_another_leave_nothing_behind() {
    let limits = StackLimits { connections: 8, ..StackLimits::default() };
    let mut pair = Pair::with_limits(Faults::default(), 1, limits);
    let (_, theirs) = pair.networks();
    with_echo(&mut pair, async {
        for _ in 0..1000 {
            ask(&theirs).await.unwrap();
        }
    });
}

#[test]
fn connections_beyond_the_limit_wait_for_others_to_end() {
    let limits = StackLimits { connections: 4, ..StackLimits::default() };
    let mut pair = Pair::with_limits(Faults::default(), 1, limits);
    let (_, theirs) = pair.networks();
    let clock = pair.clock.clone();
    with_echo(&mut pair, async {
        let mut held = Vec::new();
        for _ in 0..4 {
            held.push(ask(&theirs).await.unwrap());
        }
        let began = clock.now();
        let release = async {
            theirs.sleep(Duration::from_secs(5)).await;
            held.pop();
        };
        let (further, ()) = join(ask(&theirs), release).await;
        further.unwrap();
        assert!(clock.now() - began >= Duration::from_secs(5));
    });
}

#[test]
fn a_flood_of_half_open_connections_leaves_room_for_whole_ones() {
    let mut pair = Pair::new(Faults::default(), 1);
    let (_, theirs) = pair.networks();
    // 1000 a second for ten seconds, each from another address, and nobody there to answer.
    for number in 0..10_000_u32 {
        let source = Ipv4Addr::from(0x0a00_0000 | (10 + number % 240));
        let port = 1024 + u16::try_from(number % 60_000).unwrap();
        let frame = syn((source, port), (SERVER_V4, PORT));
        pair.to_server.borrow_mut().put(&frame, Duration::from_millis(number.into()));
    }
    pair.to_server.borrow_mut().capacity = usize::MAX;
    let clock = pair.clock.clone();
    with_echo(&mut pair, async {
        // During the flood and after it.
        for _ in 0..300 {
            let began = clock.now();
            ask(&theirs).await.unwrap();
            assert!(clock.now() - began < Duration::from_millis(100), "it had to try more than once");
            theirs.sleep(Duration::from_millis(50)).await;
        }
    });
}

#[test]
fn a_flood_from_the_link_leaves_those_beyond_the_router_their_way() {
    let mut lonely = Lonely::new(|configuration| {
        let gateway = Some(CLIENT_V4);
        configuration.ipv4 = Ipv4::Static { address: SERVER_V4, prefix_length: 24, gateway };
    });
    let network = lonely.stack.network();
    let _listener = network.listen(all()).unwrap();
    let far = Ipv4Addr::new(192, 0, 2, 1);
    let (to_server, from_server) = (lonely.to_server.clone(), lonely.from_server.clone());
    // From addresses of the link where nobody is.
    for number in 0..30_000_u32 {
        let source = Ipv4Addr::from(0x0a00_0000 | (10 + number % 240));
        let port = 1024 + u16::try_from(number % 60_000).unwrap();
        let delay = Duration::from_millis((4 * number).into());
        to_server.borrow_mut().put(&syn((source, port), (SERVER_V4, PORT)), delay);
    }
    let answered = RefCell::new(HashSet::new());
    lonely.run(
        || {
            loop {
                let Some(frame) = from_server.borrow_mut().take() else { break };
                if crate::addresses::asks_for_client(&frame) {
                    to_server.borrow_mut().put(&crate::addresses::arp_reply(), Duration::from_millis(1));
                }
                let segment = segment(&frame).filter(|segment| segment.destination.ip() == far);
                answered
                    .borrow_mut()
                    .extend(segment.filter(|segment| segment.syn).map(|it| it.destination.port()));
            }
        },
        async {
            for (seconds, port) in [(10, 2000), (90, 2001)] {
                network.sleep(Duration::from_secs(seconds)).await;
                to_server.borrow_mut().put(&syn((far, port), (SERVER_V4, PORT)), Duration::ZERO);
                network.sleep(Duration::from_millis(150)).await;
                assert!(answered.borrow().contains(&port), "no answer after {seconds} seconds more");
            }
        },
    );
}

#[test]
fn a_half_open_connection_ends_by_itself() {
    let mut lonely = Lonely::new(|configuration| configuration.limits.handshake = Duration::from_secs(4));
    let network = lonely.stack.network();
    let listener = network.listen(all()).unwrap();
    let (to_server, from_server) = (lonely.to_server.clone(), lonely.from_server.clone());
    to_server.borrow_mut().put(&crate::addresses::arp_request(), Duration::ZERO);
    to_server.borrow_mut().put(&syn((CLIENT_V4, 999), (SERVER_V4, PORT)), Duration::ZERO);
    let clock = lonely.clock.clone();
    let began = clock.now();
    let mut answers = Vec::new();
    lonely.run(
        || {
            while let Some(frame) = from_server.borrow_mut().take() {
                answers.extend(segment(&frame).map(|segment| (clock.now() - began, segment)));
            }
        },
        async {
            let accept = pin!(listener.accept());
            let accepted = select(accept, network.sleep(Duration::from_secs(60))).await;
            assert!(matches!(accepted, futures_util::future::Either::Right(_)), "accepted half-open");
        },
    );
    assert!(answers.len() >= 2, "the answer is repeated");
    assert!(answers.iter().all(|(at, answer)| answer.syn && answer.ack && *at < Duration::from_secs(5)));
}

#[test]
fn a_segment_to_nobody_is_refused_and_one_to_a_group_ignored() {
    let mut lonely = Lonely::new(|_| {});
    let listener = lonely.stack.network().listen(all()).unwrap();
    let from_server = lonely.from_server.clone();
    let broadcast = Ipv4Addr::BROADCAST;
    for (destination, port) in
        [(SERVER_V4, PORT + 1), (broadcast, PORT), (Ipv4Addr::new(10, 0, 0, 255), PORT + 1)]
    {
        let frame = syn((CLIENT_V4, 999), (destination, port));
        lonely.to_server.borrow_mut().put(&crate::addresses::arp_request(), Duration::ZERO);
        lonely.to_server.borrow_mut().put(&frame, Duration::ZERO);
    }
    let network = lonely.stack.network();
    let mut answers = Vec::new();
    lonely.run(
        || {
            while let Some(frame) = from_server.borrow_mut().take() {
                answers.extend(segment(&frame));
            }
        },
        async {
            network.sleep(Duration::from_secs(1)).await;
        },
    );
    assert_eq!(answers.len(), 1);
    assert!(answers[0].rst && answers[0].source == (SERVER_V4, PORT + 1).into());
    drop(listener);
}

#[test]
fn who_is_refused_is_told() {
    let mut pair = Pair::new(Faults::default(), 1);
    let (_, theirs) = pair.networks();
    let refused = pair.run(theirs.connect((SERVER_V4, 444).into()));
    assert_eq!(refused.err().map(|error| error.kind()), Some(io::ErrorKind::ConnectionRefused));
}

#[test]
fn connections_that_nobody_accepts_are_reset_with_their_listener() {
    let mut pair = Pair::new(Faults::default(), 1);
    let (ours, theirs) = pair.networks();
    let listener = ours.listen(all()).unwrap();
    pair.run(async {
        let mut stream = theirs.connect((SERVER_V4, PORT).into()).await.unwrap();
        ours.sleep(Duration::from_secs(1)).await;
        drop(listener);
        let error = stream.read(&mut [0; 1]).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::ConnectionReset);
    });
    // The port is free again.
    assert!(ours.listen(all()).is_ok());
}

#[test]
fn a_peer_that_has_vanished_is_noticed_whether_or_not_it_is_written_to() {
    for write in [false, true] {
        let mut pair = Pair::new(Faults::default(), 1);
        let (ours, theirs) = pair.networks();
        let listener = ours.listen(all()).unwrap();
        let (to_server, to_client) = (pair.to_server.clone(), pair.to_client.clone());
        let clock = pair.clock.clone();
        pair.run(async {
            let (accepted, connected) =
                join(listener.accept(), theirs.connect((SERVER_V4, PORT).into())).await;
            let ((mut accepted, _), connected) = (accepted.unwrap(), connected.unwrap());
            // An idle connection to a peer that is there is kept.
            ours.sleep(Duration::from_secs(3600)).await;
            if write {
                accepted.write_all(b"x").await.unwrap();
            }
            let vanished = clock.now();
            to_server.borrow_mut().faults.lost = 1000;
            to_client.borrow_mut().faults.lost = 1000;
            let error = accepted.read(&mut [0; 1]).await.unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::ConnectionReset);
            let noticed = clock.now() - vanished;
            assert!(noticed <= StackLimits::default().silence + Duration::from_secs(5), "{noticed:?}");
            drop(connected);
        });
    }
}

#[test]
fn a_peer_that_reads_nothing_cannot_hold_a_closed_connection() {
    let mut pair = Pair::new(Faults::default(), 1);
    let (ours, theirs) = pair.networks();
    let listener = ours.listen(all()).unwrap();
    pair.run(async {
        let (accepted, connected) = join(listener.accept(), theirs.connect((SERVER_V4, PORT).into())).await;
        let ((mut accepted, _), mut connected) = (accepted.unwrap(), connected.unwrap());
        let fill = async {
            loop {
                accepted.write_all(&[0; 1024]).await.unwrap();
            }
        };
        select(pin!(fill), ours.sleep(Duration::from_secs(5))).await;
        drop(accepted);
        ours.sleep(StackLimits::default().linger + Duration::from_secs(5)).await;
        let error = connected.read_to_end(&mut Vec::new()).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::ConnectionReset);
    });
}

#[test]
fn a_connection_that_is_ending_makes_room_for_a_new_one() {
    let limits = StackLimits { connections: 1, ..StackLimits::default() };
    let mut pair = Pair::with_limits(Faults::default(), 1, limits);
    let (ours, theirs) = pair.networks();
    let listener = ours.listen(all()).unwrap();
    let clock = pair.clock.clone();
    pair.run(async {
        let (accepted, connected) = join(listener.accept(), theirs.connect((SERVER_V4, PORT).into())).await;
        // The peer does not end its side.
        let connected = connected.unwrap();
        drop(accepted.unwrap());
        let began = clock.now();
        let (further, accepted) = join(theirs.connect((SERVER_V4, PORT).into()), listener.accept()).await;
        assert!(further.is_ok() && accepted.is_ok());
        assert!(clock.now() - began < Duration::from_secs(1));
        drop(connected);
    });
}

#[test]
fn a_connection_may_follow_one_with_the_same_ends() {
    let mut pair = Pair::new(Faults::default(), 1);
    let (ours, theirs) = pair.networks();
    let listener = ours.listen(all()).unwrap();
    let record = pair.record();
    let to_server = pair.to_server.clone();
    pair.run(async {
        let (accepted, connected) = join(listener.accept(), theirs.connect((SERVER_V4, PORT).into())).await;
        let mut connected = connected.unwrap();
        // The server ends first, and so is the one that waits.
        drop(accepted.unwrap());
        assert_eq!(connected.read(&mut [0]).await.unwrap(), 0);
        let port = connected.local_address().port();
        drop(connected);
        ours.sleep(Duration::from_secs(2)).await;
        record.borrow_mut().clear();
        to_server.borrow_mut().put(&syn((CLIENT_V4, port), (SERVER_V4, PORT)), Duration::ZERO);
        ours.sleep(Duration::from_secs(1)).await;
    });
    let answer = record.borrow().iter().find_map(|frame| segment(frame)).unwrap();
    assert!(answer.syn && answer.ack && answer.source == (SERVER_V4, PORT).into());
}

#[test]
fn a_stray_opening_segment_does_not_end_a_connection() {
    let mut pair = Pair::new(Faults::default(), 1);
    let (ours, theirs) = pair.networks();
    let listener = ours.listen(all()).unwrap();
    let record = pair.record();
    let (to_server, clock) = (pair.to_server.clone(), pair.clock.clone());
    pair.run(async {
        let (accepted, connected) = join(listener.accept(), theirs.connect((SERVER_V4, PORT).into())).await;
        let ((mut accepted, _), mut connected) = (accepted.unwrap(), connected.unwrap());
        // Now, and when the connection is at rest.
        for wait in [0, 30] {
            ours.sleep(Duration::from_secs(wait)).await;
            record.borrow_mut().clear();
            let port = connected.local_address().port();
            to_server.borrow_mut().put(&syn((CLIENT_V4, port), (SERVER_V4, PORT)), Duration::ZERO);
            ours.sleep(Duration::from_secs(2)).await;
            let answers: Vec<_> = record.borrow().iter().filter_map(|frame| segment(frame)).collect();
            assert!(answers.iter().all(|answer| answer.ack && !answer.rst && !answer.syn));
            accepted.write_all(b"still here").await.unwrap();
            connected.read_exact(&mut [0; 10]).await.unwrap();
        }
        // What is written to a connection at rest leaves at once.
        ours.sleep(Duration::from_secs(30)).await;
        let began = clock.now();
        accepted.write_all(b"still here").await.unwrap();
        connected.read_exact(&mut [0; 10]).await.unwrap();
        assert!(clock.now() - began < Duration::from_millis(100));
    });
}

#[test]
fn addresses_and_ports_are_told_apart() {
    let pair = Pair::new(Faults::default(), 1);
    let (ours, _) = pair.networks();
    let first = ours.listen((SERVER_V4, PORT).into()).unwrap();
    let error = |address: &str| ours.listen(address.parse().unwrap()).err().map(|error| error.kind());
    assert_eq!(error("10.0.0.1:443"), Some(io::ErrorKind::AddrInUse));
    assert_eq!(error("127.0.0.1:444"), Some(io::ErrorKind::AddrNotAvailable));
    assert_eq!(error("10.0.0.1:444"), None);
    let free = ours.listen((SERVER_V4, 0).into()).unwrap().local_address().unwrap().port();
    assert!(free >= 49152);
    drop(first);
    assert_eq!(error("10.0.0.1:443"), None);
}
