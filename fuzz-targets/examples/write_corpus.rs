//! Writes the seeds of all targets to a directory, as cargo-fuzz wants them: `DIRECTORY/TARGET/NUMBER`.

use kalends_fuzz_targets::TARGETS;
use std::{env, fs, io, path::PathBuf};

fn main() -> io::Result<()> {
    let Some(directory) = env::args_os().nth(1).map(PathBuf::from) else {
        return Err(io::Error::other("usage: write_corpus DIRECTORY"));
    };
    for target in TARGETS {
        let place = directory.join(target.name);
        fs::create_dir_all(&place)?;
        for (number, seed) in (target.seeds)().into_iter().enumerate() {
            fs::write(place.join(format!("seed-{number}")), seed)?;
        }
    }
    Ok(())
}
