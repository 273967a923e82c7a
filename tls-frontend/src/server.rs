//! The server: accepts, shakes hands, serves, within its limits.

use crate::{
    Handler, Limits, Listener, Network,
    handler::{RequestBody, ResponseBody},
    http::{GuardedStream, HyperStream, HyperTimer, LocalTasks, PacedBody, ReturnedBody, read_rest},
};
use async_executor::LocalExecutor;
use futures_rustls::TlsAcceptor;
use futures_util::{
    future::{Either, select},
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
};
use http::{Request, Response};
use hyper::{
    body::Incoming,
    server::conn::{http1, http2},
    service::service_fn,
};
use rustls::ServerConfig;
use std::{
    cell::{Cell, RefCell},
    collections::HashMap,
    convert::Infallible,
    future::Future,
    io,
    net::{IpAddr, SocketAddr},
    pin::{Pin, pin},
    rc::Rc,
    sync::Arc,
    task::{Context, Poll, Waker},
    time::{Duration, Instant},
};

/// A refused request's body of at most so many bytes is read before the answer: some clients take an answer
/// that comes earlier, and over HTTP/2 the end of the stream with it, for a failure.
const UNREAD_BODY: u64 = 64 << 10;
/// Longest wait for it.
const UNREAD_TIME: Duration = Duration::from_secs(2);

/// Tells all parts of a server to end. Cloning gives the same signal.
#[derive(Clone, Default)]
pub struct Shutdown(Rc<ShutdownState>);

#[derive(Default)]
struct ShutdownState {
    begun: Cell<bool>,
    wakers: RefCell<Vec<Waker>>,
}

impl Shutdown {
    /// Begins to shut down.
    pub fn begin(&self) {
        self.0.begun.set(true);
        for waker in self.0.wakers.borrow_mut().drain(..) {
            waker.wake();
        }
    }

    /// Whether shutdown has begun.
    pub fn begun(&self) -> bool {
        self.0.begun.get()
    }

    /// Resolves when shutdown has begun.
    pub fn wait(&self) -> impl Future<Output = ()> + Unpin + use<> {
        let state = self.0.clone();
        std::future::poll_fn(move |context| {
            if state.begun.get() {
                return Poll::Ready(());
            }
            let mut wakers = state.wakers.borrow_mut();
            if !wakers.iter().any(|waker| waker.will_wake(context.waker())) {
                wakers.push(context.waker().clone());
            }
            Poll::Pending
        })
    }
}

/// An HTTPS server over one network and one handler.
pub struct Server<N, H> {
    shared: Rc<Shared<N, H>>,
}

struct Shared<N, H> {
    network: N,
    tls: TlsAcceptor,
    handler: H,
    limits: Limits,
    tasks: Rc<LocalExecutor<'static>>,
    shutdown: Shutdown,
    connections: Cell<usize>,
    by_address: RefCell<HashMap<IpAddr, usize>>,
    idle: RefCell<Option<Waker>>,
}

impl<N: Network, H: Handler> Server<N, H> {
    /// A server that does nothing before [`run`](Self::run).
    pub fn new(network: N, tls: Arc<ServerConfig>, handler: H, limits: Limits, shutdown: Shutdown) -> Self {
        let shared = Shared {
            network,
            tls: tls.into(),
            handler,
            limits,
            tasks: Rc::new(LocalExecutor::new()),
            shutdown,
            connections: Cell::new(0),
            by_address: RefCell::default(),
            idle: RefCell::default(),
        };
        Self { shared: Rc::new(shared) }
    }

    /// Serves until shutdown, then lets requests under way end, for as long as the limits say.
    pub async fn run(&self, listeners: Vec<N::Listener>) {
        let shared = &self.shared;
        for listener in listeners {
            shared.tasks.spawn(accept(shared.clone(), listener)).detach();
        }
        let end = async {
            shared.shutdown.wait().await;
            let grace = shared.network.sleep(shared.limits.shutdown);
            let idle = std::future::poll_fn(|context| {
                if shared.connections.get() == 0 {
                    return Poll::Ready(());
                }
                *shared.idle.borrow_mut() = Some(context.waker().clone());
                Poll::Pending
            });
            select(grace, pin!(idle)).await;
        };
        shared.tasks.run(end).await;
    }
}

