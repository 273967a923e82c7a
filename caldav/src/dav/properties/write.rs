//! Writing `DAV:response` elements: the properties of one resource, by status.

use super::{
    live::{self, LiveProperty},
    request::{Asked, PropertyRequest, Selection},
    subject::Subject,
};
use crate::{
    Service,
    collection::DeadProperty,
    dav::{DavError, multistatus::status_line, xml::Name, xml_writer, xml_writer::tagged},
    realm::User,
    snapshot::File,
};
use bytes::Bytes;

/// Gives `CALDAV:calendar-data` of a file to reports.
pub(in crate::dav) type CalendarData<'a> = &'a dyn Fn(&File) -> Result<Bytes, DavError>;

/// What the values of properties depend on besides the resource.
#[derive(Clone, Copy)]
pub(in crate::dav) struct Context<'a> {
    pub(in crate::dav) service: &'a Service,
    pub(in crate::dav) user: &'a User,
    /// The data of calendar objects, where a report asks for it.
    pub(in crate::dav) calendar_data: Option<CalendarData<'a>>,
}

const PROPSTAT: &str = "<D:propstat><D:prop>";
const FOUND: &str = "</D:prop><D:status>HTTP/1.1 200 OK</D:status></D:propstat>";
const NOT_FOUND: &str = "</D:prop><D:status>HTTP/1.1 404 Not Found</D:status></D:propstat>";

/// Writes the responses of many resources for one request, without allocating for each.
pub(in crate::dav) struct ResponseWriter {
    request: PropertyRequest,
    absent: Absent,
}

impl ResponseWriter {
    /// A writer for this request.
    pub(in crate::dav) fn new(request: PropertyRequest) -> Self {
        Self { request, absent: Absent::default() }
    }

    /// Appends the `D:response` of one resource, named by `href`.
    pub(in crate::dav) fn write(
        &mut self,
        out: &mut String,
        context: &Context<'_>,
        href: &str,
        subject: Subject<'_>,
    ) {
        write(out, context, href, subject, &self.request, &mut self.absent);
    }
}

/// What a resource does not have, or what could not be read; kept between resources for its memory.
#[derive(Default)]
struct Absent {
    /// Positions among what is asked for.
    missing: Vec<usize>,
    /// Names as empty elements.
    failed: Vec<(String, DavError)>,
}

fn write(
    out: &mut String,
    context: &Context<'_>,
    href: &str,
    subject: Subject<'_>,
    request: &PropertyRequest,
    absent: &mut Absent,
) {
    absent.missing.clear();
    absent.failed.clear();
    out.push_str("<D:response>");
    tagged(out, "D:href", href);
    let start = out.len();
    out.push_str(PROPSTAT);
    let content = out.len();
    let listed: &[Asked] = match &request.selection {
        Selection::All(included) => {
            write_all(out, context, &subject, absent);
            included
        }
        Selection::Names => {
            write_names(out, context, &subject);
            &[]
        }
        Selection::Listed(listed) => listed,
    };
    let is_all = matches!(request.selection, Selection::All(_));
    for (position, asked) in listed.iter().enumerate() {
        let written = match asked.live {
            // Written among all, if the resource has it.
            Some(live) if is_all && live.in_allprop && is_defined(live, out, context, &subject) => continue,
            Some(live) => live.write(out, context, &subject),
            None => Ok(false),
        };
        match written {
            Ok(true) => {}
            Ok(false) => match dead_property(&subject, &asked.name) {
                Some(_) if is_all => {}
                Some(property) => xml_writer::element(out, &property.0),
                None => absent.missing.push(position),
            },
            Err(error) => absent.failed.push((asked.empty_element.clone(), error)),
        }
    }
    let missing = !request.minimal && !absent.missing.is_empty();
    if out.len() > content || (!missing && absent.failed.is_empty()) {
        out.push_str(FOUND);
    } else {
        out.truncate(start);
    }
    if missing {
        out.push_str(PROPSTAT);
        for asked in absent.missing.iter().filter_map(|position| listed.get(*position)) {
            out.push_str(&asked.empty_element);
        }
        out.push_str(NOT_FOUND);
    }
    for (name, error) in &absent.failed {
        write_failed(out, std::iter::once(name.as_str()), error);
    }
    out.push_str("</D:response>\n");
}

/// Appends a `D:propstat` of properties for which the same went wrong, given as empty elements.
pub(super) fn write_failed<'a>(out: &mut String, names: impl Iterator<Item = &'a str>, error: &DavError) {
    out.push_str(PROPSTAT);
    names.for_each(|name| out.push_str(name));
    out.push_str("</D:prop>");
    tagged(out, "D:status", &status_line(error.status));
    error.write_element(out);
    tagged(out, "D:responsedescription", &error.reason);
    out.push_str("</D:propstat>");
}

fn write_all(out: &mut String, context: &Context<'_>, subject: &Subject<'_>, absent: &mut Absent) {
    for property in live::all().filter(|property| property.in_allprop) {
        if let Err(error) = property.write(out, context, subject) {
            let mut name = String::new();
            property.write_name(&mut name);
            absent.failed.push((name, error));
        }
    }
    for property in dead_properties(subject) {
        if !is_given(property, context, subject) {
            xml_writer::element(out, &property.0);
        }
    }
}

fn write_names(out: &mut String, context: &Context<'_>, subject: &Subject<'_>) {
    for property in live::all().filter(|property| property.in_propname) {
        if is_defined(property, out, context, subject) {
            property.write_name(out);
        }
    }
    for property in dead_properties(subject) {
        if !is_given(property, context, subject) {
            xml_writer::empty_element(out, &property.0.name);
        }
    }
}

/// Whether the resource has the property, even if its value cannot be read at the moment.
fn is_defined(
    property: &LiveProperty,
    scratch: &mut String,
    context: &Context<'_>,
    subject: &Subject<'_>,
) -> bool {
    let start = scratch.len();
    let defined = property.write(scratch, context, subject).unwrap_or(true);
    scratch.truncate(start);
    defined
}

/// Whether a live property stands in for a dead one of the same name, which a push may have brought.
fn is_given(property: &DeadProperty, context: &Context<'_>, subject: &Subject<'_>) -> bool {
    LiveProperty::named(&property.0.name)
        .is_some_and(|live| is_defined(live, &mut String::new(), context, subject))
}

fn dead_properties<'a>(subject: &Subject<'a>) -> &'a [DeadProperty] {
    match *subject {
        Subject::Collection { directory, .. } => directory.collection.dead_properties(None),
        Subject::File { file, .. } if !file.parent.collection.members.is_empty() => {
            let name = std::str::from_utf8(&file.name);
            name.map_or(&[], |name| file.parent.collection.dead_properties(Some(name)))
        }
        _ => &[],
    }
}

fn dead_property<'a>(subject: &Subject<'a>, name: &Name) -> Option<&'a DeadProperty> {
    dead_properties(subject).iter().find(|property| property.0.name == *name)
}

/// Appends a `D:href`.
pub(super) fn push_href(out: &mut String, href: &str) {
    tagged(out, "D:href", href);
}
