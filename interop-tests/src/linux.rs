//! A Linux with KVM, as a virtual machine that QEMU emulates, processor extensions for virtualisation and all:
//! guests of KVM can be tested where there is no KVM.

use crate::TemporaryDirectory;
use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

/// Seconds until the machine is ended, whatever it does.
const PATIENCE: &str = "300";

/// A root file system in memory, and the kernel above it.
pub struct Linux {
    root: TemporaryDirectory,
    release: String,
}

impl Linux {
    /// Debian's newest installed kernel, with busybox, the modules for KVM and tap devices, and these modules.
    pub fn new(modules: &[&str]) -> Self {
        let kernels = fs::read_dir("/boot").into_iter().flatten().flatten();
        let names = kernels.filter_map(|entry| entry.file_name().into_string().ok());
        let mut releases: Vec<_> =
            names.filter_map(|name| name.strip_prefix("vmlinuz-").map(str::to_owned)).collect();
        releases.sort();
        let release = releases.pop().expect("a kernel is in /boot; interop-tests/install installs it");
        let linux = Self { root: TemporaryDirectory::new(), release };
        for directory in ["bin", "dev", "proc", "sys", "tmp", "modules"] {
            fs::create_dir(linux.root.join(directory)).unwrap();
        }
        linux.program("busybox");
        for module in ["kvm-amd", "tun"].iter().chain(modules) {
            linux.module(module);
        }
        linux
    }

    /// Puts a script of the shell into the root directory.
    pub fn script(&self, name: &str, text: &str) {
        let path = self.root.join(name);
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    }

    /// Puts a file into the root directory.
    pub fn file(&self, from: &Path, name: &str) {
        fs::copy(from, self.root.join(name)).unwrap_or_else(|error| panic!("{}: {error}", from.display()));
    }

    /// Puts a program of this machine into `/bin`, and its libraries to where it looks for them.
    pub fn program(&self, name: &str) {
        let found = output(Command::new("which").arg(name));
        let path = Path::new(found.trim());
        fs::copy(path, self.root.join("bin").join(path.file_name().unwrap())).unwrap();
        // A static program has none.
        let libraries = Command::new("ldd").arg(path).output().expect("ldd runs");
        for library in String::from_utf8_lossy(&libraries.stdout).split_whitespace() {
            if let Some(relative) = library.strip_prefix('/') {
                let to = self.root.join(relative);
                fs::create_dir_all(to.parent().unwrap()).unwrap();
                fs::copy(library, to).unwrap();
            }
        }
    }

    /// Puts a kernel module and those that it needs into `/modules`, in this order.
    fn module(&self, name: &str) {
        let depends =
            output(Command::new("modprobe").args(["--show-depends", "--set-version", &self.release, name]));
        for line in depends.lines() {
            let Some(path) = line.split_whitespace().nth(1).filter(|path| path.starts_with('/')) else {
                continue;
            };
            let name = Path::new(path).file_name().unwrap().to_str().unwrap();
            let (name, is_packed) = match name.strip_suffix(".xz") {
                Some(name) => (name, true),
                None => (name, false),
            };
            let there: Vec<_> = fs::read_dir(self.root.join("modules")).unwrap().flatten().collect();
            // Two modules may need the same one.
            if there.iter().any(|entry| entry.file_name().to_string_lossy().get(3..) == Some(name)) {
                continue;
            }
            let to = self.root.join(format!("modules/{:02}-{name}", there.len()));
            match is_packed {
                true => {
                    let unpacked =
                        Command::new("xz").args(["--decompress", "--stdout", path]).output().unwrap();
                    fs::write(to, unpacked.stdout).unwrap();
                }
                false => drop(fs::copy(path, to).unwrap()),
            }
        }
    }

    /// Boots, runs lines of the shell, and gives what they printed.
    pub fn run(&self, script: &[String]) -> String {
        let (qemu, _packed) = self.qemu(script);
        let mut command = Command::new("timeout");
        command.arg(PATIENCE).arg(qemu.get_program()).args(qemu.get_args());
        output(command.args(["-m", "1024", "-serial", "stdio", "-nic", "none"]))
    }

    /// QEMU, which boots it, loads the modules, runs lines of the shell, and powers off. Memory, network and
    /// devices are left to the caller; the directory must be there until the boot is done.
    pub fn qemu(&self, script: &[String]) -> (Command, TemporaryDirectory) {
        self.script(
            "init",
            &format!(
                "#!/bin/busybox sh\n\
                 /bin/busybox --install -s /bin\n\
                 mount -t proc proc /proc; mount -t sysfs sys /sys; mount -t devtmpfs dev /dev\n\
                 for module in /modules/*; do insmod $module; done\n\
                 {}\n\
                 poweroff -f\n",
                script.join("\n")
            ),
        );
        let packed = TemporaryDirectory::new();
        let archive = packed.join("root.gz");
        let pack = "cd \"$0\" && find . | cpio --quiet -o -H newc | gzip -1 > \"$1\"";
        output(Command::new("sh").args(["-c", pack]).arg(self.root.path()).arg(&archive));
        let kernel = PathBuf::from("/boot").join(format!("vmlinuz-{}", self.release));
        let mut command = Command::new("qemu-system-x86_64");
        command
            .args(["-accel", "tcg,thread=multi", "-cpu", "max,+svm", "-display", "none", "-no-reboot"])
            .args(["-append", "console=ttyS0 panic=-1 quiet", "-kernel"])
            .arg(kernel)
            .arg("-initrd")
            .arg(archive);
        (command, packed)
    }
}

fn output(command: &mut Command) -> String {
    let output = command.stdin(Stdio::null()).output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {}: {complaint}", output.status);
    String::from_utf8_lossy(&output.stdout).into_owned()
}
