//! A user's calendars and the latest changes.

use super::{
    base_url, history,
    page::{Cell, Page},
};
use crate::{
    RequestBody, Service,
    collection::is_ics,
    dav::calendar_url,
    realm::User,
    snapshot::{Directory, Node, Snapshot},
};
use http::Request;
use kalends_store::{Error, Objects};
use std::rc::Rc;

/// Calendars and commits that are listed.
const MOST: usize = 200;
const LATEST: usize = 25;
/// Directories that may be in each other.
const DEEPEST: usize = 8;

/// The page.
pub(super) fn page(service: &Service, user: &User, request: &Request<RequestBody>) -> Result<Page, Error> {
    let url = base_url(service, request);
    let repository = service.store.repository(&user.name)?;
    let tip = repository.reference(repository.head());
    let root = tip.map(|tip| repository.tree_of_commit(&tip)).transpose()?;
    let snapshot = Snapshot::new(&repository, &service.collections, root);
    let mut rows = Vec::new();
    calendars(&snapshot, &snapshot.root()?, &url, &user.name, &mut Vec::new(), &mut rows)?;
    let mut page = Page::new(&user.display_name);
    page.heading("Calendars");
    match rows.is_empty() {
        true => page.paragraph("There is none yet; make one in your calendar app."),
        false => page.table(&["Name", "Objects", "Address"], &[1], &rows),
    }
    page.heading("Latest changes");
    match tip {
        Some(tip) => {
            let changes: Vec<_> = history::latest(&repository, tip, LATEST)?
                .into_iter()
                .map(|entry| [entry.time, entry.author, entry.summary, entry.id].map(Cell::Text).into())
                .collect();
            page.table(&["When", "Who", "What", "Commit"], &[], &changes);
        }
        None => page.paragraph("The repository has no commits."),
    }
    page.heading("Undo");
    page.paragraph("Clone your repository, revert the commit, push; your apps have it at their next sync.");
    page.code(&format!(
        "git clone {url}/git/{name}.git\ncd {name}\ngit revert COMMIT\ngit push",
        name = user.name
    ));
    page.link("/", "How to connect");
    Ok(page)
}

/// Appends a row for each calendar at or below a directory.
fn calendars(
    snapshot: &Snapshot<'_>,
    directory: &Rc<Directory>,
    url: &str,
    owner: &str,
    path: &mut Vec<Vec<u8>>,
    rows: &mut Vec<Vec<Cell>>,
) -> Result<(), Error> {
    for entry in directory.tree.iter().filter(|entry| entry.mode.is_tree()) {
        if rows.len() >= MOST || path.len() >= DEEPEST {
            break;
        }
        let Some(Node::Directory(below)) = snapshot.node(directory, entry)? else { continue };
        path.push(entry.name.to_vec());
        if below.collection.is_calendar() {
            let name = below.collection.displayname.clone();
            let name = name.unwrap_or_else(|| String::from_utf8_lossy(entry.name).into_owned());
            let name = match below.collection.color.as_deref().and_then(rgb) {
                Some(color) => Cell::Colored(name, color),
                None => Cell::Text(name),
            };
            let count = below.tree.iter().filter(|entry| !entry.mode.is_tree() && is_ics(entry.name)).count();
            let address = format!("{url}{}", calendar_url(owner, path));
            rows.push(vec![name, Cell::Text(count.to_string()), Cell::Text(address)]);
        } else {
            calendars(snapshot, &below, url, owner, path, rows)?;
        }
        path.pop();
    }
    Ok(())
}

/// The colour of `#RRGGBB` or `#RRGGBBAA`.
fn rgb(text: &str) -> Option<[u8; 3]> {
    let digits = text.trim().strip_prefix('#')?;
    if !matches!(digits.len(), 6 | 8) || !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    let part = |at: usize| u8::from_str_radix(digits.get(at..at + 2)?, 16).ok();
    Some([part(0)?, part(2)?, part(4)?])
}
