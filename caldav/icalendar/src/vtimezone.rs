//! VTIMEZONE (RFC 5545 §3.6.5): the UTC offsets that its observances describe.

use crate::{
    civil::{DAY, civil_from_days, day_of, days_from_civil, is_leap_year, start_of, weekday},
    object::Component,
    rule::Rule,
    rule_times::{Budget, RuleTimes},
    value::{DateOrTime, Period, parse_utc_offset},
};

/// Transitions of a VTIMEZONE, worked out up to [`LAST_YEAR`]; later years repeat the pattern of a like
/// year before it.
pub struct VtimezoneRules {
    /// Unix time from which an offset applies, ascending.
    transitions: Vec<(i64, i32)>,
    /// The offset before the first transition.
    before: i32,
    /// Whether some rule has no end.
    unbounded: bool,
}

/// Clients write rules that start anywhere from 1601 on, but years before this are not asked for.
const FIRST_YEAR: i32 = 1900;
const LAST_YEAR: i32 = 2100;
/// Observances of one VTIMEZONE that are read; real ones have two, full histories about 200.
const MOST_OBSERVANCES: usize = 400;
/// Transitions of one VTIMEZONE.
const MOST_TRANSITIONS: usize = 2_000;

/// The offsets that the observances of a VTIMEZONE lead to, each once.
pub(crate) fn offsets(component: &Component<'_>) -> Vec<i32> {
    let mut offsets: Vec<i32> = component
        .components()
        .take(MOST_OBSERVANCES)
        .filter_map(|observance| parse_utc_offset(observance.first("TZOFFSETTO")?.value().trim()))
        .collect();
    offsets.sort_unstable();
    offsets.dedup();
    offsets
}

impl VtimezoneRules {
    /// Reads the observances; `None` when there is no usable one.
    pub(crate) fn of(component: &Component<'_>, budget: &mut Budget) -> Option<Self> {
        let mut transitions: Vec<(i64, i32)> = Vec::new();
        let mut first: Option<(i64, i32)> = None;
        let mut unbounded = false;
        for observance in component.components().take(MOST_OBSERVANCES) {
            let offset = |name| parse_utc_offset(observance.first(name)?.value().trim());
            let (Some(from), Some(to)) = (offset("TZOFFSETFROM"), offset("TZOFFSETTO")) else { continue };
            let Some(start) = observance.first("DTSTART").and_then(|start| DateOrTime::parse(start.value()))
            else {
                continue;
            };
            let start = start.seconds();
            // Onsets are local times by the offset in force before them.
            let mut add = |onset: i64| {
                if transitions.len() < MOST_TRANSITIONS {
                    transitions.push((onset - i64::from(from), to));
                }
            };
            add(start);
            if first.is_none_or(|(earliest, _)| start < earliest) {
                first = Some((start, from));
            }
            for dates in observance.all("RDATE") {
                for date in dates.value().split(',') {
                    let date =
                        DateOrTime::parse(date).or_else(|| Period::parse(date).map(|period| period.start));
                    match date {
                        Some(DateOrTime::Utc(time)) => add(time + i64::from(from)),
                        Some(date) => add(date.seconds()),
                        None => {}
                    }
                }
            }
            for rule in observance.all("RRULE").take(4) {
                let Ok(rule) = Rule::parse(rule.value()) else { continue };
                let until = rule.last_second(|utc| utc + i64::from(from), false);
                unbounded |= until.is_none() && rule.count.is_none();
                let mut times = RuleTimes::new(&rule, start, until, rule.count);
                times.seek(start_of(days_from_civil(FIRST_YEAR, 1, 1)), budget);
                while let Some(onset) = times.next(budget) {
                    if onset >= start_of(days_from_civil(LAST_YEAR + 1, 1, 1)) {
                        break;
                    }
                    add(onset);
                }
            }
        }
        transitions.sort_by_key(|(onset, _)| *onset);
        transitions.dedup_by(|later, earlier| later.0 == earlier.0 || later.1 == earlier.1);
        first.map(|(_, before)| Self { transitions, before, unbounded })
    }

