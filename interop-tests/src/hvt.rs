//! Guests of hvt: by this machine's KVM if it works, else by one that is emulated.

mod kvm;
mod nested;
mod qmp;

pub(crate) use nested::Guest as NestedGuest;
use std::{
    io::{self, Write},
    sync::OnceLock,
};

/// Whether this machine's own KVM runs guests; found out once, and told when it does not.
pub(crate) fn has_kvm() -> bool {
    static HAS: OnceLock<bool> = OnceLock::new();
    *HAS.get_or_init(|| match kvm::try_it() {
        Ok(()) => true,
        Err(reason) => {
            // Not captured by the test harness, as it is about all tests.
            let _ = writeln!(io::stderr(), "hvt guests run in a Linux that QEMU emulates: {reason}");
            false
        }
    })
}
