//! The addresses of the interface, its routers and its name servers.

use super::{
    configuration::{Ipv4, Ipv6, StackConfiguration},
    core::Core,
    router_discovery::{RouterDiscovery, link_local},
};
use smoltcp::{
    socket::{dhcpv4, dns},
    wire::{HardwareAddress, IpAddress, IpCidr, Ipv4Cidr, Ipv6Cidr},
};
use std::net::{IpAddr, Ipv4Addr};

impl Core {
    /// Sets what is fixed, and begins to ask for the rest.
    pub(super) fn set_up_addresses(&mut self, configuration: &StackConfiguration) {
        match configuration.ipv4 {
            Ipv4::Dhcp => self.dhcp = Some(self.sockets.add(dhcpv4::Socket::new())),
            Ipv4::Static { address, prefix_length, gateway } => {
                self.set_ipv4(Some((Ipv4Cidr::new(address, prefix_length), gateway)));
            }
            Ipv4::Off => {}
        }
        if configuration.ipv6 != Ipv6::Off {
            let HardwareAddress::Ethernet(mac) = self.interface.hardware_addr();
            self.add_address(IpCidr::Ipv6(Ipv6Cidr::new(link_local(mac), 64)));
        }
        if configuration.ipv6 == Ipv6::Automatic {
            self.router_discovery = Some(RouterDiscovery::new(self.now));
        }
        if let Ipv6::Static { address, prefix_length, gateway } = configuration.ipv6 {
            self.add_address(IpCidr::Ipv6(Ipv6Cidr::new(address, prefix_length)));
            if let Some(gateway) = gateway {
                // The table has room: nothing else is in it yet but the IPv4 router.
                let _ = self.interface.routes_mut().add_default_ipv6_route(gateway);
            }
        }
        self.set_name_servers(&[]);
    }

    /// Takes over what DHCP has found.
    pub(super) fn advance_addresses(&mut self) {
        if let Some(handle) = self.dhcp {
            let (address, name_servers) = match self.sockets.get_mut::<dhcpv4::Socket>(handle).poll() {
                Some(dhcpv4::Event::Configured(lease)) => {
                    (Some((lease.address, lease.router)), lease.dns_servers.to_vec())
                }
                Some(dhcpv4::Event::Deconfigured) => (None, Vec::new()),
                None => return,
            };
            self.set_ipv4(address);
            self.set_name_servers(&name_servers);
        }
    }

    /// Whether there is an address that other networks can reach.
    pub(super) fn has_address(&self) -> bool {
        self.interface.ip_addrs().iter().any(|address| match address {
            IpCidr::Ipv4(_) => true,
            IpCidr::Ipv6(address) => !address.address().is_unicast_link_local(),
        })
    }

    /// Wakes who waits for other addresses, when there are some.
    pub(super) fn tell_addresses(&mut self) {
        if self.interface.ip_addrs() != self.addresses_told {
            self.addresses_told.clear();
            self.addresses_told.extend_from_slice(self.interface.ip_addrs());
            for waker in self.address_wakers.drain(..) {
                waker.wake();
            }
        }
    }

    fn set_ipv4(&mut self, address: Option<(Ipv4Cidr, Option<Ipv4Addr>)>) {
        self.interface.update_ip_addrs(|addresses| {
            addresses.retain(|address| matches!(address, IpCidr::Ipv6(_)));
        });
        self.interface.routes_mut().remove_default_ipv4_route();
        let Some((address, gateway)) = address else { return };
        self.add_address(IpCidr::Ipv4(address));
        if let Some(gateway) = gateway.filter(|gateway| !gateway.is_unspecified() && !gateway.is_multicast())
        {
            // The table has room for one default route of each version from each source.
            let _ = self.interface.routes_mut().add_default_ipv4_route(gateway);
        }
    }

    pub(super) fn add_address(&mut self, address: IpCidr) {
        // smoltcp panics on others; DHCP and command line have been checked, this is the last line.
        if !address.address().is_unicast() {
            return;
        }
        self.interface.update_ip_addrs(|addresses| {
            // One IPv4, one link-local, one fixed or four advertised: there is room for eight.
            let _ = addresses.push(address);
        });
    }

    fn set_name_servers(&mut self, learnt: &[Ipv4Addr]) {
        let learnt = learnt.iter().copied().map(IpAddr::from);
        let servers: Vec<IpAddress> =
            self.name_servers.iter().copied().chain(learnt).map(IpAddress::from).collect();
        self.sockets.get_mut::<dns::Socket>(self.dns).update_servers(&servers);
        self.has_name_servers = !servers.is_empty();
    }
}
