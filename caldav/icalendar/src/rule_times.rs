//! Recurrence rules (RFC 5545 §3.3.10): the local times that they name, in order, from any time on.
//!
//! A rule divides time into periods of its frequency. The days of a period that pass the BY parts, times
//! the hours, minutes and seconds, are its set; BYSETPOS picks from it. The set is never written out: the
//! n-th element is computed. So is the period that a time falls in: a query far from DTSTART does not walk
//! there, and with COUNT only where the periods' sizes differ. What remains to walk is paid from a
//! [`Budget`].

use crate::{
    civil::{
        DAY, FIRST_DAY, LAST_DAY, civil_from_days, day_of, days_from_civil, days_in_month, days_in_year,
        start_of, weekday,
    },
    rule::{Frequency, Rule},
};

/// Work that a computation may do, in days examined and a twelfth of an instance made; about 15 ns each.
#[derive(Clone, Debug)]
pub struct Budget {
    left: u64,
    exceeded: bool,
}

impl Budget {
    /// For one question about one calendar object: 200,000 steps, a few milliseconds. A budget is for one
    /// object: once exceeded it stays so, and answers about other objects would suffer.
    pub const OBJECT: u64 = 200_000;

    /// A budget of so many steps.
    pub fn new(steps: u64) -> Self {
        Self { left: steps, exceeded: false }
    }

    /// Whether something was left undone for lack of budget.
    pub fn is_exceeded(&self) -> bool {
        self.exceeded
    }

    /// Steps that are left.
    pub fn left(&self) -> u64 {
        self.left
    }

    /// Pays for a part of a larger computation: at most `steps` of what is left.
    pub fn part(&self, steps: u64) -> Self {
        Self::new(self.left.min(steps))
    }

    /// Takes `steps`; false, and exceeded, when there are not so many.
    pub fn spend(&mut self, steps: u64) -> bool {
        match self.left.checked_sub(steps) {
            Some(left) if !self.exceeded => {
                self.left = left;
                true
            }
            _ => {
                self.exceeded = true;
                false
            }
        }
    }
}

/// The local times of a rule from DTSTART on.
pub(crate) struct RuleTimes<'r> {
    rule: &'r Rule,
    start: i64,
    last: i64,
    /// What COUNT leaves.
    remaining: Option<u64>,
    days: DayFilter<'r>,
    /// The next period to load.
    next_period: i64,
    period: Period,
    position: u64,
    done: bool,
}

/// The set of one period.
#[derive(Default)]
struct Period {
    days: Vec<i32>,
    hours: Vec<u8>,
    minutes: Vec<u8>,
    seconds: Vec<u8>,
    /// Where BYSETPOS is given: the positions it picks.
    picked: Option<Vec<u64>>,
}

impl Period {
    fn times(&self) -> u64 {
        (self.hours.len() * self.minutes.len() * self.seconds.len()) as u64
    }

    fn len(&self) -> u64 {
        match &self.picked {
            Some(picked) => picked.len() as u64,
            None => self.days.len() as u64 * self.times(),
        }
    }

    fn get(&self, position: u64) -> Option<i64> {
        let position = match &self.picked {
            Some(picked) => *picked.get(position as usize)?,
            None => position,
        };
        let day = *self.days.get((position / self.times().max(1)) as usize)?;
        let (minutes, seconds) = (self.minutes.len() as u64, self.seconds.len() as u64);
        let time = position % self.times().max(1);
        let hour = i64::from(*self.hours.get((time / (minutes * seconds)) as usize)?);
        let minute = i64::from(*self.minutes.get((time / seconds % minutes) as usize)?);
        let second = i64::from(*self.seconds.get((time % seconds) as usize)?);
        Some(start_of(day) + hour * 3600 + minute * 60 + second)
    }

