//! The proleptic Gregorian calendar in days and seconds since 1970-01-01.
//!
//! Local times are counted as if their zone were UTC, so that recurrence arithmetic needs no time zone.

/// Seconds in a day of local time.
pub const DAY: i64 = 86_400;

/// The first day that a DATE can name: 0001-01-01.
pub const FIRST_DAY: i32 = days_from_civil(1, 1, 1);

/// The last day that a DATE can name: 9999-12-31.
pub const LAST_DAY: i32 = days_from_civil(9999, 12, 31);

/// Days since 1970-01-01 of a date; `month` is 1 to 12.
pub const fn days_from_civil(year: i32, month: u32, day: u32) -> i32 {
    // Years that start in March put the leap day last, which makes month lengths regular.
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let month = (month as i32 + 9) % 12;
    let day_of_year = (153 * month + 2) / 5 + day as i32 - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * 146_097 + day_of_era - 719_468
}

/// Year, month (1 to 12) and day of month (1 to 31).
pub const fn civil_from_days(days: i32) -> (i32, u32, u32) {
    let days = days + 719_468;
    let era = days.div_euclid(146_097);
    let day_of_era = days.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month + 2) / 5 + 1;
    let year = year_of_era + era * 400;
    if month < 10 { (year, month as u32 + 3, day as u32) } else { (year + 1, month as u32 - 9, day as u32) }
}

/// Day of the week, Monday is 0.
pub const fn weekday(days: i32) -> u32 {
    (days + 3).rem_euclid(7) as u32
}

/// Whether the year has a February 29.
pub const fn is_leap_year(year: i32) -> bool {
    year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
}

/// Days in a month, 28 to 31.
pub const fn days_in_month(year: i32, month: u32) -> u32 {
    match month {
        2 if is_leap_year(year) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Days in a year, 365 or 366.
pub const fn days_in_year(year: i32) -> u32 {
    if is_leap_year(year) { 366 } else { 365 }
}

/// The day that a local time falls on.
pub const fn day_of(seconds: i64) -> i32 {
    let day = seconds.div_euclid(DAY);
    // Times are clamped to the years 1 to 9999 when parsed; sums with durations may leave them.
    if day > LAST_DAY as i64 + 400 * 366 {
        LAST_DAY + 400 * 366
    } else if day < FIRST_DAY as i64 - 400 * 366 {
        FIRST_DAY - 400 * 366
    } else {
        day as i32
    }
}

/// The second at which a day starts.
pub const fn start_of(day: i32) -> i64 {
    day as i64 * DAY
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_and_dates_are_inverse_over_all_years() {
        let mut expected = (1, 1, 1);
        for day in FIRST_DAY..=LAST_DAY {
            assert_eq!(civil_from_days(day), expected);
            assert_eq!(days_from_civil(expected.0, expected.1, expected.2), day);
            let (year, month, date) = expected;
            expected = if date < days_in_month(year, month) {
                (year, month, date + 1)
            } else if month < 12 {
                (year, month + 1, 1)
            } else {
                (year + 1, 1, 1)
            };
        }
        assert_eq!(expected, (10_000, 1, 1));
    }

    #[test]
    fn the_epoch_was_a_thursday() {
        assert_eq!(days_from_civil(1970, 1, 1), 0);
        assert_eq!(weekday(0), 3);
        assert_eq!(weekday(days_from_civil(2024, 2, 29)), 3);
        assert_eq!(weekday(-1), 2);
    }
}
