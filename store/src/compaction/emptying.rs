//! Emptying segments of the log of which little is in use, so that they can be free.
//!
//! A segment holds objects of many repositories, and is free when it holds none any more. What is left in it
//! of a repository that is too small for a pack moves to the end of the log.

use super::{
    Compacted, note_failure,
    policy::{self, Effort, MIN_PACK},
    rewriting::Rewriting,
};
use crate::{
    Error, Pace,
    core::Core,
    format::layout::{SEGMENT, segments_of},
    log::is_large,
};
use std::{collections::BTreeMap, ops::Range, rc::Rc};

/// Bytes that are moved at once.
const MAX_MOVED: u64 = 8 << 20;

/// What is in use of a segment.
#[derive(Default)]
struct Use {
    bytes: u64,
    /// It belongs to an object in an extent of its own.
    large: bool,
}

/// Empties the segments that are worth it.
pub(super) async fn empty_segments(
    core: &Rc<Core>,
    pace: &Pace,
    effort: Effort,
    done: &mut Compacted,
) -> Result<(), Error> {
    let repositories: Vec<_> = core.state.borrow().repositories.values().cloned().collect();
    let mut uses: BTreeMap<u32, Use> = {
        let state = core.state.borrow();
        let position = state.log.position();
        let closed = state
            .data_segments
            .iter()
            .filter(|segment| **segment != position.segment && **segment != position.next_segment);
        closed.map(|segment| (*segment, Use::default())).collect()
    };
    for repository in &repositories {
        let records = {
            let repository = repository.borrow();
            for record in repository.index.iter() {
                for segment in segments_of(record.offset(), record.length().into()) {
                    if let Some(used) = uses.get_mut(&segment) {
                        used.bytes += u64::from(record.length());
                        used.large |= is_large(record.length() as usize);
                    }
                }
            }
            repository.index.len()
        };
        pace.spend(20 * records as u64 + 100).await;
    }
    uses.retain(|_, used| !used.large);
    let unused: u64 = uses.values().map(|used| SEGMENT.saturating_sub(used.bytes)).sum::<u64>() / SEGMENT;
    if !policy::emptying_due(uses.len() as u64, unused, effort) {
        return Ok(());
    }
    let mut sparse: Vec<(u64, u32)> = uses.into_iter().map(|(segment, used)| (used.bytes, segment)).collect();
    sparse.retain(|(bytes, _)| *bytes > 0 && policy::is_sparse(*bytes, effort));
    sparse.sort_unstable();
    let mut sum = 0;
    let mut chosen: Vec<u32> = Vec::new();
    for (bytes, segment) in sparse {
        sum += bytes;
        if sum > MAX_MOVED {
            break;
        }
        chosen.push(segment);
    }
    chosen.sort_unstable();
    let range = |segment: u32| u64::from(segment) * SEGMENT..(u64::from(segment) + 1) * SEGMENT;
    let ranges: Vec<Range<u64>> = policy::joined(chosen.into_iter().map(range));
    for repository in &repositories {
        let (concerned, bytes) = {
            let state = repository.borrow();
            let mut offsets = state.index.iter().map(|record| record.offset());
            let concerned = offsets.any(|offset| crate::objects::index::holds(&ranges, offset));
            (concerned && !state.removed && !state.compaction.is_set_aside(), state.index.bytes())
        };
        if !concerned {
            continue;
        }
        let mut rewriting = Rewriting { core, repository, pace, effort, done };
        let result = match bytes {
            MIN_PACK.. => rewriting.pack_log().await.map(drop),
            _ => rewriting.move_on(&ranges).await,
        };
        match result {
            Ok(()) => {}
            Err(error) => note_failure(core, repository, error, done)?,
        }
    }
    Ok(())
}
