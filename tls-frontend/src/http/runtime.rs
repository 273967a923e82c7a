//! Tasks and timers as hyper asks for them.

use crate::Network;
use async_executor::LocalExecutor;
use hyper::rt::{Executor, Sleep, Timer};
use std::{
    future::Future,
    pin::Pin,
    rc::Rc,
    time::{Duration, Instant},
};

/// Spawns hyper's `!Send` tasks (one for each HTTP/2 stream).
#[derive(Clone)]
pub(crate) struct LocalTasks(pub(crate) Rc<LocalExecutor<'static>>);

impl<F: Future + 'static> Executor<F> for LocalTasks
where
    F::Output: 'static,
{
    fn execute(&self, future: F) {
        self.0.spawn(future).detach();
    }
}

/// The network's timers.
#[derive(Clone)]
pub(crate) struct HyperTimer<N>(pub(crate) N);

struct HyperSleep<S>(S);

impl<S: Future<Output = ()> + Unpin> Future for HyperSleep<S> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut std::task::Context<'_>) -> std::task::Poll<()> {
        Pin::new(&mut self.0).poll(context)
    }
}

impl<S: Future<Output = ()> + Send + Sync + Unpin> Sleep for HyperSleep<S> {}

impl<N: Network> Timer for HyperTimer<N> {
    fn sleep(&self, duration: Duration) -> Pin<Box<dyn Sleep>> {
        Box::pin(HyperSleep(self.0.sleep(duration)))
    }

    fn sleep_until(&self, deadline: Instant) -> Pin<Box<dyn Sleep>> {
        self.sleep(deadline.saturating_duration_since(Instant::now()))
    }
}
