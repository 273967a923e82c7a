//! Progress as git servers show it: `Counting objects:  42% (21/50)`.

use crate::wire::sideband::Sideband;
use std::time::{Duration, Instant};

/// One line of progress, rewritten at most once a second.
pub(crate) struct Meter {
    sideband: Sideband,
    title: &'static str,
    /// Nothing is shown before this, as for git's delayed progress.
    next: Instant,
    percent: Option<u64>,
    done: u64,
    total: Option<u64>,
}

impl Meter {
    /// Progress towards `total`, or without end.
    pub(crate) fn new(sideband: &Sideband, title: &'static str, total: Option<u64>) -> Self {
        let next = Instant::now() + Duration::from_secs(1);
        Self { sideband: sideband.clone(), title, next, percent: None, done: 0, total }
    }

    fn line(&self, end: &str) -> String {
        let (title, done) = (self.title, self.done);
        match self.total {
            Some(total) => {
                let percent = (done * 100).checked_div(total).unwrap_or(100);
                format!("{title}: {percent:3}% ({done}/{total}){end}")
            }
            None => format!("{title}: {done}{end}"),
        }
    }

    /// Notes progress. Returns whether it was shown.
    pub(crate) fn update(&mut self, done: u64) -> bool {
        self.done = done;
        // The clock is read at each percent, or each 256th object, not for every object.
        let percent = self.total.and_then(|total| (done * 100).checked_div(total));
        let look = if percent.is_some() { percent != self.percent } else { done.is_multiple_of(256) };
        if !look {
            return false;
        }
        self.percent = percent;
        let now = Instant::now();
        if now < self.next {
            return false;
        }
        self.next = now + Duration::from_secs(1);
        self.sideband.progress(&self.line("\r"));
        true
    }

    /// Shows the last state.
    pub(crate) fn done(self) {
        self.sideband.progress(&self.line(", done.\n"));
    }
}
