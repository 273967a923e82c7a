//! Who writes until the connection breaks.

use kalends_interop_tests::{WorkingCopy, client::Connection, event, server::PASSWORD};
use std::{
    path::Path,
    sync::atomic::{AtomicUsize, Ordering},
};

/// One change of a resource: its name, and its new content, or `None` when it is deleted.
pub(crate) type Change = (String, Option<String>);

/// What a writer did in one life of the server.
#[derive(Debug, Default)]
pub(crate) struct Deeds<T> {
    /// Acknowledged, in this order.
    pub(crate) acknowledged: Vec<T>,
    /// Sent without an answer: done or not.
    pub(crate) in_doubt: Option<T>,
}

/// Puts and deletes events, by one connection; no other writer touches the same.
pub(crate) struct CalendarWriter {
    number: u32,
    step: u32,
}

impl CalendarWriter {
    /// One that has events number `100 * number` to `100 * number + 11` to itself.
    pub(crate) fn new(number: u32) -> Self {
        Self { number, step: 0 }
    }

    fn next(&mut self) -> Change {
        self.step += 1;
        let event = event::event(self.number * 100 + self.step % 12);
        if self.step % 12 == self.step / 12 % 12 {
            return (event.name, None);
        }
        let note = format!("\r\nCOMMENT:Step {}\r\nSUMMARY:", self.step);
        (event.name, Some(event.text.replacen("\r\nSUMMARY:", &note, 1)))
    }

    /// Makes one change after the other.
    pub(crate) fn write_until_cut_off(
        &mut self,
        port: u16,
        authority: &Path,
        calendar: &str,
        count: &AtomicUsize,
    ) -> Deeds<Change> {
        let mut deeds = Deeds::default();
        let Ok(connection) = Connection::secure(port, authority) else { return deeds };
        let mut connection = connection.with_credentials("ada", PASSWORD);
        loop {
            let change = self.next();
            let path = format!("{calendar}{}", change.0);
            let answer = match &change.1 {
                Some(text) => {
                    connection.request("PUT", &path, &[("content-type", "text/calendar")], text.as_bytes())
                }
                None => connection.request("DELETE", &path, &[], b""),
            };
            match answer.map(|response| response.status) {
                Ok(201 | 204) => {
                    deeds.acknowledged.push(change);
                    count.fetch_add(1, Ordering::SeqCst);
                }
                // Another writer was first in the collection, or it is gone already: nothing was done.
                Ok(404 | 503) => {}
                Ok(status) => panic!("{path}: {status}"),
                Err(_) => {
                    deeds.in_doubt = Some(change);
                    return deeds;
                }
            }
        }
    }
}

/// Pushes one commit after the other to a branch of its own.
pub(crate) struct Pusher {
    copy: WorkingCopy,
    step: u32,
}

/// The branch it pushes to.
pub(crate) const BRANCH: &str = "side";

impl Pusher {
    pub(crate) fn new(copy: WorkingCopy) -> Self {
        Self { copy, step: 0 }
    }

    /// Commits and pushes; the deeds are commits.
    pub(crate) fn push_until_cut_off(&mut self, count: &AtomicUsize) -> Deeds<String> {
        let mut deeds = Deeds::default();
        loop {
            self.step += 1;
            for number in 0..self.step % 20 + 1 {
                let content = format!("{} of {}\n", number, self.step).repeat(200);
                self.copy.write(&format!("notes/{number}.txt"), content);
            }
            let tip = self.copy.commit_all(&format!("Step {}", self.step));
            let output = self.copy.attempt(&["push", "--quiet", "origin", &format!("main:{BRANCH}")]);
            if !output.success {
                assert!(!output.text.contains("remote rejected"), "{}", output.text);
                deeds.in_doubt = Some(tip);
                return deeds;
            }
            deeds.acknowledged.push(tip);
            count.fetch_add(1, Ordering::SeqCst);
        }
    }
}
