//! Where the guest begins.
//!
//! The loader enters in 32-bit protected mode without paging, with the address of its information in EBX.

use super::{acpi::Memory, loader::END};
use crate::one_thread::OneThread;
use std::{cell::Cell, ops::Range, slice};

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
        (address != 0 && end <= END).then(|| unsafe { slice::from_raw_parts(address as *const u8, length) })
    }
}

crate::guest_only! {
    #[cfg(feature = "virtio")]
    mod entry {
        use super::MEMORY;
        use crate::{
            exit,
            platform::{
                virtio::{
                    CLOCK, acpi, command_line, date, frequency, interrupts, multiboot, power, pvh, serial,
                },
                x86,
            },
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
            "mov ebp, eax",
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
            "mov edi, ebx",
            "mov esi, ebp",
            "xor ebp, ebp",
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

        /// `magic` is multiboot's number when the loader speaks that, else anything.
        extern "C" fn enter(information: usize, magic: u32) -> ! {
            serial::begin();
            x86::descriptors::load();
            x86::exception::install();
            x86::features::enable();
            let image = (&raw const x86::__image_start) as u64..(&raw const x86::__image_end) as u64;
            // By the information first: QEMU's qboot speaks PVH with multiboot's number in EAX.
            // SAFETY: the loader has put the information there.
            let loaded = match unsafe { pvh::read(information as *const _, &image) } {
                None if magic == multiboot::MAGIC => {
                    // SAFETY: the loader has put the information there.
                    Some(unsafe { multiboot::read(information as *const _, &image) })
                }
                loaded => loaded,
            };
            let Some(loaded) = loaded else {
                exit::stop(exit::FAILURE, format_args!("the loader speaks neither PVH nor multiboot"));
            };
            let Some(end) = loaded.memory_end else {
                exit::stop(exit::FAILURE, format_args!("the loader's memory map has no memory for the image"));
            };
            MEMORY.set((image.end, end));
            power::set_sleep_control(acpi::sleep_control(&super::LowMemory, loaded.acpi_root));
            // The loader may have put it where the heap will be.
            if let Err(mistake) = command_line::keep(loaded.command_line) {
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
