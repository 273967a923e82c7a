//! Pushes to calendars are held to the rules of a PUT.

use crate::{
    http_server::TestServer,
    working_copy::{Git, TempDir},
};

/// A small event.
pub(crate) fn event(uid: &str) -> String {
    format!(
        "BEGIN:VCALENDAR\nVERSION:2.0\nPRODID:-//x//x//EN\nBEGIN:VEVENT\nUID:{uid}\n\
         DTSTAMP:20260101T000000Z\nDTSTART:20260102T100000Z\nSUMMARY:{uid}\nEND:VEVENT\nEND:VCALENDAR\n"
    )
}

struct Fixture {
    git: Git,
    server: TestServer,
    _dir: TempDir,
}

impl Fixture {
    /// A calendar `work` with the event `a`, pushed.
    fn new() -> Self {
        Self::within(None)
    }

    /// The same, on a server that gives one push so many bytes of memory.
    fn within(push_memory: Option<u64>) -> Self {
        let (dir, server) = (TempDir::new(), TestServer::start_with(push_memory));
        let git = Git::init(&dir, "work", &server.url("ada", "ada.git"));
        git.commit("work/a.ics", &event("a"));
        git.run(&["push", "-q", "origin", "main"]);
        Self { git, server, _dir: dir }
    }

    /// Pushes what was committed, which the server must refuse, saying so; the commit is taken back.
    fn refused(&self, words: &str) {
        let said = self.git.fail(&["push", "origin", "main"]);
        assert!(said.contains("[remote rejected] main -> main (calendar rules)"), "{said}");
        assert!(said.contains(&format!("remote: {words}")), "{said}");
        self.git.run(&["reset", "-q", "--hard", "origin/main"]);
    }

    fn accepted(&self) {
        self.git.run(&["push", "-q", "origin", "main"]);
        let head = self.git.run(&["rev-parse", "HEAD"]);
        let served = self.server.inspect(|store| {
            let repository = store.repository("ada").unwrap();
            repository.reference(repository.head()).unwrap().to_string()
        });
        assert_eq!(served, head);
    }
}

#[test]
fn a_broken_event_is_refused_with_file_line_and_rule() {
    let fixture = Fixture::new();
    fixture.git.commit("work/b.ics", &event("b").replace("DTSTART:20260102T100000Z\n", ""));
    fixture.refused("work/b.ics:4: VEVENT has no DTSTART (RFC 5545 §3.6.1)");
    fixture.git.commit("work/b.ics", "BEGIN:VCALENDAR\n\nlunch at noon\n");
    fixture.refused("work/b.ics:3: not a content line of the form NAME:value: “lunch at noon”");
    fixture.git.commit("work/b.ics", &event("b").replace("PRODID", "METHOD:PUBLISH\nPRODID"));
    fixture.refused("work/b.ics:3: METHOD may not be stored");
    fixture.git.commit("work/a.ics", "");
    fixture.refused("work/a.ics:1: there is no BEGIN:VCALENDAR");
}

#[test]
fn a_uid_is_unique_in_its_calendar() {
    let fixture = Fixture::new();
    fixture.git.commit("work/b.ics", &event("a"));
    fixture.refused("work/b.ics: UID \"a\" is that of work/a.ics already");
    fixture.git.commit("work/b.ics", &event("b"));
    fixture.git.commit("work/c.ics", &event("b"));
    fixture.refused("work/c.ics: UID \"b\" is that of work/b.ics already");
    // In another calendar it may be.
    fixture.git.commit("home/a.ics", &event("a"));
    fixture.accepted();
    // And a file may get another name, or two exchange their UIDs.
    fixture.git.run(&["mv", "work/a.ics", "work/z.ics"]);
    fixture.git.commit("work/b.ics", &event("b"));
    fixture.accepted();
    fixture.git.write("work/z.ics", &event("b"));
    fixture.git.commit("work/b.ics", &event("a"));
    fixture.accepted();
}

