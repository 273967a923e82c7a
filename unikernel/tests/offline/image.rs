//! `kalends image` prepares devices, and tells what is on them.

use crate::devices::{Scratch, format, git, kalends, put, stderr, stdout};
use kalends_block_backend::FileDevice;
use std::{fs, path::Path, process::Output};

fn image(arguments: &[&Path]) -> Output {
    kalends(&[&[Path::new("image")], arguments].concat())
}

fn refused(output: &Output, status: i32, part: &str) {
    let error = stderr(output);
    assert_eq!(output.status.code(), Some(status), "{error}");
    assert!(error.contains(part) && error.lines().count() == 1, "{error}");
    assert_eq!(stdout(output), "");
}

fn create(device: &Path) -> Output {
    image(&[
        Path::new("create"),
        device,
        Path::new("--size"),
        Path::new("64M"),
        Path::new("--user"),
        Path::new("ada"),
    ])
}

#[test]
fn a_created_device_has_a_realm_a_user_and_an_authority() {
    let scratch = Scratch::new("image-create");
    let (device, out) = (scratch.path("calendars.img"), scratch.path("out"));
    let output = create(&device);
    assert!(output.status.success(), "{}", stderr(&output));
    let text = stdout(&output);
    let password = text.lines().find_map(|line| line.strip_prefix("  password   ")).unwrap().to_owned();
    let pem = fs::read_to_string(scratch.path("calendars-ca.pem")).unwrap();
    assert!(pem.starts_with("-----BEGIN CERTIFICATE-----") && !pem.contains("PRIVATE"), "{pem}");
    assert!(text.contains("calendars-ca.pem"), "{text}");
    assert!(kalends(&[Path::new("fsck"), &device]).status.success());

    let before = fs::read(&device).unwrap();
    let shown = image(&[Path::new("inspect"), &device]);
    assert!(shown.status.success(), "{}", stderr(&shown));
    let shown = stdout(&shown);
    for part in [
        "format version 1",
        "size       67108864 bytes",
        "authority  yes",
        "user       ada, administrator",
        "repository ada:",
        "newest commit: Add calendar/ (Kalends <",
        "repository realm:",
    ] {
        assert!(shown.contains(part), "{part}: {shown}");
    }
    assert!(!shown.contains(&password) && !shown.contains("argon2"), "{shown}");
    assert!(fs::read(&device).unwrap() == before, "inspect writes nothing");

    assert!(image(&[Path::new("export"), &device, &out]).status.success());
    let users = git(&out.join("realm.git"), &["show", "main:users.toml"]);
    assert!(users.contains("[ada]\npassword = \"$argon2id$") && !users.contains(&password), "{users}");
}

#[test]
fn what_exists_is_never_formatted_and_a_refused_device_is_not_made() {
    let scratch = Scratch::new("image-exists");
    let device = scratch.path("kalends.img");
    fs::write(&device, "something else").unwrap();
    refused(&create(&device), 1, "exists already");
    assert_eq!(fs::read_to_string(&device).unwrap(), "something else");
    let (other, password) = (scratch.path("other.img"), scratch.path("password"));
    fs::write(&password, "short\n").unwrap();
    let output = image(&[Path::new("create"), &other, Path::new("--password-file"), &password]);
    refused(&output, 1, "password");
    let output = image(&[Path::new("create"), &other, Path::new("--user"), Path::new("a/b")]);
    refused(&output, 1, "a/b");
    assert!(!other.exists());
}

#[test]
fn users_are_added_and_passwords_changed_each_in_one_commit() {
    let scratch = Scratch::new("image-users");
    let (device, out, password) =
        (scratch.path("kalends.img"), scratch.path("out"), scratch.path("password"));
    assert!(create(&device).status.success());
    fs::write(&password, "correct horse battery\n").unwrap();
    let (add, set) = (Path::new("add-user"), Path::new("set-password"));
    let option = Path::new("--password-file");
    let output = image(&[add, &device, Path::new("bob"), option, &password, Path::new("--administrator")]);
    assert!(output.status.success(), "{}", stderr(&output));
    assert!(!stdout(&output).contains("password"), "a password that was given is not shown");
    assert!(image(&[add, &device, Path::new("eve")]).status.success());
    refused(&image(&[add, &device, Path::new("bob")]), 1, "there is a user bob already");
    refused(&image(&[set, &device, Path::new("mallory")]), 1, "there is no user mallory");
    assert!(image(&[set, &device, Path::new("eve"), option, &password]).status.success());
    let shown = stdout(&image(&[Path::new("inspect"), &device]));
    assert!(shown.contains("user       bob, administrator\nuser       eve\n"), "{shown}");
    assert!(image(&[Path::new("export"), &device, &out]).status.success());
    let log = git(&out.join("realm.git"), &["log", "--format=%s"]);
    let expected = "Change the password of eve\nAdd user eve\nAdd user bob\nAdd user ada\nBegin the realm\n";
    assert_eq!(log, expected);
}

