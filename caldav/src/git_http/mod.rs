//! git's smart HTTP protocol (gitprotocol-http(5)): from requests to the store's wire protocol.
//!
//! `/git/<name>.git`, or without `.git`. Users have their own repository, to read and to push; the realm's
//! is for administrators. Of any other name nobody learns whether it exists. Refusals are lines of plain
//! text, which git shows after `remote:`.

mod repository_access;

use crate::{
    RequestBody, ResponseBody, Service, empty, full, push_policy,
    realm::User,
    request_body::{Refused, collect, pieces},
};
use bytes::Bytes;
use futures_util::StreamExt;
use http::{HeaderValue, Method, Request, Response, StatusCode, header};
use http_body::Frame;
use http_body_util::StreamBody;
use kalends_store::{
    Error, PackLimits, Repository,
    wire::{self, GitService, Protocol, ReceiveOptions, Reply},
};
use repository_access::find_repository;

/// The largest request for a fetch, inflated: wants and haves, about 50 bytes each.
const MAX_FETCH_REQUEST: u64 = 16 << 20;

/// Answers a request below `/git/`.
pub(crate) async fn handle(
    service: &Service,
    user: &User,
    request: Request<RequestBody>,
) -> Response<ResponseBody> {
    let mut response = match route(service, user, request).await {
        Ok(response) => response,
        Err((status, reason)) => refuse(status, &reason),
    };
    // As git http-backend does: nothing of this may be cached.
    for (name, value) in [
        (header::EXPIRES, "Fri, 01 Jan 1980 00:00:00 GMT"),
        (header::PRAGMA, "no-cache"),
        (header::CACHE_CONTROL, "no-cache, max-age=0, must-revalidate"),
    ] {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    response
}

fn refuse(status: StatusCode, reason: &str) -> Response<ResponseBody> {
    let mut response = Response::new(full(format!("{reason}\n")));
    *response.status_mut() = status;
    let plain = HeaderValue::from_static("text/plain; charset=utf-8");
    response.headers_mut().insert(header::CONTENT_TYPE, plain);
    if status == StatusCode::METHOD_NOT_ALLOWED {
        response.headers_mut().insert(header::ALLOW, HeaderValue::from_static("GET, HEAD, POST"));
    }
    response
}

async fn route(
    service: &Service,
    user: &User,
    request: Request<RequestBody>,
) -> Result<Response<ResponseBody>, Refused> {
    let path = request.uri().path().to_owned();
    let (name, resource) =
        path.strip_prefix("/git/").and_then(|rest| rest.split_once('/')).ok_or_else(|| {
            (StatusCode::NOT_FOUND, format!("nothing here; your repository is /git/{}.git", user.name))
        })?;
    let repository = find_repository(service, user, name)?;
    match (request.method(), resource) {
        (&Method::GET | &Method::HEAD, "info/refs") => advertise(&repository, &request),
        (&Method::POST, "git-upload-pack") => fetch(&repository, request).await,
        (&Method::POST, "git-receive-pack") => push(service, user, &repository, request).await,
        (_, "info/refs" | "git-upload-pack" | "git-receive-pack") => {
            Err((StatusCode::METHOD_NOT_ALLOWED, format!("{} is not for {resource}", request.method())))
        }
        _ => Err((StatusCode::NOT_FOUND, format!("no file {resource}: this server speaks smart HTTP only"))),
    }
}

fn advertise(
    repository: &Repository,
    request: &Request<RequestBody>,
) -> Result<Response<ResponseBody>, Refused> {
    let query = request.uri().query().unwrap_or_default();
    let name = query.split('&').find_map(|pair| pair.strip_prefix("service="));
    let Some(name) = name else {
        return Err((
            StatusCode::FORBIDDEN,
            "this server speaks smart HTTP only: use git 1.6.6 or newer".into(),
        ));
    };
    let service = GitService::from_name(name)
        .ok_or_else(|| (StatusCode::FORBIDDEN, format!("unsupported service: {name}")))?;
    let body = wire::advertise(repository, service, protocol(request)).map_err(failed)?;
    let body = if request.method() == Method::HEAD { empty() } else { full(body) };
    Ok(answer(service, "advertisement", body))
}

async fn fetch(
    repository: &Repository,
    request: Request<RequestBody>,
) -> Result<Response<ResponseBody>, Refused> {
    let service = GitService::UploadPack;
    check_content_type(&request, service)?;
    let protocol = protocol(&request);
    let body = collect(request, MAX_FETCH_REQUEST).await?;
    Ok(answer(service, "result", stream(wire::upload_pack(repository, protocol, body))))
}

async fn push(
    service: &Service,
    user: &User,
    repository: &Repository,
    request: Request<RequestBody>,
) -> Result<Response<ResponseBody>, Refused> {
    check_content_type(&request, GitService::ReceivePack)?;
    let limits = service.options.push_memory.map_or_else(PackLimits::default, PackLimits::within);
    let mut options = ReceiveOptions { limits, ..ReceiveOptions::default() };
    if let Some(memory) = service.options.push_memory {
        options.commands = options.commands.min(memory / 8);
    }
    let body = pieces(request)?;
    let policy = push_policy::policy(service, user, repository);
    let reply = wire::receive_pack_stream(repository, body, policy, options).await?;
    let reply = reply.map_err(|error| match error {
        Error::Limit(_) => (StatusCode::PAYLOAD_TOO_LARGE, error.to_string()),
        error => (StatusCode::BAD_REQUEST, error.to_string()),
    })?;
    Ok(answer(GitService::ReceivePack, "result", stream(reply)))
}

fn stream(reply: Reply) -> ResponseBody {
    Box::pin(StreamBody::new(reply.map(|bytes: Bytes| Ok(Frame::data(bytes)))))
}

fn protocol(request: &Request<RequestBody>) -> Protocol {
    let value = request.headers().get("git-protocol").and_then(|value| value.to_str().ok());
    value.map(Protocol::from_header).unwrap_or_default()
}

fn check_content_type(request: &Request<RequestBody>, service: GitService) -> Result<(), Refused> {
    let expected = format!("application/x-{}-request", service.name());
    match request.headers().get(header::CONTENT_TYPE) {
        Some(value) if value.as_bytes() == expected.as_bytes() => Ok(()),
        _ => Err((StatusCode::UNSUPPORTED_MEDIA_TYPE, format!("the content type must be {expected}"))),
    }
}

fn answer(service: GitService, what: &str, body: ResponseBody) -> Response<ResponseBody> {
    let mut response = Response::new(body);
    let content_type = format!("application/x-{}-{what}", service.name());
    if let Ok(value) = HeaderValue::from_str(&content_type) {
        response.headers_mut().insert(header::CONTENT_TYPE, value);
    }
    response
}

fn failed(error: Error) -> Refused {
    (StatusCode::INTERNAL_SERVER_ERROR, format!("the repository cannot be read: {error}"))
}
