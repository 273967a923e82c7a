//! A device whose flushes take as long as those of another disk.

use kalends_block_backend::{BlockDevice, DeviceError, Durability, FlushFuture};
use std::{
    future::poll_fn,
    rc::Rc,
    sync::{Arc, Mutex, PoisonError, mpsc},
    task::{Poll, Waker, ready},
    thread,
    time::{Duration, Instant},
};

/// Passes everything on to another device; a flush of that one that is quicker than this one's is waited for on
/// a thread beside the executor's, as a disk would be.
pub(crate) struct SlowFlush {
    below: Rc<dyn BlockDevice>,
    least: Duration,
    /// To the thread that waits; it ends with the device.
    waits: mpsc::Sender<(Instant, Arc<Wait>)>,
}

/// Until when a flush is not over.
#[derive(Default)]
struct Wait(Mutex<WaitState>);

#[derive(Default)]
struct WaitState {
    over: bool,
    waker: Option<Waker>,
}

impl SlowFlush {
    /// Flushes take `least` or more.
    pub(crate) fn new(below: Rc<dyn BlockDevice>, least: Duration) -> Self {
        let (waits, receiver) = mpsc::channel::<(Instant, Arc<Wait>)>();
        thread::spawn(move || {
            // All take equally long: who began first is over first.
            for (end, wait) in receiver {
                thread::sleep(end.saturating_duration_since(Instant::now()));
                let waker = {
                    let mut state = wait.0.lock().unwrap_or_else(PoisonError::into_inner);
                    state.over = true;
                    state.waker.take()
                };
                waker.into_iter().for_each(Waker::wake);
            }
        });
        Self { below, least, waits }
    }
}

impl BlockDevice for SlowFlush {
    fn block_size(&self) -> u32 {
        self.below.block_size()
    }

    fn capacity(&self) -> u64 {
        self.below.capacity()
    }

    fn read(&self, offset: u64, buffer: &mut [u8]) -> Result<(), DeviceError> {
        self.below.read(offset, buffer)
    }

    fn write(&self, offset: u64, data: &[u8]) -> Result<(), DeviceError> {
        self.below.write(offset, data)
    }

    fn flush(&self) -> Result<(), DeviceError> {
        let start = Instant::now();
        self.below.flush()?;
        thread::sleep(self.least.saturating_sub(start.elapsed()));
        Ok(())
    }

    fn flush_async(&self) -> FlushFuture {
        let wait = Arc::new(Wait::default());
        self.waits.send((Instant::now() + self.least, wait.clone())).expect("the thread waits for more");
        let mut flush = self.below.flush_async();
        let mut flushed = None;
        Box::pin(poll_fn(move |context| {
            if flushed.is_none() {
                flushed = Some(ready!(flush.as_mut().poll(context)));
            }
            let mut state = wait.0.lock().unwrap_or_else(PoisonError::into_inner);
            if !state.over {
                state.waker = Some(context.waker().clone());
                return Poll::Pending;
            }
            Poll::Ready(flushed.take().unwrap_or(Ok(())))
        }))
    }

    fn durability(&self) -> Durability {
        self.below.durability()
    }
}
