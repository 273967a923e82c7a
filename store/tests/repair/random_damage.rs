//! Damage at random: a repair never panics, and never loses what was whole.

use crate::random::Random;
use crate::store::{Original, assert_whole, check, contents, options, overwrite};
use kalends_block_backend::{BlockDevice, SimulatedDevice};
use kalends_store::{CloneSource, NoClones, Store, repair_device};
use std::rc::Rc;

/// Damages of one run, each with and without a clone. `KALENDS_REPAIR_SEED` runs one of them.
const ROUNDS: u64 = 60;

/// The blocks in use, by area, so that small structures are hit as often as large ones.
fn areas(bytes: &[u8]) -> Vec<Vec<usize>> {
    let mut areas = std::collections::BTreeMap::<usize, Vec<usize>>::new();
    for at in (0..bytes.len()).step_by(512) {
        if bytes[at..at + 512].iter().any(|byte| *byte != 0) {
            areas.entry(if at < 1 << 20 { at >> 16 } else { 16 + (at >> 20) }).or_default().push(at);
        }
    }
    // The log after the newest checkpoint, without which the store does not open, is hit often.
    let frames = (0..bytes.len()).step_by(512).filter(|at| bytes[*at..].starts_with(b"KLOG"));
    let frames: Vec<usize> = frames.collect();
    let last = frames[frames.len() - 5..].to_vec();
    areas.into_values().chain([last.clone(), last]).collect()
}

fn damage(random: &mut Random, areas: &[Vec<usize>], device: &SimulatedDevice) -> Vec<String> {
    (0..1 + random.below(4))
        .map(|_| {
            let area = &areas[random.below(areas.len())];
            let block = area[random.below(area.len())];
            let at = block + random.below(512);
            match random.below(3) {
                0 => {
                    device.flip_bit(at as u64, random.next() as u8);
                    format!("a bit at {at}")
                }
                1 => {
                    let blocks = (1 + random.below(4)).min((device.capacity() as usize - block) / 512);
                    overwrite(device, block, blocks);
                    format!("{blocks} blocks at {block}")
                }
                _ => {
                    device.make_unreadable(at as u64);
                    format!("unreadable at {at}")
                }
            }
        })
        .collect()
}

#[derive(Debug, Default)]
struct Counts {
    opened: usize,
    salvaged: usize,
    refused: usize,
    whole_with_clone: usize,
    objects: u64,
    lost_frames: u64,
}

#[test]
fn a_repair_of_random_damage_never_panics_and_never_loses_what_was_whole() {
    let original = Original::with_everything();
    let areas = areas(&original.bytes);
    let seeds = match std::env::var("KALENDS_REPAIR_SEED") {
        Ok(seed) => {
            let seed = seed.parse().expect("KALENDS_REPAIR_SEED: a number");
            seed..seed + 1
        }
        Err(_) => 1..ROUNDS + 1,
    };
    let mut counts = Counts::default();
    for seed in seeds {
        let mut random = Random(seed);
        let device = original.device();
        let damages = damage(&mut random, &areas, &device);
        let place = format!(
            "seed {seed} ({}); replay: KALENDS_REPAIR_SEED={seed} cargo test -p kalends-store --test repair random",
            damages.join(", ")
        );
        let before = Store::open_with(device.clone(), options()).ok().map(|store| contents(&store));
        let attempt = |clones: &mut dyn CloneSource| {
            let device: Rc<dyn BlockDevice> = device.clone();
            repair_device(&device, options(), clones, &mut |_| {})
        };
        // Without a clone first, so that what it does must not stand in the way of the second.
        match attempt(&mut NoClones) {
            Ok(summary) => {
                counts.lost_frames += summary.lost_frames;
                let store = Store::open_with(device.clone(), options());
                let after = contents(&store.unwrap_or_else(|error| panic!("{place}: {error}")));
                match before {
                    Some(before) => {
                        counts.opened += 1;
                        assert_eq!(after.references, before.references, "{place}");
                        for (key, data) in &before.objects {
                            assert!(after.objects.get(key) == Some(data), "{place}: {key:?} was whole");
                        }
                    }
                    None => counts.salvaged += 1,
                }
                for (key, data) in &after.objects {
                    if let Some(expected) = original.contents.objects.get(key) {
                        assert!(data == expected, "{place}: {key:?} has other content");
                    }
                }
            }
            Err(error) => {
                assert!(before.is_none(), "{place}: {error}");
                counts.refused += 1;
                continue;
            }
        }
        let summary = attempt(&mut original.clones()).unwrap_or_else(|error| panic!("{place}: {error}"));
        counts.objects += summary.objects;
        let (found, findings) = check(&device);
        let secrets = findings.iter().all(|finding| finding.message.contains("of the secrets"));
        assert!(found.is_clean() || secrets, "{place}: {findings:?}");
        if found.is_clean() && before_is_complete(&device, &original) {
            counts.whole_with_clone += 1;
            assert_whole(&device, &original);
        }
    }
    println!("repair: {counts:?}");
    if std::env::var("KALENDS_REPAIR_SEED").is_err() {
        assert!(counts.opened > 10 && counts.salvaged > 3, "{counts:?}");
        assert!(counts.objects > 10 && counts.whole_with_clone > 20, "{counts:?}");
    }
}

/// Whether the references are those of before: lost frames at the end of the log leave no trace.
fn before_is_complete(device: &Rc<SimulatedDevice>, original: &Original) -> bool {
    let store = Store::open_with(device.clone(), options()).unwrap();
    contents(&store).references == original.contents.references
}
