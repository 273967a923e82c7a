//! Whether every segment of the device has one use.

use super::finding::Findings;
use crate::{
    core::Core,
    format::layout::{Extent, SEGMENT, segments_of},
};
use std::cmp::Ordering;

/// Checks that what is in use, what is free and what is to be free make up the device, without overlap.
pub(super) fn check(core: &Core, findings: &mut Findings<'_>) {
    let state = core.state.borrow();
    let mut uses: Vec<(Extent, String)> = vec![(state.checkpoint.extent, "the checkpoint".into())];
    uses.extend(
        state.data_segments.iter().map(|first| (Extent { first: *first, count: 1 }, "the log".into())),
    );
    for (name, repository) in &state.repositories {
        let repository = repository.borrow();
        for place in repository.pack_places() {
            uses.push((place.extent, format!("a pack of {name}")));
        }
        for record in repository.index.iter() {
            let mut segments = segments_of(record.offset(), record.length().into());
            if !segments.all(|segment| state.data_segments.contains(&segment)) {
                let message = format!("lies at byte {}, outside the log", record.offset());
                findings.damage_in(name, Some(record.id()), message);
            }
        }
    }
    if let Some(prepared) = &state.prepared {
        uses.push((prepared.extent(), "the checkpoint being made".into()));
        let released = prepared.released().iter().filter(|extent| **extent != state.checkpoint.extent);
        uses.extend(released.map(|extent| (*extent, "what the checkpoint before needs".into())));
    }
    let still_read = state.packs_still_read().into_iter();
    uses.extend(still_read.map(|extent| (extent, "a pack that is still being read".into())));
    uses.extend(state.space.kept().map(|extent| (extent, "what a checkpoint before needs".into())));
    uses.extend(state.space.free_extents().map(|extent| (extent, "free space".into())));
    uses.sort_by_key(|(extent, _)| *extent);
    let segments = u32::try_from(core.capacity.get() / SEGMENT).unwrap_or(u32::MAX);
    let (mut next, mut owner) = (1, "the superblocks");
    for (extent, what) in &uses {
        if extent.first < next {
            let end = extent.segments().end;
            findings
                .damage(format!("segments {} to {end} of {what} are in use by {owner} too", extent.first));
        } else if extent.first > next {
            findings.damage(format!("segments {next} to {} are neither in use nor free", extent.first));
        }
        if extent.segments().end > next {
            (next, owner) = (extent.segments().end, what);
        }
    }
    match next.cmp(&segments) {
        Ordering::Less => {
            findings.damage(format!("segments {next} to {segments} are neither in use nor free"));
        }
        Ordering::Greater => findings.damage(format!("{owner} lies outside the device")),
        Ordering::Equal => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{FormatOptions, Store};
    use kalends_block_backend::MemoryDevice;
    use std::rc::Rc;

    fn findings(store: &Store) -> Vec<String> {
        let mut lines = Vec::new();
        check(store.core(), &mut Findings::new(&mut |finding| lines.push(finding.to_string())));
        lines
    }

    #[test]
    fn segments_with_two_uses_or_none_are_found() {
        let device = Rc::new(MemoryDevice::new(8 << 20));
        let store = Store::format(device, &FormatOptions::default()).unwrap();
        assert_eq!(findings(&store), Vec::<String>::new());
        let lost = store.core().state.borrow_mut().space.allocate(2, 0).unwrap();
        assert_eq!(findings(&store), ["segments 4 to 6 are neither in use nor free"]);
        store.core().state.borrow_mut().space.free(lost);
        let checkpoint = store.core().state.borrow().checkpoint.extent;
        store.core().state.borrow_mut().space.release(checkpoint);
        let found = findings(&store);
        assert!(found.len() == 1 && found[0].contains("segments 1 to 2 of "), "{found:?}");
        assert!(found[0].contains("are in use by "), "{found:?}");
    }
}
