//! The properties of calendars (RFC 4791 §5.2 and §7.5.1, RFC 6638 §9.1).
//!
//! There are no `min-date-time`, `max-date-time`, `max-instances` and `max-attendees-per-instance`: an
//! object is not refused for any of them.

use super::{live::LiveProperty, subject::Subject, write::Context};
use crate::{
    collection::{ALL_COMPONENTS, Collection, Transparency},
    dav::{
        error::DavError,
        xml::{CALDAV, Element},
        xml_writer::text,
    },
};
use http::StatusCode;
use kalends_icalendar::{CalendarObject, Collation, Limits, Zone};
use std::fmt::Write;

pub(super) static PROPERTIES: [LiveProperty; 8] = [
    LiveProperty::caldav("calendar-description", calendar_description)
        .with_language(description_language)
        .writable(set_calendar_description),
    LiveProperty::caldav("calendar-timezone", calendar_timezone).writable(set_calendar_timezone),
    LiveProperty::caldav("supported-calendar-component-set", supported_components)
        .initial(set_supported_components),
    LiveProperty::caldav("supported-calendar-data", supported_calendar_data),
    LiveProperty::caldav("max-resource-size", max_resource_size),
    LiveProperty::caldav("supported-collation-set", supported_collation_set),
    LiveProperty::caldav("schedule-calendar-transp", schedule_calendar_transp)
        .writable(set_schedule_calendar_transp),
    // No property by itself (RFC 4791 §9.6), but asked for among them.
    LiveProperty::caldav("calendar-data", calendar_data).not_in_propname(),
];

/// Properties that would be the server's to set, but have no value here; a client's would be believed.
pub(super) const NEVER_GIVEN: [&str; 9] = [
    "min-date-time",
    "max-date-time",
    "max-instances",
    "max-attendees-per-instance",
    "schedule-inbox-URL",
    "schedule-outbox-URL",
    "schedule-tag",
    "supported-calendar-component-sets",
    "supported-rscale-set",
];

fn calendar_description(out: &mut String, _: &Context<'_>, subject: &Subject<'_>) -> Result<bool, DavError> {
    let directory = subject.directory();
    let Some(description) = directory.and_then(|directory| directory.collection.description.as_deref())
    else {
        return Ok(false);
    };
    text(out, description);
    Ok(true)
}

fn description_language(subject: &Subject<'_>) -> Option<String> {
    subject.directory()?.collection.description_language.clone()
}

fn set_calendar_description(collection: &mut Collection, element: Option<&Element>) -> Result<(), DavError> {
    collection.description = element.map(|element| element.text().into_owned());
    collection.description_language = element.and_then(Element::lang).map(Into::into);
    Ok(())
}

fn calendar_timezone(out: &mut String, _: &Context<'_>, subject: &Subject<'_>) -> Result<bool, DavError> {
    let directory = subject.directory();
    let Some(timezone) = directory.and_then(|directory| directory.collection.timezone.as_deref()) else {
        return Ok(false);
    };
    text(out, timezone);
    Ok(true)
}

/// RFC 4791 §5.2.2: an iCalendar object with one VTIMEZONE and no other component.
fn set_calendar_timezone(collection: &mut Collection, element: Option<&Element>) -> Result<(), DavError> {
    let Some(element) = element else {
        collection.timezone = None;
        return Ok(());
    };
    let refused = |reason: String| DavError::caldav(StatusCode::FORBIDDEN, "valid-calendar-data", reason);
    let content = element.text();
    let timezone = format!("{}\n", content.trim());
    let object = CalendarObject::parse(timezone.clone(), &Limits::default())
        .map_err(|violation| refused(format!("calendar-timezone, line {violation}")))?;
    let root = object.root();
    let mut components = root.components();
    match (object.roots().count(), components.next(), components.next()) {
        (1, Some(only), None) if root.is("VCALENDAR") && Zone::of_vtimezone(&only).is_some() => {}
        _ => {
            let reason = "calendar-timezone must be one VCALENDAR with one valid VTIMEZONE and nothing else";
            return Err(refused(reason.into()));
        }
    }
    collection.timezone = Some(timezone);
    Ok(())
}

