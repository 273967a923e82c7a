//! Calendars that look like people's: what Thunderbird, Apple Calendar, DAVx5, Evolution and invitations
//! write, made up, and the same at every run.

// Named, so that benchmarks elsewhere can take these files as their own.
#[path = "event/time_zone.rs"]
mod time_zone;

use chrono::{Days, NaiveDate, NaiveDateTime, NaiveTime};
use std::fmt::Write as _;
use time_zone::TimeZone;

/// A calendar object resource (RFC 4791 §4.1).
#[derive(Clone, Debug, PartialEq)]
pub struct Event {
    /// Last segment of its URL, and the file's name: ends in `.ics`.
    pub name: String,
    /// The UID.
    pub uid: String,
    /// The first SUMMARY.
    pub summary: String,
    /// iCalendar, with CRLF line ends.
    pub text: String,
}

const PRODUCERS: [&str; 5] = [
    "-//Mozilla.org/NONSGML Mozilla Calendar V1.1//EN",
    "-//Apple Inc.//macOS 14.5//EN",
    "DAVx5/4.4.1-ose ical4j/3.2.19",
    "-//Ximian//NONSGML Evolution Calendar//EN",
    "-//Google Inc//Google Calendar 70.9054//EN",
];

const SUMMARIES: [&str; 12] = [
    "Lunch with Ada",
    "Porada týmu – čtvrtletní přehled",
    "歯医者の予約",
    "Zahnarzt, Dr. Müller; Straße 5",
    "День рождения бабушки",
    "🎉 Party at Zoë's 🎂",
    "اجتماع المشروع",
    "Review: budget, travel\\, and the rest",
    "Vol Paris → Genève (CDG–GVA)",
    "Standup",
    "Kino: «Příliš žluťoučký kůň»",
    "Handover (on call)",
];

const PLACES: [&str; 5] = [
    "Room 4.12",
    "Café Größenwahn\\, Lenaustraße 97\\, Frankfurt am Main",
    "https://meet.example.org/abc-defg-hij",
    "東京都千代田区丸の内1丁目",
    "Náměstí Míru 9\\, Praha 2",
];

/// Number `number` of a calendar in which every kind of event comes up: plain, with a time zone, all-day,
/// over several days, recurring with exceptions, invitations, alarms, non-ASCII text.
pub fn event(number: u32) -> Event {
    let mut draft = Draft::new(number);
    match number % 10 {
        0 => draft.timed(None),
        1 => {
            draft.timed(Some(TimeZone::of(number / 10)));
            draft.alarm("-PT15M");
        }
        2 => draft.all_day(1),
        3 => draft.all_day(2 + u64::from(number / 10 % 12)),
        4 => draft.weekly_with_exceptions(TimeZone::of(number / 10)),
        5 => {
            draft.all_day(1);
            draft.line("RRULE:FREQ=YEARLY");
            draft.line("TRANSP:TRANSPARENT");
            draft.alarm("-PT9H");
        }
        6 => draft.invitation(TimeZone::of(number / 10)),
        7 => {
            draft.timed(Some(TimeZone::of(number / 10)));
            draft.line("RRULE:FREQ=MONTHLY;COUNT=12;BYDAY=-1FR");
            draft.alarm("-P1D");
            draft.alarm("-PT5M");
        }
        8 => {
            draft.timed(None);
            let until = (draft.start + Days::new(40)).format("%Y%m%dT%H%M%SZ");
            draft.line(&format!("RRULE:FREQ=DAILY;UNTIL={until}"));
        }
        _ => draft.wordy(),
    }
    draft.finish()
}

/// The first `count` events of such a calendar.
pub fn calendar(count: u32) -> Vec<Event> {
    (0..count).map(event).collect()
}

/// Number `number` of a working calendar over a year: meetings with a time zone, of which every twentieth
/// recurs weekly.
pub fn meeting(number: u32) -> Event {
    let mut draft = Draft::new(number);
    draft.timed(Some(TimeZone::of(0)));
    if number.is_multiple_of(20) {
        draft.line("RRULE:FREQ=WEEKLY;COUNT=40");
    }
    draft.finish()
}

/// A to-do (VTODO).
pub fn task(number: u32) -> Event {
    let mut draft = Draft::new(number);
    draft.component = "VTODO";
    draft.line(&format!("DUE:{}", draft.start.format("%Y%m%dT%H%M%SZ")));
    draft.line("PRIORITY:5");
    draft.line("STATUS:NEEDS-ACTION");
    draft.finish()
}

