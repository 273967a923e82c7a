//! A pack of everything that a repository's references reach, with its index, for export.

use crate::{
    Error, Objects, Repository,
    pack::{Pace, PackEncoder, PackOptions},
    wire::enumeration::{Selection, enumerate},
};
use futures_util::FutureExt;
use gix_hash::ObjectId;
use gix_object::Kind;
use std::io::{self, Write};

/// Bytes that are handed on at once.
const PIECE: usize = 1 << 20;

/// What [`write_full_pack`] has written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FullPack {
    /// Number of objects; a pack of none is valid, and worth nothing.
    pub objects: u32,
    /// The pack's checksum, which git names packs by.
    pub checksum: ObjectId,
    /// The index, version 2, as `git index-pack` makes it (gitformat-pack(5)).
    pub index: Vec<u8>,
    /// Commits of the pack whose parents are not in it, sorted: what git keeps in a file `shallow`
    /// (gitrepository-layout(5)).
    pub shallow: Vec<ObjectId>,
}

/// Writes a complete pack of all that the references reach: what a bare repository is made of. Every
/// object is read and checked against its id before its entry is copied. Blocks until it is done.
///
/// Memory: about 200 bytes an object, and one object at a time beyond the store's caches.
///
/// # Errors
/// Those of the store: [`Error::Damaged`] and [`Error::NoObject`] name the object that the pack cannot
/// have. The inner ones are those of `out`.
pub fn write_full_pack(repository: &Repository, out: &mut dyn Write) -> Result<io::Result<FullPack>, Error> {
    let pace = Pace::unpaced();
    let wants = repository.references().into_iter().map(|reference| reference.id).collect();
    let selection = Selection { wants, ..Selection::default() };
    let objects = enumerate(repository, &selection, &pace, &mut |_| {})
        .now_or_never()
        .expect("an unpaced walk never waits")?
        .objects;
    let options = PackOptions { offset_deltas: true, ..PackOptions::default() };
    let mut encoder = PackEncoder::new(repository, &options, &objects)?.with_index();
    let mut piece = Vec::new();
    encoder.begin(&mut piece);
    for (number, id) in objects.iter().enumerate() {
        verify(repository, &id)?;
        encoder.write(number as u32, &mut piece)?;
        if piece.len() >= PIECE {
            if let Err(error) = out.write_all(&piece) {
                return Ok(Err(error));
            }
            piece.clear();
        }
    }
    let (checksum, index) = encoder.end_with_index(&mut piece)?;
    let shallow = repository.shallow_list().iter().filter(|id| objects.contains(id)).collect();
    let pack = FullPack { objects: objects.len() as u32, checksum, index, shallow };
    Ok(out.write_all(&piece).map(|()| pack))
}

/// Reads an object, which compares it with its id.
fn verify(repository: &Repository, id: &ObjectId) -> Result<(), Error> {
    match repository.kind(id)? {
        // Kept in the cache of trees, which versions of one directory share as bases of deltas.
        Kind::Tree => repository.tree(id).map(drop),
        _ => repository.object(id).map(drop),
    }
}
