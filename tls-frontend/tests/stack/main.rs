//! The TCP/IP stack on a wire in memory.

mod addresses;
mod connections;
mod frames;
mod hostile;
mod server;
mod timers;
mod transfer;
mod wire;
