//! The TCP/IP stack on a wire in memory.

mod wire;

use futures_util::{
    future::{join, join_all},
    io::{AsyncReadExt, AsyncWriteExt},
};
use kalends_tls_frontend::{Listener, Network};
use std::net::{IpAddr, SocketAddr};
use wire::{Faults, Pair, Random, SERVER_V4, SERVER_V6};

const PORT: u16 = 443;

fn all() -> SocketAddr {
    "[::]:443".parse().unwrap()
}

/// Sends `size` random bytes each way at once, and checks that they arrive as they were.
fn exchange(pair: &mut Pair, server: IpAddr, size: usize) {
    let (ours, theirs) = pair.networks();
    let mut random = Random(7);
    let (up, down) = (random.bytes(size), random.bytes(size));
    let listener = ours.listen(all()).unwrap();
    pair.run(async {
        let serve = async {
            let (stream, _) = listener.accept().await.unwrap();
            let (mut read, mut write) = stream.split();
            let receive = async {
                let mut received = Vec::new();
                read.read_to_end(&mut received).await.unwrap();
                received
            };
            let send = async {
                write.write_all(&down).await.unwrap();
                write.close().await.unwrap();
            };
            join(receive, send).await.0
        };
        let ask = async {
            let (mut read, mut write) = theirs.connect(SocketAddr::new(server, PORT)).await.unwrap().split();
            let receive = async {
                let mut received = Vec::new();
                read.read_to_end(&mut received).await.unwrap();
                received
            };
            let send = async {
                write.write_all(&up).await.unwrap();
                write.close().await.unwrap();
            };
            join(receive, send).await.0
        };
        let (received_up, received_down) = join(serve, ask).await;
        assert!(received_up == up, "the server got other bytes: {} of {}", received_up.len(), up.len());
        assert!(
            received_down == down,
            "the client got other bytes: {} of {}",
            received_down.len(),
            down.len()
        );
    });
}

#[test]
fn bytes_arrive_both_ways_over_ipv4_and_ipv6() {
    for server in [IpAddr::V4(SERVER_V4), IpAddr::V6(SERVER_V6)] {
        exchange(&mut Pair::new(Faults::default(), 1), server, 3 << 20);
    }
}

#[test]
fn bytes_arrive_intact_over_a_wire_that_loses_repeats_delays_and_spoils() {
    for seed in 0..8 {
        let faults = Faults { lost: 20, repeated: 20, delayed: 50, spoiled: 20 };
        exchange(&mut Pair::new(faults, seed), SERVER_V4.into(), 1 << 20);
        exchange(&mut Pair::new(faults, seed), SERVER_V6.into(), 1 << 20);
    }
}

#[test]
fn three_hundred_connections_are_served_at_once() {
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
            join_all(streams.iter_mut().enumerate().map(async |(number, stream)| {
                let mut line = [0; 4];
                stream.read_exact(&mut line).await.unwrap();
                stream.write_all(&line).await.unwrap();
                number
            }))
            .await
        };
        let ask = join_all((0..300_u32).map(async |number| {
            let mut stream = theirs.connect((SERVER_V4, PORT).into()).await.unwrap();
            stream.write_all(&number.to_be_bytes()).await.unwrap();
            let mut line = [0; 4];
            stream.read_exact(&mut line).await.unwrap();
            assert_eq!(u32::from_be_bytes(line), number);
        }));
        join(serve, ask).await;
    });
}
