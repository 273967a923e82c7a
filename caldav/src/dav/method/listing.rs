//! Pages for people who open a collection in a browser.

use super::chunks;
use crate::{
    ResponseBody, Service,
    dav::{
        DavError,
        home::Home,
        location::{HomePath, principal_href},
        resource::Resource,
        xml_writer,
    },
    realm::User,
    snapshot::{Directory, Node},
};
use http::{HeaderValue, Response, header};
use kalends_store::Error;
use std::rc::Rc;

/// The members of a collection that is no calendar.
pub(super) fn collection(
    home: &Home,
    path: &HomePath,
    directory: &Rc<Directory>,
) -> Result<Response<ResponseBody>, DavError> {
    let title = match &directory.collection.displayname {
        Some(name) => name.clone(),
        None if path.segments.is_empty() => path.owner.clone(),
        None => path.display(),
    };
    let (home, path, directory) = (home.clone(), path.clone(), directory.clone());
    let above = match path.split_last() {
        Some((above, _)) => above.href(),
        None => "/dav/calendars/".into(),
    };
    let mut position = 0;
    Ok(page(&title, &above, move |out| {
        let Some(entry) = directory.tree.get(position) else { return Ok(false) };
        position += 1;
        let name = entry.name.to_vec();
        let shown = String::from_utf8_lossy(&name).into_owned();
        match home.snapshot().node(&directory, entry)? {
            Some(Node::Directory(member)) => {
                let note = member.collection.displayname.clone().unwrap_or_default();
                link(out, &path.member(&name, true).href(), &format!("{shown}/"), &note);
            }
            Some(Node::File(file)) => {
                let size = home.repository.header(&file.id)?.size;
                link(out, &path.member(&name, false).href(), &shown, &format!("{size} bytes"));
            }
            None => {}
        }
        Ok(true)
    }))
}

/// What is above homes and principals, and a principal.
pub(super) fn fixed(service: &Service, user: &User, resource: &Resource) -> Response<ResponseBody> {
    let title = service.realm.server().title;
    let home = HomePath::home(&user.name).href();
    let (title, above, links) = match resource {
        Resource::Principals => (
            "Principals".into(),
            "/dav/",
            std::iter::once(user.name.clone())
                .chain(service.realm.groups_of(&user.name).into_iter().map(|group| group.name))
                .map(|name| (principal_href(&name), name))
                .collect(),
        ),
        Resource::Homes => ("Calendar homes".into(), "/dav/", vec![(home, user.name.clone())]),
        Resource::Principal(principal) => {
            let links = match principal.name() == user.name {
                true => vec![(home, "Calendars".into())],
                false => Vec::new(),
            };
            (principal.name().to_owned(), "/dav/principals/", links)
        }
        _ => {
            let links = vec![(home, "Calendars".into()), ("/dav/principals/".into(), "Principals".into())];
            (title, "/", links)
        }
    };
    let mut links = links.into_iter();
    page(&title, above, move |out| match links.next() {
        Some((href, text)) => {
            link(out, &href, &text, "");
            Ok(true)
        }
        None => Ok(false),
    })
}

/// A page whose items `next` appends, one at each call, false when there are no more.
fn page(
    title: &str,
    above: &str,
    mut next: impl FnMut(&mut String) -> Result<bool, Error> + 'static,
) -> Response<ResponseBody> {
    let mut start = String::from("<!DOCTYPE html>\n<html lang=\"en\"><meta charset=\"utf-8\"><title>");
    xml_writer::text(&mut start, title);
    start.push_str("</title>\n<h1>");
    xml_writer::text(&mut start, title);
    start.push_str("</h1>\n<ul>\n");
    link(&mut start, above, "..", "");
    let mut start = Some(start);
    let body = chunks::body(move |out| {
        let mut text = start.take().unwrap_or_default();
        let more = next(&mut text)?;
        if !more {
            text.push_str("</ul>\n</html>\n");
        }
        out.extend_from_slice(text.as_bytes());
        Ok(more)
    });
    let mut response = Response::new(body);
    for (name, value) in [
        (header::CONTENT_TYPE, "text/html; charset=utf-8"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::CONTENT_SECURITY_POLICY, "default-src 'none'; base-uri 'none'; frame-ancestors 'none'"),
    ] {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    response
}

fn link(out: &mut String, href: &str, text: &str, note: &str) {
    out.push_str("<li><a href=\"");
    xml_writer::attribute_value(out, href);
    out.push_str("\">");
    xml_writer::text(out, text);
    out.push_str("</a> ");
    xml_writer::text(out, note);
    out.push_str("</li>\n");
}