async fn accept<N: Network, H: Handler>(shared: Rc<Shared<N, H>>, listener: N::Listener) {
    loop {
        let accepted = match select(pin!(listener.accept()), shared.shutdown.wait()).await {
            Either::Left((accepted, _)) => accepted,
            Either::Right(_) => return,
        };
        match accepted {
            Ok((stream, peer)) => {
                // Over the limit the connection is closed at once: a queue would only hide it.
                if let Some(slot) = Slot::take(&shared, peer.ip()) {
                    let shared = shared.clone();
                    let tasks = shared.tasks.clone();
                    tasks.spawn(connection(shared, stream, peer, slot)).detach();
                }
            }
            // The peer has gone already, or descriptors have run out: waiting is what helps.
            Err(_) => shared.network.sleep(Duration::from_millis(50)).await,
        }
    }
}

/// A connection's place within the limits, given back when dropped.
struct Slot<N, H> {
    shared: Rc<Shared<N, H>>,
    address: IpAddr,
}

impl<N, H> Slot<N, H> {
    fn take(shared: &Rc<Shared<N, H>>, address: IpAddr) -> Option<Self> {
        if shared.connections.get() >= shared.limits.connections {
            return None;
        }
        let mut by_address = shared.by_address.borrow_mut();
        let count = by_address.entry(address).or_default();
        if *count >= shared.limits.connections_per_address {
            return None;
        }
        *count += 1;
        shared.connections.set(shared.connections.get() + 1);
        Some(Self { shared: shared.clone(), address })
    }
}

impl<N, H> Drop for Slot<N, H> {
    fn drop(&mut self) {
        self.shared.connections.set(self.shared.connections.get() - 1);
        let mut by_address = self.shared.by_address.borrow_mut();
        if let Some(count) = by_address.get_mut(&self.address) {
            *count -= 1;
            if *count == 0 {
                by_address.remove(&self.address);
            }
        }
        if let Some(waker) = self.shared.idle.borrow_mut().take() {
            waker.wake();
        }
    }
}

async fn connection<N: Network, H: Handler, S: AsyncRead + AsyncWrite + Unpin + 'static>(
    shared: Rc<Shared<N, H>>,
    stream: S,
    peer: SocketAddr,
    slot: Slot<N, H>,
) {
    let handshake = handshake(&shared, stream);
    let deadline = shared.network.sleep(shared.limits.handshake);
    let stream = match select(pin!(handshake), deadline).await {
        Either::Left((Ok(stream), _)) => stream,
        // No TLS, no one to tell: a peer that fails here has had its alert from rustls.
        Either::Left((Err(_), _)) | Either::Right(_) => return,
    };
    let http2 = stream.get_ref().1.alpn_protocol() == Some(b"h2");
    let activity = Rc::new(Activity { requests: Cell::new(0), last: Cell::new(Instant::now()) });
    let service = {
        let shared = shared.clone();
        let activity = activity.clone();
        service_fn(move |request| respond(shared.clone(), activity.clone(), peer, request))
    };
    let stream = HyperStream::new(stream);
    let timer = HyperTimer(shared.network.clone());
    let limits = &shared.limits;
    if http2 {
        let connection = http2::Builder::new(LocalTasks(shared.tasks.clone()))
            .timer(timer)
            .max_concurrent_streams(limits.concurrent_streams)
            .initial_stream_window_size(limits.body_window)
            .initial_connection_window_size(limits.body_window)
            .max_header_list_size(u32::try_from(limits.header_bytes).unwrap_or(u32::MAX))
            .keep_alive_interval(limits.idle / 4)
            .keep_alive_timeout(limits.handshake)
            .serve_connection(stream, service);
        drive(&shared, &activity, connection, |connection| connection.graceful_shutdown()).await;
    } else {
        // Not pipeline_flush: with it hyper buffers a response without bound when the peer does not read.
        let connection = http1::Builder::new()
            .timer(timer)
            .header_read_timeout(limits.header)
            .max_headers(limits.header_fields)
            .max_buf_size(limits.header_bytes)
            .serve_connection(stream, service);
        drive(&shared, &activity, connection, |connection| connection.graceful_shutdown()).await;
    }
    drop(slot);
}

