//! What OPTIONS says.

use crate::server::Server;

#[test]
fn options_tell_the_compliance_classes() {
    let server = Server::new();
    let answer = server.send("OPTIONS", "/dav/calendars/ada/calendar/", &[], "").expect(200);
    let classes: Vec<_> = answer.header("dav").split(", ").collect();
    for class in ["1", "3", "calendar-access", "extended-mkcol"] {
        assert!(classes.contains(&class), "{classes:?}");
    }
}
