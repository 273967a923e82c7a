//! Whether this machine can run guests of hvt by itself.

use crate::{TemporaryDirectory, image::image, namespace::Namespace, server::program};
use std::{
    fs::{self, OpenOptions},
    process::Stdio,
};

/// Seconds until a guest that does nothing but refuse an option must have ended.
const PATIENCE: &str = "20";

/// Runs a guest that ends at once; or says why this machine cannot.
pub(super) fn try_it() -> Result<(), String> {
    let processors =
        fs::read_to_string("/proc/cpuinfo").map_err(|error| format!("/proc/cpuinfo: {error}"))?;
    if !processors.split_whitespace().any(|word| word == "vmx" || word == "svm") {
        return Err("the processor has no virtualisation to offer (vmx or svm)".into());
    }
    OpenOptions::new()
        .read(true)
        .write(true)
        .open("/dev/kvm")
        .map_err(|error| format!("/dev/kvm: {error}"))?;
    if !rustix::process::geteuid().is_root() {
        return Err("tap devices and network namespaces take root".into());
    }
    let (namespace, directory) = (Namespace::new(), TemporaryDirectory::new());
    let blank = directory.join("blank.img");
    fs::write(&blank, vec![0; 1 << 20]).map_err(|error| error.to_string())?;
    let output = namespace
        .command("timeout")
        .args(["--signal=KILL", PATIENCE])
        .arg(program())
        .args(["run", "hvt"])
        .arg(image("hvt"))
        .arg("--block")
        .arg(blank)
        .args(["--net", "tap0", "--memory", "64", "--", "--port=x"])
        .stdin(Stdio::null())
        .output()
        .map_err(|error| error.to_string())?;
    let said =
        String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    match said.contains("--port x: expected a number") {
        true => Ok(()),
        false => Err(format!("a guest on its KVM ended with {}: {said}", output.status)),
    }
}
