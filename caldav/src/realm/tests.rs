use super::*;
use base64::{Engine, engine::general_purpose::STANDARD};
use http::header;
use kalends_block_backend::MemoryDevice;
use kalends_store::{FormatOptions, PushedUpdate, Transaction};

/// A hash within bounds that no password is known for.
pub(super) const HASH: &str =
    "$argon2id$v=19$m=7168,t=5,p=1$c2FsdHNhbHRzYWx0c2FsdA$MTIzNDU2Nzg5MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTI";

fn store() -> Store {
    let device = Rc::new(MemoryDevice::new(16 << 20));
    Store::format(device, &FormatOptions::default()).unwrap()
}

fn realm() -> Realm {
    Realm::open(store()).unwrap()
}

fn peer(n: u8) -> SocketAddr {
    SocketAddr::from(([192, 0, 2, n], 40_000))
}

fn headers(name: &str, password: &str) -> HeaderMap {
    let value = format!("Basic {}", STANDARD.encode(format!("{name}:{password}")));
    HeaderMap::from_iter([(header::AUTHORIZATION, value.parse().unwrap())])
}

/// Runs a future that waits for nothing but its own turns.
fn run<T>(future: impl Future<Output = T>) -> T {
    let mut future = pin!(future);
    let mut context = task::Context::from_waker(task::Waker::noop());
    loop {
        if let task::Poll::Ready(value) = future.as_mut().poll(&mut context) {
            return value;
        }
    }
}

fn sign_in(realm: &Realm, name: &str, password: &str) -> Result<User, AuthenticationError> {
    run(realm.authenticate(&headers(name, password), Some(&peer(1))))
}

/// Commits files to the realm as a push does, checked by the push rules.
fn push(realm: &Realm, files: &[(&str, &str)]) -> Result<(), Vec<String>> {
    let mut transaction = realm.repository.transaction();
    let commit = commit(&mut transaction, files);
    let old = realm.repository.latest_reference("refs/heads/main");
    let update = PushedUpdate {
        name: "refs/heads/main".into(),
        old,
        new: Some(commit),
        fast_forward: true,
        shallow: false,
    };
    if let Err(refusal) = RealmRules.examine(&transaction, &update).unwrap() {
        assert_eq!(refusal.summary, "realm rules");
        return Err(refusal.details);
    }
    transaction.update_reference(kalends_store::ReferenceUpdate {
        name: update.name,
        expected: update.old,
        new: update.new,
    });
    run(transaction.submit().unwrap()).unwrap();
    Ok(())
}

fn commit(transaction: &mut Transaction, files: &[(&str, &str)]) -> ObjectId {
    use kalends_store::{EntryKind, Kind, TreeEdit};
    let mut edits = Vec::new();
    for (name, text) in files {
        let id = transaction.insert(Kind::Blob, text.as_bytes().to_vec()).unwrap();
        edits.push(TreeEdit { name: name.as_bytes().to_vec(), entry: Some((EntryKind::Blob, id)) });
    }
    let tree = transaction.edit_tree(None, &edits).unwrap();
    let text = format!("tree {tree}\nauthor A <a@b> 0 +0000\ncommitter A <a@b> 0 +0000\n\nConfigure\n");
    transaction.insert(Kind::Commit, text.into_bytes()).unwrap()
}

fn account(name: &str, password: &str, more: &str) -> String {
    format!("[{name}]\npassword = \"{}\"\n{more}\n", hash_password(password).unwrap())
}

fn admin() -> String {
    account("ada", "correct horse", "administrator = true")
}

#[test]
fn a_new_store_gets_a_realm_that_explains_itself() {
    let store = store();
    let realm = Realm::open(store.clone()).unwrap();
    assert!(realm.user_names().is_empty());
    assert_eq!(realm.server(), ServerSettings::default());
    let first = realm.repository.reference("refs/heads/main").unwrap();
    let tree = realm.repository.tree(&realm.repository.tree_of_commit(&first).unwrap()).unwrap();
    let names: Vec<String> = tree.iter().map(|entry| entry.name.to_string()).collect();
    assert_eq!(names, ["README.md", "groups.toml", "server.toml", "users.toml"]);
    let again = Realm::open(store).unwrap();
    assert_eq!(again.repository.reference("refs/heads/main"), Some(first), "opened again, nothing is made");
}

