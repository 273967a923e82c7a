//! Repairing a device: what `kalends repair` does.
//!
//! Nothing is written but what is proven: objects by their ids, indexes and slots by their checksums. All of
//! it goes to free space, and what was damaged stays until the new state is durable; only bytes that are
//! proven to be what was there before are written in their old place.

mod leftovers;
mod log_scan;
mod maker;
mod pack_index;
mod pack_scan;
mod report;
mod repository;
mod salvage;
mod sources;

pub use report::{Outcome, RepairStep, RepairSummary};
pub use sources::{CloneSource, NoClones};

use crate::{
    Error, OpenOptions, Store, check_device,
    format::superblock::{Superblock, SuperblockError},
    mount::{self, SecretsSlot},
};
use kalends_block_backend::BlockDevice;
use report::{Outcome::*, Report};
use repository::Elsewhere;
use std::rc::Rc;

/// Repairs the store on a device, as far as it and the clones have good copies of what is damaged.
///
/// A store that does not open since its acknowledged log is damaged is opened with all that is whole. After
/// it the store opens, and [`check_device`] says what could not be repaired. A device in which the check
/// finds nothing is not written to. Not to be used while the store is open.
///
/// # Errors
/// [`Error::NotAStore`] when there is no superblock that can be used, [`Error::DamagedStore`] when no
/// checkpoint can, [`Error::DeviceFull`] when there is no room for good copies; then the device is as it was,
/// or better.
pub fn repair_device(
    device: &Rc<dyn BlockDevice>,
    options: OpenOptions,
    clones: &mut dyn CloneSource,
    report: &mut dyn FnMut(RepairStep),
) -> Result<RepairSummary, Error> {
    let mut report = Report::new(report);
    let slots = mount::read_superblocks(device)?;
    let candidates = mount::candidates(&slots)?;
    let found = check_device(device, options.clone(), &mut |_| {})?;
    if found.is_clean() && found.notices == 0 {
        return Ok(report.summary);
    }
    let (core, salvaged) = match mount::open(device.clone(), options.clone()) {
        Ok(core) => (core, None),
        Err(error @ (Error::DamagedStore(_) | Error::Device(_))) => {
            report.device(Notice, format!("the store does not open: {}", reason(&error)));
            let salvaged = salvage::salvage(device, &candidates, &options, &mut report)?;
            (salvaged.core, Some((salvaged.leftovers, salvaged.updates)))
        }
        Err(error) => return Err(error),
    };
    let store = Store::from_core(core);
    let mut elsewhere = Elsewhere {
        clones,
        leftovers: salvaged.as_ref().map(|(leftovers, _)| leftovers),
        updates: salvaged.as_ref().map_or(&[], |(_, updates)| updates.as_slice()),
        lossy: salvaged.is_some(),
    };
    let repositories: Vec<_> = store.core().state.borrow().repositories.values().cloned().collect();
    for state in repositories {
        repository::repair(&store, &state, &mut elsewhere, &mut report)?;
    }
    repair_secrets(&store, &mut report)?;
    // With two new checkpoints nothing leads to what was damaged any more, and both superblocks are new.
    for _ in 0..2 {
        if !store.checkpoint()? {
            return Err(Error::DeviceFull);
        }
    }
    report.summary.written = true;
    report_slots(&slots, &mut report);
    Ok(report.summary)
}

fn report_slots(slots: &[Result<Superblock, SuperblockError>; 2], report: &mut Report<'_>) {
    for (slot, found) in slots.iter().enumerate() {
        if found.is_err() {
            report.device(Restored, format!("superblock {slot} was written anew"));
        }
    }
    report.device(Restored, "two new checkpoints hold the state".into());
}

/// Writes a damaged slot of the secrets anew from the other one.
fn repair_secrets(store: &Store, report: &mut Report<'_>) -> Result<(), Error> {
    let core = store.core();
    let slots = mount::secrets_slots(&core.disk, core.seed);
    let damaged = |slot: &SecretsSlot| matches!(slot, SecretsSlot::Damaged | SecretsSlot::Unreadable(_));
    let both = slots.iter().all(damaged);
    if both {
        report.device(
            Lost,
            "both slots of the secrets: the next start makes a new authority for certificates, and a new key \
             for tokens"
                .into(),
        );
        return Ok(());
    }
    for number in (0..2).filter(|number| slots.get(*number).is_some_and(damaged)) {
        store.rewrite_secrets()?;
        report.device(Restored, format!("slot {number} of the secrets was written anew"));
    }
    Ok(())
}

fn reason(error: &Error) -> String {
    match error {
        Error::DamagedStore(reason) => reason.clone(),
        other => other.to_string(),
    }
}
