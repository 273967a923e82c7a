//! Time zones: UTC, IANA, and those that an object defines in a VTIMEZONE.

use crate::{
    known_zones::KnownZones,
    object::Component,
    rule_times::Budget,
    vtimezone::{self, VtimezoneRules},
    windows_zones,
};
use chrono::{DateTime, Offset, TimeZone};
use chrono_tz::{OffsetComponents, Tz};
use std::{collections::BTreeSet, fmt, rc::Rc};

/// A time zone.
#[derive(Clone)]
pub enum Zone {
    /// UTC.
    Utc,
    /// A zone of the IANA database that the program was built with.
    Iana(Tz),
    /// A VTIMEZONE.
    Custom(Rc<VtimezoneRules>),
}

impl fmt::Debug for Zone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Utc => f.write_str("UTC"),
            Self::Iana(zone) => f.write_str(zone.name()),
            Self::Custom(_) => f.write_str("VTIMEZONE"),
        }
    }
}

impl Zone {
    /// The zone that a TZID names without a VTIMEZONE: an IANA name, one with a prefix as in
    /// `/freeassociation.sourceforge.net/Europe/Berlin`, or a Windows name.
    pub fn named(tzid: &str) -> Option<Self> {
        let tzid = tzid.trim();
        if matches!(tzid, "UTC" | "Etc/UTC" | "GMT" | "Z" | "Zulu" | "Etc/GMT") {
            return Some(Self::Utc);
        }
        if let Ok(zone) = tzid.parse::<Tz>() {
            return Some(Self::Iana(zone));
        }
        if let Some(zone) = windows_zones::iana_name(tzid).and_then(|name| name.parse::<Tz>().ok()) {
            return Some(Self::Iana(zone));
        }
        // Prefixes are paths: try what follows each slash, at most eight of them.
        if tzid.starts_with('/') {
            return tzid
                .match_indices('/')
                .take(8)
                .filter_map(|(at, _)| tzid.get(at + 1..))
                .find_map(|rest| rest.parse::<Tz>().ok())
                .map(Self::Iana);
        }
        None
    }

    /// The zone that a VTIMEZONE describes.
    ///
    /// A zone whose TZID is an IANA name and whose offsets are ones that this zone has had is the IANA
    /// zone: exporters are known to write truncated or outdated rules under these names, and clients go
    /// by the name too. Anything else is what the component says.
    pub fn of_vtimezone(component: &Component<'_>) -> Option<Self> {
        Self::of_vtimezone_within(component, &mut Budget::new(Budget::OBJECT))
    }

    /// As [`Self::of_vtimezone`]; transitions that the budget does not allow for are missing.
    pub(crate) fn of_vtimezone_within(component: &Component<'_>, budget: &mut Budget) -> Option<Self> {
        let named = component.first("TZID").and_then(|tzid| Self::named(tzid.value()));
        if let Some(named) = &named
            && named.has_had(&vtimezone::offsets(component))
        {
            return Some(named.clone());
        }
        match VtimezoneRules::of(component, budget) {
            Some(rules) => Some(Self::Custom(Rc::new(rules))),
            None => named,
        }
    }

    fn has_had(&self, offsets: &[i32]) -> bool {
        // Four looks a year over the years that exporters describe, the latest first; offsets before 1970 do
        // not count.
        const QUARTER: i64 = 365 * 86_400 / 4;
        let mut missing = offsets.to_vec();
        (0..4 * 68).rev().any(|quarter| {
            let offset = self.offset(quarter * QUARTER);
            missing.retain(|other| *other != offset);
            missing.is_empty()
        })
    }

    /// Seconds east of UTC at a Unix time.
    pub fn offset(&self, utc: i64) -> i32 {
        match self {
            Self::Utc => 0,
            Self::Iana(zone) => match DateTime::from_timestamp(utc, 0) {
                Some(time) => zone.offset_from_utc_datetime(&time.naive_utc()).fix().local_minus_utc(),
                None => 0,
            },
            Self::Custom(rules) => rules.offset(utc),
        }
    }

    /// Unix time of a local time. A local time that occurs twice is the first; one that is skipped is
    /// taken with the offset before the gap (RFC 5545 §3.3.5).
    pub fn to_utc(&self, local: i64) -> i64 {
        if matches!(self, Self::Utc) {
            return local;
        }
        let before = i64::from(self.offset(local - 86_400));
        let after = i64::from(self.offset(local + 86_400));
        let first = local - before;
        if before == after || i64::from(self.offset(first)) == before {
            return first;
        }
        let second = local - after;
        if i64::from(self.offset(second)) == after { second } else { first }
    }

