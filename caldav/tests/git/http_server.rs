//! Just enough of HTTP/1.1 for git: one request a connection, one connection at a time, on one thread.

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Request, Response};
use http_body_util::BodyExt;
use kalends_block_backend::MemoryDevice;
use kalends_caldav::{RequestBody, ResponseBody, Service, ServiceOptions, full, realm::Realm};
use kalends_store::{FormatOptions, ReferenceUpdate, Repository, Store};
use std::{
    future::Future,
    io::{self, BufRead, BufReader, Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    pin::pin,
    rc::Rc,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
        mpsc,
    },
    task::{Context, Poll, Wake, Waker},
    thread::{self, JoinHandle, Thread},
};

/// Runs a future on this thread.
pub(crate) fn block_on<F: Future>(future: F) -> F::Output {
    struct Unpark(Thread);
    impl Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    let mut future = pin!(future);
    loop {
        match future.as_mut().poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(output) => return output,
            Poll::Pending => thread::park(),
        }
    }
}

/// Takes the first calendar away again, so that a test decides over the whole history.
fn make_empty(repository: &Repository) {
    let mut transaction = repository.transaction();
    let name = repository.head().to_owned();
    let expected = repository.latest_reference(&name);
    transaction.update_reference(ReferenceUpdate { name, expected, new: None });
    block_on(transaction.submit().unwrap()).unwrap();
}

type Job = Box<dyn FnOnce(&Store) + Send>;

/// A server with users `ada` (administrator) and `bob`, whose passwords are `a-secret`.
pub(crate) struct TestServer {
    pub(crate) address: SocketAddr,
    stop: Arc<AtomicBool>,
    jobs: mpsc::Sender<Job>,
    thread: Option<JoinHandle<()>>,
}

impl TestServer {
    pub(crate) fn start() -> Self {
        Self::start_with(None)
    }

    /// A server that gives one push so many bytes of memory.
    pub(crate) fn start_with(push_memory: Option<u64>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = stop.clone();
        let (jobs, todo) = mpsc::channel::<Job>();
        let thread = thread::spawn(move || {
            let device = Rc::new(MemoryDevice::new(512 << 20));
            let store = Store::format(device, &FormatOptions::default()).unwrap();
            let realm = Realm::open(store.clone()).unwrap();
            for user in ["ada", "bob"] {
                realm.set_password(user, "a-secret").unwrap();
                make_empty(&store.repository(user).unwrap());
            }
            let options =
                ServiceOptions { hostname: "localhost".into(), push_memory, ..ServiceOptions::default() };
            let service = Service::new(store.clone(), realm, options);
            for stream in listener.incoming() {
                todo.try_iter().for_each(|job| job(&store));
                if stopped.load(Ordering::SeqCst) {
                    break;
                }
                // A client that goes away is no failure of the server.
                let _ = serve(&service, stream.unwrap());
            }
        });
        Self { address, stop, jobs, thread: Some(thread) }
    }

    /// The address of a user's repository, with credentials.
    pub(crate) fn url(&self, user: &str, repository: &str) -> String {
        format!("http://{user}:a-secret@{}/git/{repository}", self.address)
    }

    /// Looks at the store, between requests.
    pub(crate) fn inspect<T: Send + 'static>(&self, look: impl FnOnce(&Store) -> T + Send + 'static) -> T {
        let (send, receive) = mpsc::channel();
        let job = Box::new(move |store: &Store| send.send(look(store)).unwrap());
        self.jobs.send(job).unwrap();
        TcpStream::connect(self.address).unwrap();
        receive.recv().unwrap()
    }

    /// One request of bytes as given, by `ada`; the status and the body.
    pub(crate) fn request(
        &self,
        method: &str,
        target: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> (u16, Vec<u8>) {
        let (status, _, body) = self.exchange(method, target, headers, body);
        (status, body)
    }

    /// The headers of the answer to a request by `ada`.
    pub(crate) fn headers(&self, method: &str, target: &str) -> Headers {
        self.exchange(method, target, &[], b"").1
    }

    fn exchange(
        &self,
        method: &str,
        target: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> (u16, Headers, Vec<u8>) {
        let mut stream = TcpStream::connect(self.address).unwrap();
        let mut head = format!("{method} {target} HTTP/1.1\r\nhost: localhost\r\n");
        for (name, value) in headers {
            head += &format!("{name}: {value}\r\n");
        }
        head += &format!("authorization: Basic YWRhOmEtc2VjcmV0\r\ncontent-length: {}\r\n\r\n", body.len());
        stream.write_all(head.as_bytes()).unwrap();
        stream.write_all(body).unwrap();
        let mut reader = BufReader::new(stream);
        let (first, headers) = read_head(&mut reader).unwrap();
        let mut body = Vec::new();
        read_body(&mut reader, &headers, &mut body).unwrap();
        (first.split(' ').nth(1).unwrap().parse().unwrap(), headers, body)
    }
}

impl Drop for TestServer {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::SeqCst);
        let _ = TcpStream::connect(self.address);
        let served = self.thread.take().unwrap().join();
        if !thread::panicking() {
            served.expect("the server must not panic");
        }
    }
}