/// A journal entry (VJOURNAL).
pub fn journal(number: u32) -> Event {
    let mut draft = Draft::new(number);
    draft.component = "VJOURNAL";
    draft.line(&format!("DTSTART;VALUE=DATE:{}", draft.start.format("%Y%m%d")));
    draft.line("STATUS:FINAL");
    draft.finish()
}

struct Draft {
    number: u32,
    component: &'static str,
    uid: String,
    summary: &'static str,
    start: NaiveDateTime,
    zone: Option<&'static TimeZone>,
    lines: Vec<String>,
    overrides: Vec<String>,
}

impl Draft {
    fn new(number: u32) -> Self {
        // A fixed scramble: neighbours lie days apart, and names do not come in order.
        let mixed = u64::from(number).wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let day = NaiveDate::from_ymd_opt(2026, 1, 1).unwrap() + Days::new((mixed >> 32) % 365);
        let time = NaiveTime::from_hms_opt(6 + (mixed >> 20) as u32 % 14, (mixed >> 12) as u32 % 4 * 15, 0);
        Self {
            number,
            component: "VEVENT",
            uid: format!("{mixed:016x}-{number}@example.org"),
            summary: SUMMARIES[number as usize % SUMMARIES.len()],
            start: day.and_time(time.unwrap()),
            zone: None,
            lines: Vec::new(),
            overrides: Vec::new(),
        }
    }

    fn line(&mut self, line: &str) {
        self.lines.push(line.to_owned());
    }

    fn moment(&self, at: NaiveDateTime) -> String {
        let local = at.format("%Y%m%dT%H%M%S");
        match self.zone {
            Some(zone) => format!(";TZID={}:{local}", zone.name),
            None => format!(":{local}Z"),
        }
    }

    fn timed(&mut self, zone: Option<&'static TimeZone>) {
        self.zone = zone;
        let minutes = 30 + i64::from(self.number % 4) * 15;
        let (start, end) =
            (self.moment(self.start), self.moment(self.start + chrono::Duration::minutes(minutes)));
        self.line(&format!("DTSTART{start}"));
        if self.number.is_multiple_of(3) {
            self.line(&format!("DURATION:PT{minutes}M"));
        } else {
            self.line(&format!("DTEND{end}"));
        }
        self.line(&format!("LOCATION:{}", PLACES[self.number as usize % PLACES.len()]));
    }

    fn all_day(&mut self, days: u64) {
        let end = self.start + Days::new(days);
        self.line(&format!("DTSTART;VALUE=DATE:{}", self.start.format("%Y%m%d")));
        self.line(&format!("DTEND;VALUE=DATE:{}", end.format("%Y%m%d")));
    }

    fn alarm(&mut self, trigger: &str) {
        self.line("BEGIN:VALARM");
        self.line("ACTION:DISPLAY");
        self.line("DESCRIPTION:Připomenutí / Reminder");
        self.line(&format!("TRIGGER:{trigger}"));
        self.line("END:VALARM");
    }

    fn weekly_with_exceptions(&mut self, zone: &'static TimeZone) {
        self.timed(Some(zone));
        self.line("RRULE:FREQ=WEEKLY;COUNT=20");
        let skipped = self.moment(self.start + Days::new(14));
        self.line(&format!("EXDATE{skipped}"));
        // The third one is an hour later and elsewhere.
        let original = self.start + Days::new(21);
        let moved = original + chrono::Duration::hours(1);
        let mut instance = vec![
            "BEGIN:VEVENT".to_owned(),
            format!("UID:{}", self.uid),
            "DTSTAMP:20260102T030405Z".into(),
            format!("RECURRENCE-ID{}", self.moment(original)),
            format!("DTSTART{}", self.moment(moved)),
            format!("DTEND{}", self.moment(moved + chrono::Duration::minutes(30))),
            format!("SUMMARY:{} (moved)", self.summary),
            "LOCATION:Jinde – elsewhere".into(),
            "SEQUENCE:2".into(),
            "END:VEVENT".into(),
        ];
        self.overrides.append(&mut instance);
    }

