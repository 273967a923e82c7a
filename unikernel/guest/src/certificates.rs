//! The certificate of a server whose addresses come and go.

use futures_util::future::select;
use kalends::own_certificate;
use kalends_store::Store;
use kalends_tls_frontend::{
    Network,
    certificate::{Authority, CurrentCertificate, ServerCertificate},
    stack::StackNetwork,
};
use std::{
    convert::Infallible,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    pin::pin,
    time::Duration,
};

/// By this time a certificate that is about to end is noticed.
const DAY: Duration = Duration::from_secs(86_400);

/// Where certificates come from.
pub(crate) struct Certificates<'a> {
    pub(crate) store: &'a Store,
    pub(crate) authority: &'a Authority,
    pub(crate) hostname: &'a str,
}

impl Certificates<'_> {
    /// The certificate for a server with these addresses.
    pub(crate) fn of(&self, addresses: &[(IpAddr, u8)]) -> Result<ServerCertificate, String> {
        own_certificate(self.store, self.authority, &names(self.hostname, addresses))
    }

    /// Keeps the current certificate in step with the network's addresses, and renews it in time.
    pub(crate) async fn keep(&self, network: &StackNetwork, current: &CurrentCertificate) -> Infallible {
        let mut addresses = network.addresses();
        loop {
            select(pin!(network.addresses_other_than(&addresses)), network.sleep(DAY)).await;
            addresses = network.addresses();
            let replaced = self
                .of(&addresses)
                .and_then(|certificate| current.replace(&certificate).map_err(|error| error.to_string()));
            // The one before goes on to serve.
            if let Err(error) = replaced {
                log::error!("{error}");
            }
        }
    }
}

/// What the server certificate is for, the host's own name first. Link-local addresses are in no URL.
fn names(hostname: &str, addresses: &[(IpAddr, u8)]) -> Vec<String> {
    let local = ["localhost".into(), Ipv4Addr::LOCALHOST.to_string(), Ipv6Addr::LOCALHOST.to_string()];
    let global = addresses.iter().map(|(address, _)| address).filter(|address| match address {
        IpAddr::V4(_) => true,
        IpAddr::V6(address) => !address.is_unicast_link_local(),
    });
    let mut names = vec![hostname.to_owned()];
    for name in local.into_iter().chain(global.map(IpAddr::to_string)) {
        if !names.contains(&name) {
            names.push(name);
        }
    }
    names
}

#[cfg(test)]
mod tests {
    use super::names;

    #[test]
    fn the_certificate_names_the_host_first_and_nothing_twice() {
        let addresses = ["10.0.0.2", "127.0.0.1", "fe80::1"].map(|address| (address.parse().unwrap(), 64));
        assert_eq!(
            names("cal.example", &addresses),
            ["cal.example", "localhost", "127.0.0.1", "::1", "10.0.0.2"]
        );
        assert_eq!(names("localhost", &[])[0], "localhost");
    }
}
