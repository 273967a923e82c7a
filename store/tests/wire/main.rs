//! The wire protocol as a hostile or unlucky peer meets it. What stock git makes of it is tested with the
//! service that carries it.

mod boundaries;
mod clones;
mod concurrent_pushes;
mod hostile_requests;
mod large_pushes;
mod repositories;
mod retained;
mod watching;
