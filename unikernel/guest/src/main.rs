//! The image: the runtime's entry point, then the program.
#![no_main]
// The runtime finds the program by a symbol of fixed name.
#![allow(unsafe_code)]

kalends_nolibc::main!(kalends_guest::run);
