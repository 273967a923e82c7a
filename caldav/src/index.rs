//! What is in each calendar, in memory: who has which UID, and when.

use kalends_icalendar::{CalendarObject, Limits};
use kalends_store::{Error, ObjectId, Objects};

/// Indexes of calendars, by their trees; content-addressed, so never stale.
#[derive(Default)]
pub(crate) struct Index {}

impl Index {
    /// The member of the calendar `tree` that holds the object with this UID.
    ///
    /// # Errors
    /// Those of reading the calendar's objects.
    pub(crate) fn member_with_uid(
        &self,
        objects: &dyn Objects,
        tree: &ObjectId,
        uid: &str,
    ) -> Result<Option<Vec<u8>>, Error> {
        for entry in objects.tree(tree)?.iter() {
            if entry.mode.is_tree() || !crate::collection::is_ics(entry.name) {
                continue;
            }
            let data = objects.object(&entry.id.to_owned())?.data;
            let Ok(object) = CalendarObject::parse(data, &Limits::default()) else { continue };
            let mut components = object.root().components();
            if components.any(|component| component.first("UID").is_some_and(|found| found.value() == uid)) {
                return Ok(Some(entry.name.to_vec()));
            }
        }
        Ok(None)
    }
}
