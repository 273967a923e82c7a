//! The first page: how to connect. It tells nothing that is not for everybody.

use super::{OVERVIEW, authority, base_url, page::Page};
use crate::{RequestBody, Service};
use http::Request;

/// The page.
pub(super) fn page(service: &Service, request: &Request<RequestBody>) -> Page {
    let settings = service.realm.server();
    let url = base_url(service, request);
    let mut page = Page::new(&settings.title);
    if !settings.message.trim().is_empty() {
        page.note(&settings.message);
    }
    page.paragraph("Calendars by CalDAV, with their whole history by git.");
    page.heading("Calendar apps");
    page.paragraph(
        "Thunderbird, Apple Calendar, DAVx5, Evolution and others: add a CalDAV account with this address \
         and your user name and password. The app finds your calendars by itself.",
    );
    page.code(&format!("{url}/"));
    if service.options.authority.is_some() {
        page.heading("Certificate");
        page.paragraph(
            "This server signs its own certificate. Devices must trust its authority first; compare the file \
             with the one beside the server before you install it.",
        );
        page.link(authority::PATH, "Download the authority's certificate");
    }
    page.heading("Everything, as files");
    page.paragraph(
        "Your calendars are a git repository of .ics files. Every change is a commit; a push is a change.",
    );
    page.code(&format!("git clone {url}/git/USER.git"));
    page.heading("What is there");
    page.link(OVERVIEW, "Your calendars and their latest changes");
    page
}
