//! What the loader says at the start, and where the guest begins.
//!
//! The loader enters by PVH (Xen's `docs/misc/pvh.pandoc`, `xen/include/public/arch-x86/hvm/start_info.h`):
//! 32-bit protected mode without paging, the address of the start information in EBX.

use super::acpi::Memory;
use crate::one_thread::OneThread;
use std::{
    cell::Cell,
    ffi::{CStr, c_char},
    ops::Range,
};

/// Xen's `struct hvm_start_info`, version 1.
#[repr(C)]
struct StartInfo {
    magic: u32,
    version: u32,
    flags: u32,
    module_count: u32,
    modules: u64,
    command_line: u64,
    rsdp: u64,
    memory_map: u64,
    memory_map_entries: u32,
    reserved: u32,
}

/// Xen's `struct hvm_memmap_table_entry`.
#[repr(C)]
struct MemoryEntry {
    start: u64,
    size: u64,
    kind: u32,
    reserved: u32,
}

const MAGIC: u32 = 0x336e_c578;
const RAM: u32 = 1;
/// More entries than any firmware makes.
const MAX_ENTRIES: u32 = 128;
/// Memory above this is not used: the page tables end here.
const END: u64 = 1 << 32;

/// A page of the largest size in use.
const LARGE_PAGE: u64 = 2 << 20;

/// Memory behind the image.
static MEMORY: OneThread<Cell<(u64, u64)>> = OneThread::new(Cell::new((0, 0)));

/// Memory behind the image.
pub(super) fn memory() -> Range<usize> {
    let (start, end) = MEMORY.get();
    start as usize..end as usize
}

/// What is mapped for device registers: all behind the memory, below 4 GiB.
pub(super) fn device_registers() -> Range<u64> {
    let (_, end) = MEMORY.get();
    end.next_multiple_of(LARGE_PAGE)..END
}

/// Memory that the first page tables map.
struct LowMemory;

impl Memory for LowMemory {
    fn bytes(&self, address: u64, length: usize) -> Option<&[u8]> {
        let end = address.checked_add(length as u64)?;
        // SAFETY: all of it is mapped, and the tables that are looked for lie where nothing writes.
        (address != 0 && end <= END)
            .then(|| unsafe { std::slice::from_raw_parts(address as *const u8, length) })
    }
}

/// Where the memory that holds the image ends.
fn memory_end(entries: &[MemoryEntry], image: Range<u64>) -> Option<u64> {
    let holds = |entry: &&MemoryEntry| {
        entry.kind == RAM
            && entry.start <= image.start
            && entry.start.checked_add(entry.size).is_some_and(|end| end >= image.end)
    };
    entries.iter().find(holds).map(|entry| (entry.start + entry.size).min(END))
}

impl StartInfo {
    /// # Safety
    /// The information must be what a loader handed over.
    unsafe fn memory_map(&self) -> &[MemoryEntry] {
        if self.version == 0 {
            return &[];
        }
        let count = self.memory_map_entries.min(MAX_ENTRIES) as usize;
        // SAFETY: the loader has put so many entries there.
        unsafe { std::slice::from_raw_parts(self.memory_map as *const MemoryEntry, count) }
    }

    /// # Safety
    /// The information must be what a loader handed over.
    unsafe fn command_line(&self) -> &[u8] {
        if self.command_line == 0 {
            return &[];
        }
        // SAFETY: the loader has put a C string there.
        unsafe { CStr::from_ptr(self.command_line as *const c_char) }.to_bytes()
    }
}

