//! What a report returns of an object: CALDAV:calendar-data (RFC 4791 §9.6).
//!
//! Content lines that are selected and need no change are copied as they are in the file, folds and line ends
//! included; lines that are made anew end as the first line of the file does.

mod expand;
mod write;

use crate::{
    object::{CalendarObject, Component},
    recurrence_set::RecurrenceSets,
    rule_times::Budget,
    time_range::TimeRange,
    zone::Zone,
};
use expand::Instances;
use std::fmt;
use write::{Change, Writer};

/// Instances that one object is expanded to at most.
pub const MOST_INSTANCES: usize = 10_000;
/// Bytes that one object is expanded to at most.
pub const MOST_BYTES: usize = 8 << 20;

/// Properties of a component that are returned.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Properties {
    /// CALDAV:allprop.
    #[default]
    All,
    /// CALDAV:prop elements; none of them selects no property.
    Named(Vec<PropertySelection>),
}

/// CALDAV:prop in calendar-data.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PropertySelection {
    /// The property, in any case.
    pub name: String,
    /// Whether to leave out its value.
    pub novalue: bool,
}

/// CALDAV:comp in calendar-data.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ComponentSelection {
    /// The component, in any case.
    pub name: String,
    /// Its properties that are returned.
    pub properties: Properties,
    /// Its inner components that are returned; `None` is CALDAV:allcomp.
    pub components: Option<Vec<ComponentSelection>>,
}

/// CALDAV:calendar-data of a report.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Selection {
    /// The selection of VCALENDAR; `None` selects everything.
    pub component: Option<ComponentSelection>,
    /// Replace what recurs by its instances in a range (§9.6.5).
    pub expand: Option<TimeRange>,
    /// Leave out overrides without impact on a range (§9.6.6). Says nothing beside `expand`.
    pub limit_recurrence_set: Option<TimeRange>,
    /// Leave out periods of FREEBUSY that do not overlap a range (§9.6.7).
    pub limit_freebusy_set: Option<TimeRange>,
}

/// An object has more instances in the range of CALDAV:expand than [`MOST_INSTANCES`], or they are more than
/// [`MOST_BYTES`], or the budget was exceeded: CALDAV:max-instances (RFC 4791 §5.2.8).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooManyInstances;

impl fmt::Display for TooManyInstances {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "more than {MOST_INSTANCES} instances or {} MiB in the range to expand; ask for a shorter one",
            MOST_BYTES >> 20
        )
    }
}

impl std::error::Error for TooManyInstances {}

impl Selection {
    /// Whether everything is selected as it is, so that the stored bytes can be sent.
    pub fn is_whole(&self) -> bool {
        self.component.is_none()
            && self.expand.is_none()
            && self.limit_recurrence_set.is_none()
            && self.limit_freebusy_set.is_none()
    }

    /// The selected part of an object. `floating` is the zone of dates and floating times.
    ///
    /// # Errors
    /// [`TooManyInstances`], only where `expand` is asked for.
    pub fn apply(
        &self,
        object: &CalendarObject,
        floating: &Zone,
        budget: &mut Budget,
    ) -> Result<Vec<u8>, TooManyInstances> {
        if self.is_whole() {
            return Ok(object.bytes().to_vec());
        }
        let calendar = object.root();
        let sets = RecurrenceSets::of(object, floating, budget);
        let mut writer = Writer::new(&calendar, &sets.reader, self.limit_freebusy_set);
        let selected = self.component.as_ref();
        writer.begin(&calendar);
        writer.properties(&calendar, selected, &Change::None);
        let mut instances = match &self.expand {
            Some(range) => Some(Instances::of(&sets, range, budget)?),
            None => None,
        };
        for component in calendar.components() {
            let Ok(inner) = select(selected, &component) else { continue };
            if let Some(instances) = &mut instances {
                if component.is("VTIMEZONE") {
                    continue;
                }
                for change in instances.take(&component) {
                    writer.component(&component, inner, &change);
                    if writer.len() > MOST_BYTES {
                        return Err(TooManyInstances);
                    }
                }
            } else if self.keeps(&component, &sets, budget) {
                writer.component(&component, inner, &Change::None);
            }
        }
        writer.end(&calendar);
        Ok(writer.into_bytes())
    }

    /// Whether limit-recurrence-set keeps a component.
    fn keeps<'a>(
        &self,
        component: &Component<'a>,
        sets: &RecurrenceSets<'a, '_>,
        budget: &mut Budget,
    ) -> bool {
        let Some(range) = &self.limit_recurrence_set else { return true };
        if component.first("RECURRENCE-ID").is_none() {
            return true;
        }
        sets.find(component).is_none_or(|(set, index)| set.override_impacts(index, range, budget))
    }
}

/// The selection of an inner component: `Ok(None)` is all of it, `Err` is that it is not selected.
fn select<'s>(
    outer: Option<&'s ComponentSelection>,
    component: &Component<'_>,
) -> Result<Option<&'s ComponentSelection>, ()> {
    match outer.map(|outer| &outer.components) {
        None | Some(None) => Ok(None),
        Some(Some(listed)) => listed.iter().find(|inner| component.is(&inner.name)).map(Some).ok_or(()),
    }
}
