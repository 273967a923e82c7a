//! What images hold.

use kalends_interop_tests::{
    TemporaryDirectory,
    image::{build_image, image},
};
use linux_loader::loader::{
    KernelLoader,
    elf::{Elf, PvhBootCapability},
};
use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Command,
};
use vm_memory::{Bytes, GuestAddress, GuestMemoryMmap};

#[test]
fn two_builds_in_different_directories_give_the_same_bytes() {
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let (source, target) = (TemporaryDirectory::new(), TemporaryDirectory::new());
    let listed = Command::new("git")
        .current_dir(workspace)
        .args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"])
        .output()
        .expect("git runs");
    assert!(listed.status.success(), "{}", String::from_utf8_lossy(&listed.stderr));
    for name in String::from_utf8(listed.stdout).unwrap().split_terminator('\0') {
        let (from, to) = (workspace.join(name), source.join(name));
        // What was removed, and not committed yet, is listed too.
        if from.is_file() {
            fs::create_dir_all(to.parent().unwrap()).unwrap();
            fs::copy(from, to).unwrap();
        }
    }
    let again = build_image("spt", source.path(), target.path());
    let (first, second) = (fs::read(image("spt")).unwrap(), fs::read(&again).unwrap());
    let same = first.iter().zip(&second).take_while(|(first, second)| first == second).count();
    assert!(
        first == second,
        "the images have {} and {} bytes, and differ from byte {same} on",
        first.len(),
        second.len()
    );
}

#[test]
fn an_image_does_not_tell_where_it_was_built() {
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned();
    let home = PathBuf::from(env::var_os("HOME").expect("HOME is set"));
    let cargo_home = env::var_os("CARGO_HOME").map_or(home.join(".cargo"), PathBuf::from);
    for target in ["spt", "hvt", "virtio"] {
        let bytes = fs::read(image(target)).unwrap();
        for place in [&workspace, &cargo_home] {
            let place = place.as_os_str().as_encoded_bytes();
            let found = bytes.windows(place.len()).any(|window| window == place);
            assert!(!found, "{target} names {}", String::from_utf8_lossy(place));
        }
    }
}

#[test]
fn the_loader_of_firecracker_and_cloud_hypervisor_boots_the_virtio_image_by_pvh() {
    let start = GuestAddress(1 << 20);
    let memory = GuestMemoryMmap::<()>::from_ranges(&[(GuestAddress(0), 128 << 20)]).unwrap();
    let mut file = fs::File::open(image("virtio")).unwrap();
    let loaded = Elf::load(&memory, None, &mut file, Some(start)).unwrap();
    assert_eq!(loaded.pvh_boot_cap, PvhBootCapability::PvhEntryPresent(start));
    let first: u8 = memory.read_obj(start).unwrap();
    assert_eq!(first, 0xfc, "the entry's first instruction is CLD");
}
