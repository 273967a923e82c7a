//! Two stacks on a wire in memory, which goes by a clock of its own: it loses, repeats, delays and spoils
//! frames as told, and hours pass in no time.
#![allow(unreachable_pub)]

use kalends_tls_frontend::stack::{
    Clock, Idle, Ipv4, Ipv6, PacketDevice, Stack, StackConfiguration, StackLimits, StackNetwork,
};
use std::{
    cell::RefCell,
    collections::BTreeMap,
    future::Future,
    net::{Ipv4Addr, Ipv6Addr, SocketAddr},
    rc::Rc,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

pub const SERVER_MAC: [u8; 6] = [2, 0, 0, 0, 0, 1];
pub const CLIENT_MAC: [u8; 6] = [2, 0, 0, 0, 0, 2];
pub const SERVER_V4: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 1);
pub const CLIENT_V4: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 2);
pub const SERVER_V6: Ipv6Addr = Ipv6Addr::new(0xfd00, 0, 0, 0, 0, 0, 0, 1);
pub const CLIENT_V6: Ipv6Addr = Ipv6Addr::new(0xfd00, 0, 0, 0, 0, 0, 0, 2);

pub const PORT: u16 = 443;

/// Every address of the server, with its port.
pub fn all() -> SocketAddr {
    (Ipv6Addr::UNSPECIFIED, PORT).into()
}

/// What may happen to a frame, each in 1000 frames.
#[derive(Clone, Copy, Default)]
pub struct Faults {
    pub lost: u64,
    pub repeated: u64,
    pub delayed: u64,
    pub spoiled: u64,
}

/// Pseudo-random numbers, the same for the same seed.
pub struct Random(pub u64);

impl Random {
    pub fn next(&mut self) -> u64 {
        // SplitMix64.
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    pub fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }

    pub fn bytes(&mut self, length: usize) -> Vec<u8> {
        (0..length).map(|_| self.next() as u8).collect()
    }
}

/// The time on the wire.
#[derive(Clone)]
pub struct WireClock {
    started: Instant,
    nanos: Arc<AtomicU64>,
}

impl WireClock {
    pub fn new() -> Self {
        Self { started: Instant::now(), nanos: Arc::default() }
    }

    pub fn now(&self) -> Instant {
        self.started + Duration::from_nanos(self.nanos.load(Ordering::Relaxed))
    }

    pub fn advance(&self, to: Instant) {
        let nanos = to.saturating_duration_since(self.started).as_nanos() as u64;
        self.nanos.fetch_max(nanos, Ordering::Relaxed);
    }

    pub fn clock(&self) -> Clock {
        let clock = self.clone();
        Clock::new(move || clock.now())
    }
}

/// One direction of the wire.
pub struct Lane {
    clock: WireClock,
    /// By time of arrival.
    frames: BTreeMap<(Instant, u64), Vec<u8>>,
    sent: u64,
    pub faults: Faults,
    random: Random,
    latency: Duration,
    /// Frames it takes before it is full.
    pub capacity: usize,
    /// Where every frame sent is written down.
    record: Option<Rc<RefCell<Vec<Vec<u8>>>>>,
}

pub type SharedLane = Rc<RefCell<Lane>>;

impl Lane {
    pub fn new(clock: &WireClock, faults: Faults, seed: u64) -> SharedLane {
        Rc::new(RefCell::new(Self {
            clock: clock.clone(),
            frames: BTreeMap::new(),
            sent: 0,
            faults,
            random: Random(seed),
            latency: Duration::from_micros(500),
            capacity: 256,
            record: None,
        }))
    }

    /// Puts a frame on the wire, past all faults and limits.
    pub fn put(&mut self, frame: &[u8], delay: Duration) {
        self.sent += 1;
        self.frames.insert((self.clock.now() + delay, self.sent), frame.to_vec());
    }

    /// Takes the next frame that has arrived.
    pub fn take(&mut self) -> Option<Vec<u8>> {
        let first = self.frames.first_entry()?;
        if first.key().0 > self.clock.now() {
            return None;
        }
        Some(first.remove())
    }

    fn next_arrival(&self) -> Option<Instant> {
        self.frames.first_key_value().map(|((at, _), _)| *at)
    }

    fn send(&mut self, frame: &[u8]) -> bool {
        if self.frames.len() >= self.capacity {
            return false;
        }
        if let Some(record) = &self.record {
            record.borrow_mut().push(frame.to_vec());
        }
        let faults = self.faults;
        if self.random.below(1000) < faults.lost {
            return true;
        }
        let mut frame = frame.to_vec();
        if self.random.below(1000) < faults.spoiled {
            let at = self.random.below(frame.len() as u64) as usize;
            frame[at] ^= 1 << self.random.below(8);
        }
        let copies = 1 + u64::from(self.random.below(1000) < faults.repeated);
        for _ in 0..copies {
            let mut delay = self.latency;
            if self.random.below(1000) < faults.delayed {
                delay += Duration::from_micros(self.random.below(10_000));
            }
            self.put(&frame, delay);
        }
        true
    }
}

/// One end of the wire.
pub struct End {
    pub mac: [u8; 6],
    pub incoming: SharedLane,
    pub outgoing: SharedLane,
}

impl PacketDevice for End {
    fn mac(&self) -> [u8; 6] {
        self.mac
    }

    fn mtu(&self) -> usize {
        1500
    }

