//! Times with their zones: what a DATE or DATE-TIME property means.

use crate::{
    civil::{DAY, day_of, start_of},
    object::{CalendarObject, Property},
    value::{DateOrTime, Duration, format_date, format_local, format_utc},
    zone::{Zone, Zones},
};

/// How a time was written (RFC 5545 §3.3.4, §3.3.5).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// DATE; its time is midnight.
    Date,
    /// DATE-TIME without zone.
    Floating,
    /// DATE-TIME in UTC or with a TZID.
    Absolute,
}

/// A point in time that remembers how it was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Moment {
    /// How it was written.
    pub form: Form,
    /// Seconds since 1970-01-01 of local time in its zone.
    pub local: i64,
    /// Unix time; for dates and floating times in the zone given for them.
    pub utc: i64,
}

impl Moment {
    /// The local time `local` in `zone`. A DATE is cut down to its day.
    pub(crate) fn of_local(form: Form, zone: &Zone, local: i64) -> Self {
        let local = if form == Form::Date { start_of(day_of(local)) } else { local };
        Self { form, local, utc: zone.to_utc(local) }
    }

    /// The Unix time `utc`, seen in `zone`. A DATE is the nearest midnight.
    pub(crate) fn of_utc(form: Form, zone: &Zone, utc: i64) -> Self {
        match form {
            Form::Date => Self::of_local(form, zone, zone.to_local(utc).saturating_add(DAY / 2)),
            Form::Floating | Form::Absolute => Self { form, local: zone.to_local(utc), utc },
        }
    }

    /// This time and a duration: days by the calendar of `zone`, then exact seconds. A DATE and seconds are
    /// a floating time.
    pub(crate) fn plus(self, duration: Duration, zone: &Zone) -> Self {
        let form = if self.form == Form::Date && duration.seconds != 0 { Form::Floating } else { self.form };
        let local = self.local.saturating_add(duration.days.saturating_mul(DAY));
        if form == Form::Date {
            return Self::of_local(form, zone, local);
        }
        let utc = if duration.days == 0 { self.utc } else { zone.to_utc(local) };
        Self::of_utc(form, zone, utc.saturating_add(duration.seconds))
    }

    /// As a value without reference to a time zone: a DATE or floating time as it is, all else in UTC.
    pub fn without_zone(self) -> String {
        match self.form {
            Form::Date => format_date(day_of(self.local)),
            Form::Floating => format_local(self.local),
            Form::Absolute => format_utc(self.utc),
        }
    }
}

/// Reads the times of one object.
#[derive(Debug)]
pub(crate) struct TimeReader<'z> {
    zones: Zones,
    floating: &'z Zone,
}

impl<'z> TimeReader<'z> {
    /// With the VTIMEZONEs of `object`, and `floating` as the zone of dates and floating times.
    pub(crate) fn of(object: &CalendarObject, floating: &'z Zone) -> Self {
        Self { zones: Zones::of(&object.root()), floating }
    }

    /// The zone and form of a value of this property. A TZID that is not known is taken as floating.
    pub(crate) fn zone(&self, property: &Property<'_>, value: DateOrTime) -> (Form, Zone) {
        match value {
            DateOrTime::Date(_) => (Form::Date, self.floating.clone()),
            DateOrTime::Utc(_) => (Form::Absolute, Zone::Utc),
            DateOrTime::Local(_) => match property.parameter("TZID").and_then(|tzid| self.zones.get(tzid)) {
                Some(zone) => (Form::Absolute, zone),
                None => (Form::Floating, self.floating.clone()),
            },
        }
    }

    /// A value of this property.
    pub(crate) fn moment(&self, property: &Property<'_>, value: DateOrTime) -> (Moment, Zone) {
        let (form, zone) = self.zone(property, value);
        (Moment::of_local(form, &zone, value.seconds()), zone)
    }

    /// The only value of this property; `None` when it is no DATE or DATE-TIME.
    pub(crate) fn read(&self, property: &Property<'_>) -> Option<(Moment, Zone)> {
        Some(self.moment(property, DateOrTime::parse(property.value().trim())?))
    }
}
