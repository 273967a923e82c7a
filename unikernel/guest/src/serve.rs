//! The guest's service: store, realm, TLS and HTTP over its own network stack.

use crate::{
    certificates::Certificates, command_line::GuestOptions, console_log, ending::Ending, idle::GuestIdle,
    interface, memory, storage,
};
use futures_util::future::{Either, join, select};
use kalends::{ServiceHandler, maintained, own_authority, with_retention};
use kalends_block_backend::Durability;
use kalends_caldav::{
    Service, ServiceOptions,
    realm::{Realm, generate_password},
};
use kalends_nolibc::{Current, Platform};
use kalends_tls_frontend::{
    Network, Server, Shutdown,
    certificate::{Authority, CurrentCertificate},
    stack::{Ipv4, Stack, StackConfiguration, StackNetwork},
};
use std::{
    net::{IpAddr, Ipv6Addr},
    pin::pin,
    rc::Rc,
    time::Duration,
};

const FIRST_USER: &str = "calendar";
/// The name when none is given.
const HOSTNAME: &str = "localhost";
/// How long to wait for an address before saying that the guest is ready.
const ADDRESS_WAIT: Duration = Duration::from_secs(10);

/// Serves until the guest is ended; the error is one line.
pub(crate) fn serve(options: &GuestOptions) -> Result<(), Ending> {
    console_log::begin(options.log);
    let shares = memory::share_out()?;
    let configuration = StackConfiguration { limits: shares.stack, ..options.network.configuration()? };
    let mut stack = Stack::new(interface::open()?, &configuration).map_err(|error| error.to_string())?;
    // The network has time to answer while the store is opened.
    stack.turn();
    let device = storage::open()?;
    let durability = device.durability();
    let store = storage::open_store(device, shares.store)?;
    let push_memory = memory::for_pushes()?;
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
        push_memory: Some(push_memory),
        index_memory: Some(shares.index),
    };
    let service = Service::new(store.clone(), realm, service_options);
    let handler = ServiceHandler(Rc::new(service.clone()));
    let network = stack.network();
    stack.block_on(&mut GuestIdle::new(), async {
        let listener = network
            .listen((Ipv6Addr::UNSPECIFIED, options.port).into())
            .map_err(|error| format!("cannot listen on port {}: {error}", options.port))?;
        let certificates = Certificates { store: &store, authority: &authority, hostname };
        let current = CurrentCertificate::new(&certificates.of(&network.addresses())?)
            .map_err(|error| error.to_string())?;
        let tls = current.server_config().map_err(|error| error.to_string())?;
        let server = Server::new(network.clone(), tls, handler, shares.server, Shutdown::default());
        let announcement = async {
            let addresses = addresses(&network, configuration.ipv4).await;
            announce(options, hostname, &addresses, &authority, password.as_deref(), durability);
        };
        let beside = join(certificates.keep(&network, &current), announcement);
        let (serving, beside) = (pin!(server.run(vec![listener])), pin!(beside));
        let serving = with_retention(&store, &service, &network, select(serving, beside));
        maintained(&store, serving).await;
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

/// The addresses that the server is reached by, once there are some. An IPv6 address often comes before DHCP has
/// answered, and an operator wants to know both.
async fn addresses(network: &StackNetwork, ipv4: Ipv4) -> Vec<IpAddr> {
    let wait = async {
        let mut known = network.configured().await;
        while ipv4 != Ipv4::Off && !known.iter().any(|(address, _)| address.is_ipv4()) {
            known = network.addresses_other_than(&known).await;
        }
    };
    if let Either::Right(_) = select(pin!(wait), network.sleep(ADDRESS_WAIT)).await {
        println!("The network has not offered every address yet; those that come later are served too.");
    }
    network.addresses().into_iter().map(|(address, _)| address).collect()
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
