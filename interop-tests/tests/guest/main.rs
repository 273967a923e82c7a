//! Kalends as a guest: the images boot, and serve and keep what the hosted program has stored.

mod guest;
mod hvt;
mod image;
mod junk;
mod linux;
mod memory;
mod refused_devices;
mod spt;
mod virtio;
