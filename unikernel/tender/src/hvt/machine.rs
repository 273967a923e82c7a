//! The virtual machine: memory, one processor in 64-bit mode, and its run loop.

use super::hypercalls::{Devices, Next};
use crate::memory::GuestMemory;
use kvm_bindings::{KVM_MAX_CPUID_ENTRIES, kvm_regs, kvm_segment, kvm_sregs, kvm_userspace_memory_region};
use kvm_ioctls::{Kvm, VcpuExit, VcpuFd, VmFd};
use std::os::fd::AsRawFd;

// The lowest page holds nothing; then come segments and page tables, which the guest cannot see.
const SEGMENTS: u64 = 0x1000;
const ROOT: u64 = 0x2000;
const GIGABYTES: u64 = 0x3000;
const LARGE_PAGES: u64 = 0x4000;
const PAGES: u64 = 0x8000;
/// From here on the guest can read.
const VISIBLE: u64 = 0x10000;
/// From here on the guest can write.
const WRITABLE_FROM: u64 = 0x10_0000;

const PRESENT: u64 = 1;
const WRITABLE: u64 = 2;
const LARGE: u64 = 1 << 7;
const PAGE: u64 = 4096;
const LARGE_PAGE: u64 = 2 << 20;
const GIGABYTE_COUNT: u64 = 4;

/// PE, NE, WP, PG.
const CR0: u64 = 0x8001_0021;
/// PAE, OSFXSR, OSXMMEXCPT.
const CR4: u64 = 0x620;
/// LME, LMA.
const EFER: u64 = 0x500;

const PORTS: u16 = 0x500;

/// The machine.
pub(super) struct Machine {
    // The machine lives as long as its descriptors.
    _kvm: Kvm,
    _machine: VmFd,
    processor: VcpuFd,
}

impl Machine {
    /// A machine whose processor is about to run `entry`, with `argument` in RDI.
    pub(super) fn new(
        memory: &mut GuestMemory,
        size: usize,
        entry: u64,
        argument: u64,
    ) -> Result<Self, String> {
        let kvm = Kvm::new().map_err(|error| format!("/dev/kvm: {error}; hvt needs KVM"))?;
        let failed = |error: kvm_ioctls::Error| format!("KVM refuses the machine: {error}");
        let machine = kvm.create_vm().map_err(failed)?;
        let region = kvm_userspace_memory_region {
            slot: 0,
            flags: 0,
            guest_phys_addr: 0,
            memory_size: size as u64,
            userspace_addr: memory.base() as u64,
        };
        // SAFETY: the memory stays mapped for ever.
        unsafe { machine.set_user_memory_region(region) }.map_err(failed)?;
        let processor = machine.create_vcpu(0).map_err(failed)?;
        let features = kvm.get_supported_cpuid(KVM_MAX_CPUID_ENTRIES).map_err(failed)?;
        processor.set_cpuid2(&features).map_err(failed)?;
        for (at, words) in tables(size as u64) {
            let bytes: Vec<u8> = words.into_iter().flat_map(u64::to_le_bytes).collect();
            memory.write(at, &bytes)?;
        }
        let registers = processor.get_sregs().map_err(failed)?;
        processor.set_sregs(&long_mode(registers)).map_err(failed)?;
        let registers =
            kvm_regs { rip: entry, rflags: 2, rsp: size as u64 - 8, rdi: argument, ..Default::default() };
        processor.set_regs(&registers).map_err(failed)?;
        Ok(Self { _kvm: kvm, _machine: machine, processor })
    }

    /// Cycles of the time stamp counter a second.
    pub(super) fn cycles_per_second(&self) -> Result<u64, String> {
        match self.processor.get_tsc_khz() {
            Ok(kilohertz) => Ok(u64::from(kilohertz) * 1000),
            Err(error) => Err(format!("KVM does not tell how fast the time stamp counter is: {error}")),
        }
    }

    /// The processor's descriptor.
    pub(super) fn descriptor(&self) -> i32 {
        self.processor.as_raw_fd()
    }

