//! A service over a device in memory, and clients that call it without a network.

use futures_util::future::{FutureExt, LocalBoxFuture, join_all};
use http::{HeaderName, HeaderValue, Request};
use http_body_util::BodyExt;
use kalends_block_backend::{BlockDevice, MemoryDevice};
use kalends_caldav::{Author, Change, Service, ServiceOptions, full, realm::Realm};
use kalends_store::{FormatOptions, Objects, Repository, Store};
use std::{
    future::Future,
    pin::pin,
    rc::Rc,
    sync::Arc,
    task::{Context, Poll, Wake, Waker},
    thread::{self, Thread},
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

/// A service with the users `ada` (administrator) and `bob`. Each has the calendar `calendar/`, empty.
pub(crate) struct Server {
    pub(crate) service: Service,
    pub(crate) store: Store,
    device: Rc<dyn BlockDevice>,
}

impl Server {
    /// A service on a device of 64 MiB.
    pub(crate) fn new() -> Self {
        Self::on_device_of(64 << 20)
    }

    /// A service on a device of so many bytes.
    pub(crate) fn on_device_of(bytes: usize) -> Self {
        Self::on(Rc::new(MemoryDevice::new(bytes)))
    }

    /// A service on this device.
    pub(crate) fn on(device: Rc<dyn BlockDevice>) -> Self {
        let store = Store::format(device.clone(), &FormatOptions::default()).unwrap();
        let realm = Realm::open(store.clone()).unwrap();
        for user in ["ada", "bob"] {
            realm.set_password(user, "a-secret").unwrap();
        }
        Self::over(device, store, realm)
    }

    fn over(device: Rc<dyn BlockDevice>, store: Store, realm: Realm) -> Self {
        let options = ServiceOptions { hostname: "localhost".into(), ..ServiceOptions::default() };
        let service = Service::new(store.clone(), realm, options);
        Self { service, store, device }
    }

    /// The service after a restart: nothing is left but what is on the device.
    pub(crate) fn reopened(self) -> Self {
        self.store.close().unwrap();
        drop((self.service, self.store));
        let store = Store::open(self.device.clone()).unwrap();
        let realm = Realm::open(store.clone()).unwrap();
        Self::over(self.device, store, realm)
    }

    /// One request by `user`, with the credentials of `user`.
    pub(crate) fn send_as(
        &self,
        user: &str,
        method: &str,
        target: &str,
        headers: &[(&str, &str)],
        body: impl AsRef<[u8]>,
    ) -> Answer {
        block_on(self.answer_to(user, method, target, headers, body))
    }

    /// One request by `ada`.
    pub(crate) fn send(
        &self,
        method: &str,
        target: &str,
        headers: &[(&str, &str)],
        body: impl AsRef<[u8]>,
    ) -> Answer {
        self.send_as("ada", method, target, headers, body)
    }

    /// One request by `ada`, without headers or body.
    pub(crate) fn get(&self, target: &str) -> Answer {
        self.send("GET", target, &[], "")
    }

    /// `ada` puts a file without conditions.
    pub(crate) fn put(&self, target: &str, body: impl AsRef<[u8]>) -> Answer {
        self.send("PUT", target, &[], body)
    }

    /// The answer to a request, for tests that have several under way.
    pub(crate) fn answer_to(
        &self,
        user: &str,
        method: &str,
        target: &str,
        headers: &[(&str, &str)],
        body: impl AsRef<[u8]>,
    ) -> LocalBoxFuture<'static, Answer> {
        let body = full(body.as_ref().to_vec());
        let mut request = Request::builder().method(method).uri(target).body(body).unwrap();
        let credentials = match user {
            "ada" => "Basic YWRhOmEtc2VjcmV0",
            "bob" => "Basic Ym9iOmEtc2VjcmV0",
            _ => panic!("no user {user}"),
        };
        request.headers_mut().insert("authorization", HeaderValue::from_static(credentials));
        for (name, value) in headers {
            let name = HeaderName::try_from(*name).unwrap();
            request.headers_mut().append(name, HeaderValue::from_bytes(value.as_bytes()).unwrap());
        }
        let service = self.service.clone();
        let answer = async move {
            let (parts, mut body) = service.handle(request).await.into_parts();
            let (mut bytes, mut pieces) = (Vec::new(), 0);
            while let Some(frame) = body.frame().await {
                bytes.extend_from_slice(&frame.unwrap().into_data().unwrap());
                pieces += 1;
            }
            Answer { status: parts.status.as_u16(), headers: parts.headers, body: bytes, pieces }
        };
        answer.boxed_local()
    }

    /// The repository of a user.
    pub(crate) fn repository(&self, user: &str) -> Repository {
        self.store.repository(user).unwrap()
    }

    /// Commits files as a push would: without the rules of WebDAV. `None` removes.
    pub(crate) fn commit(&self, user: &str, files: &[(&str, Option<&str>)]) {
        let mut change = Change::new(&self.repository(user));
        for (path, content) in files {
            let names: Vec<&[u8]> = path.split('/').map(str::as_bytes).collect();
            match content {
                Some(content) => drop(change.write(&names, content.to_string()).unwrap()),
                None => change.place(&names, None),
            }
        }
        let author = Author { name: "Push".into(), email: "push@localhost".into() };
        if let Some(commit) = change.submit(&author, "Push").unwrap() {
            block_on(commit).unwrap();
        }
    }

    /// The files of a user at the newest durable commit, sorted: paths and contents.
    pub(crate) fn files(&self, user: &str) -> Vec<(String, String)> {
        Self::files_of(&self.store, user)
    }

    /// As [`files`](Self::files), in any store.
    pub(crate) fn files_of(store: &Store, user: &str) -> Vec<(String, String)> {
        fn walk(
            repository: &Repository,
            tree: &kalends_store::ObjectId,
            at: &str,
            out: &mut Vec<(String, String)>,
        ) {
            for entry in repository.tree(tree).unwrap().iter() {
                let path = format!("{at}{}", entry.name);
                if entry.mode.is_tree() {
                    walk(repository, &entry.id.to_owned(), &format!("{path}/"), out);
                } else {
                    let data = repository.object(&entry.id.to_owned()).unwrap().data;
                    out.push((path, String::from_utf8_lossy(&data).into_owned()));
                }
            }
        }
        let repository = store.repository(user).unwrap();
        let commit = repository.reference(repository.head()).unwrap();
        let mut out = Vec::new();
        walk(&repository, &repository.tree_of_commit(&commit).unwrap(), "", &mut out);
        out.sort();
        out
    }

    /// The newest durable commit of a user, as git writes it.
    pub(crate) fn last_commit(&self, user: &str) -> String {
        let repository = self.repository(user);
        let commit = repository.reference(repository.head()).unwrap();
        String::from_utf8(repository.object(&commit).unwrap().data.to_vec()).unwrap()
    }

    /// The message of the newest durable commit of a user.
    pub(crate) fn last_message(&self, user: &str) -> String {
        self.last_commit(user).split_once("\n\n").unwrap().1.trim_end().to_owned()
    }
}

