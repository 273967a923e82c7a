//! Kalends as a guest: the images boot, and serve and keep what the hosted program has stored.

mod guest;
mod hvt;
mod image;
mod spt;
mod virtio;