crate::guest_only! {
    #[cfg(feature = "virtio")]
    mod entry {
        use super::{MAGIC, MEMORY, StartInfo, memory_end};
        use crate::{
            exit,
            platform::{virtio::{CLOCK, acpi, command_line, date, frequency, interrupts, power, serial}, x86},
        };
        use std::cell::UnsafeCell;

        const TABLE: usize = 4096;

        /// Page tables of the first moments: the lowest 4 GiB, all of it writable.
        #[repr(C, align(4096))]
        struct EarlyTables(UnsafeCell<[[u8; TABLE]; 6]>);

        // SAFETY: only the entry point writes them.
        unsafe impl Sync for EarlyTables {}

        static EARLY: EarlyTables = EarlyTables(UnsafeCell::new([[0; TABLE]; 6]));

        // The note by which a loader finds the 32-bit entry (XEN_ELFNOTE_PHYS32_ENTRY), then the entry: page
        // tables, long mode with SSE, flat segments, stack.
        std::arch::global_asm!(
            ".pushsection .note.Xen, \"a\", @note",
            ".balign 4",
            ".long 4, 8, 18",
            ".asciz \"Xen\"",
            ".quad _start",
            ".popsection",
            ".pushsection .text.start, \"ax\"",
            ".code32",
            ".globl _start",
            "_start:",
            "cld",
            "mov edi, offset {tables}",
            "lea eax, [edi + 0x1003]",
            "mov [edi], eax",
            "lea eax, [edi + 0x2003]",
            "xor ecx, ecx",
            "2: mov [edi + ecx * 8 + 0x1000], eax",
            "add eax, 0x1000",
            "inc ecx",
            "cmp ecx, 4",
            "jne 2b",
            "mov eax, 0x83",
            "xor ecx, ecx",
            "3: mov [edi + ecx * 8 + 0x2000], eax",
            "add eax, 0x200000",
            "inc ecx",
            "cmp ecx, 2048",
            "jne 3b",
            "mov cr3, edi",
            // PAE, OSFXSR, OSXMMEXCPT
            "mov eax, cr4",
            "or eax, 0x620",
            "mov cr4, eax",
            // EFER.LME
            "mov ecx, 0xc0000080",
            "rdmsr",
            "or eax, 0x100",
            "wrmsr",
            // PG, WP, NE, MP, PE; neither EM nor TS
            "mov eax, cr0",
            "and eax, 0xfffffff3",
            "or eax, 0x80010023",
            "mov cr0, eax",
            "lgdt [kalends_early_segments]",
            "mov esp, offset __stack_top",
            "push 0x08",
            "mov eax, offset kalends_long_mode",
            "push eax",
            "retf",
            ".code64",
            "kalends_long_mode:",
            "mov eax, 0x10",
            "mov ds, eax",
            "mov es, eax",
            "mov ss, eax",
            "lea rsp, [rip + __stack_top]",
            "xor ebp, ebp",
            "mov edi, ebx",
            "call {enter}",
            "ud2",
            ".balign 8",
            "kalends_early_segments:",
            ".word 23",
            ".long kalends_early_table",
            ".balign 8",
            "kalends_early_table:",
            ".quad 0, 0x00af9b000000ffff, 0x00cf93000000ffff",
            ".popsection",
            tables = sym EARLY,
            enter = sym enter,
        );

        extern "C" fn enter(info: *const StartInfo) -> ! {
            serial::begin();
            x86::descriptors::load();
            x86::exception::install();
            x86::features::enable();
            // SAFETY: the loader has put the information there.
            let info = unsafe { &*info };
            if info.magic != MAGIC {
                exit::stop(exit::FAILURE, format_args!("the loader gives no PVH start information"));
            }
            let image = (&raw const x86::__image_start) as u64..(&raw const x86::__image_end) as u64;
            // SAFETY: the loader made the information.
            let Some(end) = memory_end(unsafe { info.memory_map() }, image.clone()) else {
                exit::stop(exit::FAILURE, format_args!("the loader's memory map has no memory for the image"));
            };
            MEMORY.set((image.end, end));
            power::set_sleep_control(acpi::sleep_control(&super::LowMemory, info.rsdp));
            // The loader may have put it where the heap will be.
            // SAFETY: the loader made the information.
            if let Err(mistake) = command_line::keep(unsafe { info.command_line() }) {
                exit::stop(exit::USAGE, format_args!("{mistake}"));
            }
            let layout = x86::paging::Layout {
                // Firmware tables and the start information; page zero is nothing.
                loader: 0x1000..image.start,
                text: image.start..(&raw const x86::__text_end) as u64,
                constants: (&raw const x86::__text_end) as u64..(&raw const x86::__rodata_end) as u64,
                memory_end: end,
                devices: super::device_registers(),
            };
            // SAFETY: the layout is that of the linker script and the loader's map.
            unsafe { x86::paging::enable(&layout) };
            interrupts::begin();
            CLOCK.begin(frequency::begin(), date::read(None));
            crate::start()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(start: u64, size: u64, kind: u32) -> MemoryEntry {
        MemoryEntry { start, size, kind, reserved: 0 }
    }

    #[test]
    fn memory_is_the_region_that_holds_the_image() {
        let image = 0x10_0000..0x100_0000;
        let map = [
            entry(0, 0x9_fc00, RAM),
            entry(0xf_0000, 0x1_0000, 2),
            entry(0x10_0000, 0x7fe_0000, RAM),
            entry(1 << 32, 1 << 30, RAM),
        ];
        assert_eq!(memory_end(&map, image.clone()), Some(0x80e_0000));
        assert_eq!(memory_end(&map[..2], image.clone()), None, "no memory there");
        assert_eq!(memory_end(&[entry(0x10_0000, 0x1000, RAM)], image.clone()), None, "too small");
        assert_eq!(memory_end(&[entry(0, u64::MAX, RAM)], image.clone()), Some(END));
        assert_eq!(memory_end(&[entry(0x1000, u64::MAX, RAM)], image), None, "nonsense");
    }
}
