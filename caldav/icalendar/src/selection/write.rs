//! Writes components: verbatim, in part, as an instance, or in UTC.

use super::{ComponentSelection, Properties, select};
use crate::{
    content_line::write_folded,
    moment::{Form, Moment, TimeReader},
    object::{Component, Property},
    recurrence_set::{Occurrence, read_utc_period},
    time_range::TimeRange,
    timing::read_duration,
    value::{DateOrTime, Period, PeriodEnd},
};

/// How what is written differs from the file.
#[derive(Debug)]
pub(super) enum Change<'a> {
    /// Not at all.
    None,
    /// Times refer to no VTIMEZONE.
    InUtc,
    /// This instance, and times refer to no VTIMEZONE.
    Instance(Box<Occurrence<'a>>),
}

/// Properties that CALDAV:expand leaves out.
const RECURRENCE: [&str; 4] = ["RRULE", "RDATE", "EXRULE", "EXDATE"];

pub(super) struct Writer<'w> {
    out: Vec<u8>,
    line_end: &'static str,
    reader: &'w TimeReader<'w>,
    limit_freebusy_set: Option<TimeRange>,
}

impl<'w> Writer<'w> {
    pub(super) fn new(
        calendar: &Component<'_>,
        reader: &'w TimeReader<'w>,
        limit_freebusy_set: Option<TimeRange>,
    ) -> Self {
        let first_line = calendar.raw().split(|byte| *byte == b'\n').next().unwrap_or_default();
        let line_end = if first_line.ends_with(b"\r") { "\r\n" } else { "\n" };
        Self { out: Vec::new(), line_end, reader, limit_freebusy_set }
    }

    pub(super) fn len(&self) -> usize {
        self.out.len()
    }

    pub(super) fn into_bytes(self) -> Vec<u8> {
        self.out
    }

    fn line(&mut self, text: &str) {
        write_folded(&mut self.out, text, self.line_end);
    }

    /// Bytes of the file; the last line of a file may lack its end.
    fn verbatim(&mut self, raw: &[u8]) {
        self.out.extend_from_slice(raw);
        if !raw.ends_with(b"\n") {
            self.out.extend_from_slice(self.line_end.as_bytes());
        }
    }

    pub(super) fn begin(&mut self, component: &Component<'_>) {
        self.line(&format!("BEGIN:{}", component.name()));
    }

    pub(super) fn end(&mut self, component: &Component<'_>) {
        self.line(&format!("END:{}", component.name()));
    }

    /// What is selected of a component; `None` is all.
    pub(super) fn component(
        &mut self,
        component: &Component<'_>,
        selection: Option<&ComponentSelection>,
        change: &Change<'_>,
    ) {
        let limited = self.limit_freebusy_set.is_some() && component.is("VFREEBUSY");
        if selection.is_none() && !limited && matches!(change, Change::None) {
            return self.verbatim(component.raw());
        }
        self.begin(component);
        self.properties(component, selection, change);
        let inner_change = if matches!(change, Change::None) { Change::None } else { Change::InUtc };
        for inner in component.components() {
            if let Ok(selected) = select(selection, &inner) {
                self.component(&inner, selected, &inner_change);
            }
        }
        self.end(component);
    }

    pub(super) fn properties(
        &mut self,
        component: &Component<'_>,
        selection: Option<&ComponentSelection>,
        change: &Change<'_>,
    ) {
        let listed = match selection.map(|selection| &selection.properties) {
            None | Some(Properties::All) => None,
            Some(Properties::Named(listed)) => Some(listed),
        };
        if let Change::Instance(occurrence) = change
            && let Some(id) = occurrence.recurrence_id
        {
            self.line(&moment_line("RECURRENCE-ID", "", id));
        }
        for property in component.properties() {
            let selected = listed.map(|listed| listed.iter().find(|listed| property.is(&listed.name)));
            match selected {
                Some(None) => {}
                Some(Some(selected)) if selected.novalue => self.without_value(&property, change),
                None | Some(Some(_)) => self.property(component, &property, change),
            }
        }
        let end_name = if component.is("VTODO") { "DUE" } else { "DTEND" };
        if let Change::Instance(occurrence) = change
            && occurrence.end_by_period
            && let Some((_, end)) = occurrence.written
            && listed.is_none_or(|listed| {
                listed.iter().any(|listed| listed.name.eq_ignore_ascii_case(end_name) && !listed.novalue)
            })
        {
            self.line(&moment_line(end_name, "", end));
        }
    }

    fn without_value(&mut self, property: &Property<'_>, change: &Change<'_>) {
        if matches!(change, Change::None) {
            self.line(property.head());
        } else if !RECURRENCE.iter().any(|name| property.is(name)) && !property.is("RECURRENCE-ID") {
            self.line(&format!("{}{}:", property.name(), parameters_without(property, &["TZID"])));
        }
    }

