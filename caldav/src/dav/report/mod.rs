//! Reports (RFC 3253 §3.6): one method, many questions, named by the root element of the body.

mod calendar_data;
mod calendar_multiget;
mod sync_collection;

use super::{
    DavError, Depth,
    location::Location,
    multistatus, read_xml,
    resource::Resource,
    xml::{CALDAV, DAV, Element, Name},
};
use crate::{RequestBody, ResponseBody, Service, realm::User};
use http::{Request, Response, StatusCode};

/// Resources that one answer has at most. What is cut off is announced by 507 (RFC 6578 §3.6).
const MAX_RESPONSES: usize = 20_000;

/// The reports there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Report {
    /// RFC 6578 §3.2.
    SyncCollection,
    /// RFC 4791 §7.9.
    CalendarMultiget,
}

impl Report {
    /// All of them.
    const ALL: [Self; 2] = [Self::SyncCollection, Self::CalendarMultiget];

    /// The root element.
    pub(super) fn name(self) -> Name {
        let (namespace, local) = match self {
            Self::SyncCollection => (DAV, "sync-collection"),
            Self::CalendarMultiget => (CALDAV, "calendar-multiget"),
        };
        Name::new(namespace, local)
    }

    /// Whether this resource answers it.
    fn is_for(self, resource: &Resource) -> bool {
        let (is_collection, is_calendar_object) = match resource {
            Resource::Node { node: crate::snapshot::Node::Directory(_), .. } => (true, false),
            Resource::Node { node: crate::snapshot::Node::File(file), .. } => {
                (false, file.is_calendar_object())
            }
            _ => (false, false),
        };
        match self {
            Self::SyncCollection => is_collection,
            Self::CalendarMultiget => is_collection || is_calendar_object,
        }
    }
}

/// The reports that a resource answers, for `DAV:supported-report-set`.
pub(super) fn supported(resource: &Resource) -> impl Iterator<Item = Report> {
    Report::ALL.into_iter().filter(|report| report.is_for(resource))
}

/// One report asked for.
struct Call {
    service: Service,
    user: User,
    /// The resource at the request's URL.
    resource: Resource,
    /// The header `Depth`, if there is one.
    depth: Option<Depth>,
    body: Element,
}

/// Answers REPORT.
///
/// # Errors
/// 404 when nothing is there, 400 without a body, 403 `DAV:supported-report` for a report that the resource
/// does not answer; and what the reports say.
pub(super) async fn report(
    service: &Service,
    user: &User,
    location: &Location,
    request: Request<RequestBody>,
) -> Result<Response<ResponseBody>, DavError> {
    let resource = Resource::find(service, user, location)?;
    let depth = match request.headers().contains_key("depth") {
        true => Some(Depth::of(request.headers(), Depth::Zero)?),
        false => None,
    };
    let Some(body) = read_xml(request).await? else {
        let reason = "a REPORT has a body, whose root element names the report";
        return Err(DavError::new(StatusCode::BAD_REQUEST, reason));
    };
    let Some(report) = supported(&resource).find(|report| report.name() == body.name) else {
        let answered: Vec<_> = supported(&resource).map(|report| report.name().local().to_owned()).collect();
        let reason = format!(
            "{} does not answer the report {} of the namespace {:?}; it answers {}",
            resource.href(),
            body.name.local(),
            body.name.namespace(),
            if answered.is_empty() { "none".into() } else { answered.join(", ") }
        );
        return Err(DavError::dav(StatusCode::FORBIDDEN, "supported-report", reason));
    };
    let call = Call { service: service.clone(), user: user.clone(), resource, depth, body };
    match report {
        Report::SyncCollection => sync_collection::answer(call),
        Report::CalendarMultiget => calendar_multiget::answer(call),
    }
}

/// A `D:response` that says that the answer is not all (RFC 6578 §3.6).
fn write_truncation(out: &mut String, href: &str, reason: &str) {
    let status = StatusCode::INSUFFICIENT_STORAGE;
    let error = DavError::dav(status, "number-of-matches-within-limits", reason);
    multistatus::write_error(out, href, &error);
}
