//! The entry of every request: who asks, and which part answers.

use crate::{
    RequestBody, ResponseBody,
    collection_cache::CollectionCache,
    dav, full, git_http,
    index::Index,
    realm::{AuthenticationError, Realm},
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
        Self {
            store,
            realm: Rc::new(realm),
            options: Rc::new(options),
            collections: Rc::default(),
            index: Rc::default(),
        }
    }

    /// Answers one request. The peer's `SocketAddr`, if known, is a request extension.
    pub async fn handle(&self, request: Request<RequestBody>) -> Response<ResponseBody> {
        let path = request.uri().path();
        if path.starts_with("/.well-known/caldav") {
            return dav::well_known();
        }
        if path != "/dav" && !path.starts_with("/dav/") && !path.starts_with("/git/") {
            return web::handle(self, request).await;
        }
        let user = match self.realm.authenticate(request.headers(), request.extensions().get()).await {
            Ok(user) => user,
            Err(error) => return unauthenticated(&error),
        };
        if path.starts_with("/git/") {
            git_http::handle(self, &user, request).await
        } else {
            dav::handle(self, &user, request).await
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
