//! An spt guest as a process.

use kalends_interop_tests::{
    client::Connection,
    namespace::{GUEST, Namespace},
    process,
    server::PASSWORD,
    target::tender,
};
use std::{
    io::{BufRead, BufReader},
    net::SocketAddr,
    path::Path,
    process::{Child, Stdio},
    thread,
    time::{Duration, Instant},
};

/// A running guest. Killed when dropped.
pub(crate) struct Guest(Child);

impl Guest {
    /// Starts one with so many MiB, and waits until it is ready; `None` when it ends instead.
    pub(crate) fn start(namespace: &Namespace, device: &Path, memory: u32) -> Option<Self> {
        let mut command = tender("spt", namespace, device, memory);
        command.arg(format!("--ipv4={GUEST}/24")).args(["--ipv6=off", "--hostname=localhost"]);
        let mut guest = Self(command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap());
        let mut lines = BufReader::new(guest.0.stdout.take().unwrap()).lines().map_while(Result::ok);
        lines.by_ref().find(|line| line == "Ready.")?;
        // Lest it writes into a closed pipe.
        thread::spawn(move || lines.for_each(drop));
        Some(guest)
    }

    /// Whether it still runs.
    pub(crate) fn is_running(&mut self) -> bool {
        self.0.try_wait().unwrap().is_none()
    }

    /// The process id.
    pub(crate) fn id(&self) -> u32 {
        self.0.id()
    }

    /// The processor time that it takes while something is done.
    pub(crate) fn processor_time_while(&self, act: impl FnOnce()) -> Duration {
        let before = process::processor_time(self.id());
        act();
        process::processor_time(self.id()) - before
    }
}

impl Drop for Guest {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Does something in the namespace.
pub(crate) fn within<T: Send>(namespace: &Namespace, act: impl FnOnce() -> T + Send) -> T {
    thread::scope(|scope| {
        let inside = scope.spawn(|| {
            namespace.enter();
            act()
        });
        inside.join().unwrap()
    })
}

/// A connection to the guest, from within the namespace.
pub(crate) fn connect(authority: &Path) -> std::io::Result<Connection> {
    let address = SocketAddr::new(GUEST.parse().unwrap(), 443);
    Ok(Connection::secure_to(address, GUEST, authority)?.with_credentials("ada", PASSWORD))
}

/// Time from the start of the tender to the first whole answer.
pub(crate) fn boot(namespace: &Namespace, device: &Path, authority: &Path) -> Duration {
    within(namespace, || {
        let start = Instant::now();
        let _guest = Guest::start(namespace, device, crate::memory::MEMORY).expect("it boots");
        let response =
            connect(authority).and_then(|mut guest| guest.request("GET", "/kalends-ca.pem", &[], b""));
        let elapsed = start.elapsed();
        assert_eq!(response.unwrap().status, 200);
        elapsed
    })
}
