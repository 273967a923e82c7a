//! One image: cargo builds, the toolchain's own linker links.

use crate::{command_line::Options, multiboot, target::Target};
use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Command,
};

const TRIPLE: &str = "x86_64-unknown-linux-gnu";

/// Builds the image and says where it is; the error is one line.
pub(crate) fn build(options: &Options) -> Result<PathBuf, String> {
    let workspace = workspace()?;
    let target_directory = match env::var_os("CARGO_TARGET_DIR") {
        Some(directory) => env::current_dir().map_err(|error| error.to_string())?.join(directory),
        None => workspace.join("target"),
    };
    let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    command
        .current_dir(&workspace)
        .args(["rustc", "--package", "kalends-guest", "--bin", "kalends-guest"])
        .args(["--profile", "guest", "--target", TRIPLE, "--locked"])
        .args(["--features", options.target.feature()])
        .arg("--target-dir")
        .arg(&target_directory)
        .arg("--")
        .args(link_options(options));
    remap_paths(&mut command, &workspace, &target_directory)?;
    let status = command.status().map_err(|error| format!("cannot run cargo: {error}"))?;
    if !status.success() {
        return Err("cargo failed; its messages are above".into());
    }
    let built = target_directory.join(TRIPLE).join("guest/kalends-guest");
    let output = match &options.output {
        Some(output) => output.clone(),
        None => target_directory.join(format!("kalends.{}", options.target.name())),
    };
    let written = match options.target {
        Target::Multiboot => {
            let image = fs::read(&built).map_err(|error| format!("{}: {error}", built.display()))?;
            fs::write(&output, multiboot::wrap(&image)?)
        }
        _ => fs::copy(&built, &output).map(drop),
    };
    written.map_err(|error| format!("cannot write {}: {error}", output.display()))?;
    Ok(output)
}

/// The directory of the workspace's Cargo.toml.
fn workspace() -> Result<PathBuf, String> {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let root = here.ancestors().nth(2).ok_or("this program was built outside of its workspace")?;
    fs::canonicalize(root).map_err(|error| {
        format!("{}: {error}; build this program again where the source is now", root.display())
    })
}

/// Options of rustc for the last step only: dependencies are compiled as for a hosted program. They are part of
/// what names symbols, so they hold no path of this machine: rustc runs in the workspace's directory.
fn link_options(options: &Options) -> Vec<&'static str> {
    let mut arguments = Vec::new();
    for option in [
        "linker=rust-lld",
        "linker-flavor=ld.lld",
        "relocation-model=static",
        if options.symbols { "strip=none" } else { "strip=symbols" },
        "link-arg=-static",
        "link-arg=-no-pie",
        "link-arg=--gc-sections",
        "link-arg=--build-id=none",
        "link-arg=--no-eh-frame-hdr",
        "link-arg=--orphan-handling=error",
        "link-arg=-z",
        "link-arg=norelro",
        "link-arg=-Lunikernel/nolibc/empty-libraries",
        "link-arg=-Tunikernel/nolibc/link.ld",
    ] {
        arguments.extend(["-C", option]);
    }
    arguments
}

/// Keeps the places of the source, of cargo's registry and of what build scripts make out of the image.
fn remap_paths(command: &mut Command, workspace: &Path, target_directory: &Path) -> Result<(), String> {
    let cargo_home = match (env::var_os("CARGO_HOME"), env::var_os("HOME")) {
        (Some(home), _) => PathBuf::from(home),
        (None, Some(home)) => Path::new(&home).join(".cargo"),
        (None, None) => return Err("neither CARGO_HOME nor HOME is set".into()),
    };
    let remap = |from: &Path, to: &str| {
        let from = from.to_str().ok_or_else(|| format!("{} is not UTF-8", from.display()))?;
        Ok::<_, String>((from.to_owned(), to.to_owned()))
    };
    // Of several that fit, the last one counts.
    let prefixes = [
        remap(&cargo_home, "cargo")?,
        remap(workspace, "kalends")?,
        remap(target_directory, "kalends/target")?,
    ];
    let flags: Vec<_> =
        prefixes.iter().map(|(from, to)| format!("--remap-path-prefix={from}={to}")).collect();
    // Flags of the caller would make another image.
    command.env_remove("RUSTFLAGS").env("CARGO_ENCODED_RUSTFLAGS", flags.join("\u{1f}"));
    let flags: Vec<_> = prefixes.iter().map(|(from, to)| format!("-ffile-prefix-map={from}={to}")).collect();
    command.env(format!("CFLAGS_{}", TRIPLE.replace('-', "_")), flags.join(" "));
    Ok(())
}
