//! The entry of every request: who asks, and which part answers.

use crate::{
    RequestBody, ResponseBody,
    collection_cache::CollectionCache,
    dav, full, git_http,
    index::Index,
    realm::{AuthenticationError, Realm, ServerSettings},
    web,
};
use http::{Request, Response, StatusCode, header};
use kalends_store::Store;
use std::rc::Rc;

/// What the operator decides about the service.
#[derive(Clone, Debug, Default)]
pub struct ServiceOptions {
    /// The name clients reach the server by.
    pub hostname: String,
    /// The certificate (PEM) that clients must trust, where the server signs its own.
    pub authority: Option<String>,
    /// Bytes of memory that one push may take, which bounds the number and size of its objects, and not the
    /// size of its pack; `None` where memory is not scarce.
    pub push_memory: Option<u64>,
    /// Bytes of memory that the indexes of calendars may take; `None` for 24 MiB.
    pub index_memory: Option<usize>,
}

/// CalDAV, git and web pages over one store. Cloning is cheap and gives the same service.
#[derive(Clone)]
pub struct Service {
    pub(crate) store: Store,
    pub(crate) realm: Rc<Realm>,
    pub(crate) options: Rc<ServiceOptions>,
    pub(crate) collections: Rc<CollectionCache>,
    pub(crate) index: Rc<Index>,
}

impl Service {
    /// A service over an open store and its realm.
    pub fn new(store: Store, realm: Realm, options: ServiceOptions) -> Self {
        let index = options.index_memory.map_or_else(Index::default, Index::with_memory);
        Self {
            store,
            realm: Rc::new(realm),
            options: Rc::new(options),
            collections: Rc::default(),
            index: Rc::new(index),
        }
    }

    /// The settings that administrators have pushed.
    pub fn settings(&self) -> ServerSettings {
        self.realm.server()
    }

    /// Answers one request. The peer's `SocketAddr`, if known, is a request extension.
    pub async fn handle(&self, request: Request<RequestBody>) -> Response<ResponseBody> {
        let area = Area::of(&request);
        match area {
            Area::WellKnown => return dav::well_known(),
            Area::Page => return web::handle(self, &request),
            Area::Overview | Area::Git | Area::Host | Area::Dav => {}
        }
        let user = match self.realm.authenticate(request.headers(), request.extensions().get()).await {
            Ok(user) => user,
            Err(error) => return unauthenticated(&error),
        };
        match area {
            Area::Overview => web::handle_overview(self, &user, &request),
            Area::Git => git_http::handle(self, &user, request).await,
            Area::Host => dav::propfind_of_host(self, &user, request).await,
            Area::WellKnown | Area::Page | Area::Dav => dav::handle(self, &user, request).await,
        }
    }
}

/// Which part answers a request.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Area {
    WellKnown,
    Page,
    Overview,
    Git,
    /// Clients that know only the host ask it for the user's principal (RFC 6764 §6).
    Host,
    Dav,
}

impl Area {
    fn of(request: &Request<RequestBody>) -> Self {
        match request.uri().path() {
            "/.well-known/caldav" | "/.well-known/caldav/" => Self::WellKnown,
            path if path == "/dav" || path.starts_with("/dav/") => Self::Dav,
            path if path.starts_with("/git/") => Self::Git,
            web::OVERVIEW => Self::Overview,
            "/" if request.method() == "PROPFIND" => Self::Host,
            _ => Self::Page,
        }
    }
}

fn unauthenticated(error: &AuthenticationError) -> Response<ResponseBody> {
    let mut response = Response::new(full(format!("{error}\n")));
    match error {
        AuthenticationError::TooManyFailures { retry_after } => {
            *response.status_mut() = StatusCode::TOO_MANY_REQUESTS;
            response.headers_mut().insert(header::RETRY_AFTER, (*retry_after).into());
        }
        AuthenticationError::Busy { retry_after } => {
            *response.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
            response.headers_mut().insert(header::RETRY_AFTER, (*retry_after).into());
        }
        AuthenticationError::NoHome { .. } => {
            *response.status_mut() = StatusCode::INSUFFICIENT_STORAGE;
        }
        AuthenticationError::Missing | AuthenticationError::Malformed | AuthenticationError::Wrong => {
            *response.status_mut() = StatusCode::UNAUTHORIZED;
            let challenge = header::HeaderValue::from_static("Basic realm=\"Kalends\", charset=\"UTF-8\"");
            response.headers_mut().insert(header::WWW_AUTHENTICATE, challenge);
        }
    }
    response
}
