//! What Kalends promises of history: everything can be read and undone with git.

use crate::server_with_events;
use kalends_interop_tests::{TemporaryDirectory, WorkingCopy, event};

#[test]
fn a_deletion_is_undone_by_revert_and_push() {
    let directory = TemporaryDirectory::new();
    let (server, source) = server_with_events(&directory, 10);
    let name = format!("calendar/{}", event::event(3).name);
    std::fs::remove_file(source.path(&name)).unwrap();
    source.commit_all("Delete an event by mistake");
    source.push();
    let copy = WorkingCopy::clone_of(&server, &directory, "copy");
    assert_eq!(copy.files("calendar").len(), 9);
    copy.run(&["revert", "--no-edit", "HEAD"]);
    copy.push();
    source.pull();
    assert_eq!(source.show(&format!("HEAD:{name}")), event::event(3).text.as_bytes());
    let told = source.run(&["log", "--format=%s", "--", &name]);
    assert_eq!(told.lines().count(), 3, "{told}");
}
