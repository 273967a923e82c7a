//! Stock git over HTTPS against the real program.

mod clone_and_fetch;
mod push;
mod refusals;
mod retention;
mod undo;

use kalends_interop_tests::{Server, TemporaryDirectory, WorkingCopy, event};

/// Commits the first `count` events of a generated calendar at once.
fn commit_events(copy: &WorkingCopy, count: u32) {
    for event in event::calendar(count) {
        copy.write(&format!("calendar/{}", event.name), &event.text);
    }
    copy.commit_all(&format!("Add {count} events"));
}

/// A server, and a working copy whose events it has.
fn server_with_events(directory: &TemporaryDirectory, count: u32) -> (Server, WorkingCopy) {
    let server = Server::start();
    let copy = WorkingCopy::clone_of(&server, directory, "source");
    commit_events(&copy, count);
    copy.push();
    (server, copy)
}
