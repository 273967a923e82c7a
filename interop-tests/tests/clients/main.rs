//! Stock calendar and WebDAV clients against the real program.

mod cadaver;
mod full_device;
mod khal_and_todoman;
mod litmus;
mod python_caldav;
mod two_way_sync;