/// What a connection is doing, so that an idle one can be told to end.
struct Activity {
    requests: Cell<usize>,
    last: Cell<Instant>,
}

async fn drive<N: Network, H, C: Future>(
    shared: &Shared<N, H>,
    activity: &Activity,
    connection: C,
    graceful_shutdown: impl Fn(Pin<&mut C>),
) {
    let mut connection = pin!(connection);
    let mut shutdown = Some(shared.shutdown.wait());
    let mut idle = Some(shared.network.sleep(shared.limits.idle));
    std::future::poll_fn(|context: &mut Context<'_>| {
        if connection.as_mut().poll(context).is_ready() {
            return Poll::Ready(());
        }
        if let Some(signal) = &mut shutdown
            && Pin::new(signal).poll(context).is_ready()
        {
            (shutdown, idle) = (None, None);
            graceful_shutdown(connection.as_mut());
            context.waker().wake_by_ref();
        }
        while let Some(sleep) = &mut idle
            && Pin::new(sleep).poll(context).is_ready()
        {
            let unused = match activity.requests.get() {
                0 => activity.last.get().elapsed(),
                _ => Duration::ZERO,
            };
            if unused >= shared.limits.idle {
                idle = None;
                graceful_shutdown(connection.as_mut());
                context.waker().wake_by_ref();
            } else {
                idle = Some(shared.network.sleep(shared.limits.idle - unused));
            }
        }
        Poll::Pending
    })
    .await;
}

async fn handshake<N: Network, H, S: AsyncRead + AsyncWrite + Unpin>(
    shared: &Shared<N, H>,
    mut stream: S,
) -> io::Result<futures_rustls::server::TlsStream<GuardedStream<S, N>>> {
    const HANDSHAKE_RECORD: u8 = 22;
    /// Bytes that are read at first: the opening message of nearly every client.
    const CLIENT_HELLO: usize = 2048;
    let mut first = vec![0; CLIENT_HELLO];
    let length = stream.read(&mut first).await?;
    if length == 0 {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    first.truncate(length);
    if first[0] != HANDSHAKE_RECORD && first[0].is_ascii_alphabetic() {
        let text = "This server speaks HTTPS: use a URL that begins with https://\n";
        let answer = format!(
            "HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: {}\r\n\
             Connection: close\r\n\r\n{text}",
            text.len()
        );
        stream.write_all(answer.as_bytes()).await?;
        stream.close().await?;
        return Err(io::ErrorKind::InvalidData.into());
    }
    let stream = GuardedStream::new(stream, shared.network.clone(), first, shared.limits.write_stall);
    shared.tls.accept(stream).await
}

async fn respond<N: Network, H: Handler>(
    shared: Rc<Shared<N, H>>,
    activity: Rc<Activity>,
    peer: SocketAddr,
    request: Request<Incoming>,
) -> Result<Response<ResponseBody>, Infallible> {
    let _active = Active::begin(activity);
    let (mut parts, body) = request.into_parts();
    parts.extensions.insert(peer);
    let waits = parts.headers.contains_key(http::header::EXPECT);
    let left = Rc::new(Cell::new(None));
    let body = PacedBody::new(body, shared.network.clone(), &shared.limits);
    let body: RequestBody = Box::pin(ReturnedBody::new(body, left.clone()));
    let response = shared.handler.handle(Request::from_parts(parts, body)).await;
    // Whoever waits for 100 Continue has not sent anything yet.
    if let (Some(rest), false) = (left.take(), waits) {
        select(pin!(read_rest(rest, UNREAD_BODY)), shared.network.sleep(UNREAD_TIME)).await;
    }
    Ok(response)
}

struct Active(Rc<Activity>);

impl Active {
    fn begin(activity: Rc<Activity>) -> Self {
        activity.requests.set(activity.requests.get() + 1);
        Self(activity)
    }
}

impl Drop for Active {
    fn drop(&mut self) {
        self.0.requests.set(self.0.requests.get() - 1);
        self.0.last.set(Instant::now());
    }
}