    /// Runs the guest to its end; gives its status.
    pub(super) fn run(&mut self, devices: &mut Devices) -> Result<i32, String> {
        loop {
            match self.processor.run() {
                Ok(VcpuExit::IoOut(port, data)) => {
                    let argument = data.first_chunk().map(|bytes| u32::from_le_bytes(*bytes));
                    let number = port.checked_sub(PORTS);
                    let (Some(argument), Some(number)) = (argument, number) else {
                        return Err(format!("the guest uses port {port:#x}, which is no hypercall"));
                    };
                    match devices.call(number, argument.into())? {
                        Next::Go => {}
                        Next::End(status) => return Ok(status),
                    }
                }
                Ok(VcpuExit::Shutdown) => return Err("the guest failed, three faults deep".into()),
                Ok(exit) => return Err(format!("the guest did what no Solo5 guest may: {exit:?}")),
                Err(error) if error.errno() == libc::EINTR || error.errno() == libc::EAGAIN => {}
                Err(error) => return Err(format!("the guest accesses memory against its rights: {error}")),
            }
        }
    }
}

/// Segments and page tables, each with its address: everything up to `size` is mapped to itself.
fn tables(size: u64) -> Vec<(u64, Vec<u64>)> {
    let table = PRESENT | WRITABLE;
    let gigabytes = (0..GIGABYTE_COUNT).map(|number| (LARGE_PAGES + number * PAGE) | table).collect();
    let large = (0..size / LARGE_PAGE).map(|number| match number {
        0 => PAGES | table,
        number => (number * LARGE_PAGE) | PRESENT | WRITABLE | LARGE,
    });
    let pages = (0..LARGE_PAGE / PAGE).map(|number| number * PAGE).map(|address| match address {
        ..VISIBLE => 0,
        VISIBLE..WRITABLE_FROM => address | PRESENT,
        _ => address | PRESENT | WRITABLE,
    });
    vec![
        (SEGMENTS, vec![0, 0x00af_9900_0000_ffff, 0x00cf_9300_0000_ffff]),
        (ROOT, vec![GIGABYTES | table]),
        (GIGABYTES, gigabytes),
        (LARGE_PAGES, large.collect()),
        (PAGES, pages.collect()),
    ]
}

/// 64-bit mode with flat segments.
fn long_mode(mut registers: kvm_sregs) -> kvm_sregs {
    let segment = |selector: u16, kind: u8, long: bool| kvm_segment {
        base: 0,
        limit: 0xffff_ffff,
        selector,
        type_: kind,
        present: 1,
        dpl: 0,
        db: u8::from(!long),
        s: 1,
        l: u8::from(long),
        g: 1,
        ..Default::default()
    };
    registers.cs = segment(8, 9, true);
    let data = segment(16, 3, false);
    (registers.ds, registers.es, registers.fs) = (data, data, data);
    (registers.gs, registers.ss) = (data, data);
    registers.tr = kvm_segment { type_: 11, present: 1, ..Default::default() };
    registers.ldt = kvm_segment { unusable: 1, ..Default::default() };
    (registers.gdt.base, registers.gdt.limit) = (SEGMENTS, 23);
    (registers.cr0, registers.cr3, registers.cr4, registers.efer) = (CR0, ROOT, CR4, EFER);
    registers
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_guest_sees_its_memory_and_no_tables() {
        let tables = tables(64 << 20);
        let pages = &tables[4].1;
        assert_eq!(pages.len(), 512);
        assert_eq!((pages[0], pages[15]), (0, 0));
        assert_eq!(pages[16], 0x10000 | PRESENT);
        assert_eq!(pages[256], 0x10_0000 | PRESENT | WRITABLE);
        let large = &tables[3].1;
        assert_eq!((large.len(), large[31]), (32, (62 << 20) | PRESENT | WRITABLE | LARGE));
        assert!(tables.iter().all(|(at, words)| at + 8 * words.len() as u64 <= PAGES + PAGE));
    }
}
