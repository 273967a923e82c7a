//! Serving on a tap interface with the network stack of our own, as a guest does.

use kalends_tls_frontend::{
    host::{Tap, TapIdle},
    stack::{Stack, StackNetwork, StackOptions},
};
use std::{io, pin::Pin};

/// A stack on a tap interface.
pub(crate) struct TapInterface {
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
        Ok(Self { stack, idle })
    }

    pub(crate) fn network(&self) -> StackNetwork {
        self.stack.network()
    }

    /// Runs a future to its end.
    pub(crate) fn block_on(&mut self, future: Pin<&mut dyn Future<Output = ()>>) {
        self.stack.block_on(&mut self.idle, future);
    }
}
