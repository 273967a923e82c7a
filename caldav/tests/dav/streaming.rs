//! Large answers begin before their last member has been looked at.

use crate::server::{Server, block_on, event};
use http::Request;
use http_body_util::BodyExt;
use kalends_block_backend::{CountingDevice, MemoryDevice};
use kalends_caldav::full;
use std::rc::Rc;

const CALENDAR: &str = "/dav/calendars/ada/calendar/";
const EVENTS: usize = 3000;

#[test]
fn the_first_bytes_of_a_large_answer_come_before_its_last_member_is_read() {
    let device = Rc::new(CountingDevice::new(Rc::new(MemoryDevice::new(64 << 20))));
    let server = Server::on(device.clone());
    let names: Vec<_> = (0..EVENTS).map(|number| format!("calendar/{number:04}.ics")).collect();
    let events: Vec<_> = (0..EVENTS).map(|number| event(&number.to_string(), "Long enough")).collect();
    let files: Vec<_> =
        names.iter().zip(&events).map(|(name, event)| (name.as_str(), Some(event.as_str()))).collect();
    server.commit("ada", &files);
    let hrefs: String =
        (0..EVENTS).map(|number| format!("<D:href>{CALENDAR}{number:04}.ics</D:href>")).collect();
    let namespaces = "xmlns:D='DAV:' xmlns:C='urn:ietf:params:xml:ns:caldav'";
    let data = "<D:prop><D:getetag/><C:calendar-data/></D:prop>";
    let sync = format!(
        "<D:sync-collection {namespaces}><D:sync-token/><D:sync-level>1</D:sync-level>{data}</D:sync-collection>"
    );
    let multiget = format!("<C:calendar-multiget {namespaces}>{data}{hrefs}</C:calendar-multiget>");
    let lengths = format!("<D:propfind {namespaces}><D:prop><D:getcontentlength/></D:prop></D:propfind>");
    let mut server = server;
    for (method, body) in [("REPORT", sync), ("REPORT", multiget), ("PROPFIND", lengths)] {
        // Nothing of the calendar is in memory.
        server = server.reopened();
        // The password is verified, and the directory known.
        server.send("PROPFIND", CALENDAR, &[("depth", "0")], "").expect(207);
        let request = Request::builder().method(method).uri(CALENDAR).header("depth", "1");
        let request = request.header("authorization", "Basic YWRhOmEtc2VjcmV0").body(full(body)).unwrap();
        let before = device.read_bytes();
        let (first, at_first, whole) = block_on(async {
            let mut body = server.service.handle(request).await.into_body();
            let first = body.frame().await.unwrap().unwrap().into_data().unwrap().len();
            let (at_first, mut whole) = (device.read_bytes() - before, first);
            while let Some(frame) = body.frame().await {
                whole += frame.unwrap().into_data().unwrap().len();
            }
            (first, at_first, whole)
        });
        let all = device.read_bytes() - before;
        assert!(first * 5 < whole, "{method}: {first} of {whole} bytes come at first");
        assert!(at_first * 3 < all, "{method}: {at_first} of {all} bytes are read before the first come");
    }
}