    fn invitation(&mut self, zone: &'static TimeZone) {
        self.timed(Some(zone));
        self.line("ORGANIZER;CN=\"Lovelace, Ada\":mailto:ada@example.org");
        self.line(
            "ATTENDEE;CN=\"Babbage, Charles\";CUTYPE=INDIVIDUAL;PARTSTAT=ACCEPTED;ROLE=REQ-PARTICIPANT;RSVP=TRUE:\
             mailto:charles@example.org",
        );
        self.line("ATTENDEE;CN=Božena Němcová;PARTSTAT=NEEDS-ACTION;RSVP=TRUE:mailto:bozena@example.com");
        self.line("ATTENDEE;CUTYPE=ROOM;PARTSTAT=TENTATIVE;ROLE=NON-PARTICIPANT:mailto:room-4@example.org");
        self.line(
            "DESCRIPTION:Agenda:\\n1. minutes of last time\\n2. numbers\\; see the table\\n3. různé\\n\\nJoin: \
             https://meet.example.org/abc-defg-hij?pwd=0123456789abcdef&from=addon\\nTelefon +420 123 456 789",
        );
        self.line("SEQUENCE:1");
        self.line("X-MICROSOFT-CDO-BUSYSTATUS:BUSY");
    }

    fn wordy(&mut self) {
        self.timed(None);
        let text = "Žluťoučký kůň úpěl ďábelské ódy. 色は匂へど散りぬるを。 Съешь же ещё этих мягких булок. \
                    🐎🎻 نص عربي طويل.\\n";
        self.line(&format!("DESCRIPTION:{}", text.repeat(1 + self.number as usize / 10 % 8)));
        self.line("CATEGORIES:Práce,Besprechung,\"仕事\"");
        self.line("GEO:50.0755;14.4378");
        self.line("URL:https://example.org/%C5%BElu%C5%A5?a=1&b=2");
        self.line("CLASS:PRIVATE");
        self.line(
            "X-APPLE-STRUCTURED-LOCATION;VALUE=URI;X-APPLE-RADIUS=70;X-TITLE=\"Náměstí Míru 9, Praha\":\
             geo:50.075500,14.437800",
        );
    }

    fn finish(self) -> Event {
        let mut text = String::new();
        let mut line = |content: &str| fold(&mut text, content);
        line("BEGIN:VCALENDAR");
        line("VERSION:2.0");
        line(&format!("PRODID:{}", PRODUCERS[self.number as usize % PRODUCERS.len()]));
        line("CALSCALE:GREGORIAN");
        for content in self.zone.iter().flat_map(|zone| zone.definition.lines()) {
            line(content);
        }
        line(&format!("BEGIN:{}", self.component));
        line(&format!("UID:{}", self.uid));
        line("DTSTAMP:20260102T030405Z");
        line("CREATED:20260101T000000Z");
        line("LAST-MODIFIED:20260102T030405Z");
        line(&format!("SUMMARY:{}", self.summary));
        self.lines.iter().for_each(|content| line(content));
        line(&format!("END:{}", self.component));
        self.overrides.iter().for_each(|content| line(content));
        line("END:VCALENDAR");
        Event { name: format!("{}.ics", self.uid), uid: self.uid, summary: self.summary.into(), text }
    }
}

/// Writes a content line, folded after at most 75 octets and between characters (RFC 5545 §3.1).
fn fold(text: &mut String, content: &str) {
    let mut room = 75;
    for character in content.chars() {
        if character.len_utf8() > room {
            text.push_str("\r\n ");
            room = 74;
        }
        room -= character.len_utf8();
        text.push(character);
    }
    write!(text, "\r\n").unwrap();
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn lines_are_short_and_end_in_crlf() {
        for event in calendar(200) {
            assert!(event.text.ends_with("END:VCALENDAR\r\n"));
            for line in event.text.split_terminator("\r\n") {
                assert!(!line.is_empty() && line.len() <= 75 && !line.contains('\n'), "{line}");
            }
        }
    }

    #[test]
    fn uids_and_names_differ_and_every_run_gives_the_same() {
        let events = calendar(2000);
        assert_eq!(events.iter().map(|event| &event.uid).collect::<BTreeSet<_>>().len(), 2000);
        assert_eq!(events.iter().map(|event| &event.name).collect::<BTreeSet<_>>().len(), 2000);
        assert_eq!(events, calendar(2000));
    }
}
