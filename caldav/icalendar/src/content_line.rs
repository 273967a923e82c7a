//! Writing content lines (RFC 5545 §3.1).

/// Octets of a line at most, without its line end.
const LONGEST: usize = 75;

/// Appends a content line, folded at 75 octets between characters.
pub(crate) fn write_folded(out: &mut Vec<u8>, line: &str, line_end: &str) {
    let mut room = LONGEST;
    let mut rest = line;
    while rest.len() > room {
        let mut at = room;
        while !rest.is_char_boundary(at) {
            at -= 1;
        }
        let (here, after) = rest.split_at(at);
        out.extend_from_slice(here.as_bytes());
        out.extend_from_slice(line_end.as_bytes());
        out.push(b' ');
        room = LONGEST - 1;
        rest = after;
    }
    out.extend_from_slice(rest.as_bytes());
    out.extend_from_slice(line_end.as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{CalendarObject, Limits};

    #[test]
    fn folded_lines_are_short_and_unfold_to_themselves() {
        for length in [0, 74, 75, 76, 149, 150, 300] {
            let value: String = "aé漢🎈".chars().cycle().take(length).collect();
            let mut out = b"BEGIN:X\r\n".to_vec();
            write_folded(&mut out, &format!("NOTE:{value}"), "\r\n");
            out.extend_from_slice(b"END:X\r\n");
            for line in out.split(|byte| *byte == b'\n') {
                assert!(line.strip_suffix(b"\r").unwrap_or(line).len() <= LONGEST);
                assert!(std::str::from_utf8(line).is_ok());
            }
            let object = CalendarObject::parse(out, &Limits::default()).unwrap();
            assert_eq!(object.root().first("NOTE").unwrap().value(), value);
        }
    }
}
