//! A Linux with an emulated KVM that runs the hvt guests of this test process: one boot for all of them.
//!
//! Guests share QEMU's network by a bridge, each with an address and a forwarded port of its own; their disks
//! are plugged in and pulled out.

use super::qmp::Qmp;
use crate::{TemporaryDirectory, image::image, linux::Linux, process, server::program, target::free_ports};
use std::{
    io::{self, Write},
    os::unix::net::UnixStream,
    path::Path,
    process::{Command, Stdio},
    sync::{
        Mutex, MutexGuard, OnceLock, PoisonError,
        mpsc::{self, Receiver},
    },
    thread,
    time::{Duration, Instant},
};

/// How many guests there may be at once, each with 256 MiB.
const PLACES: usize = 4;

/// Longest wait for QEMU to start, for Linux to boot, and for a guest to end.
const PATIENCE: Duration = Duration::from_secs(120);

/// The machine, and the places that are free in it.
struct Nested {
    qmp: Mutex<Qmp>,
    free: Mutex<Vec<Place>>,
}

/// Where one guest at a time runs.
#[derive(Debug)]
struct Place {
    number: usize,
    /// The port of loopback that QEMU forwards.
    port: u16,
    shell: UnixStream,
    lines: Receiver<String>,
}

/// A place that a test has taken, until it is dropped. A guest in it is killed then.
#[derive(Debug)]
pub(crate) struct Guest {
    place: Option<Place>,
    is_plugged: bool,
    said: Vec<String>,
}

fn nested() -> &'static Nested {
    static NESTED: OnceLock<Nested> = OnceLock::new();
    NESTED.get_or_init(boot)
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn boot() -> Nested {
    let linux = Linux::new(&["virtio_pci", "virtio_blk", "virtio_net", "virtio_console", "bridge"]);
    linux.program(program().to_str().unwrap());
    linux.file(&image("hvt"), "image");
    linux.script("place.sh", include_str!("place.sh"));
    // A bridge holds new ports back for a while unless it is told not to.
    let (qemu, _packed) = linux.qemu(&[
        "brctl addbr br0; brctl setfd br0 0; brctl addif br0 eth0".into(),
        "ip link set eth0 up; ip link set br0 up".into(),
        format!("for number in $(seq 0 {}); do", PLACES - 1),
        "tunctl -t tap$number; brctl addif br0 tap$number; ip link set tap$number up".into(),
        "/place.sh $number &".into(),
        "done; wait".into(),
    ]);
    let (sockets, ports) = (TemporaryDirectory::new(), free_ports(PLACES));
    // QEMU must not outlive this process, which has no chance to end it.
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", "KILL"]).arg(qemu.get_program()).args(qemu.get_args());
    command.args(["-m", "1536", "-smp", "2", "-serial", "stdio", "-device", "virtio-serial-pci"]);
    let mut network = "user,id=net,net=10.0.2.0/24".to_owned();
    let socket = |name: &str| format!("path={},server=on,wait=off", sockets.join(name).display());
    command.args(["-chardev", &format!("socket,id=qmp,{}", socket("qmp")), "-mon", "qmp,mode=control"]);
    for (number, port) in ports.iter().enumerate() {
        network += &format!(",hostfwd=tcp:127.0.0.1:{port}-{}:443", address(number));
        let name = format!("place{number}");
        command.args(["-chardev", &format!("socket,id={name},{}", socket(&name))]);
        command.args(["-device", &format!("virtserialport,chardev={name},nr={}", number + 1)]);
    }
    command.args(["-netdev", &network, "-device", "virtio-net-pci,netdev=net"]);
    let console = start(command);
    let connect = |name: &str| {
        connect(&sockets.join(name)).unwrap_or_else(|error| {
            panic!("QEMU does not start: {error}: {:#?}", console.try_iter().collect::<Vec<_>>())
        })
    };
    // What QEMU reads at its start it has read when it answers.
    let qmp = Mutex::new(Qmp::new(connect("qmp")).expect("QEMU answers"));
    let places = (0..PLACES).map(|number| {
        let shell = connect(&format!("place{number}"));
        let lines = process::lines(shell.try_clone().unwrap());
        Place { number, port: ports[number], shell, lines }
    });
    let places: Vec<_> = places.collect();
    for place in &places {
        let line = place.lines.recv_timeout(PATIENCE);
        assert!(line.is_ok(), "Linux does not boot: {:#?}", console.try_iter().collect::<Vec<_>>());
    }
    Nested { qmp, free: Mutex::new(places) }
}

