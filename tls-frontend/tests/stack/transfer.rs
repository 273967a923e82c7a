//! Bytes arrive as they were sent.

use crate::wire::{Faults, PORT, Pair, Random, SERVER_V4, SERVER_V6, all};
use async_executor::LocalExecutor;
use futures_util::{
    future::join,
    io::{AsyncReadExt, AsyncWriteExt},
};
use kalends_tls_frontend::{Listener, Network, stack::TcpStream};
use std::{
    net::{IpAddr, SocketAddr},
    rc::Rc,
};

/// Sends `size` random bytes each way at once, and checks that they arrive as they were. Each of the four parts
/// is a task of its own, so that it goes on only when it is woken.
fn exchange(pair: &mut Pair, server: IpAddr, size: usize) {
    let (ours, theirs) = pair.networks();
    let mut random = Random(7);
    let (up, down) = (random.bytes(size), random.bytes(size));
    let listener = ours.listen(all()).unwrap();
    let tasks = Rc::new(LocalExecutor::new());
    let serve = {
        let (tasks, down) = (tasks.clone(), down.clone());
        tasks.clone().spawn(async move {
            let (stream, _) = listener.accept().await.unwrap();
            both_ways(&tasks, stream, down).await
        })
    };
    let ask = {
        let (tasks, up) = (tasks.clone(), up.clone());
        tasks.clone().spawn(async move {
            let stream = theirs.connect(SocketAddr::new(server, PORT)).await.unwrap();
            both_ways(&tasks, stream, up).await
        })
    };
    let (received_up, received_down) = pair.run(tasks.run(join(serve, ask)));
    assert!(received_up == up, "the server got other bytes: {} of {}", received_up.len(), up.len());
    assert!(received_down == down, "the client got other bytes: {} of {}", received_down.len(), down.len());
}

/// Sends bytes and gives those that arrive.
async fn both_ways(tasks: &LocalExecutor<'static>, stream: TcpStream, send: Vec<u8>) -> Vec<u8> {
    let (mut read, mut write) = stream.split();
    let receive = tasks.spawn(async move {
        let mut received = Vec::new();
        read.read_to_end(&mut received).await.unwrap();
        received
    });
    let send = tasks.spawn(async move {
        write.write_all(&send).await.unwrap();
        write.close().await.unwrap();
    });
    join(receive, send).await.0
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
fn bytes_arrive_when_the_interface_is_often_full() {
    let mut pair = Pair::new(Faults::default(), 1);
    pair.to_client.borrow_mut().capacity = 3;
    pair.to_server.borrow_mut().capacity = 2;
    exchange(&mut pair, SERVER_V4.into(), 1 << 20);
}

#[test]
fn a_side_that_has_ended_still_reads() {
    let mut pair = Pair::new(Faults::default(), 1);
    let (ours, theirs) = pair.networks();
    let listener = ours.listen(all()).unwrap();
    pair.run(async {
        let serve = async {
            let (mut stream, peer) = listener.accept().await.unwrap();
            assert_eq!(peer.ip(), IpAddr::from(crate::wire::CLIENT_V4));
            let mut question = String::new();
            stream.read_to_string(&mut question).await.unwrap();
            // The question has ended; only now does the answer begin.
            ours.sleep(std::time::Duration::from_secs(20)).await;
            stream.write_all(question.to_uppercase().as_bytes()).await.unwrap();
            stream.close().await.unwrap();
            assert!(stream.write_all(b"more").await.is_err(), "written after the end");
        };
        let ask = async {
            let mut stream = theirs.connect((SERVER_V4, PORT).into()).await.unwrap();
            stream.write_all(b"lunch").await.unwrap();
            stream.close().await.unwrap();
            let mut answer = String::new();
            stream.read_to_string(&mut answer).await.unwrap();
            assert_eq!(answer, "LUNCH");
        };
        join(serve, ask).await;
    });
}

#[test]
fn what_was_written_before_a_drop_arrives() {
    let faults = Faults { lost: 50, ..Faults::default() };
    let mut pair = Pair::new(faults, 5);
    let (ours, theirs) = pair.networks();
    let listener = ours.listen(all()).unwrap();
    let text = Random(3).bytes(60_000);
    pair.run(async {
        let serve = async {
            let (mut stream, _) = listener.accept().await.unwrap();
            stream.write_all(&text).await.unwrap();
        };
        let ask = async {
            let mut stream = theirs.connect((SERVER_V4, PORT).into()).await.unwrap();
            // Nobody reads this any more, which must not cost the answer.
            stream.write_all(&[0; 50_000]).await.unwrap();
            let mut received = Vec::new();
            stream.read_to_end(&mut received).await.unwrap();
            assert!(received == text, "{} bytes", received.len());
        };
        join(serve, ask).await;
    });
}
