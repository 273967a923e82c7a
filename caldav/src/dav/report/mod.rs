//! Reports (RFC 3253 §3.6): one method, many questions, named by the root element of the body.

mod calendar_data;
mod calendar_multiget;
mod calendar_query;
mod expand_property;
mod filter_xml;
mod free_busy_query;
mod member_writer;
mod principal_search;
mod property_values;
mod scope;
mod sync_collection;
mod time_range_xml;
mod time_zone;

use super::{
    DavError, Depth,
    location::Location,
    multistatus,
    prefer::Preferences,
    properties::Subject,
    read_xml_listing,
    resource::Resource,
    xml::{CALDAV, DAV, Element, Name, Texts},
};
use crate::{RequestBody, ResponseBody, Service, realm::User};
use http::{Request, Response, StatusCode};

/// The reports there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Report {
    /// RFC 6578 §3.2.
    SyncCollection,
    /// RFC 4791 §7.8.
    CalendarQuery,
    /// RFC 4791 §7.9.
    CalendarMultiget,
    /// RFC 4791 §7.10.
    FreeBusyQuery,
    /// RFC 3253 §3.8.
    ExpandProperty,
    /// RFC 3744 §9.3.
    PrincipalMatch,
    /// RFC 3744 §9.4.
    PrincipalPropertySearch,
    /// RFC 3744 §9.5.
    PrincipalSearchPropertySet,
}

impl Report {
    /// All of them.
    const ALL: [Self; 8] = [
        Self::SyncCollection,
        Self::CalendarQuery,
        Self::CalendarMultiget,
        Self::FreeBusyQuery,
        Self::ExpandProperty,
        Self::PrincipalMatch,
        Self::PrincipalPropertySearch,
        Self::PrincipalSearchPropertySet,
    ];

    /// The root element.
    pub(super) fn name(self) -> Name {
        let (namespace, local) = match self {
            Self::SyncCollection => (DAV, "sync-collection"),
            Self::CalendarQuery => (CALDAV, "calendar-query"),
            Self::CalendarMultiget => (CALDAV, "calendar-multiget"),
            Self::FreeBusyQuery => (CALDAV, "free-busy-query"),
            Self::ExpandProperty => (DAV, "expand-property"),
            Self::PrincipalMatch => (DAV, "principal-match"),
            Self::PrincipalPropertySearch => (DAV, "principal-property-search"),
            Self::PrincipalSearchPropertySet => (DAV, "principal-search-property-set"),
        };
        Name::new(namespace, local)
    }

    /// Whether this resource answers it.
    fn is_for(self, subject: &Subject<'_>) -> bool {
        let is_collection = matches!(subject, Subject::Collection { .. });
        let is_object = matches!(subject, Subject::File { file, .. } if file.is_calendar_object());
        match self {
            Self::SyncCollection | Self::FreeBusyQuery => is_collection,
            Self::CalendarQuery | Self::CalendarMultiget => is_collection || is_object,
            Self::ExpandProperty => true,
            Self::PrincipalMatch | Self::PrincipalPropertySearch | Self::PrincipalSearchPropertySet => {
                matches!(subject, Subject::Root | Subject::Principals)
            }
        }
    }
}

/// The reports that a resource answers, for `DAV:supported-report-set`.
pub(super) fn supported(subject: Subject<'_>) -> impl Iterator<Item = Report> {
    Report::ALL.into_iter().filter(move |report| report.is_for(&subject))
}

/// One report asked for.
struct Call {
    service: Service,
    user: User,
    /// The resource at the request's URL.
    resource: Resource,
    /// The header `Depth`, if there is one.
    depth: Option<Depth>,
    preferences: Preferences,
    /// Its root, without the children `DAV:href`.
    body: Element,
    /// These.
    hrefs: Texts,
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
    let preferences = Preferences::of(request.headers());
    let Some((body, hrefs)) = read_xml_listing(request).await? else {
        let reason = "a REPORT has a body, whose root element names the report";
        return Err(DavError::new(StatusCode::BAD_REQUEST, reason));
    };
    let Some(report) = supported((&resource).into()).find(|report| report.name() == body.name) else {
        let answered: Vec<_> =
            supported((&resource).into()).map(|report| report.name().local().to_owned()).collect();
        let reason = format!(
            "{} does not answer the report {} of the namespace {:?}; it answers {}",
            resource.href(),
            body.name.local(),
            body.name.namespace(),
            if answered.is_empty() { "none".into() } else { answered.join(", ") }
        );
        return Err(DavError::dav(StatusCode::FORBIDDEN, "supported-report", reason));
    };
    let call =
        Call { service: service.clone(), user: user.clone(), resource, depth, preferences, body, hrefs };
    let mut response = match report {
        Report::SyncCollection => sync_collection::answer(call),
        Report::CalendarQuery => calendar_query::answer(call).await,
        Report::CalendarMultiget => calendar_multiget::answer(call),
        Report::FreeBusyQuery => free_busy_query::answer(call).await,
        Report::ExpandProperty => expand_property::answer(call),
        Report::PrincipalMatch => principal_search::principal_match(call),
        Report::PrincipalPropertySearch => principal_search::property_search(call),
        Report::PrincipalSearchPropertySet => Ok(principal_search::search_property_set()),
    }?;
    let has_properties = response.status() == StatusCode::MULTI_STATUS;
    preferences.acknowledge(&mut response, has_properties, false);
    Ok(response)
}

/// A report on a resource that does not answer it; [`report`] has seen to that.
fn not_here() -> DavError {
    DavError::dav(StatusCode::FORBIDDEN, "supported-report", "the resource does not answer this report")
}

/// A `D:response` that says that the answer is not all (RFC 6578 §3.6).
fn write_truncation(out: &mut String, href: &str, reason: &str) {
    let status = StatusCode::INSUFFICIENT_STORAGE;
    let error = DavError::dav(status, "number-of-matches-within-limits", reason);
    multistatus::write_error(out, href, &error);
}
