//! A TCP/IP stack of the program's own, for where no operating system has one: smoltcp above one Ethernet
//! interface.
//!
//! A [`Stack`] owns the [`PacketDevice`]. Its [`StackNetwork`] is the [`Network`](crate::Network) that the
//! server runs on. [`Stack::block_on`] is the program's main loop: it polls the program's future, lets frames
//! in and out, fires timers, and hands over to [`Idle`] when nothing is ready.
//!
//! IPv4 (ARP, ICMP echo, DHCP), IPv6 (neighbour discovery, SLAAC, MLD, ICMPv6 echo), TCP with window scaling,
//! CUBIC congestion control and keep-alive, and a DNS client. IP fragments are dropped.

mod addresses;
mod configuration;
mod connections;
mod core;
mod device_adapter;
mod frame;
mod listener;
mod network;
mod packet_device;
mod resolver;
mod resting;
mod router_discovery;
mod router_probe;
mod run;
mod stream;

pub use crate::{clock::Clock, timers::Sleep};
pub use configuration::{Ipv4, Ipv6, StackConfiguration, StackLimits, StackOptions};
pub use listener::TcpListener;
pub use network::StackNetwork;
pub use packet_device::{Idle, PacketDevice};
pub use run::{Stack, StackError};
pub use stream::TcpStream;
