//! `kalends repair`: from the device itself, and from clones of every kind.

use crate::devices::{Scratch, format, git, kalends, noise, push_with_git, put, stderr, stdout, tag};
use std::{
    ffi::OsStr,
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
};

/// A device with two repositories, and an export of it.
struct Device {
    scratch: Scratch,
    path: PathBuf,
    whole: Vec<u8>,
    export: PathBuf,
}

impl Device {
    fn new(name: &str) -> Self {
        let scratch = Scratch::new(name);
        let (path, export) = (scratch.path("kalends.img"), scratch.path("export"));
        let store = format(&path);
        let ada = store.create_repository("ada").unwrap();
        for number in 0..30 {
            put(&ada, &format!("{number}.ics"), &noise(number, 4000));
        }
        tag(&ada, "v1");
        push_with_git(&store.create_repository("bob").unwrap(), &scratch);
        store.close().unwrap();
        // Log after the checkpoint.
        for number in 0..4 {
            put(&ada, "late.ics", &noise(100 + number, 800));
        }
        drop((ada, store));
        assert!(kalends(&[Path::new("export"), &path, &export]).status.success());
        let whole = fs::read(&path).unwrap();
        Self { scratch, path, whole, export }
    }

    /// The device again, with other bytes in these blocks.
    fn damage(&self, places: &[usize]) {
        let mut bytes = self.whole.clone();
        for place in places {
            bytes[place / 512 * 512..][..512].iter_mut().for_each(|byte| *byte ^= 0x55);
        }
        fs::write(&self.path, bytes).unwrap();
    }

    fn places(&self, pattern: &[u8]) -> Vec<usize> {
        let windows = self.whole.windows(pattern.len()).enumerate();
        windows.filter(|(_, window)| *window == pattern).map(|(at, _)| at).collect()
    }

    fn repair(&self, options: &[&OsStr]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_kalends"));
        command.arg("repair").arg(&self.path).args(options).env("GIT_CONFIG_GLOBAL", "/dev/null");
        command.output().unwrap()
    }

    fn from(&self, source: impl AsRef<OsStr>) -> Output {
        self.repair(&["--from".as_ref(), source.as_ref()])
    }

    /// The device is clean, and an export of it is what it was.
    fn assert_whole(&self) {
        let output = kalends(&[Path::new("fsck"), &self.path]);
        assert_eq!(output.status.code(), Some(0), "{}", stdout(&output));
        let again = self.scratch.path("again");
        let output = kalends(&[Path::new("export"), &self.path, &again]);
        assert!(output.status.success(), "{}", stderr(&output));
        for name in ["ada.git", "bob.git"] {
            let (before, after) = (self.export.join(name), again.join(name));
            assert_eq!(git(&after, &["fsck", "--strict", "--full", "--no-progress"]), "");
            assert_eq!(git(&after, &["show-ref"]), git(&before, &["show-ref"]), "{name}");
            let objects = ["rev-list", "--objects", "--all", "--no-object-names"];
            let sorted = |text: String| {
                let mut lines: Vec<_> = text.lines().map(str::to_owned).collect();
                lines.sort();
                lines
            };
            assert_eq!(sorted(git(&after, &objects)), sorted(git(&before, &objects)), "{name}");
        }
        fs::remove_dir_all(again).unwrap();
    }
}

#[test]
fn an_export_a_bundle_a_repository_and_a_url_give_good_copies() {
    let device = Device::new("repair-sources");
    let ada = device.export.join("ada.git");
    let blob = git(&ada, &["rev-parse", "main:work/3.ics"]);
    let operation = [&[4], hex(blob.trim()).as_slice()].concat();
    let places = device.places(&operation);
    assert_eq!(places.len(), 1);
    // In the middle of its entry, which takes more than three blocks.
    let damage = || device.damage(&[places[0] + 27 + 800]);
    git(&ada, &["bundle", "create", "--quiet", "../ada.bundle", "--all"]);
    let url = format!("file://{}", ada.display());
    let working = device.scratch.path("clone");
    git(&device.scratch.path(""), &["clone", "--quiet", ada.to_str().unwrap(), "clone"]);
    let named = format!("ada={}", ada.display());
    for source in [
        device.export.as_os_str(),
        device.export.join("ada.bundle").as_os_str(),
        ada.as_os_str(),
        working.as_os_str(),
        url.as_ref(),
        named.as_ref(),
    ] {
        damage();
        let output = device.from(source);
        let out = stdout(&output);
        assert_eq!(output.status.code(), Some(0), "{source:?}: {out}{}", stderr(&output));
        assert!(
            out.contains(&format!("restored: ada: object {}: a blob, from the clone", blob.trim())),
            "{out}"
        );
        assert!(out.contains("is clean; 1 object, 0 packs and 0 references restored"), "{out}");
        device.assert_whole();
    }
    damage();
    let output = device.repair(&[]);
    assert_eq!(output.status.code(), Some(1));
    let out = stdout(&output);
    assert!(out.contains(&format!("lost: ada: object {}: no good copy was found", blob.trim())), "{out}");
    assert!(out.contains("is file work/3.ics in "), "{out}");
    assert!(out.contains("is still damaged (1 found)"), "{out}");
}