fn supported_components(out: &mut String, _: &Context<'_>, subject: &Subject<'_>) -> Result<bool, DavError> {
    let Some(calendar) = subject.calendar() else { return Ok(false) };
    for component in ALL_COMPONENTS.iter().filter(|name| calendar.collection.allows_component(name)) {
        let _ = write!(out, "<C:comp name=\"{component}\"/>");
    }
    Ok(true)
}

fn set_supported_components(collection: &mut Collection, element: Option<&Element>) -> Result<(), DavError> {
    let refused = |reason: String| DavError::new(StatusCode::CONFLICT, reason);
    let mut allowed = Vec::new();
    for component in element.iter().flat_map(|element| element.elements_named(CALDAV, "comp")) {
        let name = component.attribute("name").unwrap_or("");
        match ALL_COMPONENTS.iter().find(|known| known.eq_ignore_ascii_case(name)) {
            Some(known) if allowed.iter().any(|other| other == known) => {}
            Some(known) => allowed.push((*known).to_owned()),
            // Time zones come along with whatever uses them.
            None if name.eq_ignore_ascii_case("VTIMEZONE") => {}
            None => {
                let known = ALL_COMPONENTS.join(", ");
                return Err(refused(format!(
                    "{name:?} is not a kind of component kept here; these are: {known}"
                )));
            }
        }
    }
    if allowed.is_empty() {
        return Err(refused("supported-calendar-component-set names no component".into()));
    }
    collection.components = Some(allowed);
    Ok(())
}

fn supported_calendar_data(
    out: &mut String,
    _: &Context<'_>,
    subject: &Subject<'_>,
) -> Result<bool, DavError> {
    if subject.calendar().is_none() {
        return Ok(false);
    }
    out.push_str("<C:calendar-data content-type=\"text/calendar\" version=\"2.0\"/>");
    Ok(true)
}

fn max_resource_size(
    out: &mut String,
    context: &Context<'_>,
    subject: &Subject<'_>,
) -> Result<bool, DavError> {
    if subject.calendar().is_none() {
        return Ok(false);
    }
    let _ = write!(out, "{}", context.service.realm.server().max_resource_size);
    Ok(true)
}

fn supported_collation_set(
    out: &mut String,
    _: &Context<'_>,
    subject: &Subject<'_>,
) -> Result<bool, DavError> {
    if subject.calendar().is_none() {
        return Ok(false);
    }
    for collation in Collation::ALL {
        let _ = write!(out, "<C:supported-collation>{}</C:supported-collation>", collation.name());
    }
    Ok(true)
}

fn schedule_calendar_transp(
    out: &mut String,
    _: &Context<'_>,
    subject: &Subject<'_>,
) -> Result<bool, DavError> {
    let Some(calendar) = subject.calendar() else { return Ok(false) };
    out.push_str(match calendar.collection.schedule_transparency {
        Transparency::Opaque => "<C:opaque/>",
        Transparency::Transparent => "<C:transparent/>",
    });
    Ok(true)
}

fn set_schedule_calendar_transp(
    collection: &mut Collection,
    element: Option<&Element>,
) -> Result<(), DavError> {
    let kind = element.map(|element| {
        (element.element(CALDAV, "opaque").is_some(), element.element(CALDAV, "transparent").is_some())
    });
    collection.schedule_transparency = match kind {
        None | Some((true, false)) => Transparency::Opaque,
        Some((false, true)) => Transparency::Transparent,
        Some(_) => {
            let reason = "schedule-calendar-transp must hold CALDAV:opaque or CALDAV:transparent";
            return Err(DavError::new(StatusCode::CONFLICT, reason));
        }
    };
    Ok(())
}

fn calendar_data(out: &mut String, context: &Context<'_>, subject: &Subject<'_>) -> Result<bool, DavError> {
    let (Some(calendar_data), Subject::File { file, .. }) = (context.calendar_data, subject) else {
        return Ok(false);
    };
    // Pushed files may be in any encoding.
    text(out, &String::from_utf8_lossy(&calendar_data(file)?));
    Ok(true)
}