    /// The position of the first element not before `time`.
    fn lower_bound(&self, time: i64) -> u64 {
        let (mut low, mut high) = (0, self.len());
        while low < high {
            let middle = (low + high) / 2;
            if self.get(middle).is_some_and(|value| value < time) {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        low
    }

    /// Applies BYSETPOS to the whole set.
    fn pick(&mut self, positions: &[i16]) {
        let total = (self.days.len() as u64 * self.times()) as i64;
        let picked = self.picked.get_or_insert_default();
        picked.clear();
        picked.extend(
            positions
                .iter()
                .map(|position| i64::from(*position))
                .map(|position| if position > 0 { position - 1 } else { total + position })
                .filter(|position| (0..total).contains(position))
                .map(|position| position as u64),
        );
        picked.sort_unstable();
        picked.dedup();
    }
}

enum Loaded {
    /// The period is loaded; it may be empty.
    Period,
    /// This and the following periods are empty, up to the one given.
    Skip(i64),
    /// No period follows.
    End,
}

impl<'r> RuleTimes<'r> {
    /// The times of `rule` from `start`, a local time, to `last`, the local time that UNTIL admits.
    /// `count` replaces the rule's own.
    pub(crate) fn new(rule: &'r Rule, start: i64, last: Option<i64>, count: Option<u64>) -> Self {
        let time = start.rem_euclid(DAY);
        let (hour, minute, second) = ((time / 3600) as u8, (time / 60 % 60) as u8, (time % 60) as u8);
        let frequency = rule.frequency;
        let period = Period {
            days: Vec::new(),
            hours: numbers(u64::from(rule.by_hour), hour),
            minutes: numbers(rule.by_minute, minute),
            seconds: numbers(leap_second_as_59(rule.by_second), second),
            picked: None,
        };
        Self {
            rule,
            start,
            last: last.unwrap_or(i64::MAX).min(start_of(LAST_DAY) + DAY - 1),
            remaining: count,
            days: DayFilter::new(rule, day_of(start)),
            next_period: 0,
            period,
            position: 0,
            done: rule.is_impossible()
                || count == Some(0)
                || (frequency < Frequency::Daily && rule.interval == 0),
        }
    }

    /// Counts DTSTART for COUNT where it is no time of the rule (RFC 5545 §3.3.10: it always is the first).
    pub(crate) fn count_start(&mut self, budget: &mut Budget) {
        if self.remaining.is_some() && self.peek(budget) != Some(self.start) {
            self.take_from_count(1);
        }
    }

    /// Whether `time` is a time of the rule. Asked for ascending times.
    pub(crate) fn names(&mut self, time: i64, budget: &mut Budget) -> bool {
        if !budget.spend(1) {
            return false;
        }
        self.seek(time, budget);
        self.peek(budget) == Some(time)
    }

    /// The next time without taking it.
    fn peek(&mut self, budget: &mut Budget) -> Option<i64> {
        while !self.done {
            if let Some(time) = self.period.get(self.position).filter(|_| self.position < self.period.len()) {
                if time <= self.last && self.remaining != Some(0) {
                    return Some(time);
                }
                self.done = true;
            } else {
                self.load_next(budget);
            }
        }
        None
    }

    /// The next time; `None` at the end, or when the budget is exceeded.
    pub(crate) fn next(&mut self, budget: &mut Budget) -> Option<i64> {
        if !budget.spend(1) {
            return None;
        }
        let time = self.peek(budget)?;
        self.position += 1;
        if let Some(remaining) = &mut self.remaining {
            *remaining -= 1;
        }
        Some(time)
    }

    /// Passes over all times before `target`.
    pub(crate) fn seek(&mut self, target: i64, budget: &mut Budget) {
        if target <= self.start || self.peek(budget).is_none_or(|time| time >= target) {
            return;
        }
        let period = self.period_of(target.min(self.last));
        if self.remaining.is_none() {
            if period >= self.next_period {
                self.next_period = period;
                self.period.days.clear();
                self.pick();
                self.position = 0;
            }
        } else if let Some(size) = self.constant_size()
            && period > self.next_period
        {
            let passed = self.period.len().saturating_sub(self.position);
            let passed = size.saturating_mul((period - self.next_period) as u64).saturating_add(passed);
            self.take_from_count(passed);
            self.next_period = period;
            self.period.days.clear();
            self.pick();
            self.position = 0;
        }
        while let Some(time) = self.peek(budget) {
            if time >= target {
                return;
            }
            let position = self.period.lower_bound(target);
            self.take_from_count(position.saturating_sub(self.position));
            self.position = position;
        }
    }

    fn take_from_count(&mut self, passed: u64) {
        if let Some(remaining) = &mut self.remaining {
            *remaining = remaining.saturating_sub(passed);
        }
    }

    fn pick(&mut self) {
        if !self.rule.by_set_position.is_empty() {
            self.period.pick(&self.rule.by_set_position);
        }
    }

    /// The number of times in each period after the first, where all have the same.
    fn constant_size(&self) -> Option<u64> {
        let rule = self.rule;
        let filtered = rule.by_month != 0
            || rule.by_month_day != [0; 2]
            || !rule.by_year_day.is_empty()
            || rule.by_week != [0; 2];
        let days = match rule.frequency {
            Frequency::Weekly => u64::from(self.days.weekdays.count_ones()),
            Frequency::Daily if rule.by_day == 0 => 1,
            Frequency::Hourly if rule.by_day == 0 && rule.by_hour == 0 => 1,
            Frequency::Minutely if rule.by_day == 0 && rule.by_hour == 0 && rule.by_minute == 0 => 1,
            Frequency::Secondly
                if rule.by_day == 0 && rule.by_hour == 0 && rule.by_minute == 0 && rule.by_second == 0 =>
            {
                1
            }
            _ => return None,
        };
        if filtered {
            return None;
        }
        let total = days * self.period.times();
        if rule.by_set_position.is_empty() {
            return Some(total);
        }
        let mut picked: Vec<i64> = rule
            .by_set_position
            .iter()
            .map(|position| i64::from(*position))
            .map(|position| if position > 0 { position - 1 } else { total as i64 + position })
            .filter(|position| (0..total as i64).contains(position))
            .collect();
        picked.sort_unstable();
        picked.dedup();
        Some(picked.len() as u64)
    }

    /// The period that a time falls in, or the last before it.
    fn period_of(&self, time: i64) -> i64 {
        let interval = i64::from(self.rule.interval);
        let (year, month, _) = civil_from_days(day_of(time));
        let (start_year, start_month, _) = civil_from_days(day_of(self.start));
        let distance = match self.rule.frequency {
            Frequency::Yearly => i64::from(year - start_year),
            Frequency::Monthly => {
                i64::from(year - start_year) * 12 + i64::from(month) - i64::from(start_month)
            }
            Frequency::Weekly => i64::from(day_of(time) - self.first_week()).div_euclid(7),
            Frequency::Daily => i64::from(day_of(time) - day_of(self.start)),
            Frequency::Hourly | Frequency::Minutely | Frequency::Secondly => {
                let unit = self.unit();
                (time - self.start.div_euclid(unit) * unit).div_euclid(unit)
            }
        };
        distance.max(0) / interval
    }

    /// The first day of the week of DTSTART.
    fn first_week(&self) -> i32 {
        let day = day_of(self.start);
        day - (weekday(day) as i32 - i32::from(self.rule.week_start)).rem_euclid(7)
    }

    fn unit(&self) -> i64 {
        match self.rule.frequency {
            Frequency::Hourly => 3600,
            Frequency::Minutely => 60,
            _ => 1,
        }
    }

    fn load_next(&mut self, budget: &mut Budget) {
        self.period.days.clear();
        self.position = 0;
        let index = self.next_period;
        match self.load(index, budget) {
            None | Some(Loaded::End) => self.done = true,
            Some(Loaded::Skip(next)) => {
                self.next_period = next.max(index + 1);
                self.pick();
            }
            Some(Loaded::Period) => {
                self.next_period = index + 1;
                self.pick();
                if index == 0 {
                    self.position = self.period.lower_bound(self.start);
                }
            }
        }
    }

    /// Loads period `index`; `None` when the budget does not allow it.
    fn load(&mut self, index: i64, budget: &mut Budget) -> Option<Loaded> {
        let steps = index.saturating_mul(i64::from(self.rule.interval));
        let start_day = day_of(self.start);
        let (start_year, start_month, _) = civil_from_days(start_day);
        let last_day = i64::from(day_of(self.last));
        match self.rule.frequency {
            Frequency::Yearly => {
                let year = i64::from(start_year).saturating_add(steps);
                if year > 9999 {
                    return Some(Loaded::End);
                }
                budget.spend(1).then_some(())?;
                for month in 1..=12 {
                    if !self.days.month(month) {
                        continue;
                    }
                    budget.spend(31).then_some(())?;
                    self.load_month(year as i32, month);
                }
            }
            Frequency::Monthly => {
                let month = (i64::from(start_month) - 1).saturating_add(steps);
                let year = i64::from(start_year) + month / 12;
                if year > 9999 {
                    return Some(Loaded::End);
                }
                budget.spend(1).then_some(())?;
                let month = (month % 12) as u32 + 1;
                if self.days.month(month) {
                    budget.spend(31).then_some(())?;
                    self.load_month(year as i32, month);
                }
            }
            Frequency::Weekly => {
                budget.spend(7).then_some(())?;
                let first = i64::from(self.first_week()).saturating_add(steps.saturating_mul(7));
                if first > last_day {
                    return Some(Loaded::End);
                }
                for day in first..first + 7 {
                    let day = day as i32;
                    if self.days.month(civil_from_days(day).1) && self.days.matches(day) {
                        self.period.days.push(day);
                    }
                }
            }
            Frequency::Daily => {
                budget.spend(2).then_some(())?;
                let day = i64::from(start_day).saturating_add(steps);
                if day > last_day {
                    return Some(Loaded::End);
                }
                let day = day as i32;
                let interval = i64::from(self.rule.interval);
                if let Some(next) = self.next_month_if_excluded(day) {
                    return Some(Loaded::Skip(ceiling(i64::from(next - start_day), interval)));
                }
                if self.days.matches(day) {
                    self.period.days.push(day);
                }
            }
            Frequency::Hourly | Frequency::Minutely | Frequency::Secondly => {
                budget.spend(4).then_some(())?;
                return Some(self.load_within_day(steps));
            }
        }
        Some(Loaded::Period)
    }

    fn load_month(&mut self, year: i32, month: u32) {
        let first = days_from_civil(year, month, 1);
        for day in first..first + days_in_month(year, month) as i32 {
            if self.days.matches(day) {
                self.period.days.push(day);
            }
        }
    }

    fn load_within_day(&mut self, steps: i64) -> Loaded {
        let unit = self.unit();
        let base = self.start.div_euclid(unit) * unit;
        let time = base.saturating_add(steps.saturating_mul(unit));
        if time > self.last {
            return Loaded::End;
        }
        let stride = unit.saturating_mul(i64::from(self.rule.interval));
        let skip_to = |time: i64| Loaded::Skip(ceiling(time - base, stride));
        let day = day_of(time);
        if let Some(next) = self.next_month_if_excluded(day) {
            return skip_to(start_of(next));
        }
        if !self.days.matches(day) {
            return skip_to(start_of(day + 1));
        }
        let second_of_day = time.rem_euclid(DAY);
        let (hour, minute, second) = (second_of_day / 3600, second_of_day / 60 % 60, second_of_day % 60);
        let rule = self.rule;
        if rule.by_hour != 0 && rule.by_hour & (1 << hour) == 0 {
            return skip_to(time.div_euclid(3600) * 3600 + 3600);
        }
        self.period.hours = vec![hour as u8];
        if rule.frequency < Frequency::Hourly {
            if rule.by_minute != 0 && rule.by_minute & (1 << minute) == 0 {
                return skip_to(time.div_euclid(60) * 60 + 60);
            }
            self.period.minutes = vec![minute as u8];
        }
        if rule.frequency < Frequency::Minutely {
            let by_second = leap_second_as_59(rule.by_second);
            if by_second != 0 && by_second & (1 << second) == 0 {
                return skip_to(time + 1);
            }
            self.period.seconds = vec![second as u8];
        }
        self.period.days.push(day);
        Loaded::Period
    }

    /// The first day of the next month, when BYMONTH excludes the month of `day`.
    fn next_month_if_excluded(&self, day: i32) -> Option<i32> {
        let (year, month, _) = civil_from_days(day);
        (!self.days.month(month)).then(|| days_from_civil(year, month, 1) + days_in_month(year, month) as i32)
    }
}

fn ceiling(distance: i64, step: i64) -> i64 {
    distance.div_euclid(step) + i64::from(distance.rem_euclid(step) != 0)
}

/// RFC 5545 §3.3.10: who knows no leap seconds takes second 60 as 59.
fn leap_second_as_59(mask: u64) -> u64 {
    let leap = 1 << 60;
    if mask & leap == 0 { mask } else { mask & !leap | 1 << 59 }
}

fn numbers(mask: u64, default: u8) -> Vec<u8> {
    if mask == 0 { vec![default] } else { (0..64).filter(|n| mask & (1 << n) != 0).collect() }
}

/// The BY parts that select days, completed from DTSTART where the rule leaves them open.
struct DayFilter<'r> {
    rule: &'r Rule,
    months: u16,
    month_days: [u32; 2],
    weekdays: u8,
    /// Whether numbered weekdays count within the year, not the month.
    nth_in_year: bool,
}

impl<'r> DayFilter<'r> {
    fn new(rule: &'r Rule, start: i32) -> Self {
        let (_, month, day) = civil_from_days(start);
        let mut filter = Self {
            rule,
            months: rule.by_month,
            month_days: rule.by_month_day,
            weekdays: rule.by_day,
            nth_in_year: rule.frequency == Frequency::Yearly && rule.by_month == 0,
        };
        let no_weekday = rule.by_day == 0 && rule.by_nth_day.is_empty();
        let no_day = no_weekday && rule.by_month_day == [0; 2] && rule.by_year_day.is_empty();
        match rule.frequency {
            // "Information not contained in the rule is derived from DTSTART."
            Frequency::Yearly if no_day && rule.by_week != [0; 2] => filter.weekdays = 1 << weekday(start),
            Frequency::Yearly if no_day => {
                filter.month_days = [1 << day, 0];
                if rule.by_month == 0 {
                    filter.months = 1 << month;
                }
            }
            Frequency::Monthly if no_day && rule.by_week == [0; 2] => filter.month_days = [1 << day, 0],
            Frequency::Weekly if no_day && rule.by_week == [0; 2] => filter.weekdays = 1 << weekday(start),
            _ => {}
        }
        filter
    }

