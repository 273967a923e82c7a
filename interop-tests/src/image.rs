//! The images that boot without an operating system.

use crate::server::target_directory;
use std::{
    env,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::{Mutex, PoisonError},
};

/// The image for a target: from the directory `KALENDS_GUEST_IMAGES`, or built by `cargo guest` (a moment when
/// it is fresh).
pub fn image(target: &str) -> PathBuf {
    let name = format!("kalends.{target}");
    if let Some(directory) = env::var_os("KALENDS_GUEST_IMAGES") {
        return PathBuf::from(directory).join(name);
    }
    static BUILDING: Mutex<()> = Mutex::new(());
    let _one_at_a_time = BUILDING.lock().unwrap_or_else(PoisonError::into_inner);
    build_image(target, Path::new(env!("CARGO_MANIFEST_DIR")), &target_directory())
}

/// Builds the image for a target from the source in a directory, with cargo's target directory elsewhere.
pub fn build_image(target: &str, source: &Path, target_directory: &Path) -> PathBuf {
    let mut build = Command::new(env::var_os("CARGO").unwrap_or("cargo".into()));
    // What `cargo test` tells this process would make build scripts run again, and the next time too.
    for (variable, _) in env::vars_os() {
        let variable = variable.to_string_lossy();
        if ["CARGO_PKG_", "CARGO_MANIFEST_"].iter().any(|start| variable.starts_with(start)) {
            build.env_remove(&*variable);
        }
    }
    build.args(["guest", target]).current_dir(source).env("CARGO_TARGET_DIR", target_directory);
    let output = build.stdin(Stdio::null()).output().expect("cargo runs");
    assert!(output.status.success(), "the image does not build: {}", String::from_utf8_lossy(&output.stderr));
    target_directory.join(format!("kalends.{target}"))
}
