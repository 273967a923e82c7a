//! `kalends image inspect`.

use crate::fsck;
use kalends::has_own_authority;
use kalends_block_backend::BlockDevice;
use kalends_caldav::realm::Realm;
use kalends_store::{Objects, Repository, Store};
use std::{path::Path, rc::Rc};

/// References of one repository that are listed; the rest is counted.
const MAX_LISTED: usize = 50;

/// Says what is on a device, without secrets, and writes nothing to it.
pub(super) fn inspect(path: &Path) -> Result<(), String> {
    let device = Rc::new(fsck::open(path)?);
    let size = device.capacity();
    let store = Store::open(device).map_err(|error| format!("{}: {error}", path.display()))?;
    println!("{}: a Kalends device, format version {}", path.display(), kalends_store::FORMAT_VERSION);
    println!("size       {size} bytes, {} free", store.free_bytes());
    let authority = if has_own_authority(&store) { "yes" } else { "no; the first start makes one" };
    println!("authority  {authority}");
    match Realm::read_users(&store) {
        Ok(users) if users.is_empty() => println!("users      none"),
        Ok(users) => {
            for (user, disabled) in users {
                let administrator = if user.administrator { ", administrator" } else { "" };
                let disabled = if disabled { ", disabled" } else { "" };
                println!("user       {}{administrator}{disabled}", user.name);
            }
        }
        Err(error) => println!("users      cannot be read: {error}"),
    }
    for name in store.repositories() {
        let shown = store.repository(&name).and_then(|repository| show(&repository));
        shown.map_err(|error| format!("{}: repository {name}: {error}", path.display()))?;
    }
    for notice in store.notices() {
        println!("notice     {notice}");
    }
    Ok(())
}

fn show(repository: &Repository) -> Result<(), kalends_store::Error> {
    println!("repository {}: {} objects", repository.name(), repository.object_count()?);
    let references = repository.references();
    for reference in references.iter().take(MAX_LISTED) {
        println!("  {} {}", reference.id, printable(&reference.name));
    }
    if references.len() > MAX_LISTED {
        println!("  and {} more references", references.len() - MAX_LISTED);
    }
    if let Some(newest) = repository.reference(repository.head()) {
        let commit = repository.object(&newest)?;
        let text = String::from_utf8_lossy(&commit.data);
        let (headers, message) = text.split_once("\n\n").unwrap_or((&text, ""));
        let author = headers.lines().find_map(|line| line.strip_prefix("author ")).unwrap_or_default();
        let subject = message.lines().next().unwrap_or_default();
        println!("  newest commit: {} ({})", printable(subject), printable(author));
    }
    Ok(())
}

/// Whoever pushed wrote this: nothing of it may steer a terminal.
fn printable(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(200).collect()
}
