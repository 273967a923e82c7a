//! One image: cargo builds, the toolchain's own linker links.

use crate::{command_line::Options, multiboot, target::Target};
use std::{
    env,
    ffi::OsString,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

const TRIPLE: &str = "x86_64-unknown-linux-gnu";

/// Libraries that the `libc` crate and `std` name. The runtime takes their place, so they are empty; what
/// they should have had and the runtime has not is then an undefined symbol, and the link fails.
const EMPTY_LIBRARIES: [&str; 8] = ["c", "m", "rt", "pthread", "util", "dl", "gcc_s", "gcc_eh"];

/// An archive without members.
const EMPTY_ARCHIVE: &str = "!<arch>\n";

/// Builds the image and says where it is; the error is one line.
pub(crate) fn build(options: &Options) -> Result<PathBuf, String> {
    let workspace = workspace()?;
    let target_directory = match env::var_os("CARGO_TARGET_DIR") {
        Some(directory) => PathBuf::from(directory),
        None => workspace.join("target"),
    };
    let libraries = empty_libraries(&target_directory)?;
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
        .args(link_options(&workspace, &libraries, options)?);
    remap_paths(&mut command, &workspace)?;
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

fn empty_libraries(target_directory: &Path) -> Result<PathBuf, String> {
    let directory = target_directory.join("guest-libraries");
    let failed = |error| format!("cannot write to {}: {error}", directory.display());
    fs::create_dir_all(&directory).map_err(failed)?;
    for name in EMPTY_LIBRARIES {
        fs::write(directory.join(format!("lib{name}.a")), EMPTY_ARCHIVE).map_err(failed)?;
    }
    Ok(directory)
}

/// Options of rustc for the last step only: dependencies are compiled as for a hosted program.
fn link_options(workspace: &Path, libraries: &Path, options: &Options) -> Result<Vec<OsString>, String> {
    let mut arguments: Vec<OsString> = Vec::new();
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
    ] {
        arguments.extend(["-C".into(), option.into()]);
    }
    let mut path = |option: &str, path: &Path| {
        let mut argument = OsString::from(option);
        argument.push(path);
        arguments.extend(["-C".into(), argument]);
    };
    path("link-arg=-L", libraries);
    path("link-arg=-T", &workspace.join("unikernel/nolibc/link.ld"));
    Ok(arguments)
}

/// Keeps the places of the source and of cargo's registry out of the image.
fn remap_paths(command: &mut Command, workspace: &Path) -> Result<(), String> {
    let cargo_home = match (env::var_os("CARGO_HOME"), env::var_os("HOME")) {
        (Some(home), _) => PathBuf::from(home),
        (None, Some(home)) => Path::new(&home).join(".cargo"),
        (None, None) => return Err("neither CARGO_HOME nor HOME is set".into()),
    };
    let remap = |from: &Path, to: &str| {
        let from = from.to_str().ok_or_else(|| format!("{} is not UTF-8", from.display()))?;
        Ok::<_, String>((from.to_owned(), to.to_owned()))
    };
    let prefixes = [remap(workspace, "kalends")?, remap(&cargo_home, "cargo")?];
    let flags: Vec<_> =
        prefixes.iter().map(|(from, to)| format!("--remap-path-prefix={from}={to}")).collect();
    // Flags of the caller would make another image.
    command.env_remove("RUSTFLAGS").env("CARGO_ENCODED_RUSTFLAGS", flags.join("\u{1f}"));
    let flags: Vec<_> = prefixes.iter().map(|(from, to)| format!("-ffile-prefix-map={from}={to}")).collect();
    command.env(format!("CFLAGS_{}", TRIPLE.replace('-', "_")), flags.join(" "));
    Ok(())
}
