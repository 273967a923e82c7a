//! Whether KVM can be used.

use crate::memory::GuestMemory;
use kvm_bindings::{KVM_MAX_CPUID_ENTRIES, kvm_regs, kvm_segment, kvm_sregs, kvm_userspace_memory_region};
use kvm_ioctls::{Kvm, VcpuExit};

/// What runs the guest's instructions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Accelerator {
    /// The processor.
    Kvm,
    /// QEMU's translator.
    Tcg,
}

impl Accelerator {
    const ALL: [Self; 2] = [Self::Kvm, Self::Tcg];

    /// QEMU's name.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Kvm => "kvm",
            Self::Tcg => "tcg",
        }
    }

    pub(crate) fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|accelerator| accelerator.name() == name)
    }
}

const MEMORY: usize = 64 << 10;
const PROGRAM: u64 = 0x1000;
const RESULT: u64 = 0x2000;
/// `xorps xmm0, xmm0`, `movups [RESULT], xmm0`, `hlt`: a KVM that emulates instructions, as some hosts without
/// hardware for it have, does not know them all.
const CODE: [u8; 11] = [0x0f, 0x57, 0xc0, 0x0f, 0x11, 0x05, 0x00, 0x20, 0x00, 0x00, 0xf4];
/// Signals can interrupt the machine so often.
const ATTEMPTS: usize = 100;

/// Runs three instructions in a machine of KVM's; the error says why that is impossible.
pub(crate) fn try_kvm() -> Result<(), String> {
    let kvm = Kvm::new().map_err(|error| match error.errno() {
        libc::ENOENT => {
            "there is no /dev/kvm: the processor's virtualisation is off, or not for this machine".into()
        }
        libc::EACCES => "/dev/kvm may not be opened: the user must be in its group, such as kvm".into(),
        _ => format!("/dev/kvm: {error}"),
    })?;
    let failed = |error: kvm_ioctls::Error| format!("KVM refuses a machine: {error}");
    let machine = kvm.create_vm().map_err(failed)?;
    let mut memory = GuestMemory::for_machine(MEMORY)?;
    memory.write(PROGRAM, &CODE)?;
    memory.write(RESULT, &[0xff; 16])?;
    let region = kvm_userspace_memory_region {
        slot: 0,
        flags: 0,
        guest_phys_addr: 0,
        memory_size: MEMORY as u64,
        userspace_addr: memory.base() as u64,
    };
    // SAFETY: the memory stays mapped for ever.
    unsafe { machine.set_user_memory_region(region) }.map_err(failed)?;
    let mut processor = machine.create_vcpu(0).map_err(failed)?;
    let features = kvm.get_supported_cpuid(KVM_MAX_CPUID_ENTRIES).map_err(failed)?;
    processor.set_cpuid2(&features).map_err(failed)?;
    processor.set_sregs(&flat(processor.get_sregs().map_err(failed)?)).map_err(failed)?;
    let registers = kvm_regs { rip: PROGRAM, rflags: 2, ..Default::default() };
    processor.set_regs(&registers).map_err(failed)?;
    for _ in 0..ATTEMPTS {
        match processor.run() {
            Ok(VcpuExit::Hlt) => {
                // SAFETY: the machine has halted.
                let result = unsafe { memory.slice(RESULT, 16) };
                let right = result.is_some_and(|result| *result == [0; 16]);
                return if right { Ok(()) } else { Err("KVM runs instructions wrongly".into()) };
            }
            Ok(exit) => return Err(format!("KVM cannot run ordinary instructions ({exit:?})")),
            Err(error) if matches!(error.errno(), libc::EINTR | libc::EAGAIN) => {}
            Err(error) => return Err(format!("KVM cannot run instructions: {error}")),
        }
    }
    Err("KVM is interrupted all the time".into())
}

/// 32-bit protected mode with SSE, without paging: as the guest will start.
fn flat(mut registers: kvm_sregs) -> kvm_sregs {
    const PROTECTED_WITH_SSE: u64 = 0x13;
    const SSE: u64 = 0x600;
    let segment = |selector, kind| kvm_segment {
        base: 0,
        limit: u32::MAX,
        selector,
        type_: kind,
        present: 1,
        db: 1,
        s: 1,
        g: 1,
        ..Default::default()
    };
    registers.cr0 = PROTECTED_WITH_SSE;
    registers.cr4 |= SSE;
    registers.cs = segment(8, 11);
    let data = segment(16, 3);
    (registers.ds, registers.es, registers.ss) = (data, data, data);
    registers
}
