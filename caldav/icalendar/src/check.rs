//! The rules that a calendar object resource must satisfy (RFC 4791 §4.1, RFC 5545), for PUT and for push.
//!
//! Strict where a client or a query would stumble; lenient where exporters in use stray and nothing is
//! lost. Accepted against the letter of RFC 5545:
//! - no PRODID, no DTSTAMP, any CREATED and LAST-MODIFIED (Google writes `00001231T000000Z`);
//! - a DATE without `VALUE=DATE`, a TZID beside UTC, a TZID that is an IANA or Windows name without VTIMEZONE;
//! - DTEND equal to DTSTART; in a VTODO, DUE before DTSTART or of another value type, RRULE without DTSTART;
//! - an UNTIL of another value type than DTSTART, and what [`Rule::parse`] passes over;
//! - X- properties, parameters and components, IANA properties, and properties that may stand only once
//!   standing twice, but for those that say what and when the component is.

use crate::{
    error::{Precondition, Violation, excerpt},
    kind::ComponentKind,
    known_zones::KnownZones,
    object::{CalendarObject, Component, Property},
    rule::{Rule, RuleError},
    value::{DateOrTime, Duration, Period, parse_utc_offset},
    zone::{Zone, Zones},
};

/// What an acceptable object is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// Its UID.
    pub uid: String,
    /// The type of its components.
    pub kind: ComponentKind,
}

/// Violations that are reported at most for one object.
const MOST_VIOLATIONS: usize = 20;

impl CalendarObject {
    /// Checks that this is one calendar object of a type among `supported`.
    ///
    /// # Errors
    /// Every violation, by line, up to 20.
    pub fn check(&self, supported: &[ComponentKind]) -> Result<Identity, Vec<Violation>> {
        self.check_known(supported, &mut KnownZones::default())
    }

    /// As [`Self::check`], the same, and sooner where the VTIMEZONEs of the object are known.
    ///
    /// # Errors
    /// As [`Self::check`].
    pub fn check_known(
        &self,
        supported: &[ComponentKind],
        known: &mut KnownZones,
    ) -> Result<Identity, Vec<Violation>> {
        let mut check = Check { violations: Vec::new(), zones: Zones::default(), known };
        let identity = check.object(self, supported);
        check.violations.sort_by_key(|violation| violation.offset);
        match identity {
            Some(identity) if check.violations.is_empty() => Ok(identity),
            _ => Err(check.violations),
        }
    }
}

/// Whether a VTIMEZONE has times in other zones, so that it depends on the object whether it is right.
fn refers_to_zones(timezone: &Component<'_>) -> bool {
    timezone
        .components()
        .any(|observance| observance.properties().any(|property| property.parameter("TZID").is_some()))
}

struct Check<'k> {
    violations: Vec<Violation>,
    zones: Zones,
    known: &'k mut KnownZones,
}

const CALENDAR: &str = "RFC 5545 §3.4";
const RESOURCE: &str = "RFC 4791 §4.1";

