//! Serving on a tap interface with the network stack of our own, as a guest does.

use futures_util::future::select;
use kalends_tls_frontend::{
    host::{Tap, TapIdle},
    stack::{Stack, StackNetwork, StackOptions},
};
use std::{
    io::{self, Write},
    pin::{Pin, pin},
};

/// A stack on a tap interface.
pub(crate) struct TapInterface {
    name: String,
    stack: Stack<Tap>,
    idle: TapIdle,
}

impl TapInterface {
    /// Attaches to an interface; the error is one line.
    pub(crate) fn attach(name: &str, options: &StackOptions) -> Result<Self, String> {
        let configuration = options.configuration()?;
        let refused = |error: io::Error| match error.kind() {
            io::ErrorKind::PermissionDenied => format!(
                "cannot use tap interface {name}: {error}; \
                 `ip tuntap add {name} mode tap user $USER` (as root) makes one that you may use"
            ),
            _ => format!("cannot use tap interface {name}: {error}"),
        };
        let tap = Tap::attach(name).map_err(refused)?;
        let idle = tap.idle().map_err(refused)?;
        let stack = Stack::new(tap, &configuration).map_err(|error| error.to_string())?;
        Ok(Self { name: name.to_owned(), stack, idle })
    }

    pub(crate) fn network(&self) -> StackNetwork {
        self.stack.network()
    }

    /// Runs a future to its end; says meanwhile which addresses the interface has got.
    pub(crate) fn block_on(&mut self, future: Pin<&mut dyn Future<Output = ()>>) {
        let network = self.stack.network();
        let announce = async {
            let addresses = network.configured().await;
            let addresses: Vec<_> =
                addresses.iter().map(|(address, length)| format!("{address}/{length}")).collect();
            // Whoever started the program may have stopped listening to it, which is no reason to stop.
            let _ = writeln!(io::stdout(), "{} has {}.", self.name, addresses.join(" and "));
            std::future::pending::<()>().await;
        };
        self.stack.block_on(&mut self.idle, select(future, pin!(announce)));
    }
}