#[test]
fn a_device_in_use_and_what_is_no_device_are_refused() {
    let scratch = Scratch::new("image-in-use");
    let device = scratch.path("kalends.img");
    assert!(create(&device).status.success());
    let held = FileDevice::open(&device).unwrap();
    refused(&image(&[Path::new("inspect"), &device]), 1, "stop that one first");
    refused(&image(&[Path::new("add-user"), &device, Path::new("bob")]), 1, "stop that one first");
    drop(held);
    let nothing = scratch.path("nothing.img");
    refused(&image(&[Path::new("add-user"), &nothing, Path::new("bob")]), 1, "nothing.img");
    assert!(!nothing.exists());
    refused(&image(&[Path::new("inspect"), &nothing]), 1, "nothing.img");
}

#[test]
fn what_people_wrote_cannot_steer_the_terminal_of_inspect() {
    let scratch = Scratch::new("image-printable");
    let device = scratch.path("kalends.img");
    let store = format(&device);
    put(&store.create_repository("ada").unwrap(), "\u{1b}]0;owned\u{7}.ics", "x");
    drop(store);
    let shown = stdout(&image(&[Path::new("inspect"), &device]));
    assert!(shown.contains("newest commit: Add work/]0;owned.ics"), "{shown}");
    assert!(shown.contains("authority  no") && !shown.contains('\u{1b}'), "{shown}");
}

/// A repository with a calendar of one event whose UID line is given, and a tag.
fn repository(scratch: &Scratch, name: &str, uid: &str) -> std::path::PathBuf {
    let path = scratch.path(name);
    fs::create_dir_all(path.join("work")).unwrap();
    fs::write(path.join("work/.collection.toml"), "type = \"calendar\"\n").unwrap();
    let event = format!(
        "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//x//y\r\nBEGIN:VEVENT\r\n{uid}DTSTAMP:20260101T000000Z\r\n\
         DTSTART:20260102T000000Z\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n"
    );
    fs::write(path.join("work/lunch.ics"), event).unwrap();
    git(&path, &["init", "--quiet", "-b", "main"]);
    git(&path, &["add", "."]);
    let who = ["-c", "user.name=Ada", "-c", "user.email=ada@example.org"];
    git(&path, &[&who[..], &["commit", "--quiet", "-m", "Begin"]].concat());
    git(&path, &[&who[..], &["tag", "-a", "-m", "one", "v1"]].concat());
    path
}

fn import(device: &Path, source: &Path, more: &[&Path]) -> Output {
    image(&[&[Path::new("import"), device, Path::new("ada"), source], more].concat())
}

#[test]
fn what_was_exported_is_imported_with_the_same_references() {
    let scratch = Scratch::new("image-import");
    let source = repository(&scratch, "source", "UID:lunch\r\n");
    git(&source, &["bundle", "create", "--quiet", "../all.bundle", "--all"]);
    let expected = git(&source, &["show-ref"]);
    let devices = [scratch.path("a.img"), scratch.path("b.img"), scratch.path("c.img")];
    let sources = [source, scratch.path("out0/ada.git"), scratch.path("all.bundle")];
    for (number, (device, source)) in devices.iter().zip(&sources).enumerate() {
        assert!(create(device).status.success());
        let output = import(device, source, &[]);
        assert!(output.status.success(), "{}", stderr(&output));
        assert!(stdout(&output).contains("ada: 2 references, "), "{}", stdout(&output));
        let out = scratch.path(&format!("out{number}"));
        assert!(image(&[Path::new("export"), device, &out]).status.success());
        assert_eq!(git(&out.join("ada.git"), &["show-ref"]), expected);
        assert_eq!(git(&out.join("ada.git"), &["fsck", "--strict", "--no-progress"]), "");
        assert!(kalends(&[Path::new("fsck"), device]).status.success());
    }
}

