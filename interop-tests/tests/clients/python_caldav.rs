//! The library python-caldav. Each script makes its own claims, and fails when one does not hold.

use kalends_interop_tests::{Server, TemporaryDirectory, WorkingCopy, python::run_script};

fn run(script: &str) {
    let server = Server::start();
    let printed = run_script(&server, &format!("clients/python_caldav/{script}"), &[]);
    assert!(printed.trim_end().ends_with("done"), "{printed}");
    let directory = TemporaryDirectory::new();
    WorkingCopy::clone_of(&server, &directory, "copy").fsck();
}

#[test]
fn calendars_are_found_made_described_and_deleted() {
    run("calendars.py");
}

#[test]
fn events_are_created_found_changed_and_deleted() {
    run("events.py");
}

#[test]
fn searches_see_recurrences_and_expand_them() {
    run("searches.py");
}

#[test]
fn sync_tokens_tell_what_changed() {
    run("sync_tokens.py");
}

#[test]
fn tasks_and_journals_have_their_place() {
    run("tasks_and_journals.py");
}

#[test]
fn busy_times_are_told() {
    run("busy_times.py");
}
