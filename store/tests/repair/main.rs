//! Damage of every kind, and what a repair makes of it.

mod random_damage;
mod salvage;
mod store;
mod structures;
