//! What the runtime's memory functions and allocator cost, as ratios against glibc's and against dlmalloc, in
//! one run: `cargo bench --package kalends-nolibc`. Below 1 is faster than the other.

use kalends_nolibc::symbols::memory;
use std::{
    alloc::{GlobalAlloc, Layout, System},
    hint::black_box,
    time::{Duration, Instant},
};
use talc::{TalcCell, source::Manual};

const ROUNDS: usize = 15;
/// Bytes that one measurement of a memory function moves.
const VOLUME: usize = 8 << 20;
const ARENA: usize = 64 << 20;

/// The shortest time of several, taken in turns, so that a disturbance hits both alike.
fn ratio(mut ours: impl FnMut(), mut other: impl FnMut()) -> f64 {
    let (mut best, mut best_other) = (Duration::MAX, Duration::MAX);
    for _ in 0..ROUNDS {
        best = best.min(time(&mut ours));
        best_other = best_other.min(time(&mut other));
    }
    best.as_secs_f64() / best_other.as_secs_f64()
}

fn time(run: &mut impl FnMut()) -> Duration {
    let start = Instant::now();
    run();
    start.elapsed()
}

type Copy = unsafe extern "C" fn(*mut u8, *const u8, usize) -> *mut u8;

unsafe extern "C" {
    fn memcpy(to: *mut u8, from: *const u8, size: usize) -> *mut u8;
    fn memset(to: *mut u8, value: i32, size: usize) -> *mut u8;
    fn memcmp(a: *const u8, b: *const u8, size: usize) -> i32;
}

fn memory_functions() {
    println!("{:>8} {:>8} {:>8} {:>8}   (against glibc)", "bytes", "memcpy", "memset", "memcmp");
    for size in [3, 8, 16, 31, 64, 200, 512, 1500, 4096, 65_536, 1 << 20] {
        let (from, mut to) = (vec![7_u8; size], vec![7_u8; size]);
        let (from, to) = (from.as_ptr(), to.as_mut_ptr());
        let count = (VOLUME / size).min(1 << 18);
        let repeat = |function: &dyn Fn()| (0..count).for_each(|_| function());
        // SAFETY: both ranges have `size` bytes.
        let copy = |function: Copy| unsafe {
            black_box(function(black_box(to), from, black_box(size)));
        };
        let copied = ratio(|| repeat(&|| copy(memory::memcpy)), || repeat(&|| copy(memcpy)));
        // SAFETY: as above.
        let set = |function: unsafe extern "C" fn(*mut u8, i32, usize) -> *mut u8| unsafe {
            black_box(function(black_box(to), 7, black_box(size)));
        };
        let filled = ratio(|| repeat(&|| set(memory::memset)), || repeat(&|| set(memset)));
        // SAFETY: as above.
        let compare = |function: unsafe extern "C" fn(*const u8, *const u8, usize) -> i32| unsafe {
            black_box(function(black_box(to), from, black_box(size)));
        };
        let compared = ratio(|| repeat(&|| compare(memory::memcmp)), || repeat(&|| compare(memcmp)));
        println!("{size:>8} {copied:>8.2} {filled:>8.2} {compared:>8.2}");
    }
}

/// Allocations as a server makes them: many small ones that live shortly, some that live long, buffers now
/// and then, and vectors that grow.
fn work(allocator: &impl GlobalAlloc) {
    const LIVE: usize = 4096;
    let mut live: Vec<(*mut u8, Layout)> = Vec::with_capacity(LIVE);
    let mut random = 0x9e37_79b9_7f4a_7c15_u64;
    for _ in 0..200_000 {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        let size = match random % 100 {
            0..70 => 16 + random as usize / 128 % 112,
            70..95 => 128 + random as usize / 128 % 2048,
            95..99 => 4096 + random as usize / 128 % 16_384,
            _ => 65_536,
        };
        let layout = Layout::from_size_align(size, 8).unwrap();
        // SAFETY: sizes are not zero; each allocation is freed once, with its layout.
        unsafe {
            let mut pointer = allocator.alloc(layout);
            let mut layout = layout;
            if random & 1 << 40 == 0 {
                pointer = allocator.realloc(pointer, layout, size * 2);
                layout = Layout::from_size_align(size * 2, 8).unwrap();
            }
            pointer.write(1);
            if live.len() < LIVE {
                live.push((pointer, layout));
            } else {
                let (old, old_layout) =
                    std::mem::replace(&mut live[random as usize >> 20 & (LIVE - 1)], (pointer, layout));
                allocator.dealloc(old, old_layout);
            }
        }
    }
    for (pointer, layout) in live {
        // SAFETY: as above.
        unsafe { allocator.dealloc(pointer, layout) };
    }
}

fn allocators() {
    let mut arena = vec![0_u8; ARENA];
    let talc = TalcCell::new(Manual);
    // SAFETY: the arena outlives the allocator, and nothing else uses it.
    unsafe { talc.claim(arena.as_mut_ptr(), ARENA) }.expect("the arena is large enough");
    println!(
        "\nallocator (talc) against dlmalloc {:.2}",
        ratio(|| work(&talc), || work(&dlmalloc::GlobalDlmalloc))
    );
    println!("allocator (talc) against glibc    {:.2}", ratio(|| work(&talc), || work(&System)));
}

fn main() {
    memory_functions();
    allocators();
}