    fn property(&mut self, component: &Component<'_>, property: &Property<'_>, change: &Change<'_>) {
        if property.is("FREEBUSY")
            && component.is("VFREEBUSY")
            && let Some(range) = self.limit_freebusy_set
        {
            return self.free_busy(property, &range);
        }
        match change {
            Change::None => self.verbatim(property.raw()),
            _ if RECURRENCE.iter().any(|name| property.is(name)) => {}
            Change::Instance(occurrence) => self.property_of_instance(occurrence, property),
            Change::InUtc => self.property_in_utc(property),
        }
    }

    fn property_of_instance(&mut self, occurrence: &Occurrence<'_>, property: &Property<'_>) {
        if property.is("RECURRENCE-ID") && occurrence.recurrence_id.is_some() {
            return;
        }
        let Some((start, end)) = occurrence.written else { return self.property_in_utc(property) };
        let is_end = property.is("DTEND") || property.is("DUE");
        if occurrence.end_by_period && (is_end || property.is("DURATION")) {
            return;
        }
        let parameters = || parameters_without(property, &["TZID", "VALUE"]);
        if property.is("DTSTART") {
            self.line(&moment_line(property.name(), &parameters(), start));
        } else if is_end && is_time(property) {
            self.line(&moment_line(property.name(), &parameters(), end));
        } else if property.is("DURATION")
            && start.form == Form::Absolute
            && read_duration(property).is_some_and(|duration| duration.total() != end.utc - start.utc)
            && end.utc > start.utc
        {
            // Days that are not of 24 hours where the event is, but would be in UTC.
            self.line(&format!("{}:{}", property.name(), exact_duration(end.utc - start.utc)));
        } else {
            self.property_in_utc(property);
        }
    }

    /// A property whose times, if they refer to a time zone, are converted to UTC.
    fn property_in_utc(&mut self, property: &Property<'_>) {
        if property.parameter("TZID").is_none() {
            return self.verbatim(property.raw());
        }
        let in_utc = |text: &str| -> Option<String> {
            if let Some(value) = DateOrTime::parse(text) {
                return Some(self.reader.moment(property, value).0.without_zone());
            }
            let period = Period::parse(text)?;
            let (start, zone) = self.reader.moment(property, period.start);
            let end = match period.end {
                PeriodEnd::Time(end) => self.reader.moment(property, end).0,
                PeriodEnd::Duration(duration) => start.plus(duration, &zone),
            };
            Some(format!("{}/{}", start.without_zone(), end.without_zone()))
        };
        let values: Option<Vec<String>> =
            property.value().split(',').map(|text| in_utc(text.trim())).collect();
        let value = values.map_or_else(|| property.value().to_owned(), |values| values.join(","));
        let parameters = parameters_without(property, &["TZID"]);
        self.line(&format!("{}{parameters}:{value}", property.name()));
    }

    /// The periods of a FREEBUSY that overlap a range.
    fn free_busy(&mut self, property: &Property<'_>, range: &TimeRange) {
        let overlaps =
            |text: &&str| read_utc_period(text).is_none_or(|(start, end)| range.overlaps(start, end));
        let kept: Vec<&str> = property.value().split(',').filter(overlaps).collect();
        if kept.len() == property.value().split(',').count() {
            self.verbatim(property.raw());
        } else if !kept.is_empty() {
            self.line(&format!("{}{}", property.head(), kept.join(",")));
        }
    }
}

/// Whether the value is a DATE or DATE-TIME.
fn is_time(property: &Property<'_>) -> bool {
    DateOrTime::parse(property.value().trim()).is_some()
}

/// A property with a time that refers to no zone; `parameters` as written, each after its semicolon.
fn moment_line(name: &str, parameters: &str, moment: Moment) -> String {
    let value_type = if moment.form == Form::Date { ";VALUE=DATE" } else { "" };
    format!("{name}{parameters}{value_type}:{}", moment.without_zone())
}

/// The parameters as written, each after its semicolon, but for those of these names.
fn parameters_without(property: &Property<'_>, names: &[&str]) -> String {
    let mut out = String::new();
    for parameter in property.parameters().filter(|parameter| !names.iter().any(|name| parameter.is(name))) {
        out.push(';');
        out.push_str(parameter.name());
        for (at, (value, quoted)) in parameter.raw_values().enumerate() {
            out.push(if at == 0 { '=' } else { ',' });
            let quote = if quoted { "\"" } else { "" };
            out.extend([quote, value, quote]);
        }
    }
    out
}

/// A DURATION of exact seconds.
fn exact_duration(seconds: i64) -> String {
    let (hours, minutes, seconds) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    let mut out = String::from("PT");
    for (number, unit) in [(hours, 'H'), (minutes, 'M'), (seconds, 'S')] {
        if number != 0 {
            out.push_str(&format!("{number}{unit}"));
        }
    }
    if out == "PT" { "PT0S".into() } else { out }
}
