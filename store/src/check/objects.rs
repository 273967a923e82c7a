//! Every object of the log: read, made, hashed, examined.

use super::{
    finding::Findings,
    links::Links,
    resolver::{Copy, Resolver},
};
use crate::{
    Error, Object,
    core::{Core, RepositoryState},
    format::record::Record,
    pack::check_object,
};
use gix_hash::ObjectId;
use std::cell::RefCell;

/// Checks the objects of a repository that are not in packs, in the order in which they lie on the device.
pub(super) fn check(
    core: &Core,
    repository: &RefCell<RepositoryState>,
    resolver: &Resolver<'_>,
    links: &mut Links,
    findings: &mut Findings<'_>,
) {
    let name = repository.borrow().name.clone();
    let mut places: Vec<(u64, u32)> = {
        let mut state = repository.borrow_mut();
        let records = state.index.sorted().iter().zip(0..);
        records.map(|(record, position)| (record.offset(), position)).collect()
    };
    places.sort_unstable();
    let mut before: Option<Record> = None;
    for (_, position) in places {
        let record = repository.borrow_mut().index.sorted().get(position as usize).copied();
        let Some(record) = record else { continue };
        let id = record.id();
        findings.summary.objects += 1;
        if let Some(before) = before.replace(record)
            && before.offset() + u64::from(before.length()) > record.offset()
        {
            let message = format!("overlaps object {} on the device", before.id());
            findings.damage_in(&name, Some(id), message);
        }
        let object = core.read_data(record.offset(), record.length());
        let object = object.and_then(|entry| resolver.copy(&id, &entry, &Copy::Log));
        match object {
            Ok(object) if object.kind != record.attributes().kind() => {
                let indexed = record.attributes().kind();
                let message = format!("is a {}, and a {indexed} in the index", object.kind);
                findings.damage_in(&name, Some(id), message);
                links.affect(id);
            }
            Ok(object) => examine(&name, &id, &object, resolver, links, findings),
            Err(error) => {
                damaged(&name, &id, &error, &format!("at byte {}", record.offset()), links, findings);
            }
        }
    }
}

/// Checks that an object is well formed, and follows its links.
pub(super) fn examine(
    repository: &str,
    id: &ObjectId,
    object: &Object,
    resolver: &Resolver<'_>,
    links: &mut Links,
    findings: &mut Findings<'_>,
) {
    let examined = check_object(id, object.kind, &object.data, &mut |to, kind| {
        links.follow(repository, resolver, id, to, kind, findings);
        Ok(())
    });
    if let Err(error) = examined {
        let message = reason(id, &error);
        let prefix = format!("object {id}: ");
        let message = message.strip_prefix(&prefix).unwrap_or(&message).to_owned();
        findings.damage_in(repository, Some(*id), message);
        links.affect(*id);
    }
}

/// Reports a copy of an object that cannot be made.
pub(super) fn damaged(
    repository: &str,
    id: &ObjectId,
    error: &Error,
    place: &str,
    links: &mut Links,
    findings: &mut Findings<'_>,
) {
    links.affect(*id);
    let base = match error {
        Error::Damaged { id: base, .. } | Error::NoObject(base) if base != id => Some(*base),
        _ => None,
    };
    match base.is_none_or(|base| links.depend(*id, base)) {
        true => findings.damage_in(repository, Some(*id), format!("{} ({place})", reason(id, error))),
        false => findings.count_damage(),
    }
}

/// An error in words that do not name the object again.
pub(super) fn reason(id: &ObjectId, error: &Error) -> String {
    match error {
        Error::Malformed(reason) => reason.clone(),
        Error::Damaged { id: damaged, reason } if damaged == id => reason.clone(),
        Error::Damaged { id: base, reason } => format!("is a delta on {base}, which is damaged: {reason}"),
        Error::NoObject(base) => format!("is a delta on {base}, which is missing"),
        other => other.to_string(),
    }
}
