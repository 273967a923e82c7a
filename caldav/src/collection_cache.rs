//! What `.collection.toml` files say, remembered by their blob ids: they are read with every request and
//! hardly ever change.

use crate::collection::Collection;
use kalends_store::{Error, ObjectId, Objects, Tree};
use std::{cell::RefCell, collections::HashMap, rc::Rc};

/// Files remembered at most; then all are forgotten, and read again when asked for.
const CAPACITY: usize = 512;
/// Bytes of a file that is remembered; larger ones have many dead properties of members, and are rare.
const LARGEST: usize = 16 << 10;

/// A cache of collections; content-addressed, so never stale.
#[derive(Default)]
pub(crate) struct CollectionCache {
    known: RefCell<HashMap<ObjectId, Rc<Collection>>>,
}

impl CollectionCache {
    /// As [`Collection::of_tree`].
    pub(crate) fn of_tree(
        &self,
        objects: &(impl Objects + ?Sized),
        tree: &Tree,
    ) -> Result<Rc<Collection>, Error> {
        let Some(id) = Collection::stored_id(tree) else {
            return Collection::of_tree(objects, tree).map(Rc::new);
        };
        if let Some(known) = self.known.borrow().get(&id) {
            return Ok(known.clone());
        }
        let data = objects.object(&id)?.data;
        let Ok(collection) = Collection::parse(&data) else {
            return Collection::of_tree(objects, tree).map(Rc::new);
        };
        let collection = Rc::new(collection);
        if data.len() <= LARGEST {
            let mut known = self.known.borrow_mut();
            if known.len() >= CAPACITY {
                known.clear();
            }
            known.insert(id, collection.clone());
        }
        Ok(collection)
    }
}