/// An answer, received whole.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: http::HeaderMap,
    pub(crate) body: Vec<u8>,
    /// In how many pieces the body came.
    pub(crate) pieces: usize,
}

impl Answer {
    /// The first header of this name; empty when there is none.
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    /// The body as text.
    pub(crate) fn text(&self) -> String {
        String::from_utf8(self.body.clone()).unwrap()
    }

    /// Asserts the status, showing the body when it is another.
    #[track_caller]
    pub(crate) fn expect(self, status: u16) -> Self {
        assert_eq!(self.status, status, "{}", String::from_utf8_lossy(&self.body));
        self
    }

    /// Asserts the status and that the body names this condition, such as `C:no-uid-conflict`.
    #[track_caller]
    pub(crate) fn expect_condition(self, status: u16, condition: &str) -> Self {
        let answer = self.expect(status);
        let text = answer.text();
        let start = format!("<{condition}");
        let named = text.split_once(&start).is_some_and(|(_, rest)| rest.starts_with(['>', '/']));
        assert!(named, "{condition} is not in {text}");
        answer
    }
}

/// A VEVENT with this UID and summary, as an object of its own.
pub(crate) fn event(uid: &str, summary: &str) -> String {
    format!(
        "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//Example//Test//EN\r\nBEGIN:VEVENT\r\nUID:{uid}\r\n\
         DTSTAMP:20260101T000000Z\r\nDTSTART:20260102T100000Z\r\nDTEND:20260102T110000Z\r\n\
         SUMMARY:{summary}\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n"
    )
}

/// Lets several answers come at the same time, each begun before any ends.
pub(crate) fn together(answers: Vec<impl Future<Output = Answer>>) -> Vec<Answer> {
    block_on(join_all(answers))
}
