//! Putting what was written in the place of what it was made from: one transaction, at once.

use super::output::WrittenPack;
use crate::{
    Error,
    commit::EncodedObject,
    core::{Core, Purpose, RepositoryState, Submitted},
    format::{
        operation::{OBJECT_HEADER, Operation},
        record::Record,
    },
    objects::pack::AdoptedPack,
    retention::ShallowList,
};
use std::{cell::RefCell, ops::Range, rc::Rc};

/// What takes the place of what, in one repository.
#[derive(Default)]
pub(super) struct Rewrite {
    /// Packs that are whole and durable.
    pub(super) packs: Vec<WrittenPack>,
    /// Objects that are put into the log; each fits into a frame.
    pub(super) objects: Vec<EncodedObject>,
    /// Packs of the repository that it has no longer.
    pub(super) dropped_packs: Vec<Rc<AdoptedPack>>,
    /// Where in the log, and in extents of their own, the entries are that it has no longer; sorted.
    pub(super) ranges: Vec<Range<u64>>,
    /// The moves of references whose unreachable objects are among them.
    pub(super) collected: u64,
    /// The shallow list that goes with what is left.
    pub(super) shallow: Option<ShallowList>,
}

impl Rewrite {
    /// All operations but those of the objects.
    fn operations(&self) -> Vec<Vec<u8>> {
        let packs = self.packs.iter().map(|pack| Operation::Pack(pack.place).encode());
        let dropped = self.dropped_packs.iter().filter_map(|pack| pack.place());
        let dropped = dropped.map(|place| Operation::DropPack { first: place.extent.first }.encode());
        let ranges = self.ranges.iter();
        let ranges =
            ranges.map(|range| Operation::DropRecords { start: range.start, end: range.end }.encode());
        let collected = (self.collected > 0).then(|| Operation::Collected { moves: self.collected }.encode());
        let shallow = self.shallow.iter();
        let shallow =
            shallow.map(|list| Operation::Shallow { commits: list.bytes(), strands: false }.encode());
        packs.chain(dropped).chain(ranges).chain(collected).chain(shallow).collect()
    }
}

impl Core {
    /// Submits a rewrite, and gives the number of its transaction.
    ///
    /// # Errors
    /// [`Error::DeviceFull`] and [`Error::NoRepository`]; then nothing was changed.
    pub(super) fn adopt(
        &self,
        repository: &Rc<RefCell<RepositoryState>>,
        rewrite: Rewrite,
    ) -> Result<u64, Error> {
        self.advance();
        let state = &mut *self.state.borrow_mut();
        state.check_writable()?;
        let target = &mut *repository.borrow_mut();
        if target.removed {
            return Err(Error::NoRepository(target.name.clone()));
        }
        let begin = Operation::Begin { repository: target.number }.encode();
        let operations = rewrite.operations();
        let objects = rewrite.objects.iter().map(|object| OBJECT_HEADER + object.entry.len());
        let sizes = operations.iter().map(Vec::len).chain(objects).chain([Operation::Commit.encode().len()]);
        let needed = state.log.segments_needed([begin.len()].into_iter().chain(sizes));
        let reserve = state.reserve(self.capacity.get(), Purpose::Compaction);
        let mut segments = Vec::new();
        for _ in 0..needed {
            match state.space.allocate(1, reserve) {
                Some(extent) => segments.push(extent),
                None => {
                    segments.into_iter().for_each(|extent| state.space.free(extent));
                    return Err(Error::DeviceFull);
                }
            }
        }
        segments.iter().for_each(|extent| state.add_data(*extent));
        let mut spare = segments.iter().map(|extent| extent.first);
        state.log.append(&begin, &mut spare);
        for operation in operations {
            state.log.append(&operation, &mut spare);
        }
        target.index.remove_ranges(&rewrite.ranges);
        // What is copied is stored in another way, and what is left out not at all.
        self.links.borrow_mut().clear();
        for EncodedObject { id, attributes, entry } in rewrite.objects {
            let operation = Operation::Object { id, attributes, entry: &entry };
            let offset = state.log.append(&operation.encode(), &mut spare) + OBJECT_HEADER as u64;
            target.index.insert(Record::new(&id, offset, entry.len() as u32, attributes));
        }
        state.log.append(&Operation::Commit.encode(), &mut spare);
        target.packs.retain(|pack| !rewrite.dropped_packs.iter().any(|dropped| Rc::ptr_eq(pack, dropped)));
        for pack in rewrite.packs {
            target.packs.push(Rc::new(AdoptedPack::on_device(self.disk.clone(), pack.place)));
            pack.extent.keep();
        }
        target.stranding_moves = target.stranding_moves.saturating_sub(rewrite.collected);
        if let Some(list) = rewrite.shallow {
            target.shallow = list;
        }
        state.dropped_packs.extend(rewrite.dropped_packs);
        state.removed_since_checkpoint = true;
        state.submitted += 1;
        let number = state.submitted;
        state.queue.push_back(Submitted { number, repository: repository.clone(), updates: Vec::new() });
        Ok(number)
    }
}
