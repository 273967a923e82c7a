//! CALDAV:calendar-query (RFC 4791 §7.8): the calendar objects that match a filter.
//!
//! The index tells which objects may match; these are read and tested, a few between other requests, while
//! the answer is sent.

use super::{
    Call,
    calendar_data::{Reading, STEPS},
    filter_xml,
    member_writer::MemberWriter,
    scope::{self, Calendar},
    write_truncation,
};
use crate::{
    ResponseBody, Service,
    dav::{DavError, location::encode_into, multistatus, resource::Resource},
    index::Wanted,
    snapshot::{Node, is_member_file},
    stored_object,
};
use http::Response;
use kalends_icalendar::{ComponentFilter, ComponentKind};
use kalends_store::{Error, Objects};
use std::rc::Rc;

/// What one answer comes to.
struct Limits {
    /// Objects in it. Clients may take for deleted what is not told: only who has this many sees an answer
    /// cut off.
    matches: usize,
    /// Work that testing and selecting may cost.
    steps: u64,
}

const LIMITS: Limits = Limits { matches: 100_000, steps: STEPS };

/// Answers the report.
///
/// # Errors
/// 403 with the condition of RFC 4791 §7.8 that filter, time zone or calendar data do not meet; 400 for what
/// is malformed otherwise.
pub(super) async fn answer(call: Call) -> Result<Response<ResponseBody>, DavError> {
    answer_within(call, LIMITS).await
}

async fn answer_within(call: Call, limits: Limits) -> Result<Response<ResponseBody>, DavError> {
    let Resource::Node { home, path, node } = &call.resource else { return Err(super::not_here()) };
    let filter = filter_xml::parse(&call.body)?;
    let reading = Reading::within(&call.body, limits.steps)?;
    let mut writer = MemberWriter::new(&call, home, &reading)?;
    let (calendars, candidates) = match node {
        Node::Directory(directory) => {
            let calendars = scope::calendars(home, path, directory, call.depth)?;
            let candidates = candidates(&call.service, &home.repository, &calendars, &filter).await?;
            (calendars, candidates)
        }
        Node::File(file) => {
            let (path, name) = path.split_last().ok_or_else(super::not_here)?;
            let calendar = Calendar { path, directory: file.parent.clone() };
            (vec![calendar], vec![Candidate { calendar: 0, name: name.into(), certain: false }])
        }
    };
    let (home, path) = (home.clone(), path.clone());
    let hrefs: Vec<String> = calendars.iter().map(|calendar| calendar.path.href()).collect();
    let mut candidates = candidates.into_iter();
    let mut matches = 0;
    let mut href = String::new();
    let next = move |out: &mut String| {
        let Some(Candidate { calendar, name, certain }) = candidates.next() else { return false };
        if matches == limits.matches || reading.is_spent() {
            candidates = Vec::new().into_iter();
            write_truncation(out, &path.href(), "there are more matches; ask for a shorter time range");
            return true;
        }
        let (Some(base), Some(Calendar { directory, .. })) = (hrefs.get(calendar), calendars.get(calendar))
        else {
            return true;
        };
        href.clear();
        href.push_str(base);
        encode_into(&mut href, &name);
        let mut test = || -> Result<(), Error> {
            if certain {
                if let Some(entry) = directory.tree.find(&name).filter(is_member_file) {
                    matches += 1;
                    writer.write_entry(out, &href, directory, entry);
                }
                return Ok(());
            }
            let Some(Node::File(file)) = home.snapshot().member(directory, &name)? else { return Ok(()) };
            let data = home.repository.object(&file.id)?.data;
            let Ok(object) = stored_object::parse(data) else { return Ok(()) };
            let zone = reading.zone(&directory.collection);
            if reading.spend(|budget| filter.matches(&object, &zone, budget)) {
                matches += 1;
                writer.write_parsed(out, &href, &file, object);
            }
            Ok(())
        };
        if let Err(error) = test() {
            multistatus::write_error(out, &href, &error.into());
        }
        true
    };
    Ok(multistatus::response(next, String::new()))
}

/// An object that may match.
struct Candidate {
    /// The position of its calendar.
    calendar: usize,
    name: Rc<[u8]>,
    /// Whether it is known to match.
    certain: bool,
}

/// The objects of these calendars that may match, in their order.
async fn candidates(
    service: &Service,
    objects: &kalends_store::Repository,
    calendars: &[Calendar],
    filter: &ComponentFilter,
) -> Result<Vec<Candidate>, DavError> {
    let wanted = wanted(filter);
    let certain = is_about_kind_only(filter);
    let mut candidates = Vec::new();
    for (position, calendar) in calendars.iter().enumerate() {
        service.index.prepare(objects, &calendar.directory.id).await?;
        service.index.with(objects, &calendar.directory.id, |index| {
            candidates.extend(index.candidates(wanted).map(|(name, _, summary)| Candidate {
                calendar: position,
                name: name.clone(),
                certain: certain && summary.is_some(),
            }));
        })?;
    }
    Ok(candidates)
}

