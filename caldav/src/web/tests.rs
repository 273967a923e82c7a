use crate::{Change, Service, ServiceOptions, empty, realm::Realm};
use base64::{Engine, engine::general_purpose::STANDARD};
use futures_util::FutureExt;
use http::{Method, Request, Response, StatusCode, header};
use http_body_util::BodyExt;
use kalends_block_backend::MemoryDevice;
use kalends_store::{FormatOptions, Store};
use std::rc::Rc;

fn service(authority: Option<&str>) -> Service {
    let store = Store::format(Rc::new(MemoryDevice::new(64 << 20)), &FormatOptions::default()).unwrap();
    let realm = Realm::open(store.clone()).unwrap();
    realm.set_password("ada", "a-secret").unwrap();
    let hostname = "cal.example".into();
    let options = ServiceOptions { hostname, authority: authority.map(Into::into), ..Default::default() };
    Service::new(store, realm, options)
}

/// Polls until done: nothing here waits for anything but a memory device.
fn get(service: &Service, method: Method, path: &str, password: Option<&str>) -> (StatusCode, String) {
    let mut request = Request::builder().method(method).uri(path).header(header::HOST, "x.example:1");
    if let Some(password) = password {
        let credentials = STANDARD.encode(format!("ada:{password}"));
        request = request.header(header::AUTHORIZATION, format!("Basic {credentials}"));
    }
    let mut answer = Box::pin(service.handle(request.body(empty()).unwrap()));
    let response: Response<_> = loop {
        if let Some(response) = answer.as_mut().now_or_never() {
            break response;
        }
    };
    let status = response.status();
    let body = response.into_body().collect().now_or_never().unwrap().unwrap().to_bytes();
    (status, String::from_utf8(body.to_vec()).unwrap())
}

#[test]
fn the_first_page_tells_everybody_how_to_connect() {
    let (status, html) = get(&service(None), Method::GET, "/", None);
    assert_eq!(status, 200);
    assert!(html.contains("<pre>https://x.example:1/</pre>"), "{html}");
    assert!(!html.contains("kalends-ca.pem"), "{html}");
    assert!(!html.contains("ada"), "{html}");
}

#[test]
fn the_authority_is_offered_where_there_is_one() {
    let service = service(Some("-----BEGIN CERTIFICATE-----\n"));
    assert!(get(&service, Method::GET, "/", None).1.contains("href=\"/kalends-ca.pem\""));
    let (status, pem) = get(&service, Method::GET, "/kalends-ca.pem", None);
    assert_eq!((status, pem.as_str()), (StatusCode::OK, "-----BEGIN CERTIFICATE-----\n"));
}

#[test]
fn the_overview_needs_a_password_and_escapes_what_people_wrote() {
    let service = service(None);
    assert_eq!(get(&service, Method::GET, "/overview", None).0, 401);
    assert_eq!(get(&service, Method::GET, "/overview", Some("wrong")).0, 401);
    let repository = service.store.repository("ada").unwrap();
    let mut change = Change::new(&repository);
    let file = "type = \"calendar\"\ndisplay-name = \"<Work> & \\\"more\\\"\"\ncolor = \"#FF8800AA\"\n";
    change.write(&[b"a b", b".collection.toml"], file).unwrap();
    change.write(&[b"a b", b"x.ics"], "x").unwrap();
    let author = service.realm.user("ada").unwrap().author();
    let mut commit = change.submit(&author, "Add <b>lunch</b>\n\nmore").unwrap().unwrap();
    while (&mut commit).now_or_never().is_none() {}
    let (status, html) = get(&service, Method::GET, "/overview", Some("a-secret"));
    assert_eq!(status, 200);
    for part in [
        "background:#ff8800",
        "&lt;Work&gt; &amp; \"more\"</td><td class=\"number\">1</td>\
         <td>https://x.example:1/dav/calendars/ada/a%20b/</td>",
        "<td>Add &lt;b&gt;lunch&lt;/b&gt;</td>",
        "git clone https://x.example:1/git/ada.git",
    ] {
        assert!(html.contains(part), "{part} in {html}");
    }
}

#[test]
fn other_addresses_and_methods_are_refused() {
    let service = service(None);
    assert_eq!(get(&service, Method::GET, "/index.php", None).0, 404);
    assert_eq!(get(&service, Method::GET, "/kalends-ca.pem", None).0, 404);
    assert_eq!(get(&service, Method::POST, "/", None).0, 405);
    assert_eq!(get(&service, Method::HEAD, "/", None), (StatusCode::OK, String::new()));
}
