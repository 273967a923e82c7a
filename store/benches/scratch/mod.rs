//! Files of benchmarks.

use std::{fs, path::PathBuf};

/// A file that is removed again.
pub(crate) struct Scratch(pub(crate) PathBuf);

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

/// A file of this name and process, in `KALENDS_BENCH_DIR` or the directory for temporary files.
pub(crate) fn scratch(name: &str) -> Scratch {
    let directory = std::env::var_os("KALENDS_BENCH_DIR").map_or_else(std::env::temp_dir, PathBuf::from);
    Scratch(directory.join(format!("kalends-bench-{name}-{}.img", std::process::id())))
}
