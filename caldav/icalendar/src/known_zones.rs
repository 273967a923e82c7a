//! VTIMEZONEs that were read before: clients write the same few into every object.

use crate::{object::Component, rule_times::Budget, zone::Zone};

/// VTIMEZONEs that are remembered.
const MOST: usize = 16;
/// Bytes of one that is remembered.
const LONGEST: usize = 4096;

/// What is known of VTIMEZONEs by their bytes: for whoever examines many objects, one after another. What is
/// said of an object is the same whatever is known; it is only said sooner.
#[derive(Debug, Default)]
pub struct KnownZones {
    known: Vec<Known>,
}

#[derive(Debug)]
struct Known {
    bytes: Box<[u8]>,
    /// Steps that it takes to work the zone out, and the zone, if it was.
    zone: Option<(u64, Zone)>,
    /// Whether all rules hold for it, in any object.
    is_right: bool,
}

impl KnownZones {
    fn find(&self, component: &Component<'_>) -> Option<&Known> {
        self.known.iter().find(|known| *known.bytes == *component.raw())
    }

    fn learn(&mut self, component: &Component<'_>, learn: impl FnOnce(&mut Known)) {
        let bytes = component.raw();
        if let Some(known) = self.known.iter_mut().find(|known| *known.bytes == *bytes) {
            learn(known);
        } else if self.known.len() < MOST && bytes.len() <= LONGEST {
            let mut known = Known { bytes: bytes.into(), zone: None, is_right: false };
            learn(&mut known);
            self.known.push(known);
        }
    }

    /// The zone that a VTIMEZONE describes, as [`Zone::of_vtimezone_within`], which costs the budget the same.
    pub(crate) fn zone(&mut self, component: &Component<'_>, budget: &mut Budget) -> Option<Zone> {
        if let Some(Known { zone: Some((cost, zone)), .. }) = self.find(component)
            && budget.left() >= *cost
            && budget.spend(*cost)
        {
            return Some(zone.clone());
        }
        let before = budget.left();
        let zone = Zone::of_vtimezone_within(component, budget)?;
        if !budget.is_exceeded() {
            let cost = before - budget.left();
            self.learn(component, |known| known.zone = Some((cost, zone.clone())));
        }
        Some(zone)
    }

    /// Whether a VTIMEZONE is known to keep all rules.
    pub(crate) fn is_right(&self, component: &Component<'_>) -> bool {
        self.find(component).is_some_and(|known| known.is_right)
    }

    /// A VTIMEZONE keeps all rules, whatever object it is in.
    pub(crate) fn set_right(&mut self, component: &Component<'_>) {
        self.learn(component, |known| known.is_right = true);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{CalendarObject, ComponentKind, Limits};

    /// An object with this VTIMEZONE, and an event at this time in the zone.
    fn object(vtimezone: &str, tzid: &str) -> CalendarObject {
        let text = format!(
            "BEGIN:VCALENDAR\r\nVERSION:2.0\r\n{vtimezone}BEGIN:VEVENT\r\nUID:1\r\n\
             DTSTART;TZID={tzid}:20260701T100000\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n"
        );
        CalendarObject::parse(text, &Limits::default()).unwrap()
    }

    fn vtimezone(tzid: &str, start: &str, more: &str) -> String {
        format!(
            "BEGIN:VTIMEZONE\r\nTZID:{tzid}\r\nBEGIN:STANDARD\r\nDTSTART{start}\r\nTZOFFSETFROM:+0300\r\n\
             TZOFFSETTO:+0315\r\n{more}END:STANDARD\r\nEND:VTIMEZONE\r\n"
        )
    }

    #[test]
    fn what_is_said_of_objects_does_not_depend_on_those_before() {
        let local = vtimezone("Home", ":20000101T000000", "");
        let yearly = vtimezone("Home", ":20000101T000000", "RRULE:FREQ=YEARLY\r\n");
        let elsewhere = vtimezone("Home", ";TZID=Other:20000101T000000", "");
        let wrong = vtimezone("Home", ":2000", "");
        let other = vtimezone("Other", ":20000101T000000", "");
        let objects = [
            object(&local, "Home"),
            object(&yearly, "Home"),
            object(&wrong, "Home"),
            object(&wrong, "Home"),
            object(&format!("{other}{elsewhere}"), "Other"),
            object(&elsewhere, "Home"),
            object(&local, "Other"),
            object(&local, "Home"),
        ];
        let mut known = KnownZones::default();
        let mut verdicts = Vec::new();
        for object in objects.iter().chain(&objects) {
            let verdict = object.check_known(&ComponentKind::ALL, &mut known);
            assert_eq!(verdict, object.check(&ComponentKind::ALL));
            verdicts.push(verdict.is_ok());
        }
        let expected = [true, true, false, false, true, false, false, true];
        assert_eq!(verdicts, [expected, expected].concat());
        assert_eq!(known.known.iter().filter(|known| known.is_right).count(), 3);
    }

    #[test]
    fn a_known_zone_costs_the_budget_what_it_cost_before() {
        let text = vtimezone("Home", ":20000101T000000", "RRULE:FREQ=YEARLY\r\n");
        let component = CalendarObject::parse(text, &Limits::default()).unwrap();
        let (mut known, mut first, mut second) =
            (KnownZones::default(), Budget::new(10_000), Budget::new(10_000));
        let zone = known.zone(&component.root(), &mut first).unwrap();
        let again = known.zone(&component.root(), &mut second).unwrap();
        assert!(first.left() < 10_000 && first.left() == second.left());
        assert_eq!(zone.offset(1_782_900_000), again.offset(1_782_900_000));
        let (mut scarce, mut alone) = (Budget::new(10), Budget::new(10));
        let short = known.zone(&component.root(), &mut scarce).unwrap();
        let expected = Zone::of_vtimezone_within(&component.root(), &mut alone).unwrap();
        assert_eq!((scarce.left(), scarce.is_exceeded()), (alone.left(), alone.is_exceeded()));
        assert_eq!(short.offset(1_782_900_000), expected.offset(1_782_900_000));
    }

    #[test]
    fn few_zones_are_remembered() {
        let mut known = KnownZones::default();
        for number in 0..100 {
            let zone = vtimezone(&format!("Zone{number}"), ":20000101T000000", "");
            assert!(
                object(&zone, &format!("Zone{number}")).check_known(&ComponentKind::ALL, &mut known).is_ok()
            );
        }
        let long = vtimezone("Long", ":20000101T000000", &"X-MORE:more\r\n".repeat(400));
        let mut fresh = KnownZones::default();
        assert!(object(&long, "Long").check_known(&ComponentKind::ALL, &mut fresh).is_ok());
        assert_eq!((known.known.len(), fresh.known.len()), (MOST, 0));
    }
}
