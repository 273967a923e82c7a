//! Page tables: what is data is not executed, what is code or constant is not written, and page zero is
//! nothing.

use std::{arch::asm, cell::UnsafeCell, ops::Range};

const PAGE: u64 = 4096;
const LARGE_PAGE: u64 = 2 << 20;
const ENTRIES: usize = 512;
/// Image size that 4 KiB pages can map: beyond it pages are large.
const SMALL_TABLES: usize = 16;
/// The lowest 4 GiB are mapped.
const GIGABYTES: usize = 4;
/// Tables for device registers above them: two for each place.
const SPARE_TABLES: usize = 8;
/// Addresses that four levels of tables reach.
const ADDRESS_BITS: u32 = 48;

const PRESENT: u64 = 1;
const WRITABLE: u64 = 1 << 1;
const UNCACHED: u64 = 1 << 4;
const LARGE: u64 = 1 << 7;
const NO_EXECUTE: u64 = 1 << 63;

const EFER: u32 = 0xc000_0080;
const EFER_NXE: u64 = 1 << 11;

#[derive(Clone, Copy)]
#[repr(C, align(4096))]
struct Table([u64; ENTRIES]);

impl Table {
    const EMPTY: Self = Self([0; ENTRIES]);
}

/// What lies where, in bytes from zero; each boundary is a multiple of 4 KiB.
pub(in crate::platform) struct Layout {
    /// What the loader left below the image, readable only.
    pub(in crate::platform) loader: Range<u64>,
    /// Code.
    pub(in crate::platform) text: Range<u64>,
    /// Constants, up to the stack.
    pub(in crate::platform) constants: Range<u64>,
    /// Everything behind, writable, up to the end of memory.
    pub(in crate::platform) memory_end: u64,
    /// Device registers, writable and not cached.
    pub(in crate::platform) devices: Range<u64>,
}

impl Layout {
    fn flags(&self, address: u64) -> u64 {
        if self.text.contains(&address) {
            PRESENT
        } else if self.constants.contains(&address) || self.loader.contains(&address) {
            PRESENT | NO_EXECUTE
        } else if (self.constants.end..self.memory_end).contains(&address) {
            PRESENT | WRITABLE | NO_EXECUTE
        } else if self.devices.contains(&address) {
            PRESENT | WRITABLE | NO_EXECUTE | UNCACHED
        } else {
            0
        }
    }
}

/// The tables, with room for an image of 32 MiB.
#[repr(C)]
pub(in crate::platform) struct PageTables {
    root: Table,
    gigabytes: Table,
    large: [Table; GIGABYTES],
    small: [Table; SMALL_TABLES],
    spare: [Table; SPARE_TABLES],
    /// Spare tables in use.
    used: usize,
}

impl PageTables {
    const fn new() -> Self {
        Self {
            root: Table::EMPTY,
            gigabytes: Table::EMPTY,
            large: [Table::EMPTY; GIGABYTES],
            small: [Table::EMPTY; SMALL_TABLES],
            spare: [Table::EMPTY; SPARE_TABLES],
            used: 0,
        }
    }

    /// Fills the tables, which will lie at address `at`.
    fn fill(&mut self, layout: &Layout, at: u64) {
        let place = |offset: usize, index: usize| at + (offset + index * size_of::<Table>()) as u64;
        self.root.0[0] = place(std::mem::offset_of!(Self, gigabytes), 0) | PRESENT | WRITABLE;
        for (index, entry) in self.gigabytes.0.iter_mut().take(GIGABYTES).enumerate() {
            *entry = place(std::mem::offset_of!(Self, large), index) | PRESENT | WRITABLE;
        }
        for (number, entry) in self.large.iter_mut().flat_map(|table| &mut table.0).enumerate() {
            let address = number as u64 * LARGE_PAGE;
            *entry = match self.small.get_mut(number) {
                Some(table) => {
                    for (page, entry) in table.0.iter_mut().enumerate() {
                        let address = address + page as u64 * PAGE;
                        *entry = match layout.flags(address) {
                            0 => 0,
                            flags => address | flags,
                        };
                    }
                    place(std::mem::offset_of!(Self, small), number) | PRESENT | WRITABLE
                }
                None => match layout.flags(address) {
                    0 => 0,
                    flags => address | flags | LARGE,
                },
            };
        }
    }

    /// Maps device registers above 4 GiB, by tables that lie at address `at`. `None` when the spare ones do not
    /// suffice, or the addresses are beyond all tables.
    fn map_registers(&mut self, registers: Range<u64>, at: u64) -> Option<()> {
        if registers.end > 1 << ADDRESS_BITS {
            return None;
        }
        let first = registers.start / LARGE_PAGE * LARGE_PAGE;
        for address in (first..registers.end).step_by(LARGE_PAGE as usize) {
            let index = |shift: u32| (address >> shift) as usize % ENTRIES;
            let gigabytes = match index(39) {
                0 => None,
                entry => Some(Self::below(&mut self.root.0[entry], &mut self.used, at)?),
            };
            let table = match gigabytes {
                None => &mut self.gigabytes,
                Some(number) => self.spare.get_mut(number)?,
            };
            let large = Self::below(&mut table.0[index(30)], &mut self.used, at)?;
            self.spare.get_mut(large)?.0[index(21)] =
                address | PRESENT | WRITABLE | NO_EXECUTE | UNCACHED | LARGE;
        }
        Some(())
    }

