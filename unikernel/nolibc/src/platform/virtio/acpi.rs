//! What the guest asks of ACPI: how the machine is switched off where it has no register of a PC for that.
//!
//! ACPI 6.5, 5.2 (tables) and 4.8.3.7 (sleep control register).

/// Reads memory: so many bytes from an address.
pub(super) trait Memory {
    /// The bytes, or `None` where there is no memory.
    fn bytes(&self, address: u64, length: usize) -> Option<&[u8]>;
}

/// A register that takes a byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Register {
    Memory(u64),
    Port(u16),
}

const ROOT_SIZE: usize = 36;
const HEADER: usize = 36;
/// No table that is looked at is longer.
const LONGEST: u32 = 64 << 10;

/// In the fixed description table (FADT): flags, of which one says that the registers of PCs are missing, and the
/// sleep control register.
const FLAGS: usize = 112;
const REDUCED: u32 = 1 << 20;
const SLEEP_CONTROL: usize = 244;

fn word(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(*bytes.get(at..)?.first_chunk()?))
}

fn long(bytes: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_le_bytes(*bytes.get(at..)?.first_chunk()?))
}

/// A table, if it is one of this name.
fn table<'a>(memory: &'a impl Memory, address: u64, name: &[u8; 4]) -> Option<&'a [u8]> {
    let header = memory.bytes(address, HEADER).filter(|header| header.starts_with(name))?;
    let length = word(header, 4).filter(|length| (HEADER as u32..=LONGEST).contains(length))?;
    memory.bytes(address, length as usize)
}

/// The fixed description table.
fn fixed_description(memory: &impl Memory, root: u64) -> Option<&[u8]> {
    let root = memory.bytes(root, ROOT_SIZE).filter(|root| root.starts_with(b"RSD PTR "))?;
    let extended = root.get(15).is_some_and(|revision| *revision >= 2);
    let extended = extended.then(|| table(memory, long(root, 24)?, b"XSDT")).flatten();
    match extended {
        Some(list) => {
            let mut tables = (HEADER..list.len()).step_by(8).map_while(|at| long(list, at));
            tables.find_map(|address| table(memory, address, b"FACP"))
        }
        None => {
            let list = table(memory, word(root, 16)?.into(), b"RSDT")?;
            let mut tables = (HEADER..list.len()).step_by(4).map_while(|at| word(list, at));
            tables.find_map(|address| table(memory, address.into(), b"FACP"))
        }
    }
}

/// The sleep control register, from the address of the root pointer; `None` where there is none.
pub(super) fn sleep_control(memory: &impl Memory, root: u64) -> Option<Register> {
    let table = fixed_description(memory, root)?;
    if word(table, FLAGS)? & REDUCED == 0 {
        return None;
    }
    let address = long(table, SLEEP_CONTROL + 4).filter(|address| *address != 0)?;
    match table.get(SLEEP_CONTROL)? {
        0 => Some(Register::Memory(address)),
        1 => address.try_into().ok().map(Register::Port),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Memory from address 0x1000 on.
    struct Bytes(Vec<u8>);

    impl Memory for Bytes {
        fn bytes(&self, address: u64, length: usize) -> Option<&[u8]> {
            let start = usize::try_from(address).ok()?.checked_sub(0x1000)?;
            self.0.get(start..start.checked_add(length)?)
        }
    }

    fn example(revision: u8, space: u8, address: u64) -> Bytes {
        let mut bytes = vec![0; 0x400];
        let mut put = |at: usize, part: &[u8]| bytes[at..at + part.len()].copy_from_slice(part);
        put(0, b"RSD PTR ");
        put(15, &[revision]);
        put(16, &0x1040_u32.to_le_bytes());
        put(24, &0x1080_u64.to_le_bytes());
        for (at, name, length) in [(0x40, b"RSDT", 44_u32), (0x80, b"XSDT", 52), (0xc0, b"APIC", 36)] {
            put(at, name);
            put(at + 4, &length.to_le_bytes());
        }
        for (at, table) in [(0x40 + 36, 0x10c0_u32), (0x40 + 40, 0x1100)] {
            put(at, &table.to_le_bytes());
        }
        for (at, table) in [(0x80 + 36, 0x10c0_u64), (0x80 + 44, 0x1100)] {
            put(at, &table.to_le_bytes());
        }
        put(0x100, b"FACP");
        put(0x104, &268_u32.to_le_bytes());
        put(0x100 + FLAGS, &REDUCED.to_le_bytes());
        put(0x100 + SLEEP_CONTROL, &[space]);
        put(0x100 + SLEEP_CONTROL + 4, &address.to_le_bytes());
        Bytes(bytes)
    }

    #[test]
    fn the_register_is_found_by_either_list() {
        for revision in [0, 2] {
            assert_eq!(sleep_control(&example(revision, 1, 0x600), 0x1000), Some(Register::Port(0x600)));
            let memory = Some(Register::Memory(0xfea0_0200));
            assert_eq!(sleep_control(&example(revision, 0, 0xfea0_0200), 0x1000), memory);
        }
        assert_eq!(sleep_control(&example(2, 1, 0), 0x1000), None, "no register");
        assert_eq!(sleep_control(&example(2, 1, 1 << 20), 0x1000), None, "no port");
        assert_eq!(sleep_control(&example(2, 7, 0x600), 0x1000), None, "an unknown kind");
        assert_eq!(sleep_control(&example(2, 1, 0x600), 0), None, "no root pointer");
    }

    #[test]
    fn no_bytes_of_tables_are_trusted() {
        let whole = example(2, 1, 0x600);
        for length in 0..whole.0.len() {
            let cut = Bytes(whole.0[..length].to_vec());
            let register = sleep_control(&cut, 0x1000);
            assert!(register.is_none() || length >= 0x100 + 268, "{length}");
        }
        for at in 0..whole.0.len() {
            let mut other = Bytes(whole.0.clone());
            other.0[at] = !other.0[at];
            let _ = sleep_control(&other, 0x1000);
        }
    }
}
