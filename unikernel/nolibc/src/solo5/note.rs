//! The ELF notes by which a tender knows a guest.

use super::manifest::{DECLARED, Declared};

/// A note of the owner "Solo5"; `T` begins at the next multiple of its alignment.
#[repr(C)]
pub struct Note<T> {
    name_size: u32,
    description_size: u32,
    kind: u32,
    name: [u8; 8],
    description: T,
}

/// Bytes of a note before its description.
const HEADER: usize = 20;

impl<T> Note<T> {
    const fn new(kind: &[u8; 4], description: T) -> Self {
        Self {
            name_size: 6,
            // Padding before the description counts as part of it.
            description_size: (size_of::<Self>() - HEADER) as u32,
            kind: u32::from_le_bytes(*kind),
            name: *b"Solo5\0\0\0",
            description,
        }
    }
}

/// Which interface a guest was built for.
#[repr(C)]
pub struct Interface {
    target: u32,
    version: u32,
    reserved: [u32; 2],
}

impl Interface {
    /// hvt, version 2.
    pub const HVT: Self = Self { target: 1, version: 2, reserved: [0; 2] };
    /// spt, version 2.
    pub const SPT: Self = Self { target: 2, version: 2, reserved: [0; 2] };
}

/// The note that says which tender can run the guest.
pub const fn interface(interface: Interface) -> Note<Interface> {
    Note::new(b"ABI1", interface)
}

/// The note that names the guest's devices.
pub const fn manifest() -> Note<Declared<3>> {
    Note::new(b"MFT1", DECLARED)
}

crate::guest_only! {
    /// A dynamic loader that does not exist: run as an ordinary program by mistake, the image does not start.
    #[used]
    #[unsafe(link_section = ".interp")]
    static INTERPRETER: [u8; 20] = *b"/nonexistent/solo5/\0";
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::mem::offset_of;

    #[test]
    fn descriptions_begin_where_a_tender_looks() {
        assert_eq!(offset_of!(Note<Interface>, description), 20);
        assert_eq!(interface(Interface::SPT).description_size, 16);
        assert_eq!(offset_of!(Note<Declared<3>>, description), 24);
        assert_eq!(manifest().description_size, 4 + 8 + 3 * 104);
    }
}
