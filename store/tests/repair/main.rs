//! Damage of every kind, and what a repair makes of it.

mod compacted;
mod damaged_paths;
#[path = "../crash/random.rs"]
mod random;
mod random_damage;
mod salvage;
mod store;
mod structures;