#[test]
fn nobody_signs_in_to_an_empty_realm() {
    assert_eq!(sign_in(&realm(), "ada", "correct horse"), Err(AuthenticationError::Wrong));
}

#[test]
fn the_first_user_is_administrator_and_has_a_calendar_the_second_is_not() {
    let realm = realm();
    realm.set_password("ada", "correct horse").unwrap();
    realm.set_password("bob", "battery staple").unwrap();
    let ada = sign_in(&realm, "ada", "correct horse").unwrap();
    assert!(ada.administrator && ada.may_use("realm") && ada.may_use("ada") && !ada.may_use("bob"));
    let bob = sign_in(&realm, "bob", "battery staple").unwrap();
    assert!(!bob.administrator && !bob.may_use("realm") && bob.may_use("bob"));
    assert_eq!(realm.user_names(), ["ada", "bob"]);
    let home = realm.store.repository("ada").unwrap();
    let commit = home.reference("refs/heads/main").unwrap();
    let tree = home.tree(&home.tree_of_commit(&commit).unwrap()).unwrap();
    assert!(tree.find("calendar").unwrap().mode.is_tree());
}

#[test]
fn setting_the_same_password_again_makes_no_commit() {
    let realm = realm();
    realm.set_password("ada", "correct horse").unwrap();
    let before = realm.repository.reference("refs/heads/main");
    realm.set_password("ada", "correct horse").unwrap();
    assert_eq!(realm.repository.reference("refs/heads/main"), before);
    realm.set_password("ada", "battery staple").unwrap();
    assert_ne!(realm.repository.reference("refs/heads/main"), before);
}

#[test]
fn unfit_names_and_passwords_are_refused() {
    let realm = realm();
    let error = |name, password| realm.set_password(name, password).unwrap_err().to_string();
    assert_eq!(
        error("Ada", "correct horse"),
        "the user name \"Ada\" must begin with a letter a-z or a digit"
    );
    assert_eq!(error("realm", "correct horse"), "the user name \"realm\" is taken by the realm repository");
    assert_eq!(error("ada", "short"), "the password must have at least 8 characters");
    assert!(realm.user_names().is_empty());
}

#[test]
fn a_changed_password_ends_the_old_one_at_once_though_it_was_remembered() {
    let realm = realm();
    realm.set_password("ada", "correct horse").unwrap();
    sign_in(&realm, "ada", "correct horse").unwrap();
    sign_in(&realm, "ada", "correct horse").unwrap();
    realm.set_password("ada", "battery staple").unwrap();
    assert_eq!(sign_in(&realm, "ada", "correct horse"), Err(AuthenticationError::Wrong));
    sign_in(&realm, "ada", "battery staple").unwrap();
}

