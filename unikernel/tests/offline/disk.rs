//! Making a store on a disk, or in a file, that exists: only when that was asked for, and nothing is lost.

use crate::devices::{Scratch, kalends, stderr, stdout};
use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
};

fn create(device: &Path, options: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_kalends"));
    command.args(["image", "create"]).arg(device).args(options);
    // The authority's certificate of a disk is written to the working directory.
    command.current_dir(std::env::temp_dir()).output().unwrap()
}

fn assert_refused(output: &Output, expected: &str) {
    assert_eq!(output.status.code(), Some(1), "{}", stdout(output));
    assert!(stderr(output).contains(expected), "{} lacks {expected}", stderr(output));
}

#[test]
fn a_blank_file_becomes_a_store_and_one_with_data_only_by_force() {
    let scratch = Scratch::new("disk-file");
    let path = scratch.path("disk.img");
    fs::write(&path, vec![0; 10 << 20]).unwrap();
    assert_refused(&create(&path, &[]), "exists already; nothing was written");
    let output = create(&path, &["--format", "--user", "ada"]);
    assert!(output.status.success(), "{}", stderr(&output));
    assert_eq!(fs::metadata(&path).unwrap().len(), 10 << 20);
    assert_eq!(kalends(&[Path::new("fsck"), &path]).status.code(), Some(0));
    // Now it holds something.
    let before = fs::read(&path).unwrap();
    assert_refused(&create(&path, &["--format"]), "holds a Kalends store; nothing was written");
    assert!(fs::read(&path).unwrap() == before);
    let mut table = vec![0; 10 << 20];
    table[510..512].copy_from_slice(&[0x55, 0xaa]);
    table[9 << 20..(9 << 20) + 8].copy_from_slice(b"EFI PART");
    fs::write(&path, &table).unwrap();
    assert_refused(&create(&path, &["--format"]), "holds a partition table (MBR)");
    assert!(fs::read(&path).unwrap() == table);
    let output = create(&path, &["--format", "--force"]);
    assert!(output.status.success(), "{}", stderr(&output));
    assert_eq!(kalends(&[Path::new("fsck"), &path]).status.code(), Some(0));
    assert!(fs::read(&path).unwrap()[9 << 20..][..8] != *b"EFI PART", "the copy of the table is gone");
    assert_refused(&create(&scratch.path("none.img"), &["--format"]), "without --format it is made");
    assert_refused(&create(Path::new("/dev/kalends-no-such-disk"), &[]), "there is no disk");
    assert!(!Path::new("/dev/kalends-no-such-disk").exists());
}

/// A file as a disk, detached when dropped.
struct Loop(PathBuf);

impl Loop {
    /// Says why there is none where there is none.
    fn attach(file: &Path) -> Option<Self> {
        let output = Command::new("losetup").args(["--find", "--show"]).arg(file).output();
        match output {
            Ok(output) if output.status.success() => Some(Self(stdout(&output).trim().into())),
            Ok(output) => {
                eprintln!("not tested: losetup: {}", stderr(&output).trim());
                None
            }
            Err(error) => {
                eprintln!("not tested: losetup: {error}");
                None
            }
        }
    }
}

impl Drop for Loop {
    fn drop(&mut self) {
        let _ = Command::new("losetup").arg("--detach").arg(&self.0).status();
    }
}

#[test]
fn a_disk_is_formatted_when_that_is_asked_for_and_a_mounted_one_never() {
    let scratch = Scratch::new("disk-loop");
    let file = scratch.path("disk");
    fs::write(&file, vec![0; 24 << 20]).unwrap();
    let Some(disk) = Loop::attach(&file) else { return };
    assert_refused(&create(&disk.0, &[]), "--format makes a store on it, if it is blank");
    let output = create(&disk.0, &["--format", "--user", "ada"]);
    assert!(output.status.success(), "{}", stderr(&output));
    let shown = stdout(&kalends(&[Path::new("image"), Path::new("inspect"), &disk.0]));
    assert!(shown.contains(&format!("size       {} bytes", 24 << 20)), "{shown}");
    assert!(shown.contains("user       ada, administrator"), "{shown}");
    assert_eq!(kalends(&[Path::new("fsck"), &disk.0]).status.code(), Some(0));
    // One server or tool at a time.
    let held = kalends_block_backend::FileDevice::open(&disk.0).unwrap();
    let add = [Path::new("image"), Path::new("add-user"), &disk.0, Path::new("bob")];
    assert_refused(&kalends(&add), "in use");
    drop(held);
    assert!(kalends(&add).status.success());
    // A file system, mounted and not.
    let made = Command::new("mkfs.ext2").args(["-q", "-F"]).arg(&disk.0).output();
    if !made.is_ok_and(|output| output.status.success()) {
        eprintln!("not tested with a file system: mkfs.ext2 did not make one");
        return;
    }
    assert_refused(&create(&disk.0, &["--format"]), "holds a file system (ext2, ext3 or ext4)");
    let place = scratch.path("mounted");
    fs::create_dir(&place).unwrap();
    let mounted = Command::new("mount").arg(&disk.0).arg(&place).output();
    match mounted {
        Ok(output) if output.status.success() => {
            let refused = create(&disk.0, &["--format", "--force"]);
            let unmounted = Command::new("umount").arg(&place).status();
            assert_refused(&refused, "is mounted, or in use");
            assert!(unmounted.unwrap().success());
        }
        Ok(output) => eprintln!("not tested while mounted: {}", stderr(&output).trim()),
        Err(error) => eprintln!("not tested while mounted: {error}"),
    }
    let output = create(&disk.0, &["--format", "--force"]);
    assert!(output.status.success(), "{}", stderr(&output));
}