    /// Seconds east of UTC at a Unix time.
    pub(crate) fn offset(&self, utc: i64) -> i32 {
        let utc = if self.unbounded { like_time(utc) } else { utc };
        match self.transitions.partition_point(|(onset, _)| *onset <= utc).checked_sub(1) {
            Some(at) => self.transitions.get(at).map_or(0, |(_, offset)| *offset),
            None => self.before,
        }
    }
}

/// For a time after [`LAST_YEAR`], the same time in an earlier year with the same days of the week.
fn like_time(utc: i64) -> i64 {
    let day = day_of(utc);
    let (year, month, date) = civil_from_days(day);
    if year < LAST_YEAR {
        return utc;
    }
    let pattern = |year| (is_leap_year(year), weekday(days_from_civil(year, 1, 1)));
    let like =
        (LAST_YEAR - 29..LAST_YEAR).find(|like| pattern(*like) == pattern(year)).unwrap_or(LAST_YEAR - 1);
    start_of(days_from_civil(like, month, date)) + utc.rem_euclid(DAY)
}

#[cfg(test)]
mod tests {
    use crate::{CalendarObject, Limits, Zone, value::DateOrTime};

    fn utc(text: &str) -> i64 {
        DateOrTime::parse(text).unwrap().seconds()
    }

    fn zone(tzid: &str, observances: &str) -> Zone {
        let text = format!("BEGIN:VTIMEZONE\nTZID:{tzid}\n{observances}END:VTIMEZONE\n");
        let object = CalendarObject::parse(text, &Limits::default()).unwrap();
        Zone::of_vtimezone(&object.root()).unwrap()
    }

    const EASTERN: &str = "BEGIN:DAYLIGHT\nTZOFFSETFROM:-0500\nTZOFFSETTO:-0400\nDTSTART:20070311T020000\n\
        RRULE:FREQ=YEARLY;BYMONTH=3;BYDAY=2SU\nEND:DAYLIGHT\n\
        BEGIN:STANDARD\nTZOFFSETFROM:-0400\nTZOFFSETTO:-0500\nDTSTART:20071104T020000\n\
        RRULE:FREQ=YEARLY;BYMONTH=11;BYDAY=1SU\nEND:STANDARD\n";

    #[test]
    fn a_zone_of_its_own_name_follows_its_rules() {
        let own = zone("My Eastern", EASTERN);
        assert!(matches!(own, Zone::Custom(_)));
        let iana = Zone::named("America/New_York").unwrap();
        let mut time = utc("20080101T000000Z");
        while time < utc("20500101T000000Z") {
            assert_eq!(own.offset(time), iana.offset(time), "{time}");
            time += 10_007;
        }
        for time in ["20250309T015959Z", "20250309T023000Z", "20251102T013000Z", "20251102T020000Z"] {
            assert_eq!(own.to_utc(utc(time)), iana.to_utc(utc(time)), "{time}");
        }
        // Far in the future the pattern goes on: 2400-07-01 is summer.
        assert_eq!(own.offset(utc("24000701T000000Z")), -14_400);
        assert_eq!(own.offset(utc("24000101T000000Z")), -18_000);
        assert_eq!(own.offset(utc("19990701T000000Z")), -18_000);
    }

    #[test]
    fn a_known_name_wins_over_truncated_rules_but_not_over_other_offsets() {
        let truncated =
            "BEGIN:STANDARD\nTZOFFSETFROM:-0400\nTZOFFSETTO:-0500\nDTSTART:20071104T020000\nEND:STANDARD\n";
        assert_eq!(zone("America/New_York", truncated).offset(utc("20250701T000000Z")), -14_400);
        let odd =
            "BEGIN:STANDARD\nTZOFFSETFROM:+0315\nTZOFFSETTO:+0315\nDTSTART:19700101T000000\nEND:STANDARD\n";
        assert_eq!(zone("America/New_York", odd).offset(utc("20250701T000000Z")), 11_700);
    }

    #[test]
    fn rules_that_never_end_cost_a_bounded_time() {
        let endless = "BEGIN:STANDARD\nTZOFFSETFROM:+0100\nTZOFFSETTO:+0200\nDTSTART:00010101T000000\n\
            RRULE:FREQ=SECONDLY\nEND:STANDARD\n";
        assert_eq!(zone("x", endless).offset(utc("20250701T000000Z")), 7200);
    }
}
