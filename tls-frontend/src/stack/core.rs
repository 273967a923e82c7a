//! The state that the stack, its listeners and its streams share.

use super::{
    configuration::{StackConfiguration, StackLimits},
    connections::{Connections, Refused},
    device_adapter::DeviceAdapter,
    frame::{Inspected, inspect},
    listener::Listeners,
    packet_device::PacketDevice,
    router_discovery::RouterDiscovery,
    router_probe::RouterProbe,
};
use smoltcp::{
    iface::{Config, Interface, PollIngressSingleResult, PollResult, SocketHandle, SocketSet},
    socket::dns,
    wire::{EthernetAddress, HardwareAddress, IpCidr},
};
use std::{
    net::IpAddr,
    task::Waker,
    time::{Duration, Instant},
};

/// Frames taken in one turn, so that the program gets its turn as well.
const FRAMES_PER_TURN: usize = 64;
/// Rounds of sending in one turn; in each, every connection may send one frame.
const ROUNDS_PER_TURN: usize = 256;
/// Wait before trying again what did not work though it was due, such as sending to a full device.
const RETRY: Duration = Duration::from_millis(1);

pub(super) struct Core {
    pub(super) interface: Interface,
    pub(super) sockets: SocketSet<'static>,
    /// Connections that have had nothing to do for a while.
    pub(super) resting: SocketSet<'static>,
    pub(super) next_rest: Instant,
    pub(super) connections: Connections,
    pub(super) listeners: Listeners,
    pub(super) limits: StackLimits,
    /// Instants of smoltcp count from here.
    started: Instant,
    pub(super) now: Instant,
    pub(super) dhcp: Option<SocketHandle>,
    /// Where routers give the IPv6 addresses.
    pub(super) router_discovery: Option<RouterDiscovery>,
    pub(super) router_probe: RouterProbe,
    pub(super) dns: SocketHandle,
    pub(super) queries: usize,
    pub(super) name_servers: Vec<IpAddr>,
    pub(super) has_name_servers: bool,
    /// Those who wait for other addresses than these.
    pub(super) address_wakers: Vec<Waker>,
    pub(super) addresses_told: Vec<IpCidr>,
}

impl Core {
    pub(super) fn new<D: PacketDevice>(
        adapter: &mut DeviceAdapter<D>,
        configuration: &StackConfiguration,
        seed: u64,
    ) -> Self {
        let started = configuration.clock.now();
        let mut config = Config::new(HardwareAddress::Ethernet(EthernetAddress(adapter.device().mac())));
        config.random_seed = seed;
        let interface = Interface::new(config, adapter, smoltcp::time::Instant::ZERO);
        let mut sockets = SocketSet::new(Vec::new());
        let dns = sockets.add(dns::Socket::new(&[], Vec::new()));
        let mut core = Self {
            interface,
            sockets,
            resting: SocketSet::new(Vec::new()),
            next_rest: started,
            connections: Connections::default(),
            listeners: Listeners::default(),
            limits: configuration.limits.clone(),
            started,
            now: started,
            dhcp: None,
            router_discovery: None,
            router_probe: RouterProbe::default(),
            dns,
            queries: 0,
            name_servers: configuration.name_servers.clone(),
            has_name_servers: false,
            address_wakers: Vec::new(),
            addresses_told: Vec::new(),
        };
        core.set_up_addresses(configuration);
        core
    }

    /// Takes frames, lets connections go on, and sends frames. Gives the instant by which to call again,
    /// which has come already when frames are left.
    pub(super) fn turn<D: PacketDevice>(
        &mut self,
        adapter: &mut DeviceAdapter<D>,
        now: Instant,
    ) -> Option<Instant> {
        self.now = self.now.max(now);
        let timestamp = self.timestamp(self.now);
        self.interface.poll_maintenance(timestamp);
        let mut taken = 0;
        while taken < FRAMES_PER_TURN && self.take_frame(adapter, timestamp) {
            taken += 1;
        }
        self.advance_connections();
        self.advance_addresses();
        let discovery = self.advance_router_discovery(adapter);
        self.tell_addresses();
        let probe = self.probe_routers(adapter);
        for _ in 0..ROUNDS_PER_TURN {
            if self.interface.poll_egress(timestamp, adapter, &mut self.sockets) == PollResult::None {
                break;
            }
        }
        let rest = self.rest(adapter);
        if taken == FRAMES_PER_TURN {
            return Some(self.now);
        }
        let due = self.interface.poll_at(timestamp, &self.sockets).map(|due| self.instant(due));
        // All that was due has just been tried: trying again at once would only spin.
        let due = due.map(|due| due.max(self.now + RETRY));
        let blocked = (!adapter.flush()).then_some(self.now + RETRY);
        [due, blocked, rest, discovery, probe, self.connections_due()].into_iter().flatten().min()
    }

    /// Takes one frame; `false` when there is none.
    fn take_frame<D: PacketDevice>(
        &mut self,
        adapter: &mut DeviceAdapter<D>,
        timestamp: smoltcp::time::Instant,
    ) -> bool {
        let Some(frame) = adapter.fill() else { return false };
        let admitted = match inspect(frame) {
            Inspected::Refused => Err(Refused),
            Inspected::Advertisement(advertisement) => {
                self.take_advertisement(&advertisement);
                Err(Refused)
            }
            Inspected::Other => Ok(None),
            // Segments to a group are answered by nobody (RFC 1122 §4.2.3.10).
            Inspected::Segment { tuple, .. } if !self.interface.has_ip_addr(tuple.local.addr) => Err(Refused),
            Inspected::Segment { tuple, opens: true } => self.admit(tuple),
            Inspected::Segment { tuple, opens: false } => {
                self.stir(&tuple);
                Ok(None)
            }
        };
        let Ok(opening) = admitted else {
            adapter.discard();
            return true;
        };
        let result = self.interface.poll_ingress_single(timestamp, adapter, &mut self.sockets);
        if let Some(opening) = opening {
            self.settle(opening);
        }
        result != PollIngressSingleResult::None
    }

    pub(super) fn timestamp(&self, instant: Instant) -> smoltcp::time::Instant {
        let micros = instant.saturating_duration_since(self.started).as_micros();
        smoltcp::time::Instant::from_micros(i64::try_from(micros).unwrap_or(i64::MAX))
    }

    fn instant(&self, timestamp: smoltcp::time::Instant) -> Instant {
        self.started + Duration::from_micros(u64::try_from(timestamp.total_micros()).unwrap_or(0))
    }
}
