//! What the hosted program and the guest share.

mod authority;
mod handler;
mod maintenance;
mod retention;

pub use authority::{has_own_authority, own_authority, own_certificate};
pub use handler::ServiceHandler;
pub use maintenance::maintained;
pub use retention::{unix_time, with_retention};