pub(crate) type Headers = Vec<(String, String)>;

fn read_head(reader: &mut impl BufRead) -> io::Result<(String, Headers)> {
    let mut line = String::new();
    reader.read_line(&mut line)?;
    let first = line.trim_end().to_owned();
    let mut headers = Vec::new();
    loop {
        line.clear();
        if reader.read_line(&mut line)? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let Some((name, value)) = line.trim_end().split_once(':') else { return Ok((first, headers)) };
        headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
    }
}

fn header<'a>(headers: &'a Headers, name: &str) -> Option<&'a str> {
    headers.iter().find(|(other, _)| other == name).map(|(_, value)| value.as_str())
}

fn read_body(reader: &mut impl BufRead, headers: &Headers, body: &mut Vec<u8>) -> io::Result<()> {
    if header(headers, "transfer-encoding") == Some("chunked") {
        loop {
            let mut line = String::new();
            reader.read_line(&mut line)?;
            let size = usize::from_str_radix(line.trim(), 16).map_err(io::Error::other)?;
            reader.take(size as u64).read_to_end(body)?;
            reader.read_line(&mut line)?;
            if size == 0 {
                return Ok(());
            }
        }
    }
    let length = header(headers, "content-length").map_or(0, |length| length.parse().unwrap());
    reader.take(length).read_to_end(body).map(drop)
}

fn serve(service: &Service, stream: TcpStream) -> io::Result<()> {
    let mut writer = stream.try_clone()?;
    let mut reader = BufReader::new(stream);
    let (first, headers) = read_head(&mut reader)?;
    if header(&headers, "expect").is_some_and(|value| value.eq_ignore_ascii_case("100-continue")) {
        writer.write_all(b"HTTP/1.1 100 Continue\r\n\r\n")?;
    }
    let mut body = Vec::new();
    read_body(&mut reader, &headers, &mut body)?;
    let mut words = first.split(' ');
    let method = words.next().unwrap_or_default();
    let target = words.next().unwrap_or_default();
    let body: RequestBody = full(Bytes::from(body));
    let mut request = Request::builder().method(method).uri(target).body(body).map_err(io::Error::other)?;
    for (name, value) in &headers {
        if let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::try_from(value)) {
            request.headers_mut().append(name, value);
        }
    }
    block_on(respond(service.handle(request), &mut writer))
}

async fn respond(
    response: impl Future<Output = Response<ResponseBody>>,
    writer: &mut TcpStream,
) -> io::Result<()> {
    let (parts, mut body) = response.await.into_parts();
    let mut head =
        format!("HTTP/1.1 {}\r\nconnection: close\r\ntransfer-encoding: chunked\r\n", parts.status);
    for (name, value) in &parts.headers {
        head += &format!("{name}: {}\r\n", value.to_str().unwrap());
    }
    writer.write_all(format!("{head}\r\n").as_bytes())?;
    while let Some(frame) = body.frame().await {
        let Some(data) = frame.map_err(io::Error::other)?.into_data().ok().filter(|data| !data.is_empty())
        else {
            continue;
        };
        writer.write_all(format!("{:x}\r\n", data.len()).as_bytes())?;
        writer.write_all(&data)?;
        writer.write_all(b"\r\n")?;
    }
    writer.write_all(b"0\r\n\r\n")
}
