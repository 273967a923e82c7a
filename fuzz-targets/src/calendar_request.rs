//! Bodies of WebDAV and CalDAV requests.

use futures_executor::block_on;
use http::{HeaderValue, Request};
use http_body_util::BodyExt;
use kalends_block_backend::MemoryDevice;
use kalends_caldav::{Service, ServiceOptions, full, realm::Realm};
use kalends_store::{FormatOptions, Store};
use std::{cell::RefCell, rc::Rc};

/// Methods, each with where it is sent, its Depth, and whether it may change something.
const REQUESTS: [(&str, &str, &str, bool); 8] = [
    ("PROPFIND", "/dav/calendars/ada/", "1", false),
    ("PROPFIND", "/dav/principals/ada/", "0", false),
    ("REPORT", "/dav/calendars/ada/calendar/", "1", false),
    ("REPORT", "/dav/calendars/ada/calendar/", "0", false),
    ("REPORT", "/dav/principals/", "0", false),
    ("PROPPATCH", "/dav/calendars/ada/calendar/", "0", true),
    ("MKCALENDAR", "/dav/calendars/ada/new/", "0", true),
    ("MKCOL", "/dav/calendars/ada/other/", "0", true),
];

thread_local! {
    static SERVICE: RefCell<Option<Service>> = const { RefCell::new(None) };
}

/// The same service for each input.
fn service() -> Service {
    SERVICE.with_borrow_mut(|service| service.get_or_insert_with(make).clone())
}

fn make() -> Service {
    let device = Rc::new(MemoryDevice::new(8 << 20));
    let store = Store::format(device, &FormatOptions::default()).unwrap();
    let realm = Realm::open(store.clone()).unwrap();
    realm.set_password("ada", "a-secret").unwrap();
    let options = ServiceOptions { hostname: "localhost".into(), ..ServiceOptions::default() };
    let service = Service::new(store, realm, options);
    let object = super::calendar_object::seeds().remove(4);
    let (status, _) = send(&service, "PUT", "/dav/calendars/ada/calendar/2.ics", "0", object);
    assert_eq!(status, 201);
    service
}

/// Gives status and body.
fn send(service: &Service, method: &str, target: &str, depth: &str, body: Vec<u8>) -> (u16, usize) {
    let mut request = Request::builder().method(method).uri(target).body(full(body)).unwrap();
    let headers = [
        ("authorization", "Basic YWRhOmEtc2VjcmV0"),
        ("depth", depth),
        ("content-type", if method == "PUT" { "text/calendar" } else { "application/xml" }),
    ];
    for (name, value) in headers {
        request.headers_mut().insert(name, HeaderValue::from_str(value).unwrap());
    }
    block_on(async {
        let (parts, mut body) = service.handle(request).await.into_parts();
        let mut length = 0;
        while let Some(Ok(frame)) = body.frame().await {
            length += frame.data_ref().map_or(0, |data| data.len());
        }
        (parts.status.as_u16(), length)
    })
}

/// The first byte says the request, the rest is its body.
pub(crate) fn handle(input: &[u8]) {
    let Some((request, body)) = input.split_first() else { return };
    let (method, target, depth, changes) = REQUESTS[usize::from(*request) % REQUESTS.len()];
    let (status, _) = send(&service(), method, target, depth, body.to_vec());
    assert!(status < 500 || status == 507, "{method} is answered by {status}");
    if changes && status < 300 {
        // The next input finds what this one found.
        SERVICE.with_borrow_mut(|service| *service = None);
    }
}

pub(crate) fn seeds() -> Vec<Vec<u8>> {
    let dav = |request: u8, text: &str| {
        let mut seed = vec![request];
        seed.extend_from_slice(
            text.replace("NS", "xmlns=\"DAV:\" xmlns:C=\"urn:ietf:params:xml:ns:caldav\"").as_bytes(),
        );
        seed
    };
    vec![
        dav(
            0,
            "<propfind NS><prop><displayname/><resourcetype/><C:calendar-home-set/><getetag/></prop></propfind>",
        ),
        dav(0, "<propfind NS><allprop/><include><C:supported-calendar-data/></include></propfind>"),
        dav(1, "<propfind NS><propname/></propfind>"),
        dav(
            2,
            "<C:calendar-query NS><prop><getetag/><C:calendar-data><C:expand start=\"20240101T000000Z\" \
             end=\"20240401T000000Z\"/></C:calendar-data></prop><C:filter><C:comp-filter name=\"VCALENDAR\">\
             <C:comp-filter name=\"VEVENT\"><C:time-range start=\"20240301T000000Z\" end=\"20240401T000000Z\"/>\
             <C:prop-filter name=\"SUMMARY\"><C:text-match collation=\"i;ascii-casemap\" \
             negate-condition=\"yes\">x</C:text-match></C:prop-filter></C:comp-filter></C:comp-filter>\
             </C:filter><C:timezone-id>Europe/Berlin</C:timezone-id></C:calendar-query>",
        ),
        dav(
            2,
            "<C:calendar-multiget NS><prop><C:calendar-data><C:comp name=\"VCALENDAR\"><C:allprop/><C:comp \
             name=\"VEVENT\"><C:prop name=\"UID\" novalue=\"yes\"/></C:comp></C:comp></C:calendar-data></prop>\
             <href>/dav/calendars/ada/calendar/2.ics</href><href>nothing</href></C:calendar-multiget>",
        ),
        dav(
            3,
            "<C:free-busy-query NS><C:time-range start=\"20240101T000000Z\" end=\"20250101T000000Z\"/></C:free-busy-query>",
        ),
        dav(
            3,
            "<sync-collection NS><sync-token/><sync-level>1</sync-level><limit><nresults>1</nresults></limit>\
             <prop><getetag/></prop></sync-collection>",
        ),
        dav(
            4,
            "<principal-property-search NS test=\"anyof\"><property-search><prop><displayname/></prop><match>a\
             </match></property-search><prop><displayname/></prop></principal-property-search>",
        ),
        dav(
            3,
            "<expand-property NS><property name=\"owner\"><property name=\"displayname\"/></property></expand-property>",
        ),
        dav(
            5,
            "<propertyupdate NS><set><prop><displayname>New &#233; <![CDATA[<name>]]></displayname><x:a \
             xmlns:x=\"urn:x\" x:b=\"c\"><x:d/></x:a></prop></set><remove><prop><C:calendar-description/></prop>\
             </remove></propertyupdate>",
        ),
        dav(
            6,
            "<C:mkcalendar NS><set><prop><displayname>New</displayname><C:supported-calendar-component-set>\
             <C:comp name=\"VTODO\"/></C:supported-calendar-component-set></prop></set></C:mkcalendar>",
        ),
        dav(
            7,
            "<mkcol NS><set><prop><resourcetype><collection/><C:calendar/></resourcetype></prop></set></mkcol>",
        ),
    ]
}
