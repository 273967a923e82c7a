//! Segments, the task state with its interrupt stacks, and the interrupt table.
//!
//! The compiler keeps a red zone below the stack pointer, so no handler may run on the interrupted stack:
//! exceptions and interrupts each have a stack of their own (IST).

use std::{arch::asm, cell::UnsafeCell};

pub(in crate::platform) const CODE: u16 = 0x08;
const TASK: u16 = 0x18;

const STACK: usize = 16 * 1024;
/// Numbers in the interrupt stack table, from 1.
pub(in crate::platform) const EXCEPTION_STACK: u8 = 1;
pub(in crate::platform) const INTERRUPT_STACK: u8 = 2;

#[repr(C, align(16))]
struct Stack(UnsafeCell<[u8; STACK]>);

// SAFETY: only the processor uses the stacks.
unsafe impl Sync for Stack {}

static STACKS: [Stack; 2] = [const { Stack(UnsafeCell::new([0; STACK])) }; 2];

/// The 64-bit task state segment.
#[repr(C, packed(4))]
struct TaskState {
    reserved: u32,
    privilege_stacks: [u64; 3],
    reserved_2: u64,
    interrupt_stacks: [u64; 7],
    reserved_3: u64,
    reserved_4: u16,
    io_map: u16,
}

/// One gate of the interrupt table.
#[derive(Clone, Copy)]
#[repr(C)]
struct Gate {
    offset_low: u16,
    selector: u16,
    /// Number of the interrupt stack.
    stack: u8,
    attributes: u8,
    offset_middle: u16,
    offset_high: u32,
    reserved: u32,
}

const PRESENT_INTERRUPT_GATE: u8 = 0x8e;

struct Tables {
    segments: UnsafeCell<[u64; 5]>,
    task: UnsafeCell<TaskState>,
    gates: UnsafeCell<[Gate; 256]>,
}

// SAFETY: the tables are written before interrupts can come, by the only thread.
unsafe impl Sync for Tables {}

static TABLES: Tables = Tables {
    // Null, 64-bit code, data, and two words for the task state.
    segments: UnsafeCell::new([0, 0x00af_9b00_0000_ffff, 0x00cf_9300_0000_ffff, 0, 0]),
    task: UnsafeCell::new(TaskState {
        reserved: 0,
        privilege_stacks: [0; 3],
        reserved_2: 0,
        interrupt_stacks: [0; 7],
        reserved_3: 0,
        reserved_4: 0,
        io_map: size_of::<TaskState>() as u16,
    }),
    gates: UnsafeCell::new([Gate::ABSENT; 256]),
};

impl Gate {
    const ABSENT: Self = Self {
        offset_low: 0,
        selector: 0,
        stack: 0,
        attributes: 0,
        offset_middle: 0,
        offset_high: 0,
        reserved: 0,
    };

    fn new(handler: usize, stack: u8) -> Self {
        Self {
            offset_low: handler as u16,
            selector: CODE,
            stack,
            attributes: PRESENT_INTERRUPT_GATE,
            offset_middle: (handler >> 16) as u16,
            offset_high: (handler >> 32) as u32,
            reserved: 0,
        }
    }
}

/// Operand of LGDT and LIDT.
#[repr(C, packed)]
struct Table {
    limit: u16,
    base: u64,
}

/// Loads the tables, with all gates absent.
pub(in crate::platform) fn load() {
    let (segments, task, gates) = (TABLES.segments.get(), TABLES.task.get(), TABLES.gates.get());
    // SAFETY: the tables are valid and live for ever; no one else refers to them. The new code and data
    // segments are flat like those in use.
    unsafe {
        for (slot, stack) in [(EXCEPTION_STACK, &STACKS[0]), (INTERRUPT_STACK, &STACKS[1])] {
            (*task).interrupt_stacks[usize::from(slot) - 1] = stack.0.get() as u64 + STACK as u64;
        }
        let (base, limit) = (task as u64, size_of::<TaskState>() as u64 - 1);
        (*segments)[3] = limit | (base & 0xff_ffff) << 16 | 0x89 << 40 | (base >> 24 & 0xff) << 56;
        (*segments)[4] = base >> 32;
        let segments = Table { limit: size_of::<[u64; 5]>() as u16 - 1, base: segments as u64 };
        let gates = Table { limit: size_of::<[Gate; 256]>() as u16 - 1, base: gates as u64 };
        asm!(
            "lgdt [{segments}]",
            "push {code}",
            "lea {scratch}, [rip + 2f]",
            "push {scratch}",
            "retfq",
            "2: mov ds, {data:e}",
            "mov es, {data:e}",
            "mov ss, {data:e}",
            "ltr {task:x}",
            "lidt [{gates}]",
            segments = in(reg) &raw const segments,
            gates = in(reg) &raw const gates,
            code = in(reg) u64::from(CODE),
            data = in(reg) 0x10_u32,
            task = in(reg) TASK,
            scratch = out(reg) _,
        );
    }
}

/// Sets the handler of a vector.
///
/// # Safety
/// The handler must end with IRET or never.
pub(in crate::platform) unsafe fn set_handler(vector: u8, handler: usize, stack: u8) {
    // SAFETY: the table lives for ever, and no one else refers to it.
    unsafe { (*TABLES.gates.get())[usize::from(vector)] = Gate::new(handler, stack) };
}
