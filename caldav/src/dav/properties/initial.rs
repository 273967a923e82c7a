//! Properties of collections that are made: extended MKCOL (RFC 5689) and MKCALENDAR (RFC 4791 §5.3.1).

use super::instructions::{self, Outcome};
use crate::{
    ResponseBody,
    collection::Collection,
    dav::{
        DavError, multistatus,
        xml::{CALDAV, DAV, Element},
        xml_writer::{DECLARATIONS, PROLOGUE, tagged},
    },
    full,
};
use http::{HeaderValue, Response, StatusCode, header};

/// Why a collection cannot be made with these properties. Nothing is to be made.
pub(in crate::dav) struct NotMade(Why);

enum Why {
    /// The request as a whole.
    Request(DavError),
    /// Some of the properties; `calendar` tells that the method was MKCALENDAR.
    Properties { outcome: Outcome, calendar: bool },
}

impl NotMade {
    /// The answer to the request to make `href`: for MKCOL `DAV:mkcol-response` with the status of the first
    /// property that could not be set (RFC 5689 §3.4), for MKCALENDAR a multistatus (RFC 4791 §5.3.1.1).
    pub(in crate::dav) fn into_response(self, href: &str) -> Response<ResponseBody> {
        let (outcome, calendar) = match self.0 {
            Why::Request(error) => return error.into_response(),
            Why::Properties { outcome, calendar } => (outcome, calendar),
        };
        let mut propstats = String::new();
        outcome.write(&mut propstats);
        if calendar {
            let mut element = String::from("<D:response>");
            tagged(&mut element, "D:href", href);
            element.push_str(&propstats);
            element.push_str("</D:response>\n");
            return multistatus::single(element);
        }
        let body = format!("{PROLOGUE}<D:mkcol-response{DECLARATIONS}>{propstats}</D:mkcol-response>\n");
        let mut response = Response::new(full(body));
        *response.status_mut() = outcome.first_error().map_or(StatusCode::FORBIDDEN, |error| error.status);
        let content_type = HeaderValue::from_static("application/xml; charset=utf-8");
        response.headers_mut().insert(header::CONTENT_TYPE, content_type);
        response
    }
}

