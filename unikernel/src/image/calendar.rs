//! `kalends image import --calendar`: the export of a calendar becomes events of one.

use super::{split::split, users::realm};
use crate::device;
use kalends_caldav::{Change, Service, ServiceOptions};
use kalends_store::Objects;
use kalends_tls_frontend::host::block_on;
use std::{fs, path::Path};

/// Imports all objects of a file in one commit, under the rules of a push, or none.
pub(super) fn import(path: &Path, name: &str, source: &Path, calendar: &str) -> Result<(), String> {
    let shown = source.display();
    let text = fs::read_to_string(source).map_err(|error| format!("cannot read {shown}: {error}"))?;
    let parts = split(&text).map_err(|error| format!("{shown}: {error}; nothing was imported"))?;
    let store = device::open(path)?;
    let realm = realm(&store)?;
    let Some(user) = realm.user(name) else {
        return Err(format!("there is no user {name} who may sign in; `kalends image add-user` adds one"));
    };
    let failed = |error: kalends_store::Error| format!("{}: repository {name}: {error}", path.display());
    let repository = store.repository(name).map_err(failed)?;
    let mut change = Change::new(&repository);
    let root = change.base_tree().map_err(failed)?;
    let root = root.map(|root| repository.tree(&root)).transpose().map_err(failed)?;
    let found = root.as_ref().and_then(|root| root.find(calendar.as_bytes())).filter(|it| it.mode.is_tree());
    let Some(found) = found else { return Err(format!("{name} has no calendar {calendar}")) };
    let present = repository.tree(&found.id.to_owned()).map_err(failed)?;
    let mut places = Vec::new();
    for (number, part) in parts.iter().enumerate() {
        let mut file = file_name(&part.uid, number);
        while present.find(file.as_bytes()).is_some() || places.iter().any(|(place, _)| *place == file) {
            file.insert_str(0, "i-");
        }
        change
            .write(&[calendar.as_bytes(), file.as_bytes()], part.text.clone().into_bytes())
            .map_err(failed)?;
        places.push((file, part.line));
    }
    let service = Service::new(store.clone(), realm, ServiceOptions::default());
    let policy = service.push_policy(&user, &repository);
    let message = format!("Import {} objects into {calendar}/", parts.len());
    let submitted = block_on(change.submit_under(&*policy, &user.author(), &message)).map_err(failed)?;
    match submitted {
        Ok(Some(commit)) => block_on(commit).map_err(failed)?,
        Ok(None) => {}
        Err(refusal) => {
            let tell = |detail: &String| {
                let part = places.iter().find(|(file, _)| detail.contains(&format!("{calendar}/{file}")));
                match part {
                    Some((_, line)) => format!("{detail} (from line {line} of {shown})"),
                    None => detail.clone(),
                }
            };
            let details: Vec<_> = refusal.details.iter().map(tell).collect();
            return Err(format!("nothing was imported: {}", details.join("; ")));
        }
    }
    store.close().map_err(|error| format!("{}: {error}", path.display()))?;
    println!("{name}: {} objects in {calendar}/", parts.len());
    Ok(())
}

/// The UID where it makes a plain file name.
fn file_name(uid: &str, number: usize) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | '@');
    if uid.len() <= 200 && !uid.starts_with('.') && uid.chars().all(plain) {
        format!("{uid}.ics")
    } else {
        format!("imported-{number}.ics")
    }
}
