//! hyper on the executor and network of this crate.

mod body;
mod io;
mod runtime;

pub(crate) use body::{PacedBody, ReturnedBody, read_rest};
pub(crate) use io::{GuardedStream, HyperStream};
pub(crate) use runtime::{HyperTimer, LocalTasks};