impl Check<'_> {
    fn report(
        &mut self,
        at: (usize, usize),
        precondition: Precondition,
        rule: String,
        section: &'static str,
    ) {
        if self.violations.len() < MOST_VIOLATIONS {
            self.violations.push(Violation { line: at.0, offset: at.1, precondition, rule, section });
        }
    }

    /// Reports broken iCalendar at a property.
    fn broken(&mut self, property: &Property<'_>, rule: String, section: &'static str) {
        self.report((property.line(), property.offset()), Precondition::ValidCalendarData, rule, section);
    }

    /// Reports broken iCalendar at the BEGIN of a component.
    fn incomplete(&mut self, component: &Component<'_>, rule: String, section: &'static str) {
        self.report((component.line(), component.offset()), Precondition::ValidCalendarData, rule, section);
    }

    /// Reports what is no calendar object resource.
    fn no_resource(&mut self, at: (usize, usize), rule: String) {
        self.report(at, Precondition::ValidCalendarObjectResource, rule, RESOURCE);
    }

    fn object(&mut self, object: &CalendarObject, supported: &[ComponentKind]) -> Option<Identity> {
        let calendar = object.root();
        for root in object.roots() {
            if !root.is("VCALENDAR") {
                let rule = format!("{} stands outside of a VCALENDAR", excerpt(root.name()));
                self.incomplete(&root, rule, CALENDAR);
                return None;
            }
        }
        if let Some(second) = object.roots().nth(1) {
            let rule = "a second VCALENDAR; a calendar object is in one".to_owned();
            self.no_resource((second.line(), second.offset()), rule);
        }
        match calendar.first("VERSION") {
            Some(version) if version.value().trim() == "2.0" => {}
            Some(version) => {
                let rule = format!("VERSION is “{}”, not 2.0", excerpt(version.value()));
                self.broken(&version, rule, "RFC 5545 §3.7.4");
            }
            None => self.incomplete(&calendar, "VCALENDAR has no VERSION".into(), "RFC 5545 §3.6"),
        }
        if let Some(method) = calendar.first("METHOD") {
            let rule = "METHOD may not be stored".to_owned();
            self.no_resource((method.line(), method.offset()), rule);
        }
        self.zones = Zones::of_known(&calendar, self.known);
        self.components(&calendar, supported)
    }

    fn components(&mut self, calendar: &Component<'_>, supported: &[ComponentKind]) -> Option<Identity> {
        let mut identity: Option<Identity> = None;
        let mut master = false;
        let mut recurrence_ids: Vec<(i64, usize)> = Vec::new();
        let mut others = false;
        for component in calendar.components() {
            let at = (component.line(), component.offset());
            if component.is("VTIMEZONE") {
                if !self.known.is_right(&component) {
                    let (violations, alone) = (self.violations.len(), !refers_to_zones(&component));
                    self.timezone(&component);
                    if alone && self.violations.len() == violations && violations < MOST_VIOLATIONS {
                        self.known.set_right(&component);
                    }
                }
                continue;
            }
            let Some(kind) = ComponentKind::named(component.name()) else {
                others = true;
                if !component.name().to_ascii_uppercase().starts_with("X-") {
                    let rule =
                        format!("{} is not a component that calendars hold", excerpt(component.name()));
                    self.report(at, Precondition::SupportedCalendarComponent, rule, "RFC 4791 §5.2.3");
                }
                continue;
            };
            if !supported.contains(&kind) {
                let rule = format!("this calendar does not take {}", kind.name());
                self.report(at, Precondition::SupportedCalendarComponent, rule, "RFC 4791 §5.2.3");
            }
            self.once(&component, &["UID", "DTSTART", "DTEND", "DUE", "DURATION", "RECURRENCE-ID"]);
            let uid = component.first("UID").map(|uid| uid.text().trim().to_owned()).unwrap_or_default();
            if uid.is_empty() {
                self.no_resource(at, format!("{} has no UID", kind.name()));
            }
            match &identity {
                None => identity = Some(Identity { uid, kind }),
                Some(first) if first.kind != kind => {
                    let rule =
                        format!("{} beside {}; an object has one type", kind.name(), first.kind.name());
                    self.no_resource(at, rule);
                }
                Some(first) if first.uid != uid && !uid.is_empty() => {
                    let rule = format!(
                        "UID “{}” beside “{}”; an object has one UID",
                        excerpt(&uid),
                        excerpt(&first.uid)
                    );
                    let at = component.first("UID").map_or(at, |uid| (uid.line(), uid.offset()));
                    self.no_resource(at, rule);
                }
                Some(_) => {}
            }
            match component.first("RECURRENCE-ID") {
                None if master => {
                    let rule = format!("a second {} without RECURRENCE-ID", kind.name());
                    self.no_resource(at, rule);
                }
                None => master = true,
                Some(id) => {
                    if let Some(time) = self.time(&id) {
                        recurrence_ids.push((time.1, id.line()));
                    }
                }
            }
            self.component(&component, kind);
        }
        recurrence_ids.sort_unstable();
        for pair in recurrence_ids.windows(2) {
            if let [(first, line), (second, again)] = pair
                && first == second
            {
                let rule = format!("the RECURRENCE-ID of line {line} again");
                self.no_resource((*again, usize::MAX), rule);
            }
        }
        if identity.is_none() && (!others || self.violations.is_empty()) {
            let at = (calendar.line(), calendar.offset());
            let rule = "there is no VEVENT, VTODO, VJOURNAL or VFREEBUSY".to_owned();
            self.no_resource(at, rule);
        }
        identity
    }

    fn once(&mut self, component: &Component<'_>, names: &[&str]) {
        for name in names {
            if let Some(second) = component.all(name).nth(1) {
                self.broken(&second, format!("a second {name}"), "RFC 5545 §3.6");
            }
        }
    }

    fn component(&mut self, component: &Component<'_>, kind: ComponentKind) {
        let start = component.first("DTSTART");
        let start_time = start.and_then(|start| self.time(&start));
        if start.is_none() && kind == ComponentKind::Event {
            self.incomplete(component, "VEVENT has no DTSTART".into(), "RFC 5545 §3.6.1");
        }
        let end_name = if kind == ComponentKind::Todo { "DUE" } else { "DTEND" };
        let end = component.first(end_name);
        let end_time = end.and_then(|end| self.time(&end));
        if let (Some(start), Some(end), Some(property)) = (start_time, end_time, end)
            && kind != ComponentKind::Todo
        {
            if matches!(start.0, DateOrTime::Date(_)) != matches!(end.0, DateOrTime::Date(_)) {
                let rule = format!("{end_name} and DTSTART are not both dates or both times");
                self.broken(&property, rule, "RFC 5545 §3.8.2.2");
            } else if end.1 < start.1 {
                self.broken(&property, format!("{end_name} is before DTSTART"), "RFC 5545 §3.8.2.2");
            }
        }
        if let Some(duration) = component.first("DURATION") {
            match Duration::parse(duration.value().trim()) {
                None => {
                    let rule = format!("“{}” is not a duration", excerpt(duration.value()));
                    self.broken(&duration, rule, "RFC 5545 §3.3.6");
                }
                Some(value) if value.total() < 0 => {
                    self.broken(&duration, "DURATION is negative".into(), "RFC 5545 §3.8.2.5");
                }
                Some(_) if end.is_some() => {
                    let rule = format!("DURATION beside {end_name}; only one may stand");
                    self.broken(&duration, rule, "RFC 5545 §3.6.1");
                }
                Some(_) => {}
            }
        }
        for property in component.properties() {
            let name = property.name();
            if name.eq_ignore_ascii_case("RRULE") || name.eq_ignore_ascii_case("EXRULE") {
                self.rule(&property);
            } else if name.eq_ignore_ascii_case("EXDATE") || name.eq_ignore_ascii_case("RDATE") {
                self.dates(&property);
            } else if name.eq_ignore_ascii_case("FREEBUSY") {
                for period in property.value().split(',') {
                    if Period::parse(period.trim()).is_none() {
                        let rule = format!("“{}” is not a period", excerpt(period));
                        self.broken(&property, rule, "RFC 5545 §3.3.9");
                    }
                }
            } else if name.eq_ignore_ascii_case("COMPLETED") || name.eq_ignore_ascii_case("DTSTAMP") {
                self.time(&property);
            }
        }
        for alarm in component.components().filter(|inner| inner.is("VALARM")) {
            self.alarm(&alarm);
        }
    }

    /// The value of a property that is one DATE or DATE-TIME, as written and as Unix time; reports it when
    /// it is not, or its zone is unknown.
    fn time(&mut self, property: &Property<'_>) -> Option<(DateOrTime, i64)> {
        let value = self.date_or_time(property, property.value())?;
        let zone = self.zone(property, value)?;
        Some((value, zone.to_utc(value.seconds())))
    }

    fn date_or_time(&mut self, property: &Property<'_>, text: &str) -> Option<DateOrTime> {
        let Some(value) = DateOrTime::parse(text.trim()) else {
            let rule = format!("{}: “{}” is not a date or date-time", property.name(), excerpt(text));
            self.broken(property, rule, "RFC 5545 §3.3.5");
            return None;
        };
        let says_date = property.parameter("VALUE").is_some_and(|value| value.eq_ignore_ascii_case("DATE"));
        if says_date && !matches!(value, DateOrTime::Date(_)) {
            let rule = format!("{} has VALUE=DATE and a time", property.name());
            self.broken(property, rule, "RFC 5545 §3.3.4");
            return None;
        }
        Some(value)
    }

    fn zone(&mut self, property: &Property<'_>, value: DateOrTime) -> Option<Zone> {
        let (DateOrTime::Local(_), Some(tzid)) = (value, property.parameter("TZID")) else {
            return Some(Zone::Utc);
        };
        let zone = self.zones.get(tzid);
        if zone.is_none() {
            let rule = format!("TZID “{}” has no VTIMEZONE here and is no IANA name", excerpt(tzid));
            self.broken(property, rule, "RFC 5545 §3.2.19");
        }
        zone
    }

    fn dates(&mut self, property: &Property<'_>) {
        for date in property.value().split(',') {
            let date = date.trim();
            if date.is_empty() {
                continue;
            }
            if date.contains('/') && property.is("RDATE") {
                match Period::parse(date) {
                    Some(period) => drop(self.zone(property, period.start)),
                    None => {
                        let rule = format!("“{}” is not a period", excerpt(date));
                        self.broken(property, rule, "RFC 5545 §3.3.9");
                    }
                }
            } else if let Some(value) = self.date_or_time(property, date) {
                self.zone(property, value);
            }
        }
    }

    fn rule(&mut self, property: &Property<'_>) {
        let at = (property.line(), property.offset());
        match Rule::parse(property.value()) {
            Ok(_) => {}
            Err(RuleError::Invalid(why)) => {
                let rule = format!("{} is not a recurrence rule: {why}", property.name());
                self.broken(property, rule, "RFC 5545 §3.3.10");
            }
            Err(RuleError::UnsupportedScale(why)) => {
                self.report(at, Precondition::SupportedRscale, why, "RFC 7529 §4");
            }
        }
    }

    fn alarm(&mut self, alarm: &Component<'_>) {
        const ALARM: &str = "RFC 5545 §3.6.6";
        if alarm.first("ACTION").is_none() {
            self.incomplete(alarm, "VALARM has no ACTION".into(), ALARM);
        }
        match alarm.first("TRIGGER") {
            None => self.incomplete(alarm, "VALARM has no TRIGGER".into(), ALARM),
            Some(trigger) => {
                let value = trigger.value().trim();
                if Duration::parse(value).is_none() && DateOrTime::parse(value).is_none() {
                    let rule = format!("TRIGGER: “{}” is not a duration or date-time", excerpt(value));
                    self.broken(&trigger, rule, "RFC 5545 §3.8.6.3");
                }
            }
        }
        if let Some(duration) = alarm.first("DURATION")
            && Duration::parse(duration.value().trim()).is_none()
        {
            let rule = format!("“{}” is not a duration", excerpt(duration.value()));
            self.broken(&duration, rule, "RFC 5545 §3.3.6");
        }
        if let Some(repeat) = alarm.first("REPEAT")
            && repeat.value().trim().parse::<i64>().is_err()
        {
            let rule = format!("REPEAT: “{}” is not a number", excerpt(repeat.value()));
            self.broken(&repeat, rule, "RFC 5545 §3.8.6.2");
        }
    }

    fn timezone(&mut self, timezone: &Component<'_>) {
        const TIMEZONE: &str = "RFC 5545 §3.6.5";
        let known = match timezone.first("TZID") {
            Some(tzid) => Zone::named(tzid.value()).is_some(),
            None => {
                self.incomplete(timezone, "VTIMEZONE has no TZID".into(), TIMEZONE);
                return;
            }
        };
        let mut observances = 0;
        for observance in timezone.components() {
            if !observance.is("STANDARD") && !observance.is("DAYLIGHT") {
                continue;
            }
            observances += 1;
            for name in ["TZOFFSETFROM", "TZOFFSETTO"] {
                match observance.first(name) {
                    Some(offset) if parse_utc_offset(offset.value().trim()).is_none() => {
                        let rule = format!("{name}: “{}” is not a UTC offset", excerpt(offset.value()));
                        self.broken(&offset, rule, "RFC 5545 §3.3.14");
                    }
                    None => {
                        let rule = format!("{} has no {name}", observance.name());
                        self.incomplete(&observance, rule, TIMEZONE);
                    }
                    Some(_) => {}
                }
            }
            match observance.first("DTSTART") {
                Some(start) => drop(self.time(&start)),
                None => {
                    let rule = format!("{} has no DTSTART", observance.name());
                    self.incomplete(&observance, rule, TIMEZONE);
                }
            }
            for rule in observance.all("RRULE") {
                self.rule(&rule);
            }
        }
        if observances == 0 && !known {
            self.incomplete(timezone, "VTIMEZONE has no STANDARD or DAYLIGHT".into(), TIMEZONE);
        }
    }
}
