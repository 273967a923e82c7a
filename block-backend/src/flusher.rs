//! fdatasync on a thread of its own, so that the executor goes on meanwhile.

use crate::{DeviceError, FlushFuture};
use std::{
    fs::File,
    future::poll_fn,
    io,
    sync::{Arc, Mutex, OnceLock, PoisonError, mpsc},
    task::{Poll, Waker},
};

/// Flushes one file, from the calling thread or from its own.
pub(crate) struct Flusher {
    shared: Arc<Shared>,
    /// Started with the first asynchronous flush.
    thread: OnceLock<mpsc::Sender<Arc<Request>>>,
}

struct Shared {
    file: Arc<File>,
    /// The first failure. The lock is held during fdatasync: the kernel reports an error to one caller
    /// only, so two at once could hide it from one of them.
    syncing: Mutex<()>,
    failure: OnceLock<(io::ErrorKind, String)>,
}

#[derive(Default)]
struct Request(Mutex<RequestState>);

#[derive(Default)]
struct RequestState {
    result: Option<Result<(), io::Error>>,
    waker: Option<Waker>,
}

impl Flusher {
    pub(crate) fn new(file: Arc<File>) -> Self {
        let shared = Shared { file, syncing: Mutex::new(()), failure: OnceLock::new() };
        Self { shared: Arc::new(shared), thread: OnceLock::new() }
    }

    /// Fails if a flush has ever failed.
    pub(crate) fn check(&self) -> io::Result<()> {
        self.shared.check()
    }

    pub(crate) fn flush(&self) -> io::Result<()> {
        self.shared.flush()
    }

    pub(crate) fn flush_async(&self) -> FlushFuture {
        let request = Arc::new(Request::default());
        let thread = self.thread.get_or_init(|| start(self.shared.clone()));
        if thread.send(request.clone()).is_err() {
            // There is no thread (the host refused one): flush here.
            request.complete(self.shared.flush());
        }
        Box::pin(poll_fn(move |context| {
            let mut state = request.0.lock().unwrap_or_else(PoisonError::into_inner);
            match state.result.take() {
                Some(result) => Poll::Ready(result.map_err(DeviceError::Io)),
                None => {
                    state.waker = Some(context.waker().clone());
                    Poll::Pending
                }
            }
        }))
    }
}

impl Shared {
    fn check(&self) -> io::Result<()> {
        match self.failure.get() {
            Some((kind, text)) => Err(io::Error::new(*kind, format!("an earlier flush failed: {text}"))),
            None => Ok(()),
        }
    }

    fn flush(&self) -> io::Result<()> {
        let _syncing = self.syncing.lock().unwrap_or_else(PoisonError::into_inner);
        self.check()?;
        self.file.sync_data().inspect_err(|error| {
            let _ = self.failure.set((error.kind(), error.to_string()));
        })
    }
}

impl Request {
    fn complete(&self, result: io::Result<()>) {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        state.result = Some(result);
        let waker = state.waker.take();
        drop(state);
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

/// Starts the thread; it ends when the device is dropped.
fn start(shared: Arc<Shared>) -> mpsc::Sender<Arc<Request>> {
    let (sender, receiver) = mpsc::channel::<Arc<Request>>();
    // When no thread can be had the receiver is dropped, and sending fails.
    let _ = std::thread::Builder::new().name("flusher".into()).spawn(move || {
        while let Ok(first) = receiver.recv() {
            // One fdatasync serves all who wait by now.
            let waiting: Vec<_> = std::iter::once(first).chain(receiver.try_iter()).collect();
            let result = shared.flush();
            for request in waiting {
                request.complete(match &result {
                    Ok(()) => Ok(()),
                    Err(error) => Err(io::Error::new(error.kind(), error.to_string())),
                });
            }
        }
    });
    sender
}
