//! Kalends as a guest: the images boot, and serve and keep what the hosted program has stored.

mod guest;
mod hvt;
mod image;
mod kvm;
mod run_virtio;
mod spt;
mod virtio;
