//! Kalends as a guest: the images boot, and serve and keep what the hosted program has stored.

mod guest;
mod hvt;
mod image;
mod junk;
mod kvm;
mod memory;
mod refused_devices;
mod run_virtio;
mod spt;
mod virtio;
