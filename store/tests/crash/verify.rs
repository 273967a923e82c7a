//! What is found after a crash, against the model.

use crate::{
    retained,
    timeline::{History, Timeline, World, observe},
};
use kalends_block_backend::{BlockDevice, SimulatedDevice};
use kalends_store::{OpenOptions, Store, check_device};
use std::rc::Rc;

pub(crate) const SECRET: &str = "key";

/// The state that was found.
pub(crate) struct Found {
    pub(crate) world: World,
    pub(crate) secret: Option<Vec<u8>>,
    /// Whether it is newer than the last acknowledged one.
    pub(crate) ahead: bool,
}

/// Mounts a copy of the device as it was found after a crash before `step`, and compares it with the model.
pub(crate) fn verify(device: &SimulatedDevice, timeline: &Timeline, step: usize) -> Result<Found, String> {
    let device = Rc::new(copy(device));
    let before = device.steps();
    let checked: Rc<dyn BlockDevice> = device.clone();
    let mut findings = Vec::new();
    let summary = check_device(&checked, options(), &mut |finding| findings.push(finding.to_string()))
        .map_err(|error| format!("cannot be checked: {error}"))?;
    if !summary.is_clean() {
        return Err(format!("the check found {findings:?}"));
    }
    if device.steps() != before {
        return Err("the check wrote to the device".into());
    }
    let store = Store::open_with(device, options()).map_err(|error| format!("cannot be opened: {error}"))?;
    for name in store.repositories() {
        retained::check(&store.repository(&name).map_err(|error| error.to_string())?)
            .map_err(|error| format!("{name}: {error}"))?;
    }
    let (world, secret) = (observe(&store), store.secret(SECRET));
    let place = find(&timeline.world, step, &world)
        .ok_or_else(|| format!("the references are in no possible state: {world:?}"))?;
    let secret_place = find(&timeline.secret, step, &secret)
        .ok_or_else(|| format!("the secret is {secret:?}, which is not possible"))?;
    Ok(Found { world, secret, ahead: place > 0 || secret_place > 0 })
}

/// The same device, with what is not durable on it.
fn copy(device: &SimulatedDevice) -> SimulatedDevice {
    device.crash_point(device.steps()).kill()
}

fn find<T: Clone + PartialEq>(history: &History<T>, step: usize, found: &T) -> Option<usize> {
    history.possible(step).position(|possible| possible == found)
}

/// Small caches: what is on the device is what counts.
pub(crate) fn options() -> OpenOptions {
    OpenOptions { object_cache: 1 << 20, tree_cache: 1 << 20, ..OpenOptions::default() }
}
