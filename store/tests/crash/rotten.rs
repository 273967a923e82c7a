//! Rot on top of a crash: errors, never wrong data, and never a panic, in mounts, checks and repairs.

use crate::{
    budget::Counts,
    random::Random,
    timeline::{Timeline, observe},
    verify::{SECRET, options},
};
use kalends_block_backend::{BlockDevice, SimulatedDevice};
use kalends_store::{Error, NoClones, Store, check_device, repair_device, wire::write_full_pack};
use std::rc::Rc;

/// Damages a device that was found after a crash before `step`, opens it as far as it goes, and repairs it.
pub(crate) fn examine(
    device: SimulatedDevice,
    timeline: &Timeline,
    step: usize,
    random: &mut Random,
    counts: &mut Counts,
) -> Result<(), String> {
    let places = device.written_places();
    let mut damage = Vec::new();
    for _ in 0..1 + random.below(3) {
        let at = places[random.below(places.len())] + random.below(4096) as u64;
        if random.once_in(4) {
            device.make_unreadable(at);
            damage.push(format!("byte {at} is unreadable"));
        } else {
            let bit = random.below(8) as u8;
            device.flip_bit(at, bit);
            damage.push(format!("bit {bit} of byte {at} is flipped"));
        }
    }
    counts.rotten += 1;
    counts.rot += damage.len();
    let device: Rc<dyn BlockDevice> = Rc::new(device);
    found(&device, timeline, step, counts).map_err(|error| format!("{}: {error}", damage.join(", ")))
}

fn found(
    device: &Rc<dyn BlockDevice>,
    timeline: &Timeline,
    step: usize,
    counts: &mut Counts,
) -> Result<(), String> {
    let checked = check_device(device, options(), &mut |_| {});
    let before = match Store::open_with(device.clone(), options()) {
        Ok(store) => {
            // Unless rot passes for a torn write at the end of the log, nothing acknowledged is missing.
            let world = observe(&store);
            if !timeline.world.ever(step, &world) {
                return Err(format!("the references were never so: {world:?}"));
            }
            let secret = store.secret(SECRET);
            if secret.is_some() && !timeline.secret.ever(step, &secret) {
                return Err("the secret was never what it is".into());
            }
            let clean = checked.is_ok_and(|summary| summary.is_clean());
            for name in store.repositories() {
                let repository = store.repository(&name).map_err(|error| error.to_string())?;
                let clone = write_full_pack(&repository, &mut std::io::sink());
                if let (true, Err(error)) = (clean, clone) {
                    return Err(format!("the check finds nothing, and a clone of {name} fails: {error}"));
                }
            }
            Some(world)
        }
        Err(_) => {
            counts.refused += 1;
            None
        }
    };
    match repair_device(device, options(), &mut NoClones, &mut |_| {}) {
        Ok(_) => {
            let store = Store::open_with(device.clone(), options())
                .map_err(|error| format!("does not open after a repair: {error}"))?;
            counts.salvaged += usize::from(before.is_none());
            match before {
                Some(before) if observe(&store) != before => {
                    Err(format!("the references are {:?} after a repair", observe(&store)))
                }
                _ => Ok(()),
            }
        }
        // Not without another device, or another one of its superblocks or checkpoints.
        Err(Error::DeviceFull | Error::NotAStore(_) | Error::DamagedStore(_) | Error::Device(_)) => Ok(()),
        Err(error) => Err(format!("cannot be repaired: {error}")),
    }
}