/// Sets the properties of the `DAV:set` elements of a MKCOL or MKCALENDAR body on a new collection: a plain
/// one, or for MKCALENDAR a calendar. `DAV:resourcetype` in a MKCOL can make it a calendar.
///
/// # Errors
/// The answer to give instead of making the collection, where a property cannot be set or the body is
/// neither `DAV:mkcol` nor `CALDAV:mkcalendar`; the collection is not to be used then.
pub(in crate::dav) fn set_initial(collection: &mut Collection, body: &Element) -> Result<(), NotMade> {
    let calendar = body.is(CALDAV, "mkcalendar");
    if !calendar && !body.is(DAV, "mkcol") {
        let reason = format!("the body must be DAV:mkcol or CALDAV:mkcalendar, not {}", body.name.local());
        return Err(NotMade(Why::Request(DavError::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, reason))));
    }
    let instructions = instructions::read(body, false).map_err(|error| NotMade(Why::Request(error)))?;
    let outcome = instructions::apply(collection, None, instructions, true);
    match outcome.is_success() {
        true => Ok(()),
        false => Err(NotMade(Why::Properties { outcome, calendar })),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        collection::CollectionKind,
        dav::xml::{self, APPLE_ICAL},
    };
    use futures_util::FutureExt;
    use http_body_util::BodyExt;

    fn parse(root: &str, properties: &str) -> Element {
        let text = format!(
            "<{root} xmlns:D='DAV:' xmlns:C='{CALDAV}' xmlns:A='{APPLE_ICAL}'><D:set><D:prop>{properties}\
             </D:prop></D:set></{root}>"
        );
        xml::parse(text.as_bytes()).unwrap()
    }

    /// The status and the body of the refusal.
    fn refusal(root: &str, properties: &str) -> (u16, Element) {
        let mut collection = match root {
            "C:mkcalendar" => Collection::calendar(None),
            _ => Collection::plain(),
        };
        let refused = set_initial(&mut collection, &parse(root, properties)).err().unwrap();
        let response = refused.into_response("/dav/calendars/ada/new/");
        let status = response.status().as_u16();
        let body = response.into_body().collect().now_or_never().unwrap().unwrap().to_bytes();
        (status, xml::parse(&body).unwrap())
    }

    fn statuses(parent: &Element) -> Vec<(String, Vec<String>)> {
        let propstats = parent.elements_named(DAV, "propstat").map(|propstat| {
            let names = propstat.element(DAV, "prop").unwrap().elements();
            let names = names.map(|element| element.name.local().to_owned()).collect();
            (propstat.element(DAV, "status").unwrap().text().into_owned(), names)
        });
        propstats.collect()
    }

    #[test]
    fn mkcalendar_sets_what_clients_set() {
        let mut collection = Collection::calendar(None);
        let body = parse(
            "C:mkcalendar",
            "<D:displayname>Büro</D:displayname><A:calendar-color symbolic-color='orange'>#FF9500FF\
             </A:calendar-color><A:calendar-order>4</A:calendar-order><C:calendar-description xml:lang='de'>\
             d</C:calendar-description><C:supported-calendar-component-set><C:comp name='VTODO'/>\
             <C:comp name='vevent'/><C:comp name='VTIMEZONE'/></C:supported-calendar-component-set>\
             <C:schedule-calendar-transp><C:transparent/></C:schedule-calendar-transp>\
             <x:dead xmlns:x='urn:x'>kept</x:dead>",
        );
        assert!(set_initial(&mut collection, &body).is_ok());
        assert_eq!(collection.displayname.as_deref(), Some("Büro"));
        assert_eq!(collection.color.as_deref(), Some("#FF9500FF"));
        assert_eq!(collection.order, Some(4));
        assert_eq!(collection.description_language.as_deref(), Some("de"));
        assert_eq!(collection.components, Some(vec!["VTODO".into(), "VEVENT".into()]));
        assert_eq!(collection.schedule_transparency, crate::collection::Transparency::Transparent);
        assert_eq!(collection.properties.len(), 1);
    }

    #[test]
    fn mkcol_makes_what_the_resource_type_says() {
        for (kind, expected) in [
            ("<D:collection/><C:calendar/>", CollectionKind::Calendar),
            ("<D:collection/>", CollectionKind::Collection),
        ] {
            let mut collection = Collection::plain();
            let body = parse("D:mkcol", &format!("<D:resourcetype>{kind}</D:resourcetype>"));
            assert!(set_initial(&mut collection, &body).is_ok());
            assert_eq!(collection.kind, expected);
        }
    }

    #[test]
    fn mkcol_of_another_type_is_refused_with_the_precondition() {
        let book = "<D:resourcetype><D:collection/><B:addressbook xmlns:B='urn:ietf:params:xml:ns:carddav'/>\
                    </D:resourcetype><D:displayname>Friends</D:displayname>";
        let (status, body) = refusal("D:mkcol", book);
        assert_eq!(status, 403);
        assert!(body.is(DAV, "mkcol-response"));
        assert_eq!(
            statuses(&body),
            [
                ("HTTP/1.1 403 Forbidden".into(), vec!["resourcetype".into()]),
                ("HTTP/1.1 424 Failed Dependency".into(), vec!["displayname".into()]),
            ]
        );
        let error = body.element(DAV, "propstat").unwrap().element(DAV, "error").unwrap();
        assert!(error.element(DAV, "valid-resourcetype").is_some());
        for kind in ["<C:calendar/>", ""] {
            assert_eq!(refusal("D:mkcol", &format!("<D:resourcetype>{kind}</D:resourcetype>")).0, 403);
        }
    }

    #[test]
    fn mkcalendar_is_refused_in_a_multistatus() {
        let (status, body) = refusal(
            "C:mkcalendar",
            "<D:getetag>x</D:getetag><C:calendar-timezone>BEGIN:VCALENDAR</C:calendar-timezone>\
             <D:displayname/>",
        );
        assert_eq!(status, 207);
        let response = body.element(DAV, "response").unwrap();
        assert_eq!(response.element(DAV, "href").unwrap().text(), "/dav/calendars/ada/new/");
        let statuses = statuses(response);
        assert_eq!(statuses.len(), 3);
        assert_eq!(statuses[2], ("HTTP/1.1 424 Failed Dependency".into(), vec!["displayname".into()]));
        let (_, body) = refusal("C:mkcalendar", "<D:resourcetype><D:collection/></D:resourcetype>");
        assert_eq!(self::statuses(body.element(DAV, "response").unwrap()).len(), 1);
    }

    #[test]
    fn components_that_are_not_kept_are_refused() {
        for components in ["<C:comp name='VALARM'/>", "<C:comp/>", ""] {
            let set = format!(
                "<C:supported-calendar-component-set>{components}</C:supported-calendar-component-set>"
            );
            let (_, body) = refusal("C:mkcalendar", &set);
            let statuses = statuses(body.element(DAV, "response").unwrap());
            assert_eq!(statuses[0].0, "HTTP/1.1 409 Conflict", "{components}");
        }
    }

    #[test]
    fn another_body_is_415() {
        let body = xml::parse(b"<D:propfind xmlns:D='DAV:'/>").unwrap();
        let refused = set_initial(&mut Collection::plain(), &body).err().unwrap();
        assert_eq!(refused.into_response("/").status(), 415);
    }
}