    /// The number of the spare table that an entry refers to, or will from now on.
    fn below(entry: &mut u64, used: &mut usize, at: u64) -> Option<usize> {
        let spare = at + std::mem::offset_of!(Self, spare) as u64;
        if *entry & PRESENT == 0 {
            if *used == SPARE_TABLES {
                return None;
            }
            *entry = (spare + (*used * size_of::<Table>()) as u64) | PRESENT | WRITABLE;
            *used += 1;
        }
        let table = *entry & !(PAGE - 1);
        Some((table.checked_sub(spare)? / PAGE) as usize)
    }
}

struct Shared(UnsafeCell<PageTables>);

// SAFETY: the tables are written once, at the start, by the only thread.
unsafe impl Sync for Shared {}

static TABLES: Shared = Shared(UnsafeCell::new(PageTables::new()));

/// Switches to these tables.
///
/// # Safety
/// The layout must describe the image and the memory as they are; the code that runs and its stack must be
/// within them.
pub(in crate::platform) unsafe fn enable(layout: &Layout) {
    let tables = TABLES.0.get();
    // SAFETY: nothing else refers to the tables. Addresses are physical ones, as all is mapped to itself.
    unsafe {
        (*tables).fill(layout, tables as u64);
        let efer = super::instructions::read_register(EFER);
        super::instructions::write_register(EFER, efer | EFER_NXE);
        asm!("mov cr3, {}", in(reg) tables as u64, options(nostack, preserves_flags));
    }
}

/// Lets device registers be used, wherever they are; says whether that is possible. Those below 4 GiB are part
/// of the layout.
pub(in crate::platform) fn map_registers(registers: Range<u64>) -> bool {
    let tables = TABLES.0.get();
    let below = registers.end <= (GIGABYTES as u64) << 30;
    // SAFETY: nothing else refers to the tables, and what was mapped stays so. The processor keeps no entries
    // that are absent.
    below || unsafe { (*tables).map_registers(registers, tables as u64) }.is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lookup(tables: &PageTables, address: u64) -> u64 {
        let large = tables.large[(address >> 30) as usize].0[(address >> 21) as usize % ENTRIES];
        if large & LARGE != 0 || large == 0 {
            return large;
        }
        tables.small[(address >> 21) as usize].0[(address >> 12) as usize % ENTRIES]
    }

    #[test]
    fn every_page_has_the_rights_of_its_place() {
        let layout = Layout {
            loader: 0x10000..0x20000,
            text: 0x10_0000..0x40_0000,
            constants: 0x40_0000..0x50_1000,
            memory_end: 512 << 20,
            devices: 0xfec0_0000..0x1_0000_0000,
        };
        let mut tables = Box::new(PageTables::new());
        tables.fill(&layout, 0x80_0000);
        for (address, expected) in [
            (0, 0),
            (0x10000, PRESENT | NO_EXECUTE),
            (0x20000, 0),
            (0x10_0000, PRESENT),
            (0x3f_f000, PRESENT),
            (0x40_0000, PRESENT | NO_EXECUTE),
            (0x50_0000, PRESENT | NO_EXECUTE),
            (0x50_1000, PRESENT | WRITABLE | NO_EXECUTE),
            (256 << 20, PRESENT | WRITABLE | NO_EXECUTE | LARGE),
            (512 << 20, 0),
            (0xfee0_0000, PRESENT | WRITABLE | NO_EXECUTE | UNCACHED | LARGE),
        ] {
            let page = lookup(&tables, address);
            assert_eq!(page & !0xf_ffff_ffff_f000, expected, "{address:#x}");
            assert!(expected == 0 || page & 0xf_ffff_ffff_f000 == address, "{address:#x} maps to itself");
        }
        assert_eq!(tables.root.0[0] & !0xfff, 0x80_1000);
        assert_eq!(tables.large[0].0[1] & !0xfff, 0x80_0000 + 7 * 4096);
    }
    #[test]
    fn registers_far_above_memory_are_mapped_while_there_are_tables() {
        let mut tables = Box::new(PageTables::new());
        let at = 0x80_0000;
        // As cloud-hypervisor has them: below the end of the processor's addresses.
        let far = (1_u64 << 46) - (3 << 20);
        for place in [far..far + 4096, 1 << 32..(1 << 32) + 4096, far..far + (3 << 20)] {
            assert_eq!(tables.map_registers(place, at), Some(()));
        }
        assert_eq!(tables.used, 3, "a root entry's two, and one for what the root entry of memory reaches");
        let table =
            |entry: u64| ((entry & !0xfff) - at - std::mem::offset_of!(PageTables, spare) as u64) / PAGE;
        let gigabytes = table(tables.root.0[(far >> 39) as usize]) as usize;
        let large = table(tables.spare[gigabytes].0[(far >> 30) as usize % ENTRIES]) as usize;
        let page = tables.spare[large].0[(far >> 21) as usize % ENTRIES];
        assert_eq!(
            page,
            (far / LARGE_PAGE * LARGE_PAGE) | PRESENT | WRITABLE | NO_EXECUTE | UNCACHED | LARGE
        );

        assert_eq!(tables.map_registers((1 << 48) - 4096..(1 << 48) + 1, at), None);
        let others = (1..).map(|number| tables.map_registers(number << 40..(number << 40) + 1, at));
        assert_eq!(others.take_while(Option::is_some).count(), 2, "then the tables are used up");
    }
}
