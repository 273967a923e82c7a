//! A pack of everything that a repository's references reach, for export.

use crate::{
    Error, Repository,
    pack::{Pace, PackEncoder, PackOptions},
    wire::enumeration::{Selection, enumerate},
};
use futures_util::FutureExt;
use std::io::Write;

/// Writes a complete pack of all that the references reach: what `git index-pack` makes a bare repository
/// of. Returns the number of objects. Blocks until it is done.
///
/// # Errors
/// Those of the store; the inner ones are those of `out`.
pub fn write_full_pack(repository: &Repository, out: &mut dyn Write) -> Result<std::io::Result<u32>, Error> {
    let pace = Pace::unpaced();
    let wants = repository.references().into_iter().map(|reference| reference.id).collect();
    let selection = Selection { wants, ..Selection::default() };
    let objects = enumerate(repository, &selection, &pace, &mut |_| {})
        .now_or_never()
        .expect("an unpaced walk never waits")?
        .objects;
    let options = PackOptions { offset_deltas: true, ..PackOptions::default() };
    let mut encoder = PackEncoder::new(repository, &options, &objects)?;
    let mut piece = Vec::new();
    encoder.begin(&mut piece);
    for id in &objects {
        encoder.write(id, &mut piece)?;
        if piece.len() >= 1 << 20 {
            if let Err(error) = out.write_all(&piece) {
                return Ok(Err(error));
            }
            piece.clear();
        }
    }
    let statistics = encoder.end(&mut piece);
    Ok(out.write_all(&piece).map(|()| statistics.total))
}
