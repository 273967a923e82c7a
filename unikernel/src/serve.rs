//! `kalends serve`.

use crate::{command_line::ServeOptions, device, memory, start, tap::TapInterface, tls};
use async_signal::{Signal, Signals};
use futures_util::StreamExt;
use kalends::{ServiceHandler, maintained, with_retention};
use kalends_caldav::{Service, ServiceOptions, realm::Realm};
use kalends_tls_frontend::{
    Limits, Listener, Network, Server, Shutdown,
    host::{HostNetwork, block_on},
};
use std::{
    io,
    pin::{Pin, pin},
    rc::Rc,
};

/// Serves until a signal; the error is one line.
pub(crate) fn serve(options: &ServeOptions) -> Result<(), String> {
    env_logger::Builder::new().filter_level(options.log).init();
    // Listening comes first: a second server must fail before it touches anything.
    match &options.tap {
        None => serve_on(options, HostNetwork, |serving| block_on(serving)),
        Some(tap) => {
            let mut interface = TapInterface::attach(tap, &options.stack)?;
            serve_on(options, interface.network(), |serving| interface.block_on(serving))
        }
    }
}

/// Serves on a network, whose loop `run` is.
fn serve_on<N: Network>(
    options: &ServeOptions,
    network: N,
    run: impl FnOnce(Pin<&mut dyn Future<Output = ()>>),
) -> Result<(), String> {
    let listeners = listen(options, &network)?;
    let (store, created) = device::open_or_create(&options.device, options.size, options.format)?;
    let (tls, authority) = tls::configuration(options, &store)?;
    let realm = Realm::open(store.clone()).map_err(|error| format!("cannot read the realm: {error}"))?;
    let user = start::first_user(options, &realm)?;
    let service_options = ServiceOptions {
        hostname: options.hostname.clone(),
        authority: authority.as_ref().map(|authority| authority.pem.clone()),
        ..ServiceOptions::default()
    };
    let service = Service::new(store.clone(), realm, service_options);
    let address = match listeners.first() {
        Some(listener) => listener.local_address().map_err(|error| error.to_string())?,
        None => return Err("nothing to listen on".into()),
    };
    let shutdown = Shutdown::default();
    let mut signals =
        Signals::new([Signal::Int, Signal::Term]).map_err(|error| format!("cannot take signals: {error}"))?;
    let server = Server::new(
        network.clone(),
        tls,
        ServiceHandler(Rc::new(service.clone())),
        Limits::default(),
        shutdown.clone(),
    );
    let authority = authority.as_ref().map(|authority| authority.path.as_path());
    start::announce(options, address, authority, &user, created);
    run(pin!(async {
        let stop = async {
            signals.next().await;
            eprintln!("Stopping: requests under way end first; Ctrl-C again stops at once.");
            shutdown.begin();
            signals.next().await;
            std::process::exit(130)
        };
        let serving = with_retention(&store, &service, &network, server.run(listeners));
        let serving = memory::given_back(&network, maintained(&store, serving));
        futures_util::future::select(Box::pin(serving), Box::pin(stop)).await;
    }));
    store.close().map_err(|error| format!("{}: {error}", options.device.display()))
}

fn listen<N: Network>(options: &ServeOptions, network: &N) -> Result<Vec<N::Listener>, String> {
    let mut listeners = Vec::new();
    let mut refused = None;
    for address in &options.listen {
        match network.listen(*address) {
            Ok(listener) => listeners.push(listener),
            // A host without IPv6 is no reason not to serve on the default addresses.
            Err(error)
                if !options.listen_given
                    && matches!(
                        error.kind(),
                        io::ErrorKind::AddrNotAvailable | io::ErrorKind::Unsupported
                    ) =>
            {
                refused = Some(format!("cannot listen on {address}: {error}"));
            }
            Err(error) if error.kind() == io::ErrorKind::AddrInUse => {
                return Err(format!(
                    "{address} is in use by another program; choose another with --listen ADDRESS:PORT"
                ));
            }
            Err(error) => return Err(format!("cannot listen on {address}: {error}")),
        }
    }
    match (listeners.is_empty(), refused) {
        (true, Some(refused)) => Err(refused),
        _ => Ok(listeners),
    }
}