#[test]
fn files_outside_calendars_and_other_branches_are_free() {
    let fixture = Fixture::new();
    fixture.git.commit("README.md", "Mine.\n");
    fixture.git.commit("work/notes.txt", "BEGIN:NOTHING\n");
    fixture.git.commit("papers/.collection.toml", "type = \"collection\"\n");
    fixture.git.commit("papers/not-an-event.ics", "x\n");
    fixture.accepted();
    fixture.git.commit("work/b.ics", "broken\n");
    fixture.git.run(&["push", "-q", "origin", "main:draft"]);
    fixture.refused("work/b.ics:1: ");
}

#[test]
fn a_collection_file_must_be_readable() {
    let fixture = Fixture::new();
    fixture.git.commit("work/.collection.toml", "type = \"calendar\"\norder = \"first\"\n");
    fixture.refused("work/.collection.toml: TOML parse error at line 2");
    fixture.git.commit(".collection.toml", "type = \"calendar\"\n");
    fixture.refused(".collection.toml: the top of the repository is the calendar home");
    fixture.git.commit("work/inner/.collection.toml", "type = \"calendar\"\n");
    fixture.refused("work/inner/: a calendar cannot be inside another (RFC 4791 §4.2)");
}

#[test]
fn what_becomes_a_calendar_is_examined_whole() {
    let fixture = Fixture::new();
    fixture.git.commit("papers/.collection.toml", "type = \"collection\"\n");
    fixture.git.commit("papers/x.ics", "x\n");
    fixture.accepted();
    fixture.git.commit("papers/.collection.toml", "type = \"calendar\"\n");
    fixture.refused("papers/x.ics:1: ");
    fixture.git.commit("work/.collection.toml", "type = \"calendar\"\ncomponents = [\"VTODO\"]\n");
    fixture.refused("work/a.ics:4: ");
}

#[test]
fn links_are_no_events_and_many_mistakes_are_cut_short() {
    let fixture = Fixture::new();
    std::os::unix::fs::symlink("a.ics", fixture.git.directory.join("work/l.ics")).unwrap();
    fixture.git.commit("README.md", "link\n");
    fixture.refused("work/l.ics: a calendar object must be a file");
    for number in 0..50 {
        fixture.git.write(&format!("work/{number}.ics"), "x\n");
    }
    fixture.git.commit("README.md", "many\n");
    fixture.refused("there may be more; the rest was not examined");
}

#[test]
fn verdicts_are_the_same_however_many_objects_are_remembered_while_they_arrive() {
    for memory in [None, Some(128 << 10)] {
        let fixture = Fixture::within(memory);
        for number in 0..60 {
            fixture.git.write(&format!("work/{number}.ics"), &event(&format!("event-{number}")));
        }
        let commit = |name: &str, text: &str| fixture.git.commit(&format!("work/{name}.ics"), text);
        for (name, text, words) in [
            ("x", event("event-7"), "work/x.ics: UID \"event-7\" is that of work/7.ics already"),
            ("59", event("event-59").replace("DTSTART", "DTEND"), "work/59.ics:4: VEVENT has no DTSTART"),
            ("y", event("a"), "work/y.ics: UID \"a\" is that of work/a.ics already"),
        ] {
            commit(name, &text);
            fixture.refused(words);
            for number in 0..60 {
                fixture.git.write(&format!("work/{number}.ics"), &event(&format!("event-{number}")));
            }
        }
        fixture.git.commit("work/.collection.toml", "type = \"calendar\"\ncomponents = [\"VTODO\"]\n");
        fixture.refused("work/0.ics:4: this calendar does not take VEVENT");
        for number in 0..60 {
            fixture.git.write(&format!("work/{number}.ics"), &event(&format!("event-{number}")));
        }
        commit("z", &event("z"));
        fixture.accepted();
    }
}
