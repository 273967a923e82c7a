//! Stores that do not open, since what had been acknowledged is damaged.

use crate::store::{
    MAIN, Original, assert_whole, check, contents, lines, noise, overwrite, put, repair, tag,
};
use kalends_store::{Error, NoClones, Outcome, Store};

/// Where each frame of the log is.
fn frames(original: &Original) -> Vec<usize> {
    original.places(b"KLOG").into_iter().filter(|at| at % 512 == 0).collect()
}

/// Twenty commits, none of them in a checkpoint.
fn twenty() -> Original {
    Original::new(16, |store| {
        let ada = store.create_repository("ada").unwrap();
        for number in 0..20 {
            put(&ada, &format!("{number}.ics"), &noise(number, 700));
            if number == 9 {
                tag(&ada, "middle");
            }
        }
    })
}

#[test]
fn a_store_whose_log_is_damaged_opens_again_with_all_that_is_whole() {
    let original = twenty();
    let frames = frames(&original);
    // Creation, twenty commits and a tag.
    assert_eq!(frames.len(), 22);
    for (damaged, frame) in frames[..frames.len() - 1].iter().enumerate() {
        let device = original.device();
        overwrite(&device, *frame, 1);
        let error = Store::open(device.clone()).err().unwrap();
        assert!(matches!(error, Error::DamagedStore(_)), "{error}");
        let (done, steps) = repair(&device, &mut NoClones);
        assert_eq!(done.lost_frames, 1, "{steps:?}");
        let lost = lines(&steps, Outcome::Lost);
        assert!(
            lost.iter().any(|line| *line == format!("frame {} of the log is lost", damaged + 1)),
            "{lost:?}"
        );
        let store = Store::open(device.clone()).unwrap();
        let found = contents(&store);
        let name = if damaged == 0 { "recovered-1" } else { "ada" };
        let (references, whole) = (&found.references[name], &original.contents.references["ada"]);
        assert_eq!(references[MAIN], whole[MAIN], "the newest commit is there");
        assert_eq!(references.contains_key("refs/tags/middle"), damaged != 11);
        if damaged == 0 {
            assert!(lost.iter().any(|line| line.contains("the name of repository 1")), "{lost:?}");
            assert!(check(&device).0.is_clean(), "only the name is lost");
            continue;
        }
        // With a clone, what was lost is there again.
        drop(store);
        let device = original.device();
        overwrite(&device, *frame, 1);
        let (done, _) = repair(&device, &mut original.clones());
        assert_eq!(done.references, u64::from(damaged == 11));
        assert_whole(&device, &original);
    }
}

#[test]
fn what_moved_a_reference_in_the_lost_frames_is_said() {
    let original = twenty();
    let frames = frames(&original);
    let device = original.device();
    for frame in &frames[4..7] {
        overwrite(&device, *frame, 1);
    }
    let (done, steps) = repair(&device, &mut NoClones);
    assert_eq!(done.lost_frames, 3);
    let lost = lines(&steps, Outcome::Lost);
    assert!(lost.contains(&"frames 5 to 7 of the log are lost (3)".to_owned()), "{lost:?}");
    assert!(lost.iter().any(|line| line.starts_with("ada: what moved refs/heads/main from ")), "{lost:?}");
    // What is missing is named by the check with what refers to it.
    let (_, findings) = check(&device);
    let all: Vec<String> = findings.iter().map(ToString::to_string).collect();
    assert!(all.iter().any(|line| line.contains("is missing")), "{all:?}");
    repair(&device, &mut original.clones());
    assert_whole(&device, &original);
}

#[test]
fn the_frames_that_a_superblock_vouches_for_are_found_beyond_damage() {
    // The newest checkpoint is damaged, and so is the log between the older one and it.
    let original = Original::new(16, |store| {
        let ada = store.create_repository("ada").unwrap();
        store.close().unwrap();
        put(&ada, "a.ics", &noise(1, 700));
        put(&ada, "b.ics", &noise(2, 700));
        store.close().unwrap();
        put(&ada, "c.ics", &noise(3, 700));
    });
    let checkpoints = original.places(b"KCHECKPT");
    let generation = |at: usize| u64::from_le_bytes(original.bytes[at + 8..at + 16].try_into().unwrap());
    let newest = *checkpoints.iter().max_by_key(|at| generation(**at)).unwrap();
    let frames = frames(&original);
    for frame in &frames[1..3] {
        let device = original.device();
        device.flip_bit(newest as u64 + 20, 1);
        overwrite(&device, *frame, 1);
        assert!(Store::open(device.clone()).is_err());
        let (done, steps) = repair(&device, &mut original.clones());
        assert_eq!(done.lost_frames, 1, "{steps:?}");
        assert_whole(&device, &original);
    }
}

#[test]
fn a_transaction_that_is_lost_in_part_is_completed_where_its_objects_are_whole() {
    // A commit of three files, each of which fills most of a segment: its frames are three or four.
    let original = Original::new(24, |store| {
        let ada = store.create_repository("ada").unwrap();
        put(&ada, "before.ics", b"before");
        put(&ada, "first.txt", &noise(1, 900_000));
        put(&ada, "second.txt", &noise(2, 900_000));
        put(&ada, "third.txt", &noise(3, 900_000));
        put(&ada, "after.ics", b"after");
    });
    let frames = frames(&original);
    for frame in &frames[1..frames.len() - 1] {
        let device = original.device();
        overwrite(&device, *frame, 1);
        assert!(Store::open(device.clone()).is_err());
        let (_, steps) = repair(&device, &mut NoClones);
        assert!(!lines(&steps, Outcome::Lost).is_empty());
        repair(&device, &mut original.clones());
        assert_whole(&device, &original);
    }
}

#[test]
fn a_pack_and_a_large_object_that_the_log_no_longer_names_are_found() {
    let original = Original::new(24, |store| {
        let ada = store.create_repository("ada").unwrap();
        put(&ada, "before.ics", b"before");
        crate::store::adopt(&ada, "pushed", 600_000);
        put(&ada, "large.txt", &noise(7, 1_100_000));
        put(&ada, "after.ics", b"after");
    });
    let frames = frames(&original);
    // Creation, the first commit, the pack, the large object, the last commit.
    assert_eq!(frames.len(), 5);
    let device = original.device();
    overwrite(&device, frames[3], 1);
    let (_, steps) = repair(&device, &mut NoClones);
    let restored = lines(&steps, Outcome::Restored);
    assert!(
        restored.iter().any(|line| line.contains("from a part of the device that the log no longer names")),
        "{steps:?}"
    );
    let device = original.device();
    overwrite(&device, frames[2], 1);
    // The branch is lost with the frame; a clone knows it, and need not give its objects.
    struct ReferencesOnly(crate::store::Clones);
    impl kalends_store::CloneSource for ReferencesOnly {
        fn object(&mut self, id: &kalends_store::ObjectId) -> Result<Option<kalends_store::Object>, String> {
            Err(format!("asked for {id}"))
        }
        fn references(&mut self, repository: &str) -> Vec<kalends_store::Reference> {
            self.0.references(repository)
        }
    }
    let (done, steps) = repair(&device, &mut ReferencesOnly(original.clones()));
    assert_eq!(done.references, 1, "{steps:?}");
    assert_whole(&device, &original);
}
