//! The guest's service: store, realm, TLS and HTTP over its own network stack.

use crate::{
    command_line::GuestOptions, console_log, ending::Ending, idle::GuestIdle, interface, memory, storage,
};
use futures_util::future::{Either, select};
use kalends::{ServiceHandler, own_authority};
use kalends_block_backend::Durability;
use kalends_caldav::{
    Service, ServiceOptions,
    realm::{Realm, generate_password},
};
use kalends_nolibc::{Current, Platform};
use kalends_tls_frontend::{
    Network, Server, Shutdown,
    certificate::Authority,
    stack::{Ipv4, Stack, StackConfiguration, StackNetwork},
};
use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    pin::pin,
    rc::Rc,
    time::Duration,
};

const FIRST_USER: &str = "calendar";
const HOSTNAME: &str = "localhost";
/// How long to wait for an address before the server certificate is made without one.
const ADDRESS_WAIT: Duration = Duration::from_secs(10);
const ADDRESS_INTERVAL: Duration = Duration::from_millis(50);

/// Serves until the guest is ended; the error is one line.
pub(crate) fn serve(options: &GuestOptions) -> Result<(), Ending> {
    console_log::begin(options.log);
    let shares = memory::share_out()?;
    let configuration = StackConfiguration { limits: shares.stack, ..options.network.configuration()? };
    let mut stack = Stack::new(interface::open()?, &configuration).map_err(|error| error.to_string())?;
    let device = storage::open()?;
    let durability = device.durability();
    let store = storage::open_store(device, shares.store)?;
    for notice in store.notices() {
        println!("{notice}");
    }
    let hostname = options.hostname.as_deref().unwrap_or(HOSTNAME);
    let authority = own_authority(&store, hostname)?;
    let realm = Realm::open(store.clone()).map_err(|error| format!("cannot read the realm: {error}"))?;
    let password = first_user(&realm)?;
    let service_options = ServiceOptions {
        hostname: hostname.into(),
        authority: Some(authority.certificate_pem().to_owned()),
        push_memory: Some(memory::for_pushes()?),
        index_memory: Some(shares.index),
    };
    let handler = ServiceHandler(Rc::new(Service::new(store.clone(), realm, service_options)));
    let network = stack.network();
    stack.block_on(&mut GuestIdle, async {
        let addresses = addresses(&network, configuration.ipv4).await;
        let tls = authority.server_config(&names(hostname, &addresses)).map_err(|error| error.to_string())?;
        let listener = network
            .listen((Ipv6Addr::UNSPECIFIED, options.port).into())
            .map_err(|error| format!("cannot listen on port {}: {error}", options.port))?;
        announce(options, hostname, &addresses, &authority, password.as_deref(), durability);
        Server::new(network, tls, handler, shares.server, Shutdown::default()).run(vec![listener]).await;
        Ok::<_, String>(())
    })?;
    store.close().map_err(|error| format!("the block device: {error}").into())
}

/// Makes the first user of a new store, and gives the password.
fn first_user(realm: &Realm) -> Result<Option<String>, String> {
    if !realm.user_names().is_empty() {
        return Ok(None);
    }
    let password = generate_password();
    realm
        .set_password(FIRST_USER, &password)
        .map_err(|error| format!("cannot make user {FIRST_USER}: {error}"))?;
    Ok(Some(password))
}

/// The addresses to serve on, once there are some. An IPv6 address often comes before DHCP has answered, and
/// the certificate should name both.
async fn addresses(network: &StackNetwork, ipv4: Ipv4) -> Vec<IpAddr> {
    let wait = async {
        network.configured().await;
        while ipv4 != Ipv4::Off && !network.addresses().iter().any(|(address, _)| address.is_ipv4()) {
            network.sleep(ADDRESS_INTERVAL).await;
        }
    };
    if let Either::Right(_) = select(pin!(wait), network.sleep(ADDRESS_WAIT)).await {
        println!(
            "The network has not offered every address yet; the certificate names those that are there."
        );
    }
    network.addresses().into_iter().map(|(address, _)| address).collect()
}

/// What the server certificate is for, the host's own name first.
fn names(hostname: &str, addresses: &[IpAddr]) -> Vec<String> {
    let local = [HOSTNAME.into(), Ipv4Addr::LOCALHOST.to_string(), Ipv6Addr::LOCALHOST.to_string()];
    let mut names = vec![hostname.to_owned()];
    for name in local.into_iter().chain(addresses.iter().map(IpAddr::to_string)) {
        if !names.contains(&name) {
            names.push(name);
        }
    }
    names
}

fn announce(
    options: &GuestOptions,
    hostname: &str,
    addresses: &[IpAddr],
    authority: &Authority,
    password: Option<&str>,
    durability: Durability,
) {
    println!("Kalends {} serves as a guest of {}.", env!("CARGO_PKG_VERSION"), Current::NAME);
    let port = if options.port == 443 { String::new() } else { format!(":{}", options.port) };
    println!("  URL        https://{hostname}{port}/");
    for address in addresses {
        println!("  address    {address}");
    }
    match durability {
        Durability::Flushed => println!("  durability acknowledged changes survive a loss of power"),
        _ => println!(
            "  durability acknowledged changes are with the host, which has no flush for its guests: they \
             survive the guest's end, and a loss of power as far as the host's cache does"
        ),
    }
    if let Some(password) = password {
        println!("  user       {FIRST_USER}");
        println!("  password   {password}");
        println!("The certificate that clients should trust:");
        print!("{}", authority.certificate_pem());
    }
    println!("Ready.");
}

#[cfg(test)]
mod tests {
    use super::names;

    #[test]
    fn the_certificate_names_the_host_first_and_nothing_twice() {
        let addresses = ["10.0.0.2".parse().unwrap(), "127.0.0.1".parse().unwrap()];
        assert_eq!(
            names("cal.example", &addresses),
            ["cal.example", "localhost", "127.0.0.1", "::1", "10.0.0.2"]
        );
        assert_eq!(names("localhost", &[])[0], "localhost");
    }
}