#[test]
fn a_push_configures_without_restart() {
    let realm = realm();
    let users = admin() + &account("bob", "battery staple", "email = [\"Bob@Example.org\"]");
    let groups = "[staff]\ndisplay-name = \"Staff\"\nmembers = [\"bob\"]\n";
    let server = "title = \"Office\"\n";
    push(&realm, &[("users.toml", &users), ("groups.toml", groups), ("server.toml", server)]).unwrap();
    assert_eq!(realm.server().title, "Office");
    assert_eq!(realm.group("staff").unwrap().members.len(), 1);
    assert_eq!(realm.groups_of("bob").len(), 1);
    assert!(realm.groups_of("ada").is_empty());
    assert!(realm.store.repository("bob").is_err(), "made at the first sign-in");
    let bob = sign_in(&realm, "bob", "battery staple").unwrap();
    let home = realm.store.repository("bob").unwrap();
    assert!(home.reference("refs/heads/main").is_some());
    for name in ["Bob", "BOB", "bob@example.org", "Bob@Example.org"] {
        assert_eq!(sign_in(&realm, name, "battery staple"), Ok(bob.clone()), "{name}");
    }

    let disabled = admin() + &account("bob", "battery staple", "disabled = true");
    push(&realm, &[("users.toml", &disabled)]).unwrap();
    assert_eq!(sign_in(&realm, "bob", "battery staple"), Err(AuthenticationError::Wrong));
    assert_eq!(realm.user("bob"), None);
    assert_eq!(realm.server().title, "Kalends", "a removed file is an empty one");

    push(&realm, &[("users.toml", &admin())]).unwrap();
    assert_eq!(sign_in(&realm, "bob", "battery staple"), Err(AuthenticationError::Wrong));
    assert!(realm.store.repository("bob").is_ok(), "the repository is kept");
}

#[test]
fn mistakes_are_refused_with_file_and_line_and_change_nothing() {
    let realm = realm();
    push(&realm, &[("users.toml", &admin())]).unwrap();
    let refused = |files: &[(&str, &str)]| push(&realm, files).unwrap_err();

    assert_eq!(
        refused(&[("users.toml", "[ada]\npassword = \"correct horse\"\nadmin = true\n")]),
        [
            "users.toml:2: the password of \"ada\" is not an argon2id hash; run `kalends passwd` to make one, \
             and change any password that you pushed in plain text",
            "users.toml:3: unknown key \"admin\" in [ada]; known are display-name, email, password, \
             administrator, disabled, allow-force-push",
        ]
    );
    assert_eq!(refused(&[]), ["users.toml: is missing; without it nobody can sign in"]);
    let alone = "users.toml: nobody would be left to administer the server; at least one user must have \
                 administrator = true and not be disabled";
    assert_eq!(refused(&[("users.toml", "")]), [alone]);
    let disabled = account("ada", "correct horse", "administrator = true\ndisabled = true");
    assert_eq!(refused(&[("users.toml", &disabled)]), [alone]);
    assert_eq!(
        refused(&[
            ("users.toml", &admin()),
            ("groups.toml", "[ada]\nmembers = [\"ada\", \"ada\"]\n[staff]\n\nmembers = [\n\"eve\"]\n"),
            ("server.toml", "hostname = \"x\"\n"),
        ]),
        [
            "groups.toml:1: group \"ada\" has the name of a user (users.toml:1)",
            "groups.toml:2: \"ada\" is a member twice",
            "groups.toml:6: member \"eve\" of \"staff\" is not a user of users.toml",
            "server.toml:1: unknown key \"hostname\"; known are title, message, max-resource-size, \
             history-days",
        ]
    );
    let many: String = (0..100).map(|n| format!("[user{n:03}]\n")).collect();
    let details = refused(&[("users.toml", &many)]);
    assert_eq!((details.len(), details[20].as_str()), (21, "realm: and 80 more problems"));

    assert_eq!(sign_in(&realm, "ada", "correct horse").unwrap().name, "ada");
}

