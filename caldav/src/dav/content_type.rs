//! The media types of files.

use crate::snapshot::File;
use kalends_icalendar::ComponentKind;

/// By the ending of the name, in lower case.
const BY_ENDING: [(&str, &str); 20] = [
    ("csv", "text/csv; charset=utf-8"),
    ("gif", "image/gif"),
    ("gz", "application/gzip"),
    ("htm", "text/html; charset=utf-8"),
    ("html", "text/html; charset=utf-8"),
    ("ics", "text/calendar; charset=utf-8"),
    ("ifb", "text/calendar; charset=utf-8"),
    ("jpeg", "image/jpeg"),
    ("jpg", "image/jpeg"),
    ("json", "application/json"),
    ("md", "text/markdown; charset=utf-8"),
    ("pdf", "application/pdf"),
    ("png", "image/png"),
    ("svg", "image/svg+xml"),
    ("toml", "application/toml"),
    ("txt", "text/plain; charset=utf-8"),
    ("vcf", "text/vcard; charset=utf-8"),
    ("webp", "image/webp"),
    ("xml", "application/xml"),
    ("zip", "application/zip"),
];

/// The media type of a file with this name.
pub(crate) fn of_name(name: &[u8]) -> &'static str {
    let ending = name.iter().rposition(|byte| *byte == b'.').and_then(|dot| name.get(dot + 1..));
    let ending = ending.unwrap_or_default();
    BY_ENDING
        .iter()
        .find(|(known, _)| ending.eq_ignore_ascii_case(known.as_bytes()))
        .map_or("application/octet-stream", |(_, media_type)| media_type)
}

/// The media type of a file with this content: for a calendar object with the component that it is (RFC
/// 5545 §8.1).
pub(crate) fn of_file(file: &File, data: &[u8]) -> &'static str {
    if !file.is_calendar_object() {
        return of_name(&file.name);
    }
    match first_component(data) {
        Some(ComponentKind::Event) => "text/calendar; charset=utf-8; component=VEVENT",
        Some(ComponentKind::Todo) => "text/calendar; charset=utf-8; component=VTODO",
        Some(ComponentKind::Journal) => "text/calendar; charset=utf-8; component=VJOURNAL",
        Some(ComponentKind::FreeBusy) => "text/calendar; charset=utf-8; component=VFREEBUSY",
        None => "text/calendar; charset=utf-8",
    }
}

/// The kind of the first component that has one. Folded lines begin with white space, and nobody folds
/// `BEGIN:VEVENT`, so that lines tell as much as parsing would.
fn first_component(data: &[u8]) -> Option<ComponentKind> {
    data.split(|byte| *byte == b'\n').find_map(|line| {
        let (begin, name) = line.split_at_checked(6)?;
        let name = begin.eq_ignore_ascii_case(b"BEGIN:").then_some(name)?;
        ComponentKind::named(std::str::from_utf8(name).ok()?.trim())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_tell_the_type() {
        assert_eq!(of_name(b"a.ICS"), "text/calendar; charset=utf-8");
        assert_eq!(of_name(b"a.b.png"), "image/png");
        for name in [&b"a"[..], b"a.", b"", b"html", b"a.\xff"] {
            assert_eq!(of_name(name), "application/octet-stream", "{name:?}");
        }
    }

    #[test]
    fn the_component_is_the_first_that_is_none_of_a_time_zone() {
        let text = b"BEGIN:VCALENDAR\r\nX-A:1\r\n BEGIN:VEVENT\r\nBEGIN:VTIMEZONE\r\nEND:VTIMEZONE\r\n\
            begin:vtodo\r\nBEGIN:VEVENT\r\n";
        assert_eq!(first_component(text), Some(ComponentKind::Todo));
        assert_eq!(first_component(b"BEGIN:VCALENDAR\nBEGIN:VEVENT"), Some(ComponentKind::Event));
        assert_eq!(first_component(b""), None);
    }
}
