//! What a calendar asks of the objects in it (RFC 4791 §5.3.2.1), however they come there.

use super::{message, target::Target};
use crate::{
    Service,
    collection::{Collection, is_ics},
    dav::{error::DavError, home::Home, location::HomePath},
    snapshot::Node,
};
use bytes::Bytes;
use http::StatusCode;
use kalends_icalendar::{CalendarObject, ComponentKind, Limits};
use kalends_store::Objects;

/// An object that a calendar takes.
pub(super) struct Acceptable {
    /// Its UID.
    pub(super) uid: String,
    /// Its summary in one short line.
    pub(super) summary: Option<String>,
}

/// Checks an object against the rules of a calendar that do not regard its other members.
///
/// # Errors
/// 403 with the precondition that is not met, and each line that breaks a rule.
pub(super) fn check(service: &Service, calendar: &Collection, data: Bytes) -> Result<Acceptable, DavError> {
    let object = CalendarObject::parse(data, &limits(service))
        .map_err(|violation| DavError::violations(std::slice::from_ref(&violation)))?;
    let supported: Vec<_> =
        ComponentKind::ALL.into_iter().filter(|kind| calendar.allows_component(kind.name())).collect();
    let identity = object.check(&supported).map_err(|violations| DavError::violations(&violations))?;
    Ok(Acceptable { uid: identity.uid, summary: message::summary(&object) })
}

fn limits(service: &Service) -> Limits {
    let bytes = usize::try_from(service.realm.server().max_resource_size).unwrap_or(usize::MAX);
    Limits { bytes, ..Limits::default() }
}

/// Checks that a name can be that of an object in a calendar: what is not `*.ics` is none to people who
/// clone the repository.
///
/// # Errors
/// 403.
pub(super) fn check_name(target: &Target) -> Result<(), DavError> {
    if is_ics(target.name()) {
        return Ok(());
    }
    let reason = format!(
        "“{}”: the names of calendar objects end in .ics, and calendars hold nothing else",
        target.path.display()
    );
    Err(DavError::new(StatusCode::FORBIDDEN, reason))
}

/// Reads what is needed to find a UID in the calendar that `path` is in, if it is in one. Without it,
/// [`check_uid`] would keep all other requests waiting when a large calendar is used for the first time.
///
/// # Errors
/// Those of reading the calendar.
pub(super) async fn prepare(service: &Service, home: &Home, path: &HomePath) -> Result<(), DavError> {
    let Some((parent, _)) = path.split_last() else { return Ok(()) };
    if let Some(Node::Directory(parent)) = home.latest()?.snapshot().find(&parent.segments)?
        && parent.collection.is_calendar()
    {
        service.index.prepare(&home.repository, &parent.id).await?;
    }
    Ok(())
}

/// Checks that an object with this UID can be at `target`, a place in a calendar: no other member may have
/// it, and what is replaced must have the same. `leaving` is a member that goes away with the same change.
///
/// # Errors
/// 403 with `CALDAV:no-uid-conflict`, naming the member.
pub(super) fn check_uid(
    service: &Service,
    home: &Home,
    target: &Target,
    uid: &str,
    leaving: Option<&[u8]>,
) -> Result<(), DavError> {
    let conflict = |name: &[u8], reason: String| {
        let href = target.parent_path.member(name, false).href();
        Err(DavError::caldav(StatusCode::FORBIDDEN, "no-uid-conflict", reason).naming(href))
    };
    let holder = service.index.member_with_uid(&home.repository, &target.parent.id, uid)?;
    match holder {
        Some(holder) if holder == target.name() => return Ok(()),
        Some(holder) if leaving != Some(&holder) => {
            let shown = String::from_utf8_lossy(&holder);
            return conflict(&holder, format!("UID “{uid}” is that of {shown} in this calendar"));
        }
        _ => {}
    }
    let Some(Node::File(old)) = &target.occupant else { return Ok(()) };
    // An object that cannot be read, which only git brings, may be replaced by any.
    match uid_of(service, home.repository.object(&old.id)?.data) {
        Some(old) if old != uid => {
            let reason = format!("the object at this URL has the UID “{old}”, which cannot become “{uid}”");
            conflict(target.name(), reason)
        }
        _ => Ok(()),
    }
}

fn uid_of(service: &Service, data: Bytes) -> Option<String> {
    let object = CalendarObject::parse(data, &limits(service)).ok()?;
    let mut components = object.root().components();
    components.find_map(|component| component.first("UID")).map(|uid| uid.text().trim().to_owned())
}

/// The summary of a stored object, if it can be read.
pub(super) fn summary_of(service: &Service, data: Bytes) -> Option<String> {
    message::summary(&CalendarObject::parse(data, &limits(service)).ok()?)
}
