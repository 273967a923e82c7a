//! Commit messages.

use crate::dav::location::HomePath;
use kalends_icalendar::CalendarObject;

/// Characters of a summary that a message has at most.
const LONGEST_SUMMARY: usize = 60;
/// Characters of a path that a message has at most.
const LONGEST_PATH: usize = 200;

/// `Add work/lunch.ics: Lunch with Ada`.
pub(super) fn about(verb: &str, path: &HomePath, is_collection: bool, summary: Option<&str>) -> String {
    let path = shown(path, is_collection);
    match summary {
        Some(summary) => format!("{verb} {path}: {}", one_line(summary, LONGEST_SUMMARY)),
        None => format!("{verb} {path}"),
    }
}

/// `Move work/lunch.ics to home/lunch.ics`.
pub(super) fn from_to(verb: &str, from: &HomePath, to: &HomePath, is_collection: bool) -> String {
    format!("{verb} {} to {}", shown(from, is_collection), shown(to, is_collection))
}

fn shown(path: &HomePath, is_collection: bool) -> String {
    let slash = if is_collection { "/" } else { "" };
    format!("{}{slash}", one_line(&path.display(), LONGEST_PATH))
}

/// The summary of a calendar object: its first line that is not empty.
pub(super) fn summary(object: &CalendarObject) -> Option<String> {
    let mut components = object.root().components();
    let summary = components.find_map(|component| component.first("SUMMARY"))?;
    let text = summary.text();
    let line = text.lines().map(str::trim).find(|line| !line.is_empty())?;
    Some(one_line(line, LONGEST_SUMMARY))
}

/// Without control characters, and shortened.
fn one_line(text: &str, longest: usize) -> String {
    let mut short: String =
        text.chars().take(longest).map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect();
    if text.chars().nth(longest).is_some() {
        short.push('…');
    }
    short
}

#[cfg(test)]
mod tests {
    use super::*;
    use kalends_icalendar::Limits;

    fn summary_of(line: &str) -> Option<String> {
        let text = format!(
            "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nBEGIN:VTIMEZONE\r\nTZID:x\r\nEND:VTIMEZONE\r\n\
             BEGIN:VEVENT\r\nUID:1\r\n{line}\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n"
        );
        summary(&CalendarObject::parse(text, &Limits::default()).unwrap())
    }

    #[test]
    fn a_summary_is_one_short_line() {
        assert_eq!(summary_of("SUMMARY:Lunch\\, with Ada").as_deref(), Some("Lunch, with Ada"));
        assert_eq!(summary_of("SUMMARY:\\n First \\n second").as_deref(), Some("First"));
        assert_eq!(summary_of("SUMMARY: "), None);
        assert_eq!(summary_of("X-SUMMARY:no"), None);
        let long = summary_of(&format!("SUMMARY:{}", "ü".repeat(61))).unwrap();
        assert_eq!(long, format!("{}…", "ü".repeat(60)));
    }

    #[test]
    fn names_cannot_add_lines_to_a_message() {
        let path = HomePath::home("ada").member(b"a\n\nb", false);
        assert_eq!(about("Delete", &path, false, None), "Delete a\u{fffd}\u{fffd}b");
        let path = HomePath::home("ada").member(b"work", true);
        assert_eq!(from_to("Move", &path, &path.member(b"x", true), true), "Move work/ to work/x/");
    }
}
