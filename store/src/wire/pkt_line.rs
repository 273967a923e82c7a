//! pkt-lines in memory, by [`gix_packetline`].

use crate::Error;
use gix_hash::ObjectId;
use gix_packetline::{
    PacketLineRef,
    blocking_io::encode,
    decode::{self, Stream},
};

/// The most data that one pkt-line takes on a side band: 65520 with length and band.
pub(crate) const BAND_DATA: usize = 65515;

/// Takes pkt-lines off the front of a request.
#[derive(Clone, Debug)]
pub(crate) struct PacketReader<'a> {
    rest: &'a [u8],
}

impl<'a> PacketReader<'a> {
    pub(crate) fn new(rest: &'a [u8]) -> Self {
        Self { rest }
    }

    /// The next line; `None` at the end of the request.
    pub(crate) fn next_line(&mut self) -> Result<Option<PacketLineRef<'a>>, Error> {
        if self.rest.is_empty() {
            return Ok(None);
        }
        match decode::streaming(self.rest) {
            Ok(Stream::Complete { line, bytes_consumed }) => {
                self.rest = self.rest.get(bytes_consumed..).unwrap_or_default();
                Ok(Some(line))
            }
            Ok(Stream::Incomplete { .. }) => Err(Error::Malformed("pkt-line is truncated".into())),
            Err(error) => Err(Error::Malformed(format!("pkt-line: {error}"))),
        }
    }

    /// The next line if it has data, without its newline; `None` at a flush, another delimiter, or the end.
    pub(crate) fn next_text(&mut self) -> Result<Option<&'a [u8]>, Error> {
        Ok(self.next_line()?.and_then(|line| line.as_text()).map(|text| text.as_slice()))
    }

    /// What has not been read.
    pub(crate) fn rest(&self) -> &'a [u8] {
        self.rest
    }
}

/// Appends a line of text; its newline is added.
pub(crate) fn write_text(out: &mut Vec<u8>, text: impl AsRef<[u8]>) {
    encode::text_to_write(text.as_ref(), out).expect("lines of ours are short and not empty");
}

/// Appends a line of data as it is.
pub(crate) fn write_data(out: &mut Vec<u8>, data: &[u8]) {
    encode::data_to_write(data, out).expect("data of ours is cut to size and not empty");
}

/// Appends a flush.
pub(crate) fn write_flush(out: &mut Vec<u8>) {
    encode::flush_to_write(out).expect("writing to memory");
}

/// Appends a delimiter.
pub(crate) fn write_delimiter(out: &mut Vec<u8>) {
    encode::delim_to_write(out).expect("writing to memory");
}

/// Appends `ERR message`, upon which git stops and shows the message.
pub(crate) fn write_error(out: &mut Vec<u8>, message: &str) {
    let mut end = message.len().min(4000);
    while !message.is_char_boundary(end) {
        end -= 1;
    }
    let message = message.get(..end).filter(|message| !message.is_empty()).unwrap_or("error");
    encode::error_to_write(message.as_bytes(), out).expect("short and not empty");
}

/// The object id that is all of `text`.
pub(crate) fn parse_id(text: &[u8]) -> Result<ObjectId, Error> {
    match ObjectId::from_hex(text) {
        Ok(id) if id.kind() == gix_hash::Kind::Sha1 => Ok(id),
        _ => Err(Error::Malformed(format!("{:?} is not an object id", String::from_utf8_lossy(text)))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_is_written_can_be_read() {
        let mut out = Vec::new();
        write_text(&mut out, "want");
        write_delimiter(&mut out);
        write_data(&mut out, &[1]);
        write_flush(&mut out);
        out.extend_from_slice(b"PACK");
        let mut reader = PacketReader::new(&out);
        assert_eq!(reader.next_text().unwrap(), Some(&b"want"[..]));
        assert_eq!(reader.next_line().unwrap(), Some(PacketLineRef::Delimiter));
        assert_eq!(reader.next_line().unwrap(), Some(PacketLineRef::Data(&[1])));
        assert_eq!(reader.next_text().unwrap(), None);
        assert_eq!(reader.rest(), b"PACK");
    }

    #[test]
    fn malformed_lines_are_errors() {
        for input in [&b"000"[..], b"zzzz", b"0003", b"0010short", b"fff1"] {
            assert!(PacketReader::new(input).next_line().is_err(), "{input:?}");
        }
    }

    #[test]
    fn a_long_error_message_is_cut_between_characters() {
        let mut out = Vec::new();
        write_error(&mut out, &"é".repeat(3000));
        assert_eq!(out.len(), 4008);
        write_error(&mut out, "");
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_without_panic(data in proptest::collection::vec(any::<u8>(), 0..100)) {
            let mut reader = PacketReader::new(&data);
            while let Ok(Some(_)) = reader.next_line() {}
        }
    }
}