#[test]
fn all_repositories_of_a_device_are_exported_and_imported_with_the_same_references() {
    let scratch = Scratch::new("image-round-trip");
    let (first, second) = (scratch.path("first.img"), scratch.path("second.img"));
    assert!(create(&first).status.success());
    assert!(image(&[Path::new("add-user"), &first, Path::new("bob")]).status.success());
    // Several branches and tags, one of them of a commit that no branch has; enough for a pack of its own.
    let source = repository(&scratch, "source", "UID:lunch\r\n");
    let who = ["-c", "user.name=Ada", "-c", "user.email=ada@example.org"];
    for number in 0..40 {
        fs::write(source.join(format!("note-{number}.txt")), crate::devices::noise(number, 30_000)).unwrap();
    }
    git(&source, &["add", "."]);
    git(&source, &[&who[..], &["commit", "--quiet", "-m", "Notes"]].concat());
    git(&source, &["branch", "earlier", "main~1"]);
    git(&source, &["checkout", "--quiet", "--detach"]);
    git(&source, &[&who[..], &["commit", "--quiet", "--allow-empty", "-m", "Aside"]].concat());
    git(&source, &["tag", "aside"]);
    git(&source, &["checkout", "--quiet", "main"]);
    let output = import(&first, &source, &[]);
    assert!(output.status.success(), "{}", stderr(&output));
    let exported = scratch.path("exported");
    assert!(image(&[Path::new("export"), &first, &exported]).status.success());
    assert!(stdout(&kalends(&[Path::new("fsck"), &first])).contains(" 1 pack\n"));

    assert!(create(&second).status.success());
    // The realm first: it has the users.
    for name in ["realm", "ada", "bob"] {
        let from = exported.join(format!("{name}.git"));
        let replace = Path::new("--replace");
        let output = image(&[Path::new("import"), &second, Path::new(name), &from, replace]);
        assert!(output.status.success(), "{name}: {}", stderr(&output));
    }
    let again = scratch.path("again");
    assert!(image(&[Path::new("export"), &second, &again]).status.success());
    let names = |directory: &Path| {
        let mut names: Vec<_> =
            fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        names.sort();
        names
    };
    assert_eq!(names(&exported), ["ada.git", "bob.git", "realm.git"]);
    assert_eq!(names(&again), names(&exported));
    for name in names(&exported) {
        let references = git(&again.join(&name), &["show-ref"]);
        assert_eq!(references, git(&exported.join(&name), &["show-ref"]), "{name:?}");
        assert_eq!(git(&again.join(&name), &["fsck", "--strict", "--no-progress"]), "");
    }
    let references = git(&again.join("ada.git"), &["for-each-ref", "--format=%(refname)"]);
    assert_eq!(references, "refs/heads/earlier\nrefs/heads/main\nrefs/tags/aside\nrefs/tags/v1\n");
    let shown = stdout(&image(&[Path::new("inspect"), &second]));
    assert!(shown.contains("user       bob\n"), "{shown}");
    assert!(kalends(&[Path::new("fsck"), &second]).status.success());
}

