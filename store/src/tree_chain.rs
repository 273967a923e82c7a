//! Which tree an edited tree is stored as a delta against.
//!
//! A delta against the tree before is smallest, but makes chains as long as the history; a whole tree now
//! and then costs its size each time. So the trees of a directory are numbered by steps, and step `n` is a
//! delta against step `n - RADIX^k`, where `k` is the number of zero digits that `n` ends with in base
//! [`RADIX`]. Chains then have at most `(RADIX - 1) · digits` deltas, a delta holds `RADIX^k` edits, which
//! is few on average, and a whole tree is written once in [`LAST_STEP`] steps. Step 0 is a whole tree, or
//! whatever came by a push.

use crate::{Error, Tree, format::record::Attributes, objects::cache::Cached};
use gix_hash::{ObjectId, oid};
use std::rc::Rc;

/// Bytes of memory for links of chains: more than a thousand, and a chain has 30.
pub(crate) const LINKS: usize = 384 << 10;

/// See above; `docs/store-format.md` has the measurement behind it.
pub(crate) const RADIX: u16 = 8;
/// The last step of a chain, which is the last one that a record can hold: the next tree is whole again.
pub(crate) const LAST_STEP: u16 = Attributes::LAST_STEP;
/// The longest chain of a tree that was pushed on which steps are built.
const MAX_FOREIGN_CHAIN: usize = 24;

/// How to store a tree.
pub(crate) struct Plan {
    /// The tree it is a delta against; whole when there is none.
    pub(crate) base: Option<(ObjectId, Rc<Tree>)>,
    /// Its own step.
    pub(crate) step: u16,
}

/// How a tree is stored.
#[derive(Clone, Copy)]
pub(crate) struct Link {
    /// Its attributes, if it is in the log.
    pub(crate) attributes: Option<Attributes>,
    /// The base of its delta.
    pub(crate) base: Option<ObjectId>,
}

impl Link {
    fn step(&self) -> Option<u16> {
        self.attributes.and_then(Attributes::step)
    }
}

impl Cached for Link {
    fn size(&self) -> usize {
        size_of::<Self>()
    }
}

/// What the plan is made from.
pub(crate) trait Lineage {
    /// How a tree is stored.
    fn link(&self, id: &oid) -> Result<Link, Error>;

    /// A tree.
    fn tree_on_chain(&self, id: &ObjectId) -> Result<Rc<Tree>, Error>;
}

/// Plans a tree that was edited from `edited`.
pub(crate) fn plan(edited: ObjectId, source: &dyn Lineage) -> Result<Plan, Error> {
    const WHOLE: Plan = Plan { base: None, step: 0 };
    let Some((ancestor, step)) = predecessor(edited, source)? else { return Ok(WHOLE) };
    if step >= LAST_STEP {
        return Ok(WHOLE);
    }
    let next = step + 1;
    let mut unit = 1;
    while next.is_multiple_of(unit * RADIX) {
        unit *= RADIX;
    }
    let target = next - unit;
    let mut base = ancestor;
    // The chain of the predecessor passes through the target: its steps clear digits from the right.
    for _ in 0..usize::from(RADIX) * 6 {
        let link = source.link(&base)?;
        let step = link.step();
        if step == Some(target) || (target == 0 && (step.is_none() || link.base.is_none())) {
            return Ok(Plan { base: Some((base, source.tree_on_chain(&base)?)), step: next });
        }
        let Some(below) = link.base else { break };
        base = below;
    }
    Ok(WHOLE)
}

/// The nearest tree on the chain that has a step, and its step: a pushed tree is passed over if there is
/// one below it. `None` when the chain is too long to build on.
fn predecessor(edited: ObjectId, source: &dyn Lineage) -> Result<Option<(ObjectId, u16)>, Error> {
    let mut id = edited;
    for _ in 0..=MAX_FOREIGN_CHAIN {
        let link = source.link(&id)?;
        if let Some(step) = link.step() {
            return Ok(Some((id, step)));
        }
        match link.base {
            Some(below) => id = below,
            // A chain of pushed trees only: build on the one at hand.
            None => return Ok(Some((edited, 0))),
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;
    use gix_object::Kind;
    use std::{
        cell::{Cell, RefCell},
        collections::HashMap,
    };

    /// A directory that is edited again and again: how each of its trees is stored.
    #[derive(Default)]
    struct Directory {
        links: RefCell<HashMap<ObjectId, Link>>,
        /// Links that were looked at.
        looked: Cell<usize>,
    }

    impl Lineage for Directory {
        fn link(&self, id: &oid) -> Result<Link, Error> {
            self.looked.set(self.looked.get() + 1);
            Ok(self.links.borrow()[&id.to_owned()])
        }

        fn tree_on_chain(&self, _: &ObjectId) -> Result<Rc<Tree>, Error> {
            Ok(Rc::default())
        }
    }

    impl Directory {
        fn step(&self, id: &ObjectId) -> u16 {
            self.links.borrow()[id].step().unwrap()
        }

        /// Deltas that a tree is made of.
        fn chain(&self, id: &ObjectId) -> usize {
            let mut base = self.links.borrow()[id].base;
            let mut deltas = 0;
            while let Some(id) = base {
                deltas += 1;
                base = self.links.borrow()[&id].base;
            }
            deltas
        }
    }

    fn id(number: u32) -> ObjectId {
        let mut id = [0; 20];
        id[..4].copy_from_slice(&number.to_be_bytes());
        ObjectId::Sha1(id)
    }

    #[test]
    fn a_directory_that_is_edited_without_end_has_short_chains_and_few_whole_trees() {
        let directory = Directory::default();
        let whole = Link { attributes: Some(Attributes::new(Kind::Tree, Some(0))), base: None };
        directory.links.borrow_mut().insert(id(0), whole);
        let (mut longest, mut whole) = (0, 1);
        let edits = 2 * u32::from(LAST_STEP) + 100;
        for number in 1..=edits {
            let plan = plan(id(number - 1), &directory).unwrap();
            let base = plan.base.map(|(id, _)| id);
            whole += usize::from(base.is_none());
            if let Some(base) = base {
                let unit = plan.step - directory.step(&base);
                assert!(
                    unit.is_power_of_two() && unit.trailing_zeros().is_multiple_of(3),
                    "{unit} is no power of 8"
                );
                assert!(plan.step.is_multiple_of(unit) && !plan.step.is_multiple_of(unit * RADIX));
            }
            let attributes = Some(Attributes::new(Kind::Tree, Some(plan.step)));
            directory.links.borrow_mut().insert(id(number), Link { attributes, base });
            assert_eq!(directory.step(&id(number)), plan.step);
            longest = longest.max(directory.chain(&id(number)));
        }
        assert_eq!((longest, whole), (30, 3));
        assert!(directory.looked.get() < 6 * edits as usize, "{}", directory.looked.get());
    }
}
