//! The seccomp filter of the tender: what serving hypercalls takes, for a guest that has broken out of its
//! machine.

use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen::Dword, SeccompCmpOp::Eq, SeccompCondition, SeccompFilter,
    SeccompRule, TargetArch,
};
use std::collections::BTreeMap;

/// `KVM_RUN`.
const RUN: u64 = 0xae80;

/// Confines this thread, which is the only one, from now on. Anything that is not allowed ends the process.
pub(super) fn confine(processor: i32, disk: i32, interface: i32) -> Result<(), String> {
    let program = build(processor, disk, interface)
        .map_err(|error| format!("cannot make the seccomp filter: {error}"))?;
    seccompiler::apply_filter(&program).map_err(|error| format!("cannot confine the tender: {error}"))
}

fn build(processor: i32, disk: i32, interface: i32) -> Result<BpfProgram, seccompiler::BackendError> {
    let on =
        |descriptor: i32| SeccompRule::new(vec![SeccompCondition::new(0, Dword, Eq, descriptor as u64)?]);
    let run = SeccompRule::new(vec![
        SeccompCondition::new(0, Dword, Eq, processor as u64)?,
        SeccompCondition::new(1, Dword, Eq, RUN)?,
    ])?;
    let allowed: BTreeMap<i64, Vec<SeccompRule>> = [
        (libc::SYS_ioctl, vec![run]),
        (libc::SYS_read, vec![on(interface)?]),
        // The console, and what the tender says at an error.
        (libc::SYS_write, vec![on(interface)?, on(1)?, on(2)?]),
        (libc::SYS_pread64, vec![on(disk)?]),
        (libc::SYS_pwrite64, vec![on(disk)?]),
        (libc::SYS_ppoll, vec![]),
        (libc::SYS_clock_gettime, vec![]),
        (libc::SYS_exit_group, vec![]),
        // The allocator, for messages; freeing; and what the standard library does at its end.
        (libc::SYS_brk, vec![]),
        (libc::SYS_close, vec![]),
        (libc::SYS_munmap, vec![]),
        (libc::SYS_sigaltstack, vec![]),
        (libc::SYS_rt_sigreturn, vec![]),
        (libc::SYS_restart_syscall, vec![]),
    ]
    .into();
    let filter =
        SeccompFilter::new(allowed, SeccompAction::KillProcess, SeccompAction::Allow, TargetArch::x86_64)?;
    filter.try_into()
}
