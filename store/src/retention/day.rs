//! Days of history: what is left of commits that were given back.

use gix_hash::ObjectId;

/// Seconds of a day.
pub(super) const DAY: i64 = 24 * 60 * 60;

/// A day in UTC, counted from 1970-01-01.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Day(i64);

impl Day {
    /// The day of a time in seconds since 1970.
    pub(super) fn of(seconds: i64) -> Self {
        Self(seconds.div_euclid(DAY))
    }

    /// When it begins, in seconds since 1970.
    pub(super) fn start(self) -> i64 {
        self.0.saturating_mul(DAY)
    }
}

/// As in ISO 8601: `2026-01-31`.
impl std::fmt::Display for Day {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // The proleptic Gregorian calendar, in eras of 400 years that begin with a March.
        let days = self.0.saturating_add(719_468);
        let (era, of_era) = (days.div_euclid(146_097), days.rem_euclid(146_097));
        let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
        let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let month = (5 * of_year + 2) / 153;
        let day = of_year - (153 * month + 2) / 5 + 1;
        let month = if month < 10 { month + 3 } else { month - 9 };
        let year = year_of_era + era * 400 + i64::from(month <= 2);
        write!(f, "{year:04}-{month:02}-{day:02}")
    }
}

/// What a day's commit is made from.
#[derive(Clone, Copy, Debug)]
pub(super) struct LastOfDay {
    pub(super) day: Day,
    /// The day's last commit, when it was made, and its tree.
    pub(super) commit: ObjectId,
    pub(super) time: i64,
    pub(super) tree: ObjectId,
    /// How many commits the branch had on that day.
    pub(super) commits: u64,
}

impl LastOfDay {
    /// The commit that stands for the day.
    pub(super) fn encode(&self, previous: Option<ObjectId>, committer: &str) -> Vec<u8> {
        let Self { day, commit, time, tree, commits } = self;
        let parent = previous.map(|id| format!("parent {id}\n")).unwrap_or_default();
        // git has no times before 1970.
        let signature = format!("{committer} {} +0000", (*time).max(0));
        let of = match commits {
            1 => "the only commit".to_owned(),
            commits => format!("the last of {commits} commits"),
        };
        format!(
            "tree {tree}\n{parent}author {signature}\ncommitter {signature}\n\nKeep {day}\n\nWhat {commit} left, \
             {of} of that day (UTC).\n"
        )
        .into_bytes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_are_named_by_their_dates() {
        for (seconds, expected) in [
            (0, "1970-01-01"),
            (-1, "1969-12-31"),
            (951_782_400, "2000-02-29"),
            (951_868_800, "2000-03-01"),
            (1_767_225_599, "2025-12-31"),
            (1_767_225_600, "2026-01-01"),
            (4_107_542_400, "2100-03-01"),
        ] {
            assert_eq!(Day::of(seconds).to_string(), expected);
        }
        assert_eq!(Day::of(1_767_225_599).start(), 1_767_225_600 - DAY);
    }
}