/// What every object has that matches.
fn wanted(filter: &ComponentFilter) -> Wanted<'_> {
    let kind = filter.necessary_kind();
    // Where several kinds are asked for at once nothing matches, whatever the index says of one of them.
    let range = filter.necessary_range().filter(|(of, _)| Some(*of) == kind).map(|(_, range)| range);
    let known = filter
        .components
        .iter()
        .filter(|inner| !inner.not_defined && ComponentKind::named(&inner.name) == kind && kind.is_some());
    let uid = known
        .flat_map(|inner| &inner.properties)
        .filter(|property| !property.not_defined && property.name.eq_ignore_ascii_case("UID"))
        .find_map(|property| property.text_match.as_ref().filter(|text| !text.negate));
    Wanted { kind, range, uid: if filter.not_defined { None } else { uid } }
}

/// Whether a filter asks for nothing but a component of some kind, or for any object.
fn is_about_kind_only(filter: &ComponentFilter) -> bool {
    let asks_no_more = |filter: &ComponentFilter| {
        !filter.not_defined && filter.time_range.is_none() && filter.properties.is_empty()
    };
    asks_no_more(filter)
        && match filter.components.as_slice() {
            [] => true,
            [only] => {
                asks_no_more(only) && only.components.is_empty() && ComponentKind::named(&only.name).is_some()
            }
            _ => false,
        }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        Author, Change, ServiceOptions,
        dav::{
            location::Location,
            prefer::Preferences,
            xml::{self, DAV, Texts},
        },
        realm::Realm,
    };
    use http_body_util::BodyExt;
    use kalends_block_backend::MemoryDevice;
    use kalends_store::{FormatOptions, Store};
    use std::{
        pin::pin,
        task::{Context, Poll, Waker},
    };

    /// Runs a future that waits for nothing but its turn.
    fn run<F: Future>(future: F) -> F::Output {
        let mut future = pin!(future);
        loop {
            if let Poll::Ready(output) = future.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
                return output;
            }
        }
    }

    /// Statuses of the responses to a query of a calendar with ten daily events; 200 for those found.
    fn found(filter: &str, limits: Limits) -> Vec<String> {
        let device = Rc::new(MemoryDevice::new(32 << 20));
        let store = Store::format(device, &FormatOptions::default()).unwrap();
        let realm = Realm::open(store.clone()).unwrap();
        realm.set_password("ada", "a-secret").unwrap();
        let mut change = Change::new(&store.repository("ada").unwrap());
        for number in 0..10 {
            let text = format!(
                "BEGIN:VCALENDAR\nVERSION:2.0\nPRODID:x\nBEGIN:VEVENT\nUID:{number}\n\
                 DTSTAMP:20260101T000000Z\nDTSTART:20200101T000000Z\nRRULE:FREQ=DAILY;BYHOUR=1,2,3\n\
                 END:VEVENT\nEND:VCALENDAR\n"
            );
            change.write(&[b"work", format!("{number}.ics").as_bytes()], text).unwrap();
        }
        let author = Author { name: "Ada".into(), email: "ada@localhost".into() };
        run(change.submit(&author, "Add").unwrap().unwrap()).unwrap();
        let service = Service::new(store, realm, ServiceOptions::default());
        let user = service.realm.user("ada").unwrap();
        let location = Location::parse("/dav/calendars/ada/work/").unwrap();
        let resource = Resource::find(&service, &user, &location).unwrap();
        let body = format!(
            "<q xmlns='urn:ietf:params:xml:ns:caldav'><filter><comp-filter name='VCALENDAR'>\
             <comp-filter name='VEVENT'>{filter}</comp-filter></comp-filter></filter></q>"
        );
        let body = xml::parse(body.as_bytes()).unwrap();
        let preferences = Preferences::default();
        let call = Call { service, user, resource, depth: None, preferences, body, hrefs: Texts::default() };
        let body = run(async {
            let response = answer_within(call, limits).await.unwrap();
            response.into_body().collect().await.unwrap().to_bytes()
        });
        let root = xml::parse(&body).unwrap();
        root.elements_named(DAV, "response")
            .map(|response| match response.element(DAV, "status") {
                None => "200".into(),
                Some(status) => {
                    assert_eq!(response.element(DAV, "href").unwrap().text(), "/dav/calendars/ada/work/");
                    let error = response.element(DAV, "error").unwrap();
                    assert!(error.element(DAV, "number-of-matches-within-limits").is_some());
                    status.text()[9..12].to_owned()
                }
            })
            .collect()
    }

    #[test]
    fn too_many_matches_are_cut_off_and_that_is_told() {
        let statuses = found("", Limits { matches: 3, steps: STEPS });
        assert_eq!(statuses, ["200", "200", "200", "507"]);
        assert_eq!(found("", Limits { matches: 10, steps: STEPS }), ["200"; 10]);
    }

    #[test]
    fn work_ends_when_a_request_has_cost_enough_and_that_is_told() {
        let filter = "<time-range start='20260101T000000Z' end='20260102T000000Z'/>";
        assert_eq!(found(filter, LIMITS), ["200"; 10]);
        let statuses = found(filter, Limits { matches: 10, steps: 40 });
        assert_eq!(statuses.last().map(String::as_str), Some("507"), "{statuses:?}");
        assert!(statuses.len() < 10, "{statuses:?}");
    }
}
