//! khal and todoman, over a vdirsyncer replica.

use kalends_interop_tests::{Server, TemporaryDirectory, WorkingCopy, event, python, vdirsyncer::Replica};
use std::{fs, process::Command};

struct Desk {
    directory: TemporaryDirectory,
    server: Server,
    replica: Replica,
}

impl Desk {
    fn new() -> Self {
        let (directory, server) = (TemporaryDirectory::new(), Server::start());
        let replica = Replica::new(&server, &directory, "replica");
        let khal = format!(
            "[calendars]\n[[calendar]]\npath = {}\n[locale]\nlocal_timezone = Europe/Prague\n\
             default_timezone = Europe/Prague\ntimeformat = %H:%M\ndateformat = %Y-%m-%d\n\
             longdateformat = %Y-%m-%d\ndatetimeformat = %Y-%m-%d %H:%M\n\
             longdatetimeformat = %Y-%m-%d %H:%M\n[default]\ndefault_calendar = calendar\n\
             [sqlite]\npath = {}\n",
            replica.path("calendar").display(),
            directory.join("khal.db").display(),
        );
        fs::write(directory.join("khal.conf"), khal).unwrap();
        let todoman = format!(
            "path = {:?}\ncache_path = {:?}\ndefault_list = \"calendar\"\ndate_format = \"%Y-%m-%d\"\n\
             time_format = \"%H:%M\"\n",
            replica.path("*"),
            directory.join("todoman.db"),
        );
        fs::write(directory.join("todoman.py"), todoman).unwrap();
        Self { directory, server, replica }
    }

    fn command(&self, program: &str, configuration: &str) -> Command {
        let mut command = python::command(&self.server, program);
        command.env("HOME", self.directory.path()).arg("--config").arg(self.directory.join(configuration));
        command
    }

    fn khal(&self, arguments: &[&str]) -> String {
        python::run(self.command("khal", "khal.conf").args(arguments))
    }

    fn todo(&self, arguments: &[&str]) -> String {
        python::run(self.command("todo", "todoman.py").args(arguments))
    }

    fn copy(&self, name: &str) -> WorkingCopy {
        WorkingCopy::clone_of(&self.server, &self.directory, name)
    }
}

#[test]
fn an_event_made_in_khal_is_in_git_and_one_from_git_is_in_khal() {
    let desk = Desk::new();
    desk.khal(&["new", "2026-05-04", "10:00", "11:30", "Oběd s Adou", "::", "U Karla"]);
    desk.khal(&[
        "new",
        "--repeat",
        "weekly",
        "--until",
        "2026-07-01",
        "2026-05-05",
        "08:00",
        "08:15",
        "Standup",
    ]);
    desk.replica.sync();
    let copy = desk.copy("copy");
    let files = copy.files("calendar");
    assert_eq!(files.len(), 2);
    let text: String = files.iter().map(|path| fs::read_to_string(copy.path(path)).unwrap()).collect();
    for line in ["SUMMARY:Oběd s Adou", "DESCRIPTION:U Karla", "SUMMARY:Standup", "RRULE:FREQ=WEEKLY"] {
        assert!(text.contains(line), "{line}: {text}");
    }

    let trip = event::event(3);
    copy.commit(&format!("calendar/{}", trip.name), &trip.text);
    copy.push();
    desk.replica.sync();
    let list = desk.khal(&["list", "--format", "{title}", "--day-format", "", "2026-01-01", "2027-03-01"]);
    assert!(
        list.contains("Oběd s Adou") && list.contains(trip.summary.split('\\').next().unwrap()),
        "{list}"
    );
    assert_eq!(list.lines().filter(|line| line.contains("Standup")).count(), 9, "{list}");
}

#[test]
fn every_generated_event_can_be_read_in_khal() {
    let desk = Desk::new();
    let copy = desk.copy("copy");
    for event in event::calendar(100) {
        copy.write(&format!("calendar/{}", event.name), &event.text);
    }
    copy.commit_all("Add events");
    copy.push();
    desk.replica.sync();
    let list =
        desk.khal(&["list", "--once", "--format", "{uid}", "--day-format", "", "2025-12-01", "2028-01-01"]);
    for event in event::calendar(100) {
        assert!(list.contains(&event.uid), "{}: {list}", event.uid);
    }
}

#[test]
fn a_task_made_and_done_in_todoman_is_history_in_git() {
    let desk = Desk::new();
    desk.todo(&["new", "--list", "calendar", "--due", "2026-05-06", "Koupit mléko"]);
    desk.todo(&["new", "--list", "calendar", "Call Ada"]);
    desk.replica.sync();
    let copy = desk.copy("copy");
    assert_eq!(copy.files("calendar").len(), 2);
    let list = desk.todo(&["--porcelain", "list"]);
    let tasks: Vec<_> = list.match_indices("\"id\": ").collect();
    assert_eq!(tasks.len(), 2, "{list}");
    desk.todo(&["done", "1"]);
    desk.replica.sync();
    copy.pull();
    let done = copy
        .files("calendar")
        .iter()
        .map(|path| fs::read_to_string(copy.path(path)).unwrap())
        .collect::<String>();
    assert_eq!(done.matches("STATUS:COMPLETED").count(), 1, "{done}");
    copy.fsck();
    assert_eq!(copy.run(&["log", "--format=%s", "--", "calendar/*.ics"]).lines().count(), 3);
}
