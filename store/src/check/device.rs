//! What a mount relies on: superblocks, checkpoints, log and secrets.

use super::finding::{CheckSummary, Finding, Findings};
use crate::{
    Error, OpenOptions, Store,
    core::State,
    disk::Disk,
    format::superblock::{Superblock, SuperblockError},
    mount::{self, SecretsSlot},
};
use kalends_block_backend::BlockDevice;
use std::rc::Rc;
use xxhash_rust::xxh3::Xxh3;

/// Checks the store on a device, from its superblocks to its last object, and writes nothing. Not to be
/// used while the store is open for writing.
///
/// # Errors
/// [`Error::NotAStore`] when there is no store, or one that this program cannot read. Damage is no error:
/// it is reported.
pub fn check_device(
    device: &Rc<dyn BlockDevice>,
    options: OpenOptions,
    report: &mut dyn FnMut(Finding),
) -> Result<CheckSummary, Error> {
    let mut findings = Findings::new(report);
    let slots = mount::read_superblocks(device)?;
    let candidates = mount::candidates(&slots)?;
    check_superblocks(&slots, &candidates, &mut findings);
    let witness = mount::Witness::of(&candidates);
    let open = |slot: usize, superblock: &Superblock| {
        mount::open_from(device, slot, superblock, witness, options.clone())
    };
    // The older one first: one at a time is in memory.
    let mut older = None;
    if let [_, (slot, superblock)] = candidates.as_slice() {
        let opened = open(*slot, superblock);
        older = Some((superblock.generation, opened.map(|core| state_digest(&mut core.state.borrow_mut()))));
    }
    let mut store = None;
    if let [(slot, superblock), ..] = candidates.as_slice() {
        match open(*slot, superblock) {
            Ok(core) => store = Some((core, superblock)),
            Err(error) => findings.damage(format!("checkpoint {}: {}", superblock.generation, reason(error))),
        }
    }
    match (&store, older) {
        (Some((core, newest)), Some((generation, digest))) => match digest {
            Ok(digest) if digest == state_digest(&mut core.state.borrow_mut()) => {}
            Ok(_) => findings.damage(format!(
                "checkpoints {generation} and {} lead to different states",
                newest.generation
            )),
            Err(error) => findings.damage(format!(
                "checkpoint {generation}, in reserve for checkpoint {}: {}",
                newest.generation,
                reason(error)
            )),
        },
        (None, Some((generation, Ok(_)))) => {
            findings.damage(format!("checkpoint {generation} is in use instead"));
            if let [_, (slot, superblock)] = candidates.as_slice() {
                store = Some((open(*slot, superblock)?, superblock));
            }
        }
        (None, Some((generation, Err(error)))) => {
            findings.damage(format!("checkpoint {generation}: {}", reason(error)));
        }
        (_, None) => {}
    }
    let Some((core, superblock)) = store else { return Ok(findings.summary) };
    findings.summary.checkpoint = superblock.generation;
    {
        let state = core.state.borrow();
        findings.summary.log_frames = state.log.position().sequence - superblock.log.sequence;
        findings.summary.log_bytes = state.log.since_checkpoint();
    }
    check_secrets(&core.disk, core.seed, &mut findings);
    Store::from_core(core).check_into(&mut findings);
    Ok(findings.summary)
}

fn check_superblocks(
    slots: &[Result<Superblock, SuperblockError>; 2],
    candidates: &[(usize, Superblock)],
    findings: &mut Findings<'_>,
) {
    let written = candidates.iter().map(|(_, superblock)| superblock.generation).max().unwrap_or(0);
    for (slot, found) in slots.iter().enumerate() {
        let message = match found {
            // The second superblock is written with the second checkpoint; that may have been torn.
            Ok(_) | Err(SuperblockError::Version(_)) => continue,
            Err(SuperblockError::Absent) if written == 1 && slot == 1 => continue,
            Err(SuperblockError::Absent) => "is gone".to_owned(),
            Err(SuperblockError::Damaged) => "is damaged, as a crash while it is written leaves it".into(),
            Err(SuperblockError::Invalid(what)) => format!("is invalid: {what}"),
        };
        findings.notice(format!("superblock {slot} {message}; the other one is in use"));
    }
}

fn check_secrets(disk: &Disk, seed: u64, findings: &mut Findings<'_>) {
    let slots = mount::secrets_slots(disk, seed);
    let both = slots.iter().all(|slot| matches!(slot, SecretsSlot::Damaged | SecretsSlot::Unreadable(_)));
    for (number, slot) in slots.iter().enumerate() {
        match slot {
            SecretsSlot::Whole(..) | SecretsSlot::Empty => {}
            SecretsSlot::Damaged if both => {
                findings.damage(format!("slot {number} of the secrets is damaged, and so is the other one"));
            }
            SecretsSlot::Damaged => findings.notice(format!(
                "slot {number} of the secrets is damaged, as a crash while it is written leaves it; the \
                 other one is in use"
            )),
            SecretsSlot::Unreadable(error) => {
                findings.damage(format!("slot {number} of the secrets cannot be read: {error}"));
            }
        }
    }
}

/// What is wrong, in a line about the store.
fn reason(error: Error) -> String {
    match error {
        Error::DamagedStore(reason) => reason,
        other => other.to_string(),
    }
}

/// Stands for all that a mount makes of checkpoint and log.
fn state_digest(state: &mut State) -> u128 {
    let mut digest = Xxh3::new();
    digest.update(&state.next_repository.to_le_bytes());
    for (name, repository) in &state.repositories {
        let mut repository = repository.borrow_mut();
        digest.update(&repository.number.to_le_bytes());
        digest.update(&(name.len() as u64).to_le_bytes());
        digest.update(name.as_bytes());
        digest.update(&repository.stranding_moves.to_le_bytes());
        digest.update(&(repository.references.len() as u64).to_le_bytes());
        for (name, id) in &repository.references {
            digest.update(&(name.len() as u64).to_le_bytes());
            digest.update(name.as_bytes());
            digest.update(id.as_bytes());
        }
        digest.update(&(repository.shallow.len() as u64).to_le_bytes());
        digest.update(repository.shallow.bytes());
        let mut encoded = Vec::new();
        for place in repository.packs.iter().filter_map(|pack| pack.place()) {
            place.encode(&mut encoded);
        }
        digest.update(&(encoded.len() as u64).to_le_bytes());
        digest.update(&encoded);
        let records = repository.index.sorted();
        digest.update(&(records.len() as u64).to_le_bytes());
        for record in records {
            encoded.clear();
            record.encode(&mut encoded);
            digest.update(&encoded);
        }
    }
    digest.digest128()
}