#[test]
fn a_damaged_log_keeps_the_store_from_opening_until_it_is_repaired() {
    let device = Device::new("repair-log");
    let frames: Vec<usize> = device.places(b"KLOG").into_iter().filter(|at| at % 512 == 0).collect();
    let pack = device.places(b"PACK\0\0\0\x02")[0];
    let damage = || device.damage(&[frames[frames.len() - 3], pack + 3000, 128 << 10, 40]);
    damage();
    let output = kalends(&[Path::new("image"), Path::new("add-user"), &device.path, Path::new("eve")]);
    let err = stderr(&output);
    assert!(err.contains("is damaged") && err.contains("`kalends repair "), "{err}");
    // A dry run says the same, and writes nothing.
    let before = fs::read(&device.path).unwrap();
    let dry = device.repair(&["--dry-run".as_ref(), "--from".as_ref(), device.export.as_ref()]);
    assert_eq!(dry.status.code(), Some(0), "{}{}", stdout(&dry), stderr(&dry));
    assert!(
        stdout(&dry).contains("would be restored; then it is clean. Nothing was written"),
        "{}",
        stdout(&dry)
    );
    assert!(fs::read(&device.path).unwrap() == before);
    let output = device.from(&device.export);
    assert_eq!(output.status.code(), Some(0), "{}{}", stdout(&output), stderr(&output));
    let steps = |output: &Output| -> Vec<String> {
        let lines = stdout(output);
        lines
            .lines()
            .filter(|line| line.contains(": "))
            .map(str::to_owned)
            .take_while(|l| !l.contains("kalends.img"))
            .collect()
    };
    assert_eq!(steps(&output), steps(&dry));
    assert!(stdout(&output).contains("of the log is lost"), "{}", stdout(&output));
    device.assert_whole();
    let again = device.repair(&[]);
    assert!(stdout(&again).contains("is clean; nothing was written"), "{}", stdout(&again));
}

#[test]
fn mistakes_are_named_before_anything_is_written() {
    let device = Device::new("repair-mistakes");
    device.damage(&[128 << 10]);
    fs::create_dir(device.scratch.path("empty")).unwrap();
    let before = fs::read(&device.path).unwrap();
    for (source, expected) in [
        (device.scratch.path("nothing"), "No such file"),
        (device.scratch.path("kalends.img"), "is neither a git repository nor a bundle"),
        (device.scratch.path("empty"), "--from empty: git: "),
        (PathBuf::from("file:///nothing/here.git"), "git: "),
    ] {
        let output = device.from(&source);
        assert_eq!(output.status.code(), Some(2), "{source:?}");
        assert!(stderr(&output).contains(expected), "{source:?}: {}", stderr(&output));
    }
    // Without git only what needs it fails.
    let without_git = |options: &[&OsStr]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_kalends"));
        command.arg("repair").arg(&device.path).args(options).env("PATH", "/nonexistent").output().unwrap()
    };
    let output = without_git(&["--from".as_ref(), "https://cal.example.org/git/ada.git".as_ref()]);
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains("needs git, which is not on the PATH"), "{}", stderr(&output));
    assert!(fs::read(&device.path).unwrap() == before);
    let output = without_git(&[]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    device.assert_whole();
    let _served = kalends_block_backend::FileDevice::open(&device.path).unwrap();
    let output = device.repair(&[]);
    assert!(stderr(&output).contains("is being served by another process"), "{}", stderr(&output));
    assert_eq!(output.status.code(), Some(2));
}

fn hex(text: &str) -> Vec<u8> {
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap()).collect()
}
