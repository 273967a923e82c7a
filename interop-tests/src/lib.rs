//! What the interoperability, crash and load tests need: the real program as a process, stock clients
//! around it, and calendars that look like people's.

pub mod client;
pub mod curl;
pub mod event;
pub mod git_http_backend;
pub mod history;
mod hvt;
pub mod image;
pub mod linux;
pub mod namespace;
mod noise;
pub mod process;
pub mod python;
pub mod qemu;
mod relay;
pub mod server;
pub mod target;
pub mod temporary;
pub mod vdirsyncer;
pub mod working_copy;

pub use curl::{Curl, Response};
pub use noise::noise;
pub use server::Server;
pub use temporary::TemporaryDirectory;
pub use working_copy::WorkingCopy;
