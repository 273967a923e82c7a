//! What a client asks of receive-pack.

use crate::{
    Error,
    wire::{
        fetch_request::check_object_format,
        pkt_line::{PacketReader, parse_id},
        sideband::BandSize,
    },
};
use gix_hash::ObjectId;
use std::collections::HashSet;

/// The most references that one push may update.
const MAX_COMMANDS: usize = 100_000;

/// One reference that the client wants to move.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PushCommand {
    /// Bytes as sent; not yet examined.
    pub(crate) name: Vec<u8>,
    /// What the client believes the reference to be.
    pub(crate) old: Option<ObjectId>,
    /// What it shall be.
    pub(crate) new: Option<ObjectId>,
}

/// The part of a push before its pack.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct PushRequest {
    pub(crate) commands: Vec<PushCommand>,
    /// Where the history of the client ends, if it is a shallow clone: commits whose parents it may lack.
    pub(crate) shallow: HashSet<ObjectId>,
    pub(crate) report_status: bool,
    pub(crate) atomic: bool,
    pub(crate) quiet: bool,
    pub(crate) band_size: BandSize,
    /// Where the pack begins in the body.
    pub(crate) pack_at: usize,
}

impl PushRequest {
    /// Reads the commands at the front of a body.
    pub(crate) fn parse(body: &[u8]) -> Result<Self, Error> {
        let mut reader = PacketReader::new(body);
        let mut request = Self::default();
        while let Some(line) = reader.next_text()? {
            if let Some(id) = line.strip_prefix(b"shallow ") {
                request.shallow.insert(parse_id(id)?);
                continue;
            }
            let (line, capabilities) = match line.iter().position(|byte| *byte == 0) {
                Some(nul) => (&line[..nul], line.get(nul + 1..).unwrap_or_default()),
                None => (line, &b""[..]),
            };
            if request.commands.is_empty() {
                request.capabilities(capabilities)?;
            }
            let malformed =
                || Error::Malformed(format!("expected old/new/ref, got '{}'", String::from_utf8_lossy(line)));
            let (old, rest) = line.split_at_checked(40).ok_or_else(malformed)?;
            let (new, rest) =
                rest.strip_prefix(b" ").and_then(|rest| rest.split_at_checked(40)).ok_or_else(malformed)?;
            let name = rest.strip_prefix(b" ").ok_or_else(malformed)?.to_vec();
            let id = |text| parse_id(text).map(|id| (!id.is_null()).then_some(id));
            request.commands.push(PushCommand { name, old: id(old)?, new: id(new)? });
            if request.commands.len() > MAX_COMMANDS {
                return Err(Error::Limit(format!("a push of more than {MAX_COMMANDS} references")));
            }
        }
        request.pack_at = body.len() - reader.rest().len();
        Ok(request)
    }

    fn capabilities(&mut self, capabilities: &[u8]) -> Result<(), Error> {
        for capability in capabilities.split(|byte| *byte == b' ') {
            match capability {
                b"report-status" | b"report-status-v2" => self.report_status = true,
                b"atomic" => self.atomic = true,
                b"quiet" => self.quiet = true,
                b"side-band-64k" => self.band_size = BandSize::Large,
                _ => {
                    if let Some(format) = capability.strip_prefix(b"object-format=") {
                        check_object_format(format)?;
                    }
                }
            }
        }
        Ok(())
    }
}

/// Where the commands end in a body of which the start is there; `None` when their end is not.
///
/// # Errors
/// [`Error::Malformed`] when it does not consist of pkt-lines (gitprotocol-common(5)).
pub(crate) fn commands_end(body: &[u8]) -> Result<Option<usize>, Error> {
    let mut at = 0;
    loop {
        let Some(length) = body.get(at..at + 4) else { return Ok(None) };
        let length = std::str::from_utf8(length).ok().and_then(|hex| usize::from_str_radix(hex, 16).ok());
        match length {
            Some(0) => return Ok(Some(at + 4)),
            Some(length @ 4..) => at += length,
            // As the reader of lines has it.
            _ => {
                let line = PacketReader::new(body.get(at..).unwrap_or_default()).next_line();
                return match line {
                    Err(error) => Err(error),
                    Ok(_) => Ok(Some(at + 4)),
                };
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::pkt_line::{write_data, write_flush};

    #[test]
    fn reads_commands_capabilities_and_where_the_pack_begins() {
        let (zero, id) = ("0".repeat(40), "e69de29bb2d1d6434b8b29ae775ad8c2e48c5391");
        let mut body = Vec::new();
        write_data(&mut body, format!("shallow {id}").as_bytes());
        let line =
            format!("{zero} {id} refs/heads/main\0 report-status-v2 side-band-64k atomic agent=git/2\n");
        write_data(&mut body, line.as_bytes());
        write_data(&mut body, format!("{id} {zero} refs/heads/old").as_bytes());
        write_flush(&mut body);
        let length = body.len();
        body.extend_from_slice(b"PACK");
        let request = PushRequest::parse(&body).unwrap();
        assert_eq!(request.pack_at, length);
        for (start, end) in
            [(0, None), (5, None), (length - 1, None), (length, Some(length)), (length + 2, Some(length))]
        {
            assert_eq!(commands_end(&body[..start]).unwrap(), end, "{start}");
        }
        assert_eq!(request.shallow, [ObjectId::from_hex(id.as_bytes()).unwrap()].into());
        assert!(request.atomic && request.report_status && !request.quiet);
        assert_eq!(request.band_size, BandSize::Large);
        let names: Vec<_> = request.commands.iter().map(|command| command.name.as_slice()).collect();
        assert_eq!(names, [&b"refs/heads/main"[..], b"refs/heads/old"]);
        assert_eq!((request.commands[0].old, request.commands[1].new), (None, None));
    }

    #[test]
    fn malformed_commands_are_refused() {
        for line in [&b"x"[..], &[b'0'; 81], b"0 0 refs/heads/main", &[b' '; 100]] {
            let mut body = Vec::new();
            write_data(&mut body, line);
            assert!(PushRequest::parse(&body).is_err(), "{line:?}");
        }
    }
}