    fn month(&self, month: u32) -> bool {
        self.months == 0 || self.months & (1 << month) != 0
    }

    /// Whether the day passes everything but BYMONTH.
    fn matches(&self, day: i32) -> bool {
        if !(FIRST_DAY..=LAST_DAY).contains(&day) {
            return false;
        }
        let (year, month, date) = civil_from_days(day);
        let [positive, negative] = self.month_days;
        if positive | negative != 0 {
            let from_end = days_in_month(year, month) + 1 - date;
            if positive & (1 << date) == 0 && negative & (1 << from_end) == 0 {
                return false;
            }
        }
        let nth_days = &self.rule.by_nth_day;
        let weekday = weekday(day) as u8;
        if (self.weekdays != 0 || !nth_days.is_empty()) && self.weekdays & (1 << weekday) == 0 {
            let (index, length) = if self.nth_in_year {
                ((day - days_from_civil(year, 1, 1)) as u32, days_in_year(year))
            } else {
                (date - 1, days_in_month(year, month))
            };
            let nth = (index / 7) as i8 + 1;
            let nth_from_end = -((length - 1 - index) as i32 / 7 + 1) as i8;
            if !nth_days.iter().any(|(n, wanted)| *wanted == weekday && (*n == nth || *n == nth_from_end)) {
                return false;
            }
        }
        if !self.rule.by_year_day.is_empty() {
            let of_year = (day - days_from_civil(year, 1, 1)) as i16 + 1;
            let from_end = of_year - days_in_year(year) as i16 - 1;
            if !self.rule.by_year_day.iter().any(|number| *number == of_year || *number == from_end) {
                return false;
            }
        }
        let [positive, negative] = self.rule.by_week;
        if positive | negative != 0 {
            let (week, weeks) = week_number(day, self.rule.week_start);
            if positive & (1 << week) == 0 && negative & (1 << (weeks + 1 - week)) == 0 {
                return false;
            }
        }
        true
    }
}

/// The number of the week that a day is in, and how many weeks that week's year has. Week 1 is the first
/// with at least four days in the year.
fn week_number(day: i32, week_start: u8) -> (u32, u32) {
    let first = day - (weekday(day) as i32 - i32::from(week_start)).rem_euclid(7);
    // A week belongs to the year of its fourth day.
    let fourth = first + 3;
    let year = civil_from_days(fourth).0;
    let of_year = (fourth - days_from_civil(year, 1, 1)) as u32;
    (of_year / 7 + 1, (days_in_year(year) - 1 - of_year % 7) / 7 + 1)
}
