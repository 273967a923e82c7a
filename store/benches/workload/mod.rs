//! A calendar and changes of its events, for benchmarks.

use futures_executor::block_on;
use kalends_store::{EntryKind, Kind, ObjectId, Objects, ReferenceUpdate, Repository, Transaction, TreeEdit};

const MAIN: &str = "refs/heads/main";

/// An event as clients write them.
pub(crate) fn event(number: usize) -> String {
    let (day, hour) = (1 + number % 28, number % 24);
    format!(
        "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//Example Corp.//CalDAV Client//EN\r\nBEGIN:VEVENT\r\n\
         UID:{number:08x}-{:04x}-4{:03x}-a{:03x}-{:012x}@example.com\r\nDTSTAMP:202603{day:02}T{hour:02}1500Z\r\n\
         DTSTART;TZID=Europe/Berlin:202604{day:02}T{hour:02}0000\r\nDTEND;TZID=Europe/Berlin:202604{day:02}T{hour:02}4500\r\n\
         SUMMARY:Meeting {number} with team {}\r\nLOCATION:Room {}\r\nDESCRIPTION:Agenda item {}\\, then questions.\r\n\
         ATTENDEE;CN=Ada Lovelace;PARTSTAT=ACCEPTED:mailto:ada@example.com\r\n\
         ATTENDEE;CN=Charles Babbage;PARTSTAT=NEEDS-ACTION:mailto:charles@example.com\r\nSEQUENCE:{}\r\n\
         BEGIN:VALARM\r\nACTION:DISPLAY\r\nTRIGGER:-PT15M\r\nEND:VALARM\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n",
        number % 65536,
        number * 7 % 4096,
        number * 13 % 4096,
        number as u64 * 2_654_435_761 % (1 << 48),
        number % 17,
        number % 40,
        number * 31 % 1000,
        number % 5,
    )
}

/// The tree of the newest commit, and in it that of the calendar.
pub(crate) fn newest(transaction: &Transaction) -> (Option<ObjectId>, Option<ObjectId>) {
    let parent = transaction.repository().latest_reference(MAIN);
    let root = parent.map(|parent| transaction.tree_of_commit(&parent).unwrap());
    let calendar = root.map(|root| transaction.tree(&root).unwrap().find("work").unwrap().id.to_owned());
    (root, calendar)
}

/// Submits a change of one event. Names are those of clients: a UUID and `.ics`.
pub(crate) fn put(repository: &Repository, entry: usize, content: String) -> kalends_store::Commit {
    let mut transaction = repository.transaction();
    let (root, calendar) = newest(&transaction);
    let blob = transaction.insert(Kind::Blob, content).unwrap();
    let edit = TreeEdit { name: name(entry), entry: Some((EntryKind::Blob, blob)) };
    let calendar = transaction.edit_tree(calendar.as_ref(), &[edit]).unwrap();
    commit(repository, transaction, root, calendar)
}

fn commit(
    repository: &Repository,
    mut transaction: Transaction,
    root: Option<ObjectId>,
    calendar: ObjectId,
) -> kalends_store::Commit {
    let parent = repository.latest_reference(MAIN);
    let edit = TreeEdit { name: b"work".into(), entry: Some((EntryKind::Tree, calendar)) };
    let tree = transaction.edit_tree(root.as_ref(), &[edit]).unwrap();
    let parent_line = parent.map(|parent| format!("parent {parent}\n")).unwrap_or_default();
    let who = "Ada Lovelace <ada@example.com> 1770000000 +0100";
    let text = format!(
        "tree {tree}\n{parent_line}author {who}\ncommitter {who}\n\nUpdate work/event.ics: Meeting\n"
    );
    let new = transaction.insert(Kind::Commit, text).unwrap();
    transaction.update_reference(ReferenceUpdate { name: MAIN.into(), expected: parent, new: Some(new) });
    transaction.submit().unwrap()
}

/// The name of an event.
pub(crate) fn name(entry: usize) -> Vec<u8> {
    let spread = (entry as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    format!("{:08x}-{:04x}-4{:03x}-a000-{entry:012x}.ics", spread >> 32, spread & 0xffff, entry % 4096).into()
}

/// A calendar with so many events.
pub(crate) fn fill(repository: &Repository, entries: usize) {
    let mut transaction = repository.transaction();
    let mut edits = Vec::with_capacity(entries);
    for entry in 0..entries {
        let blob = transaction.insert(Kind::Blob, event(entry)).unwrap();
        edits.push(TreeEdit { name: name(entry), entry: Some((EntryKind::Blob, blob)) });
    }
    let calendar = transaction.edit_tree(None, &edits).unwrap();
    block_on(commit(repository, transaction, None, calendar)).unwrap();
}
