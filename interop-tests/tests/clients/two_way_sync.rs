//! vdirsyncer with two replicas, and git beside them.

use kalends_interop_tests::{Server, TemporaryDirectory, WorkingCopy, event, vdirsyncer::Replica};
use std::{collections::BTreeMap, fs};

/// What a replica has, by UID: a replica may call files otherwise.
fn by_uid(files: Vec<(String, Vec<u8>)>) -> BTreeMap<String, String> {
    let texts = files.into_iter().map(|(_, content)| String::from_utf8(content).unwrap());
    texts.map(|text| (uid(&text), text)).collect()
}

fn uid(text: &str) -> String {
    text.replace("\r\n ", "").lines().find_map(|line| line.strip_prefix("UID:")).unwrap().to_owned()
}

#[test]
fn a_thousand_events_go_up_and_come_down_byte_for_byte() {
    let (directory, server) = (TemporaryDirectory::new(), Server::start());
    let first = Replica::new(&server, &directory, "first");
    let events = event::calendar(1000);
    for event in &events {
        fs::write(first.path("calendar").join(&event.name), &event.text).unwrap();
    }
    first.sync();
    let second = Replica::new(&server, &directory, "second");
    second.sync();

    let sent: BTreeMap<_, _> = events.iter().map(|event| (event.uid.clone(), event.text.clone())).collect();
    let copy = WorkingCopy::clone_of(&server, &directory, "copy");
    let kept =
        copy.files("calendar").into_iter().map(|path| (path.clone(), fs::read(copy.path(path)).unwrap()));
    let kept = by_uid(kept.collect());
    assert!(kept == sent, "git shows other bytes than were sent");
    let received = by_uid(second.files("calendar"));
    assert_eq!(received.len(), 1000);
    for (uid, text) in &sent {
        assert_eq!(&received[uid], text);
    }
    copy.fsck();
    // Each is a commit of its own, by its author, and tells what it is about.
    let log = copy.run(&["log", "--format=%an: %s", "--", "calendar/*.ics"]);
    assert_eq!(log.lines().count(), 1000);
    assert!(log.lines().all(|line| line.starts_with("ada: Add calendar/")), "{log}");
    // Once in step, there is nothing to do.
    let tip = copy.tip();
    first.sync();
    second.sync();
    copy.pull();
    assert_eq!(copy.tip(), tip);
}

#[test]
fn edits_and_deletions_travel_both_ways_and_a_push_reaches_both() {
    let (directory, server) = (TemporaryDirectory::new(), Server::start());
    let first = Replica::new(&server, &directory, "first");
    let events = event::calendar(40);
    for event in &events {
        fs::write(first.path("calendar").join(&event.name), &event.text).unwrap();
    }
    first.sync();
    let second = Replica::new(&server, &directory, "second");
    second.sync();
    let path = |replica: &Replica, number: usize| {
        let files = replica.files("calendar");
        let found =
            files.iter().find(|(_, text)| uid(std::str::from_utf8(text).unwrap()) == events[number].uid);
        replica.path("calendar").join(&found.unwrap().0)
    };
    let edited = |number: usize, note: &str| {
        let event = &events[number];
        event.text.replacen("\r\nSUMMARY:", &format!("\r\nCOMMENT:{note}\r\nSUMMARY:"), 1)
    };

    // The first edits and deletes; so does the second, elsewhere.
    fs::write(path(&first, 0), edited(0, "by the first")).unwrap();
    fs::remove_file(path(&first, 1)).unwrap();
    fs::write(path(&second, 2), edited(2, "by the second – žluťoučký")).unwrap();
    fs::remove_file(path(&second, 3)).unwrap();
    for replica in [&first, &second, &first] {
        replica.sync();
    }
    let (one, two) = (by_uid(first.files("calendar")), by_uid(second.files("calendar")));
    assert_eq!(one, two);
    assert_eq!(one.len(), 38);
    assert_eq!(one[&events[0].uid], edited(0, "by the first"));
    assert_eq!(one[&events[2].uid], edited(2, "by the second – žluťoučký"));

    // A person with git edits, deletes and adds.
    let copy = WorkingCopy::clone_of(&server, &directory, "copy");
    let file = |number: usize| {
        let found = copy
            .files("calendar")
            .into_iter()
            .find(|path| uid(&fs::read_to_string(copy.path(path)).unwrap()) == events[number].uid);
        copy.path(found.unwrap())
    };
    fs::write(file(4), edited(4, "by git")).unwrap();
    fs::remove_file(file(5)).unwrap();
    let new = event::event(77);
    copy.write(&format!("calendar/{}", new.name), &new.text);
    copy.commit_all("Tidy up the calendar");
    copy.push();
    for replica in [&first, &second] {
        replica.sync();
        let files = by_uid(replica.files("calendar"));
        assert_eq!(files.len(), 38);
        assert_eq!(files[&events[4].uid], edited(4, "by git"));
        assert_eq!(files[&new.uid], new.text);
        assert!(!files.contains_key(&events[5].uid));
    }

    // And all of it is history.
    copy.pull();
    copy.fsck();
    let log = copy.run(&["log", "--format=%an: %s"]);
    let count = |start: &str| log.lines().filter(|line| line.starts_with(start)).count();
    assert_eq!(count("ada: Add calendar/"), 40, "{log}");
    assert_eq!(count("ada: Update calendar/"), 2, "{log}");
    assert_eq!(count("ada: Delete calendar/"), 2, "{log}");
    assert_eq!(count("Ada Lovelace: Tidy up"), 1, "{log}");
}