    /// Local times between which all local times are that mean a Unix time from `from` to `to`.
    pub(crate) fn local_bounds(&self, from: i64, to: i64) -> (i64, i64) {
        // Offsets that are in force so near that `to_utc` may look at them.
        let near =
            |utc: i64| (-4..=4).map(move |half_day| self.offset(utc.saturating_add(half_day * 43_200)));
        let least = near(from).min().unwrap_or(0);
        let most = near(to).max().unwrap_or(0);
        (from.saturating_add(i64::from(least)), to.saturating_add(i64::from(most)))
    }

    /// Local time of a Unix time.
    pub fn to_local(&self, utc: i64) -> i64 {
        utc + i64::from(self.offset(utc))
    }

    /// Whether daylight saving time is in force, where the zone knows.
    pub fn is_daylight(&self, utc: i64) -> bool {
        match self {
            Self::Iana(zone) => DateTime::from_timestamp(utc, 0)
                .is_some_and(|time| !zone.offset_from_utc_datetime(&time.naive_utc()).dst_offset().is_zero()),
            Self::Utc | Self::Custom(_) => false,
        }
    }
}

/// The zones of one object: its VTIMEZONEs by TZID.
#[derive(Clone, Debug, Default)]
pub struct Zones {
    defined: Vec<(String, Zone)>,
}

impl Zones {
    /// Reads the VTIMEZONEs of a VCALENDAR that its components refer to; Exchange sends every zone it knows,
    /// about 140. All together cost at most twice [`Budget::OBJECT`], enough for fifty with endless rules; what is
    /// beyond keeps the offset of its last transition within.
    pub fn of(calendar: &Component<'_>) -> Self {
        Self::of_known(calendar, &mut KnownZones::default())
    }

    /// As [`Self::of`], the same, by what is known of the same VTIMEZONEs.
    pub(crate) fn of_known(calendar: &Component<'_>, known: &mut KnownZones) -> Self {
        let mut used = BTreeSet::new();
        let mut defined = Vec::new();
        let mut budget = Budget::new(2 * Budget::OBJECT);
        for component in calendar.components() {
            if !component.is("VTIMEZONE") {
                collect_tzids(&component, &mut used);
            }
        }
        for component in calendar.components().filter(|component| component.is("VTIMEZONE")) {
            let Some(tzid) = component.first("TZID") else { continue };
            if used.contains(tzid.value().trim())
                && defined.len() < MOST_ZONES
                && let Some(zone) = known.zone(&component, &mut budget)
            {
                defined.push((tzid.value().trim().to_owned(), zone));
            }
        }
        Self { defined }
    }

    /// The zone that a TZID means in this object.
    pub fn get(&self, tzid: &str) -> Option<Zone> {
        let tzid = tzid.trim();
        let defined = self.defined.iter().find(|(name, _)| name == tzid);
        defined.map(|(_, zone)| zone.clone()).or_else(|| Zone::named(tzid))
    }
}

/// VTIMEZONEs read of one object.
const MOST_ZONES: usize = 600;

/// The TZIDs that the properties of a component, and of those in it, refer to.
fn collect_tzids<'a>(component: &Component<'a>, tzids: &mut BTreeSet<&'a str>) {
    for property in component.properties() {
        tzids.extend(property.parameter("TZID").map(str::trim));
    }
    for inner in component.components() {
        collect_tzids(&inner, tzids);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::value::DateOrTime;

    fn utc(text: &str) -> i64 {
        DateOrTime::parse(text).unwrap().seconds()
    }

    #[test]
    fn zones_are_found_by_the_names_clients_use() {
        let july = utc("20250701T000000Z");
        for name in [
            "Europe/Berlin",
            "/freeassociation.sourceforge.net/Europe/Berlin",
            "/mozilla.org/20050126_1/Europe/Berlin",
            "W. Europe Standard Time",
        ] {
            assert_eq!(Zone::named(name).unwrap().offset(july), 7200, "{name}");
        }
        assert!(Zone::named("Mars/Olympus").is_none());
        assert!(Zone::named("").is_none());
        assert!(Zone::named(&"/".repeat(1000)).is_none());
    }

    #[test]
    fn gaps_and_folds_are_resolved_as_rfc_5545_says() {
        let zone = Zone::named("America/New_York").unwrap();
        // Skipped: 02:30 EST is 03:30 EDT.
        assert_eq!(zone.to_utc(utc("20250309T023000Z")), utc("20250309T073000Z"));
        // Twice: the first is EDT.
        assert_eq!(zone.to_utc(utc("20251102T013000Z")), utc("20251102T053000Z"));
        assert_eq!(zone.to_utc(utc("20251102T003000Z")), utc("20251102T043000Z"));
        assert_eq!(zone.to_utc(utc("20251102T023000Z")), utc("20251102T073000Z"));
        assert_eq!(zone.to_utc(utc("20250701T120000Z")), utc("20250701T160000Z"));
    }
}
