//! The stack and its loop.

use super::{
    configuration::StackConfiguration,
    core::Core,
    device_adapter::DeviceAdapter,
    network::{Shared, StackNetwork},
    packet_device::{Idle, PacketDevice},
};
use crate::{signal::Signal, timers::Timers};
use std::{
    fmt,
    future::Future,
    pin::pin,
    sync::{Arc, Mutex},
    task::{Context, Poll, Waker},
    time::Instant,
};

/// A TCP/IP stack above one network interface.
pub struct Stack<D> {
    adapter: DeviceAdapter<D>,
    shared: Arc<Shared>,
}

/// Why a stack cannot be made.
#[derive(Debug)]
pub enum StackError {
    /// The hardware address is not that of one interface.
    HardwareAddress([u8; 6]),
    /// The device's MTU is too small for IPv6 or too large for the stack.
    Mtu(usize),
    /// There are no random numbers to begin sequence numbers with.
    Entropy(getrandom::Error),
}

impl fmt::Display for StackError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::HardwareAddress([a, b, c, d, e, f]) => write!(
                formatter,
                "the network interface has the hardware address {a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{f:02x}, \
                 which is not a unicast address"
            ),
            Self::Mtu(mtu) => {
                write!(formatter, "the network interface has an MTU of {mtu}; it must be 1280 to 9000")
            }
            Self::Entropy(error) => write!(formatter, "no random numbers for the network: {error}"),
        }
    }
}

impl std::error::Error for StackError {}

impl<D: PacketDevice> Stack<D> {
    /// A stack on a device.
    ///
    /// # Errors
    /// When the device is unfit, or there are no random numbers.
    pub fn new(device: D, configuration: &StackConfiguration) -> Result<Self, StackError> {
        let (mac, mtu) = (device.mac(), device.mtu());
        if mac[0] & 1 == 1 || mac == [0; 6] {
            return Err(StackError::HardwareAddress(mac));
        }
        if !(1280..=9000).contains(&mtu) {
            return Err(StackError::Mtu(mtu));
        }
        let mut seed = [0; 8];
        getrandom::fill(&mut seed).map_err(StackError::Entropy)?;
        let mut adapter = DeviceAdapter::new(device);
        let core = Core::new(&mut adapter, configuration, u64::from_le_bytes(seed));
        let clock = configuration.clock.clone();
        let shared = Shared { core: Mutex::new(core), timers: Timers::new(clock.clone()), clock };
        Ok(Self { adapter, shared: Arc::new(shared) })
    }

    /// A handle for the program.
    pub fn network(&self) -> StackNetwork {
        StackNetwork { shared: self.shared.clone() }
    }

    /// The device below.
    pub fn device(&mut self) -> &mut D {
        self.adapter.device()
    }

    /// Takes and sends frames and fires timers, as far as possible without waiting; wakes the futures that
    /// can go on. Gives the instant by which to call it again. It also has to be called when a frame has
    /// arrived, and after futures have been polled, since they may have written something.
    pub fn turn(&mut self) -> Option<Instant> {
        let now = self.shared.clock.now();
        let due = self.shared.core().turn(&mut self.adapter, now);
        let timer = self.shared.timers.fire(now);
        [due, timer].into_iter().flatten().min()
    }

    /// Runs a future to its end on this thread. Everything spawned must be part of it.
    pub fn block_on<T>(&mut self, idle: &mut impl Idle, future: impl Future<Output = T>) -> T {
        let signal = Arc::new(Signal::new(idle.interrupt()));
        let waker = Waker::from(signal.clone());
        let mut context = Context::from_waker(&waker);
        let mut future = pin!(future);
        loop {
            if signal.take()
                && let Poll::Ready(value) = future.as_mut().poll(&mut context)
            {
                // What it wrote last must leave.
                self.turn();
                return value;
            }
            let until = self.turn();
            signal.wait(|woken| {
                if !woken && until.is_none_or(|until| until > self.shared.clock.now()) {
                    idle.wait(until);
                }
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{
        sync::atomic::{AtomicBool, Ordering},
        task::Wake,
    };

    struct Unplugged([u8; 6], usize);

    impl PacketDevice for Unplugged {
        fn mac(&self) -> [u8; 6] {
            self.0
        }

        fn mtu(&self) -> usize {
            self.1
        }

        fn receive(&mut self, _frame: &mut [u8]) -> Option<usize> {
            None
        }

        fn send(&mut self, _frame: &[u8]) -> bool {
            true
        }
    }

    /// Lets another thread wake the loop while it waits, as the flusher of a device does.
    struct Park;

    impl Idle for Park {
        fn wait(&mut self, until: Option<Instant>) {
            match until {
                Some(until) => std::thread::park_timeout(until.saturating_duration_since(Instant::now())),
                None => std::thread::park(),
            }
        }

        fn interrupt(&self) -> Option<Waker> {
            struct Unpark(std::thread::Thread);

            impl Wake for Unpark {
                fn wake(self: Arc<Self>) {
                    self.0.unpark();
                }
            }

            Some(Arc::new(Unpark(std::thread::current())).into())
        }
    }

    const MAC: [u8; 6] = [2, 0, 0, 0, 0, 1];

    fn stack(mac: [u8; 6], mtu: usize) -> Result<Stack<Unplugged>, StackError> {
        let configuration = StackConfiguration {
            ipv4: crate::stack::Ipv4::Off,
            ipv6: crate::stack::Ipv6::Off,
            ..StackConfiguration::default()
        };
        Stack::new(Unplugged(mac, mtu), &configuration)
    }

    #[test]
    fn unfit_devices_are_refused() {
        for mac in [[0; 6], [0xff; 6], [1, 0, 0, 0, 0, 1]] {
            assert!(matches!(stack(mac, 1500), Err(StackError::HardwareAddress(refused)) if refused == mac));
        }
        for mtu in [0, 1279, 9001, usize::MAX] {
            assert!(matches!(stack(MAC, mtu), Err(StackError::Mtu(refused)) if refused == mtu));
        }
        assert!(stack(MAC, 1280).is_ok());
    }

    #[test]
    fn another_thread_wakes_the_loop() {
        let (sender, receiver) = std::sync::mpsc::channel::<Waker>();
        let done = Arc::new(AtomicBool::new(false));
        let thread = std::thread::spawn({
            let done = done.clone();
            move || {
                for waker in receiver {
                    std::thread::sleep(std::time::Duration::from_millis(20));
                    done.store(true, Ordering::SeqCst);
                    waker.wake();
                }
            }
        });
        let mut sender = Some(sender);
        stack(MAC, 1500).unwrap().block_on(
            &mut Park,
            std::future::poll_fn(|context| {
                if let Some(sender) = sender.take() {
                    sender.send(context.waker().clone()).unwrap();
                }
                if done.load(Ordering::SeqCst) { Poll::Ready(()) } else { Poll::Pending }
            }),
        );
        thread.join().unwrap();
    }
}
