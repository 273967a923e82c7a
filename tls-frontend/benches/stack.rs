//! The stack of our own against the host's sockets, in one run.
//!
//! Both ends run in one thread in both cases: two stacks on a wire in memory with frames of 1500 bytes, and
//! two host sockets on loopback, whose frames are 64 KiB and whose kernel works outside this thread as well.
//! `cargo bench -p kalends-tls-frontend --bench stack` prints the ratios; above 1 the stack is faster.

use futures_util::{
    future::join,
    io::{AsyncReadExt, AsyncWriteExt},
};
use kalends_tls_frontend::{
    Listener, Network,
    host::{HostNetwork, HostStream, block_on},
    stack::{
        Idle, Ipv4, Ipv6, PacketDevice, Stack, StackConfiguration, StackLimits, StackNetwork, TcpStream,
    },
};
use std::{
    cell::RefCell,
    collections::VecDeque,
    net::{Ipv4Addr, SocketAddr},
    rc::Rc,
    time::{Duration, Instant},
};

/// Bytes moved one way.
const BULK: usize = 256 << 20;
/// Questions and answers.
const EXCHANGES: u32 = 20_000;
const ROUNDS: usize = 5;
const SERVER: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 1);
const CLIENT: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 2);

/// One direction: frames under way, and buffers for more.
#[derive(Default)]
struct Lane {
    frames: VecDeque<Vec<u8>>,
    spare: Vec<Vec<u8>>,
}

struct End {
    mac: [u8; 6],
    incoming: Rc<RefCell<Lane>>,
    outgoing: Rc<RefCell<Lane>>,
}

impl PacketDevice for End {
    fn mac(&self) -> [u8; 6] {
        self.mac
    }

    fn mtu(&self) -> usize {
        1500
    }

    fn receive(&mut self, frame: &mut [u8]) -> Option<usize> {
        let mut lane = self.incoming.borrow_mut();
        let arrived = lane.frames.pop_front()?;
        frame[..arrived.len()].copy_from_slice(&arrived);
        let length = arrived.len();
        lane.spare.push(arrived);
        Some(length)
    }

    fn send(&mut self, frame: &[u8]) -> bool {
        let mut lane = self.outgoing.borrow_mut();
        if lane.frames.len() >= 256 {
            return false;
        }
        let mut buffer = lane.spare.pop().unwrap_or_default();
        buffer.clear();
        buffer.extend_from_slice(frame);
        lane.frames.push_back(buffer);
        true
    }
}

/// Lets the other end go on.
struct Peer<'a>(&'a mut Stack<End>);

impl Idle for Peer<'_> {
    fn wait(&mut self, _until: Option<Instant>) {
        self.0.turn();
    }
}

fn stack(
    address: Ipv4Addr,
    mac: u8,
    incoming: &Rc<RefCell<Lane>>,
    outgoing: &Rc<RefCell<Lane>>,
) -> Stack<End> {
    let configuration = StackConfiguration {
        ipv4: Ipv4::Static { address, prefix_length: 24, gateway: None },
        ipv6: Ipv6::Off,
        limits: StackLimits { connections: 600, ..StackLimits::default() },
        ..StackConfiguration::default()
    };
    let end = End { mac: [2, 0, 0, 0, 0, mac], incoming: incoming.clone(), outgoing: outgoing.clone() };
    Stack::new(end, &configuration).expect("a stack")
}

/// Sends [`BULK`] bytes from one end to the other.
async fn bulk(mut from: impl futures_util::AsyncWrite + Unpin, mut to: impl futures_util::AsyncRead + Unpin) {
    let send = async {
        let data = vec![7; 64 * 1024];
        for _ in 0..BULK / data.len() {
            from.write_all(&data).await.expect("written");
        }
    };
    let receive = async {
        let mut data = vec![0; 64 * 1024];
        let mut received = 0;
        while received < BULK {
            let read = to.read(&mut data).await.expect("read");
            assert_ne!(read, 0, "ended early");
            received += read;
        }
    };
    join(send, receive).await;
}

/// Sends questions of 200 bytes that are answered by 1000.
async fn exchange<S: futures_util::AsyncRead + futures_util::AsyncWrite + Unpin>(
    mut client: S,
    mut server: S,
) {
    let ask = async {
        let mut answer = [0; 1000];
        for _ in 0..EXCHANGES {
            client.write_all(&[1; 200]).await.expect("written");
            client.read_exact(&mut answer).await.expect("read");
        }
    };
    let answer = async {
        let mut question = [0; 200];
        for _ in 0..EXCHANGES {
            server.read_exact(&mut question).await.expect("read");
            server.write_all(&[2; 1000]).await.expect("written");
        }
    };
    join(ask, answer).await;
}

async fn connected(
    listener: &<StackNetwork as Network>::Listener,
    client: &StackNetwork,
) -> (TcpStream, TcpStream) {
    let address = listener.local_address().expect("an address");
    let (accepted, connected) =
        join(listener.accept(), client.connect((SERVER, address.port()).into())).await;
    (connected.expect("connected"), accepted.expect("accepted").0)
}

/// How long the stacks take, with further connections that are idle.
fn with_stacks<F: Future>(idle: usize, work: impl FnOnce(TcpStream, TcpStream) -> F) -> Duration {
    let lanes: [Rc<RefCell<Lane>>; 2] = Default::default();
    let mut server = stack(SERVER, 1, &lanes[0], &lanes[1]);
    let mut client = stack(CLIENT, 2, &lanes[1], &lanes[0]);
    let (ours, theirs) = (server.network(), client.network());
    let listener = ours.listen((SERVER, 443).into()).expect("a listener");
    server.block_on(&mut Peer(&mut client), async {
        let mut held = Vec::new();
        for _ in 0..idle {
            held.push(connected(&listener, &theirs).await);
        }
        if idle > 0 {
            // Until they are known to be idle.
            ours.sleep(Duration::from_secs(3)).await;
        }
        let (client, server) = connected(&listener, &theirs).await;
        let began = Instant::now();
        work(client, server).await;
        began.elapsed()
    })
}

fn with_host<F: Future>(work: impl FnOnce(HostStream, HostStream) -> F) -> Duration {
    block_on(async {
        let listener = HostNetwork.listen(SocketAddr::from(([127, 0, 0, 1], 0))).expect("a listener");
        let address = listener.local_address().expect("an address");
        let client = std::net::TcpStream::connect(address).expect("connected");
        client.set_nodelay(true).expect("an option");
        let client = HostStream::new(client).expect("a descriptor");
        let server = listener.accept().await.expect("accepted").0;
        let began = Instant::now();
        work(client, server).await;
        began.elapsed()
    })
}

/// The median of what is measured.
fn median(mut measure: impl FnMut() -> Duration) -> f64 {
    let mut times: Vec<_> = (0..ROUNDS).map(|_| measure().as_secs_f64()).collect();
    times.sort_by(f64::total_cmp);
    times[ROUNDS / 2]
}

fn main() {
    let ratio = |what: &str, host: f64, stack: f64| {
        println!("{what:<52} host {host:7.3} s   stack {stack:7.3} s   ratio {:.2}", host / stack);
    };
    let host = median(|| with_host(bulk));
    ratio("256 MiB one way", host, median(|| with_stacks(0, bulk)));
    let host = median(|| with_host(exchange));
    ratio("20000 questions and answers", host, median(|| with_stacks(0, exchange)));
    ratio("the same with 255 idle connections (stack only)", host, median(|| with_stacks(255, exchange)));
}