#[test]
fn a_file_that_is_no_text_is_refused() {
    use kalends_store::{EntryKind, Kind, TreeEdit};
    let realm = realm();
    let mut transaction = realm.repository.transaction();
    let check = |transaction: &mut Transaction, kind: EntryKind, id: ObjectId| {
        let edit = TreeEdit { name: b"users.toml".to_vec(), entry: Some((kind, id)) };
        let tree = transaction.edit_tree(None, &[edit]).unwrap();
        let problems = Configuration::read(&*transaction, &tree).unwrap().unwrap_err();
        problems.iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    let blob = transaction.insert(Kind::Blob, b"[ada]\n\xff".to_vec()).unwrap();
    assert_eq!(check(&mut transaction, EntryKind::Blob, blob), ["users.toml: line 2 is not UTF-8"]);
    assert_eq!(
        check(&mut transaction, EntryKind::Link, blob),
        ["users.toml: must be a file, not a directory, link or submodule"]
    );
    let large = transaction.insert(Kind::Blob, vec![b'#'; (1 << 20) + 1]).unwrap();
    assert_eq!(check(&mut transaction, EntryKind::Blob, large), ["users.toml: is larger than 1048576 bytes"]);
}

#[test]
fn main_of_the_realm_cannot_be_deleted_and_other_branches_are_free() {
    let realm = realm();
    let check = |name: &str| {
        let update =
            PushedUpdate { name: name.into(), old: None, new: None, fast_forward: false, shallow: false };
        RealmRules.examine(&realm.repository, &update).unwrap()
    };
    assert!(check("refs/heads/main").unwrap_err().details[0].contains("cannot be deleted"));
    assert_eq!(check("refs/heads/draft"), Ok(()));
}

#[test]
fn guessing_is_stopped_and_others_are_not() {
    let realm = realm();
    realm.set_password("ada", "correct horse").unwrap();
    sign_in(&realm, "ada", "correct horse").unwrap();
    let guess = |n: u32| run(realm.authenticate(&headers("ada", &format!("guess {n}")), Some(&peer(9))));
    for n in 0..10 {
        assert_eq!(guess(n), Err(AuthenticationError::Wrong));
    }
    let Err(AuthenticationError::TooManyFailures { retry_after }) = guess(10) else { panic!("not stopped") };
    assert!((1..=30).contains(&retry_after), "{retry_after}");
    assert_eq!(
        guess(3),
        Err(AuthenticationError::Wrong),
        "what was tried before costs nothing and tells nothing"
    );
    sign_in(&realm, "ada", "correct horse").expect("from her own address");
    let from_there = run(realm.authenticate(&headers("ada", "correct horse"), Some(&peer(9))));
    from_there.expect("even from the attacker's address, as her password is remembered");
}

#[test]
fn an_old_password_in_a_client_counts_once() {
    let realm = realm();
    realm.set_password("ada", "correct horse").unwrap();
    for _ in 0..100 {
        assert_eq!(sign_in(&realm, "ada", "an old password"), Err(AuthenticationError::Wrong));
    }
    sign_in(&realm, "ada", "correct horse").unwrap();
}

#[test]
fn names_that_do_not_exist_are_counted_like_those_that_do() {
    let realm = realm();
    realm.set_password("ada", "correct horse").unwrap();
    let answers = |name: &str| {
        let guess = |n: u32| sign_in(&realm, name, &format!("guess {n}")).map(drop);
        (0..12)
            .map(guess)
            .map(|answer| answer.unwrap_err().to_string().replace(char::is_numeric, ""))
            .collect()
    };
    let (known, unknown): (Vec<String>, Vec<String>) = (answers("ada"), answers("eve"));
    assert_eq!(known, unknown);
}

#[test]
fn connections_that_open_at_once_hash_once() {
    let realm = realm();
    realm.set_password("ada", "correct horse").unwrap();
    let headers = headers("ada", "correct horse");
    // More than one address may have waiting, one after another as the queue lets them.
    let all = (0..12).map(|_| realm.authenticate(&headers, None));
    for result in run(futures_util::future::join_all(all)) {
        assert_eq!(result.unwrap().name, "ada");
    }
}

#[test]
fn a_realm_with_mistakes_does_not_open() {
    let store = store();
    let realm = Realm::open(store.clone()).unwrap();
    let mut change = Change::new(&realm.repository);
    change.write(&[b"users.toml"], "[ada]\n").unwrap();
    run(change.submit(&provision::kalends(), "Import").unwrap().unwrap()).unwrap();
    assert!(realm.user_names().is_empty(), "the last good configuration goes on");
    let error = Realm::open(store).err().unwrap().to_string();
    assert!(error.starts_with("users.toml:1: user \"ada\" has no password"), "{error}");
}
