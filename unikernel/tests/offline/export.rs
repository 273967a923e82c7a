//! `kalends export` makes repositories that stock git takes as its own.

use crate::devices::{Scratch, format, git, kalends, noise, push_with_git, put, stderr, stdout, tag};
use kalends_block_backend::{BlockDevice, FileDevice};
use std::{fs, path::Path};

fn packs(repository: &Path, ending: &str) -> Vec<std::path::PathBuf> {
    let files = fs::read_dir(repository.join("objects/pack")).unwrap();
    let files = files.map(|file| file.unwrap().path());
    files.filter(|file| file.extension().is_some_and(|extension| extension == ending)).collect()
}

#[test]
fn stock_git_finds_nothing_wrong_with_exported_repositories() {
    let scratch = Scratch::new("export");
    let (device, out) = (scratch.path("kalends.img"), scratch.path("deep/out"));
    let store = format(&device);
    let ada = store.create_repository("ada").unwrap();
    for number in 0..200 {
        put(&ada, &format!("{}.ics", number % 60), &format!("event {number}\r\n"));
    }
    tag(&ada, "v1");
    let bob = store.create_repository("bob@example.org").unwrap();
    let pushed = push_with_git(&bob, &scratch);
    // After the push, so that log and pack are mixed.
    let (tip, _) = put(&bob, "lunch.ics", "lunch\r\n");
    store.create_repository("empty").unwrap();
    let main = ada.reference("refs/heads/main").unwrap().to_string();
    drop((ada, bob, store));

    let output = kalends(&[Path::new("export"), &device, &out]);
    assert!(output.status.success(), "{}", stderr(&output));
    assert!(stdout(&output).contains("ada.git: 801 objects"), "{}", stdout(&output));
    let mut names: Vec<_> = fs::read_dir(&out).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    names.sort();
    assert_eq!(names, ["ada.git", "bob@example.org.git", "empty.git"], "and nothing unfinished");
    for name in &names {
        let found = git(&out.join(name), &["fsck", "--strict", "--full", "--no-progress"]);
        let unborn = "notice: HEAD points to an unborn branch (main)\nnotice: No default references\n";
        assert_eq!(found, if name == "empty.git" { unborn } else { "" }, "{name:?}");
    }
    let ada = out.join("ada.git");
    assert_eq!(git(&ada, &["rev-parse", "HEAD"]).trim(), main);
    assert_eq!(git(&ada, &["log", "--format=%an: %s", "-1"]), "Ada: Add work/19.ics\n");
    assert_eq!(git(&ada, &["rev-list", "--count", "main"]).trim(), "200");
    assert_eq!(git(&ada, &["show", "main:work/19.ics"]), "event 199\r\n");
    assert_eq!(git(&ada, &["rev-parse", "v1^{commit}"]).trim(), main);
    let bob = out.join("bob@example.org.git");
    assert_eq!(git(&bob, &["rev-parse", "main", "main^"]), format!("{tip}\n{pushed}\n"));
    assert_eq!(git(&out.join("empty.git"), &["symbolic-ref", "HEAD"]), "refs/heads/main\n");
    git(&scratch.path(""), &["clone", "--quiet", out.join("ada.git").to_str().unwrap(), "clone"]);
    assert_eq!(fs::read_to_string(scratch.path("clone/work/0.ics")).unwrap(), "event 180\r\n");
}

#[test]
fn there_is_one_pack_with_the_index_that_git_makes() {
    let scratch = Scratch::new("index");
    let (device, out) = (scratch.path("kalends.img"), scratch.path("out"));
    let store = format(&device);
    let ada = store.create_repository("ada").unwrap();
    push_with_git(&ada, &scratch);
    for number in 0..30 {
        put(&ada, &format!("{number}.ics"), &noise(number, 300));
    }
    drop((ada, store));
    assert!(kalends(&[Path::new("export"), &device, &out]).status.success());
    let ada = out.join("ada.git");
    let (pack, index) = (packs(&ada, "pack"), packs(&ada, "idx"));
    assert_eq!((pack.len(), index.len()), (1, 1));
    let copy = scratch.path("copy.pack");
    fs::copy(&pack[0], &copy).unwrap();
    let named = git(&scratch.path(""), &["index-pack", "--strict", "copy.pack"]);
    assert!(pack[0].ends_with(format!("pack-{}.pack", named.trim())), "{named}");
    assert!(fs::read(&index[0]).unwrap() == fs::read(scratch.path("copy.idx")).unwrap());
}

#[test]
fn what_exists_is_never_touched() {
    let scratch = Scratch::new("exists");
    let (device, out) = (scratch.path("kalends.img"), scratch.path("out"));
    let store = format(&device);
    for name in ["ada", "bob"] {
        put(&store.create_repository(name).unwrap(), "a.ics", "a");
    }
    drop(store);
    fs::create_dir_all(out.join("bob.git")).unwrap();
    let output = kalends(&[Path::new("export"), &device, &out]);
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains("bob.git exists already; nothing was exported"), "{}", stderr(&output));
    assert_eq!(fs::read_dir(&out).unwrap().count(), 1);
    assert_eq!(fs::read_dir(out.join("bob.git")).unwrap().count(), 0);
}

#[test]
fn a_damaged_repository_is_named_and_the_others_are_exported() {
    let scratch = Scratch::new("damaged");
    let (device, out) = (scratch.path("kalends.img"), scratch.path("out"));
    let store = format(&device);
    let ada = store.create_repository("ada").unwrap();
    let text = noise(1, 3000);
    let (_, blob) = put(&ada, "a.ics", &text);
    put(&store.create_repository("bob").unwrap(), "b.ics", "b");
    store.close().unwrap();
    drop((ada, store));
    flip_in_the_middle_of_the_largest_block_run(&device);
    let output = kalends(&[Path::new("export"), &device, &out]);
    assert_eq!(output.status.code(), Some(1));
    let text = stderr(&output);
    assert!(text.contains("ada.git: cannot be read") && text.contains(&blob.to_string()), "{text}");
    assert!(text.contains("1 of 2 repositories could not be exported"), "{text}");
    let names: Vec<_> = fs::read_dir(&out).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(names, ["bob.git"]);
}

/// Damages the one large blob: the middle of the first frame that takes more than four blocks.
fn flip_in_the_middle_of_the_largest_block_run(path: &Path) {
    let device = FileDevice::open(path).unwrap();
    let segment = 2 << 20;
    let mut block = [0; 512];
    let at = (0..100).map(|number| segment + number * 512).find(|at| {
        let mut next = [0; 1536];
        device.read(*at, &mut next).unwrap();
        next.chunks(512).all(|block| !block.starts_with(b"KLOG") && block.iter().any(|byte| *byte != 0))
    });
    let at = at.unwrap() + 512;
    device.read(at, &mut block).unwrap();
    block[100] ^= 4;
    device.write(at, &block).unwrap();
}

#[test]
fn a_device_that_is_served_is_left_alone() {
    let scratch = Scratch::new("served");
    let device = scratch.path("kalends.img");
    let _store = format(&device);
    let output = kalends(&[Path::new("export"), &device, &scratch.path("out")]);
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains("is being served by another process"), "{}", stderr(&output));
    assert!(!scratch.path("out").exists());
}
