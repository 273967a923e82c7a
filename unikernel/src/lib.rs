//! What the hosted program and the guest share.

mod authority;
mod handler;

pub use authority::{has_own_authority, own_authority, own_certificate};
pub use handler::ServiceHandler;
