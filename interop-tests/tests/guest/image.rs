//! What images hold.

use kalends_interop_tests::image::image;
use linux_loader::loader::{
    KernelLoader,
    elf::{Elf, PvhBootCapability},
};
use std::{
    env, fs,
    path::{Path, PathBuf},
};
use vm_memory::{Bytes, GuestAddress, GuestMemoryMmap};

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
