//! `kalends image import`: a git repository becomes that of a user, or the realm.

use super::users::realm;
use crate::{device, git_source::GitSource};
use futures_util::{StreamExt, stream};
use kalends_caldav::{Service, ServiceOptions, realm::REALM_REPOSITORY};
use kalends_store::{
    Error, Objects, Repository,
    wire::{ReceiveOptions, receive_pack_stream},
};
use kalends_tls_frontend::host::block_on;
use std::{collections::BTreeMap, iter, path::Path};

const ZERO: &str = "0000000000000000000000000000000000000000";

/// Imports all objects and references under the rules of a push, wholly or not at all.
pub(super) fn import(path: &Path, name: &str, source: &Path, replace: bool) -> Result<(), String> {
    let git = GitSource::open(source)?;
    let references = git.references()?;
    let store = device::open(path)?;
    let realm = realm(&store)?;
    if name != REALM_REPOSITORY && realm.user(name).is_none() {
        return Err(format!("there is no user {name} who may sign in; `kalends image add-user` adds one"));
    }
    let failed = |error: Error| format!("{}: repository {name}: {error}", path.display());
    let repository = match store.repository(name) {
        Err(Error::NoRepository(_)) => store.create_repository(name),
        other => other,
    };
    let repository = repository.map_err(failed)?;
    if !references.iter().any(|(name, _)| name == repository.head()) {
        return Err(format!("{} has no branch main, which holds the calendars", source.display()));
    }
    if !replace && !is_as_provisioned(&repository).map_err(failed)? {
        return Err(format!("the repository of {name} has a history of its own; --replace gives it up"));
    }
    let commands = commands(&repository, &references);
    if commands.is_empty() {
        println!("{name}: all {} references are there already", references.len());
        return Ok(());
    }
    let service = Service::new(store.clone(), realm, ServiceOptions::default());
    let policy = service.import_policy(&repository);
    // Deletions alone come without a pack.
    let mut pack = match commands.iter().any(|command| command.split(' ').nth(1) != Some(ZERO)) {
        true => Some(git.pack()?),
        false => None,
    };
    let pieces =
        iter::once(Ok(request(&git.shallow()?, &commands))).chain(iter::from_fn(|| pack.as_mut()?.next()));
    let body = stream::iter(pieces.map(|piece| piece.map(Into::into)));
    let received = receive_pack_stream(&repository, body, policy, ReceiveOptions::default());
    let mut reply = block_on(received)?.map_err(|error| error.to_string())?;
    let mut response = Vec::new();
    block_on(async {
        while let Some(bytes) = reply.next().await {
            response.extend_from_slice(&bytes);
        }
    });
    conclude(&response, commands.len()).map_err(|reason| format!("nothing was imported: {reason}"))?;
    let objects = repository.object_count().map_err(failed)?;
    store.close().map_err(|error| format!("{}: {error}", path.display()))?;
    println!("{name}: {} references, {objects} objects", references.len());
    Ok(())
}

/// Whether the repository holds nothing but what the realm put there.
fn is_as_provisioned(repository: &Repository) -> Result<bool, Error> {
    let references = repository.references();
    let main = match references.as_slice() {
        [] => return Ok(true),
        [only] if only.name == repository.head() => only.id,
        _ => return Ok(false),
    };
    let commit = repository.object(&main)?;
    let text = String::from_utf8_lossy(&commit.data);
    let (headers, message) = text.split_once("\n\n").unwrap_or_default();
    let by_realm = headers.lines().any(|line| line.starts_with("author Kalends <kalends@localhost> "));
    Ok(by_realm && message == "Add calendar/\n" && !headers.lines().any(|line| line.starts_with("parent ")))
}

/// The commands (gitprotocol-pack(5)) that make the references those of the source.
fn commands(repository: &Repository, wanted: &[(String, String)]) -> Vec<String> {
    let present: BTreeMap<_, _> =
        repository.references().into_iter().map(|one| (one.name, one.id.to_string())).collect();
    let mut commands = Vec::new();
    for (name, new) in wanted {
        let old = present.get(name).map_or(ZERO, String::as_str);
        if old != new {
            commands.push(format!("{old} {new} {name}"));
        }
    }
    for (name, old) in &present {
        if !wanted.iter().any(|(wanted, _)| wanted == name) {
            commands.push(format!("{old} {ZERO} {name}"));
        }
    }
    commands
}

fn request(shallow: &[String], commands: &[String]) -> Vec<u8> {
    let mut body = Vec::new();
    for id in shallow {
        let line = format!("shallow {id}");
        body.extend(format!("{:04x}{line}", line.len() + 4).into_bytes());
    }
    for (number, command) in commands.iter().enumerate() {
        let capabilities = if number == 0 { "\0report-status side-band-64k atomic quiet" } else { "" };
        let line = format!("{command}{capabilities}");
        body.extend(format!("{:04x}{line}", line.len() + 4).into_bytes());
    }
    body.extend(b"0000");
    body
}

/// Reads the answer: what was said on band 2 and refused in the report of band 1.
fn conclude(response: &[u8], commands: usize) -> Result<(), String> {
    let (mut report, mut messages) = (Vec::new(), Vec::new());
    for packet in packets(response) {
        match packet.split_first() {
            Some((1, data)) => report.extend_from_slice(data),
            Some((_, data)) => messages.extend_from_slice(data),
            None => {}
        }
    }
    let lines: Vec<_> =
        packets(&report).map(|line| String::from_utf8_lossy(line).trim().to_owned()).collect();
    let done = lines.iter().filter(|line| line.starts_with("ok ")).count();
    if done == commands && lines.first().is_some_and(|line| line == "unpack ok") {
        return Ok(());
    }
    let messages = String::from_utf8_lossy(&messages);
    let messages = messages.lines().map(str::trim).filter(|line| !line.is_empty()).map(str::to_owned);
    let refused = lines.iter().filter(|line| line.starts_with("ng ")).map(|line| line[3..].to_owned());
    Err(messages.chain(refused).take(20).collect::<Vec<_>>().join("; "))
}

/// The pkt-lines (gitprotocol-common(5)) of a response, without flushes.
fn packets(mut bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    std::iter::from_fn(move || {
        loop {
            let (length, rest) = bytes.split_at_checked(4)?;
            let length = usize::from_str_radix(str::from_utf8(length).ok()?, 16).ok()?;
            let (packet, rest) = rest.split_at_checked(length.saturating_sub(4))?;
            bytes = rest;
            if length > 4 {
                return Some(packet);
            }
        }
    })
}