    fn receive(&mut self, frame: &mut [u8]) -> Option<usize> {
        let arrived = self.incoming.borrow_mut().take()?;
        frame.get_mut(..arrived.len())?.copy_from_slice(&arrived);
        Some(arrived.len())
    }

    fn send(&mut self, frame: &[u8]) -> bool {
        self.outgoing.borrow_mut().send(frame)
    }
}

/// A stack for the server, and the other end of its wire.
pub struct Lonely {
    pub clock: WireClock,
    pub stack: Stack<End>,
    pub to_server: SharedLane,
    pub from_server: SharedLane,
}

impl Lonely {
    pub fn new(configuration: impl FnOnce(&mut StackConfiguration)) -> Self {
        let clock = WireClock::new();
        let (to_server, from_server) =
            (Lane::new(&clock, Faults::default(), 1), Lane::new(&clock, Faults::default(), 2));
        let mut server = fixed(SERVER_V4, SERVER_V6, &clock);
        configuration(&mut server);
        let end = End { mac: SERVER_MAC, incoming: to_server.clone(), outgoing: from_server.clone() };
        Self { stack: Stack::new(end, &server).unwrap(), clock, to_server, from_server }
    }

    /// Runs a future, with `peer` answering at the other end.
    pub fn run<T>(&mut self, peer: impl FnMut(), future: impl Future<Output = T>) -> T {
        let Self { clock, stack, to_server, from_server } = self;
        let mut peer = peer;
        let mut world = World {
            waits: 0,
            clock,
            lanes: [to_server, from_server],
            peer: &mut || {
                peer();
                // What the peer does not care for is gone.
                while from_server.borrow_mut().take().is_some() {}
                None
            },
            limit: clock.now() + LIMIT,
        };
        stack.block_on(&mut world, future)
    }
}

/// More time than any test should need on the wire.
const LIMIT: Duration = Duration::from_secs(24 * 3600);

/// A server's and a client's stack, joined by a wire.
pub struct Pair {
    pub clock: WireClock,
    pub server: Stack<End>,
    pub client: Stack<End>,
    pub to_server: SharedLane,
    pub to_client: SharedLane,
}

impl Pair {
    pub fn new(faults: Faults, seed: u64) -> Self {
        Self::with_limits(faults, seed, StackLimits::default())
    }

    /// A pair whose server has these limits.
    pub fn with_limits(faults: Faults, seed: u64, limits: StackLimits) -> Self {
        let clock = WireClock::new();
        let (to_server, to_client) =
            (Lane::new(&clock, faults, seed), Lane::new(&clock, faults, seed.wrapping_mul(3)));
        let server = StackConfiguration { limits, ..fixed(SERVER_V4, SERVER_V6, &clock) };
        let client = StackConfiguration {
            limits: StackLimits { connections: 512, ..StackLimits::default() },
            ..fixed(CLIENT_V4, CLIENT_V6, &clock)
        };
        let server_end = End { mac: SERVER_MAC, incoming: to_server.clone(), outgoing: to_client.clone() };
        let client_end = End { mac: CLIENT_MAC, incoming: to_client.clone(), outgoing: to_server.clone() };
        Self {
            server: Stack::new(server_end, &server).unwrap(),
            client: Stack::new(client_end, &client).unwrap(),
            clock,
            to_server,
            to_client,
        }
    }

    pub fn networks(&self) -> (StackNetwork, StackNetwork) {
        (self.server.network(), self.client.network())
    }

    /// Writes down all frames from now on, of both directions.
    pub fn record(&mut self) -> Rc<RefCell<Vec<Vec<u8>>>> {
        let record = Rc::<RefCell<Vec<_>>>::default();
        self.to_server.borrow_mut().record = Some(record.clone());
        self.to_client.borrow_mut().record = Some(record.clone());
        record
    }

    /// Runs a future that may use both networks.
    pub fn run<T>(&mut self, future: impl Future<Output = T>) -> T {
        let Self { clock, server, client, to_server, to_client } = self;
        let mut world = World {
            waits: 0,
            clock,
            lanes: [to_server, to_client],
            peer: &mut || client.turn(),
            limit: clock.now() + LIMIT,
        };
        server.block_on(&mut world, future)
    }
}

pub fn fixed(ipv4: Ipv4Addr, ipv6: Ipv6Addr, clock: &WireClock) -> StackConfiguration {
    StackConfiguration {
        ipv4: Ipv4::Static { address: ipv4, prefix_length: 24, gateway: None },
        ipv6: Ipv6::Static { address: ipv6, prefix_length: 64, gateway: None },
        clock: clock.clock(),
        ..StackConfiguration::default()
    }
}

/// Lets the peer go on, and time pass when nothing else can happen.
struct World<'a> {
    waits: u64,
    clock: &'a WireClock,
    lanes: [&'a SharedLane; 2],
    peer: &'a mut dyn FnMut() -> Option<Instant>,
    limit: Instant,
}

impl Idle for World<'_> {
    fn wait(&mut self, until: Option<Instant>) {
        self.waits += 1;
        assert!(self.waits < 10_000_000, "nothing comes of waiting");
        let peer = (self.peer)();
        let arrivals = self.lanes.map(|lane| lane.borrow().next_arrival());
        let next = [until, peer, arrivals[0], arrivals[1]].into_iter().flatten().min();
        // The peer may have woken the future just now.
        let Some(next) = next else { return };
        assert!(next < self.limit, "no end after a day");
        self.clock.advance(next);
    }
}
