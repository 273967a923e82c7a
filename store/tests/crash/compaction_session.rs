//! Compaction in the work on a store.

use crate::session::{MAIN, Operation, Session, name};
use futures_executor::block_on;
use futures_util::FutureExt;
use kalends_store::{Error, ObjectId, Objects};

impl Session {
    /// Moves main back, and removes all other branches.
    pub(crate) fn strand(&mut self, number: usize, commits: usize) -> Result<(), Error> {
        let Some(repository) = self.repository(number) else { return Ok(()) };
        let latest = self.timeline.world.latest()[&name(number)].clone();
        let Some(tip) = latest.get(MAIN) else { return Ok(()) };
        let mut target = *tip;
        for _ in 0..commits {
            if repository.is_shallow(&target) {
                break;
            }
            match parent(&repository.object(&target)?.data) {
                Some(parent) => target = parent,
                None => break,
            }
        }
        let others = latest.keys().filter(|name| *name != MAIN && name.starts_with("refs/heads/"));
        let mut updates: Vec<(String, Option<ObjectId>)> = others.map(|name| (name.clone(), None)).collect();
        updates.push((MAIN.into(), Some(target)));
        let submitted = self.submit(number, repository.transaction(), updates)?;
        self.wait(vec![submitted])
    }

    /// Compacts the store, and does other things at moments between.
    pub(crate) fn compact(&mut self, meanwhile: &[Operation]) -> Result<(), Error> {
        let store = self.store.clone();
        let mut compaction = Box::pin(async move { store.compact().await });
        let (mut ended, mut full) = (None, false);
        let restarts = self.restarts;
        for operation in meanwhile {
            for _ in 0..self.random.below(12) {
                ended = ended.or_else(|| compaction.as_mut().now_or_never());
            }
            match self.try_run(operation) {
                Ok(()) => {}
                Err(Error::DeviceFull) => full = true,
                Err(error) => return Err(error),
            }
            if self.restarts != restarts {
                // The program that compacted is gone.
                return if full { Err(Error::DeviceFull) } else { Ok(()) };
            }
        }
        match ended.unwrap_or_else(|| block_on(compaction))? {
            done if done.set_aside > 0 => panic!("set aside: {:?}", self.store.notices()),
            done => {
                self.compacted.packs += done.packs;
                self.compacted.unreachable += done.unreachable;
                if full { Err(Error::DeviceFull) } else { Ok(()) }
            }
        }
    }
}

/// The first parent of a commit.
fn parent(commit: &[u8]) -> Option<ObjectId> {
    let lines = commit.split(|byte| *byte == b'\n').take_while(|line| !line.is_empty());
    let parent = lines.into_iter().find_map(|line| line.strip_prefix(b"parent "));
    parent.and_then(|id| ObjectId::from_hex(id).ok())
}