#[test]
fn a_new_calendar_with_its_name_and_colour_reaches_the_other_replica() {
    let (directory, server) = (TemporaryDirectory::new(), Server::start());
    let first = Replica::new(&server, &directory, "first");
    fs::create_dir(first.path("work")).unwrap();
    fs::write(first.path("work").join("displayname"), "Práce").unwrap();
    fs::write(first.path("work").join("color"), "#ff8800").unwrap();
    let event = event::event(4);
    fs::write(first.path("work").join(&event.name), &event.text).unwrap();
    first.discover();
    first.sync_metadata();
    first.sync();
    let second = Replica::new(&server, &directory, "second");
    second.sync_metadata();
    second.sync();
    assert_eq!(fs::read_to_string(second.path("work/displayname")).unwrap(), "Práce");
    assert_eq!(fs::read_to_string(second.path("work/color")).unwrap().to_lowercase(), "#ff8800");
    assert_eq!(by_uid(second.files("work"))[&event.uid], event.text);
    let copy = WorkingCopy::clone_of(&server, &directory, "copy");
    assert_eq!(copy.files("work").len(), 1);
    assert!(fs::read_to_string(copy.path("work/.collection.toml")).unwrap().contains("Práce"));
}

#[test]
fn of_two_edits_of_one_event_neither_is_overwritten_unseen() {
    let (directory, server) = (TemporaryDirectory::new(), Server::start());
    let first = Replica::new(&server, &directory, "first");
    let event = event::event(1);
    let path = first.path("calendar").join(&event.name);
    fs::write(&path, &event.text).unwrap();
    first.sync();
    let copy = WorkingCopy::clone_of(&server, &directory, "copy");
    let file = copy.files("calendar").remove(0);
    let edited =
        |note: &str| event.text.replacen("\r\nSUMMARY:", &format!("\r\nCOMMENT:{note}\r\nSUMMARY:"), 1);
    copy.commit(&file, edited("by git"));
    copy.push();
    fs::write(&path, edited("by the replica")).unwrap();
    // vdirsyncer sees the conflict by the ETag, and its user has said which side wins; git has both.
    first.sync();
    copy.pull();
    assert_eq!(copy.show(&format!("HEAD:{file}")), edited("by the replica").as_bytes());
    assert_eq!(copy.show(&format!("HEAD~1:{file}")), edited("by git").as_bytes());
}

#[test]
fn a_file_that_is_no_event_stops_nothing_else() {
    let (directory, server) = (TemporaryDirectory::new(), Server::start());
    let replica = Replica::new(&server, &directory, "replica");
    for event in event::calendar(5) {
        fs::write(replica.path("calendar").join(&event.name), &event.text).unwrap();
    }
    let broken = event::event(9).text.replace("DTSTART:2026", "DTSTART:2026ish");
    fs::write(replica.path("calendar").join("broken.ics"), broken).unwrap();
    let output = replica.attempt("sync");
    assert!(!output.status.success());
    let copy = WorkingCopy::clone_of(&server, &directory, "copy");
    assert_eq!(copy.files("calendar").len(), 5);
}