#[test]
fn an_import_is_held_to_the_rules_of_a_push_and_changes_nothing_when_refused() {
    let scratch = Scratch::new("image-import-rules");
    let device = scratch.path("kalends.img");
    assert!(create(&device).status.success());
    let (bad, good) = (repository(&scratch, "bad", ""), repository(&scratch, "good", "UID:a\r\n"));
    let before = stdout(&image(&[Path::new("inspect"), &device]));
    let output = import(&device, &bad, &[]);
    refused(&output, 1, "work/lunch.ics");
    assert!(stderr(&output).contains("UID"), "{}", stderr(&output));
    let references = |text: &str| {
        text.lines().filter(|line| line.contains(" refs/")).map(str::to_owned).collect::<Vec<_>>()
    };
    let after = stdout(&image(&[Path::new("inspect"), &device]));
    assert_eq!(references(&after), references(&before));

    assert!(import(&device, &good, &[]).status.success());
    let other = repository(&scratch, "other", "UID:b\r\n");
    refused(&import(&device, &other, &[]), 1, "--replace");
    let output = import(&device, &other, &[Path::new("--replace")]);
    assert!(output.status.success(), "{}", stderr(&output));
    let main = git(&other, &["rev-parse", "main"]);
    assert!(
        stdout(&image(&[Path::new("inspect"), &device]))
            .contains(&format!("{} refs/heads/main", main.trim()))
    );

    git(&other, &["tag", "-d", "v1"]);
    refused(&import(&device, &other, &[]), 1, "--replace");
    let output = import(&device, &other, &[Path::new("--replace")]);
    assert!(output.status.success(), "a deletion alone: {}", stderr(&output));
    let shown = stdout(&image(&[Path::new("inspect"), &device]));
    assert!(!shown.contains("refs/tags/v1"), "{shown}");

    let text = scratch.path("notes.txt");
    fs::write(&text, "no repository").unwrap();
    refused(&import(&device, &text, &[]), 1, "neither a git repository nor a bundle");
    let output = image(&[Path::new("import"), &device, Path::new("eve"), &good]);
    refused(&output, 1, "there is no user eve");
}

#[test]
fn a_calendar_export_becomes_one_object_for_each_uid_or_nothing() {
    let scratch = Scratch::new("image-calendar");
    let (device, file, out) = (scratch.path("kalends.img"), scratch.path("all.ics"), scratch.path("out"));
    assert!(create(&device).status.success());
    let head = "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//x//y\r\n";
    let zone = "BEGIN:VTIMEZONE\r\nTZID:Here\r\nBEGIN:STANDARD\r\nDTSTART:19700101T000000\r\nTZOFFSETFROM:+0100\r\n\
                TZOFFSETTO:+0100\r\nEND:STANDARD\r\nEND:VTIMEZONE\r\n";
    let event = |uid: &str, more: &str| {
        format!("BEGIN:VEVENT\r\n{uid}DTSTAMP:20260101T000000Z\r\n{more}END:VEVENT\r\n")
    };
    let first = event(
        "UID:a\r\n",
        "DTSTART;TZID=Here:20260101T100000\r\nRRULE:FREQ=DAILY;COUNT=3\r\nSUMMARY:fol\r\n ded\r\n",
    );
    let moved = event(
        "UID:a\r\n",
        "RECURRENCE-ID;TZID=Here:20260102T100000\r\nDTSTART;TZID=Here:20260102T110000\r\n",
    );
    let second = event("UID:b/../c\r\n", "DTSTART:20260103T000000Z\r\n");
    let calendar = |events: &[&str]| format!("{head}{zone}{}END:VCALENDAR\r\n", events.concat());
    let more = [Path::new("--calendar"), Path::new("calendar")];
    for (bad, part) in [
        (calendar(&[&first, &event("", "DTSTART:20260103T000000Z\r\n")]), "has no UID"),
        (calendar(&[&first, &event("UID:x\r\n", "DTSTART:yesterday\r\n")]), "from line 20 of"),
        (head.to_owned(), "END:VCALENDAR"),
    ] {
        fs::write(&file, bad).unwrap();
        refused(&import(&device, &file, &more), 1, part);
    }
    fs::write(&file, calendar(&[&first, &second, &moved])).unwrap();
    refused(&import(&device, &file, &[Path::new("--calendar"), Path::new("other")]), 1, "no calendar other");
    let output = import(&device, &file, &more);
    assert!(output.status.success(), "{}", stderr(&output));
    assert_eq!(stdout(&output), "ada: 2 objects in calendar/\n");
    refused(&import(&device, &file, &more), 1, "UID");
    assert!(image(&[Path::new("export"), &device, &out]).status.success());
    let ada = out.join("ada.git");
    assert_eq!(git(&ada, &["rev-list", "--count", "main"]).trim(), "2");
    assert_eq!(
        git(&ada, &["show", "main:calendar/a.ics"]),
        format!("{head}{zone}{first}{moved}END:VCALENDAR\r\n")
    );
    assert_eq!(
        git(&ada, &["show", "main:calendar/imported-1.ics"]),
        format!("{head}{second}END:VCALENDAR\r\n")
    );
}
