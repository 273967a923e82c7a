//! The seccomp filter: nine system calls, each with the arguments that the interface allows.

use seccompiler::{
    BpfProgram, SeccompAction,
    SeccompCmpArgLen::{Dword, Qword},
    SeccompCmpOp, SeccompCondition, SeccompFilter, SeccompRule, TargetArch,
};
use std::collections::BTreeMap;

const STANDARD_OUTPUT: i32 = 1;
const ARCH_SET_FS: u64 = 0x1002;

/// What the guest may use.
pub(super) struct Rules {
    pub(super) epoll: i32,
    pub(super) timer: i32,
    pub(super) disk: i32,
    /// Offset of the last block.
    pub(super) last_block: u64,
    pub(super) block_size: u16,
    pub(super) interface: i32,
}

/// The filter for the kernel. Anything else ends the process.
pub(super) fn program(rules: &Rules) -> Result<BpfProgram, String> {
    build(rules).map_err(|error| format!("cannot make the seccomp filter: {error}"))
}

/// Confines this thread, which is the only one, from now on.
pub(super) fn confine(program: &BpfProgram) -> Result<(), String> {
    seccompiler::apply_filter(program).map_err(|error| format!("cannot confine the guest: {error}"))
}

fn build(rules: &Rules) -> Result<BpfProgram, seccompiler::BackendError> {
    let descriptor = |descriptor: i32| {
        SeccompRule::new(vec![SeccompCondition::new(0, Dword, SeccompCmpOp::Eq, descriptor as u64)?])
    };
    let block = || {
        SeccompRule::new(vec![
            SeccompCondition::new(0, Dword, SeccompCmpOp::Eq, rules.disk as u64)?,
            SeccompCondition::new(2, Qword, SeccompCmpOp::Eq, rules.block_size.into())?,
            SeccompCondition::new(3, Qword, SeccompCmpOp::Le, rules.last_block)?,
        ])
    };
    let clock = |clock: i32| descriptor(clock);
    let thread_pointer =
        SeccompRule::new(vec![SeccompCondition::new(0, Qword, SeccompCmpOp::Eq, ARCH_SET_FS)?])?;
    let allowed: BTreeMap<i64, Vec<SeccompRule>> = [
        (libc::SYS_read, vec![descriptor(rules.interface)?]),
        (libc::SYS_write, vec![descriptor(STANDARD_OUTPUT)?, descriptor(rules.interface)?]),
        (libc::SYS_pread64, vec![block()?]),
        (libc::SYS_pwrite64, vec![block()?]),
        (libc::SYS_epoll_pwait, vec![descriptor(rules.epoll)?]),
        (libc::SYS_timerfd_settime, vec![descriptor(rules.timer)?]),
        (libc::SYS_clock_gettime, vec![clock(libc::CLOCK_REALTIME)?, clock(libc::CLOCK_MONOTONIC)?]),
        (libc::SYS_arch_prctl, vec![thread_pointer]),
        (libc::SYS_exit_group, vec![]),
    ]
    .into();
    let filter =
        SeccompFilter::new(allowed, SeccompAction::KillProcess, SeccompAction::Allow, TargetArch::x86_64)?;
    filter.try_into()
}