/// Starts it from a thread that stays, as it ends with the thread that started it; gives what it says.
fn start(mut command: Command) -> Receiver<String> {
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::inherit());
    let (send, console) = mpsc::channel();
    thread::spawn(move || {
        let mut process = command.spawn().expect("setpriv, of util-linux, is installed");
        let _ = send.send(process::lines(process.stdout.take().unwrap()));
        let _ = process.wait();
    });
    console.recv().expect("the thread answers")
}

/// Connects to a socket that QEMU is about to make.
fn connect(socket: &Path) -> io::Result<UnixStream> {
    let end = Instant::now() + PATIENCE;
    loop {
        match UnixStream::connect(socket) {
            Err(_) if Instant::now() < end => thread::sleep(Duration::from_millis(10)),
            result => return result,
        }
    }
}

/// The address of the guest in a place.
fn address(place: usize) -> String {
    format!("10.0.2.{}", 100 + place)
}

impl Guest {
    /// Takes a place; there is no guest in it yet.
    pub(crate) fn new() -> Self {
        let place = lock(&nested().free).pop();
        let place =
            place.unwrap_or_else(|| panic!("more than {PLACES} guests at once: use fewer --test-threads"));
        Self { place: Some(place), is_plugged: false, said: Vec::new() }
    }

    fn place(&mut self) -> &mut Place {
        self.place.as_mut().expect("it is there until the drop")
    }

    /// The port of loopback that leads to its port 443.
    pub(crate) fn port(&mut self) -> u16 {
        self.place().port
    }

    /// Boots a guest on a device; gives the lines of its console.
    ///
    /// # Errors
    /// When the machine that it runs in does not work.
    pub(crate) fn boot(&mut self, device: &Path) -> io::Result<&Receiver<String>> {
        let number = self.place().number;
        lock(&nested().qmp).plug(device, &format!("place{number}"))?;
        self.is_plugged = true;
        self.tell(&format!("boot --ipv4={}/24 --ipv6=off --hostname=localhost", address(number)))?;
        Ok(&self.place().lines)
    }

    /// Ends the guest with SIGKILL for its tender, and lets its device go.
    ///
    /// # Errors
    /// When the machine that it runs in does not work.
    pub(crate) fn kill(&mut self) -> io::Result<()> {
        if self.is_plugged {
            self.tell("kill")?;
            self.await_line(&["ended"])?;
            let name = format!("place{}", self.place().number);
            lock(&nested().qmp).unplug(&name)?;
            self.is_plugged = false;
        }
        Ok(())
    }

    /// Whether the tender still runs.
    ///
    /// # Errors
    /// When the machine that it runs in does not work.
    pub(crate) fn is_running(&mut self) -> io::Result<bool> {
        self.tell("ask")?;
        Ok(self.await_line(&["running", "not running"])? == "running")
    }

    /// What the guest has said after what [`Self::boot`] gave to read.
    pub(crate) fn said(&self) -> String {
        let lines = self.place.iter().flat_map(|place| place.lines.try_iter());
        self.said.iter().cloned().chain(lines).collect::<Vec<_>>().join("\n")
    }

    fn tell(&mut self, command: &str) -> io::Result<()> {
        self.place().shell.write_all(format!("{command}\n").as_bytes())
    }

    fn await_line(&mut self, any: &[&str]) -> io::Result<String> {
        let end = Instant::now() + PATIENCE;
        loop {
            let wait = end.saturating_duration_since(Instant::now());
            let line = self.place().lines.recv_timeout(wait).map_err(io::Error::other)?;
            if any.contains(&line.trim()) {
                return Ok(line.trim().to_owned());
            }
            self.said.push(line);
        }
    }
}

impl Drop for Guest {
    fn drop(&mut self) {
        // A place that does not work any more is not given to others.
        let is_well = self.kill().is_ok();
        if let Some(place) = self.place.take().filter(|_| is_well) {
            lock(&nested().free).push(place);
        }
    }
}
