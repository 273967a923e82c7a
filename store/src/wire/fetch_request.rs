//! What a client asks of upload-pack, in protocol versions 0, 1 and 2.

use crate::{
    Error,
    wire::{
        filter::Filter,
        pkt_line::{PacketReader, parse_id},
        sideband::BandSize,
    },
};
use gix_hash::ObjectId;
use gix_packetline::PacketLineRef;

/// How the server answers `have` lines in versions 0 and 1.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Acknowledge {
    /// The first common object only.
    #[default]
    Single,
    /// `multi_ack`: `ACK <id> continue`.
    Continue,
    /// `multi_ack_detailed`: `ACK <id> common` and `ready`.
    Detailed,
}

/// How history is to be cut.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Deepen {
    /// So many commits from each tip.
    pub(crate) depth: Option<u32>,
    /// `depth` counts from where the client's history ends now.
    pub(crate) relative: bool,
    /// Only commits since then, in seconds since 1970.
    pub(crate) since: Option<i64>,
    /// Without what these references reach.
    pub(crate) not: Vec<String>,
}

impl Deepen {
    /// Whether history is to be cut anew.
    pub(crate) fn is_some(&self) -> bool {
        self.depth.is_some() || self.since.is_some() || !self.not.is_empty()
    }
}

/// A fetch.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct FetchRequest {
    pub(crate) wants: Vec<ObjectId>,
    pub(crate) haves: Vec<ObjectId>,
    /// The client has said all; the pack must follow.
    pub(crate) done: bool,
    /// Where the client's history ends now.
    pub(crate) shallow: Vec<ObjectId>,
    pub(crate) deepen: Deepen,
    pub(crate) filter: Filter,
    pub(crate) thin_pack: bool,
    pub(crate) offset_deltas: bool,
    pub(crate) no_progress: bool,
    pub(crate) include_tag: bool,
    /// Version 2: the client negotiates only.
    pub(crate) wait_for_done: bool,
    pub(crate) band_size: BandSize,
    pub(crate) acknowledge: Acknowledge,
    /// Versions 0 and 1: the pack may follow `ready` without `done`.
    pub(crate) no_done: bool,
}

fn unexpected(line: &[u8]) -> Error {
    Error::Malformed(format!("unexpected line: '{}'", String::from_utf8_lossy(line)))
}

fn number<T: std::str::FromStr>(text: &[u8]) -> Result<T, Error> {
    let text = std::str::from_utf8(text).ok().and_then(|text| text.parse().ok());
    text.ok_or_else(|| Error::Malformed("invalid number in a deepen line".into()))
}

impl FetchRequest {
    /// Lines that all versions have in common. Returns whether `line` is one.
    fn common_line(&mut self, line: &[u8]) -> Result<bool, Error> {
        if let Some(id) = line.strip_prefix(b"shallow ") {
            self.shallow.push(parse_id(id)?);
        } else if let Some(depth) = line.strip_prefix(b"deepen ") {
            let depth: u32 = number(depth)?;
            if depth == 0 {
                return Err(Error::Malformed("invalid deepen: 0".into()));
            }
            self.deepen.depth = Some(depth);
        } else if let Some(time) = line.strip_prefix(b"deepen-since ") {
            self.deepen.since = Some(number(time)?);
        } else if let Some(name) = line.strip_prefix(b"deepen-not ") {
            let name = std::str::from_utf8(name).map_err(|_| unexpected(line))?;
            self.deepen.not.push(name.to_owned());
        } else if let Some(spec) = line.strip_prefix(b"filter ") {
            self.filter = Filter::parse(spec)?;
        } else {
            return Ok(false);
        }
        if self.deepen.depth.is_some() && (self.deepen.since.is_some() || !self.deepen.not.is_empty()) {
            return Err(Error::Malformed(
                "deepen and deepen-since (or deepen-not) cannot be used together".into(),
            ));
        }
        Ok(true)
    }

    /// Reads the arguments of a version 2 `fetch`.
    pub(crate) fn parse_v2(reader: &mut PacketReader<'_>) -> Result<Self, Error> {
        let mut request = Self { band_size: BandSize::Large, ..Self::default() };
        while let Some(line) = reader.next_text()? {
            if let Some(id) = line.strip_prefix(b"want ") {
                request.wants.push(parse_id(id)?);
            } else if let Some(id) = line.strip_prefix(b"have ") {
                request.haves.push(parse_id(id)?);
            } else if !request.common_line(line)? {
                match line {
                    b"done" => request.done = true,
                    b"thin-pack" => request.thin_pack = true,
                    b"ofs-delta" => request.offset_deltas = true,
                    b"no-progress" => request.no_progress = true,
                    b"include-tag" => request.include_tag = true,
                    b"deepen-relative" => request.deepen.relative = true,
                    b"wait-for-done" => request.wait_for_done = true,
                    _ => return Err(unexpected(line)),
                }
            }
        }
        Ok(request)
    }

    /// Reads the first part of a version 0 or 1 request: wants, and how history is to be cut. The reader is
    /// left at the haves. `None` when the client wants nothing.
    pub(crate) fn parse_wants(reader: &mut PacketReader<'_>) -> Result<Option<Self>, Error> {
        let mut request = Self::default();
        let mut first = true;
        while let Some(line) = reader.next_text()? {
            if let Some(want) = line.strip_prefix(b"want ") {
                let (id, capabilities) = match want.iter().position(|byte| *byte == b' ') {
                    Some(space) => want.split_at(space),
                    None => (want, &b""[..]),
                };
                request.wants.push(parse_id(id)?);
                if std::mem::take(&mut first) {
                    request.capabilities(capabilities)?;
                } else if !capabilities.is_empty() {
                    return Err(unexpected(line));
                }
            } else if !request.common_line(line)? {
                return Err(unexpected(line));
            }
        }
        Ok((!request.wants.is_empty()).then_some(request))
    }

    fn capabilities(&mut self, capabilities: &[u8]) -> Result<(), Error> {
        for capability in capabilities.split(|byte| *byte == b' ').filter(|word| !word.is_empty()) {
            match capability {
                b"multi_ack_detailed" => self.acknowledge = Acknowledge::Detailed,
                b"multi_ack" if self.acknowledge == Acknowledge::Single => {
                    self.acknowledge = Acknowledge::Continue;
                }
                b"no-done" => self.no_done = true,
                b"thin-pack" => self.thin_pack = true,
                b"ofs-delta" => self.offset_deltas = true,
                b"side-band-64k" => self.band_size = BandSize::Large,
                b"side-band" if self.band_size == BandSize::None => self.band_size = BandSize::Small,
                b"no-progress" => self.no_progress = true,
                b"include-tag" => self.include_tag = true,
                b"deepen-relative" => self.deepen.relative = true,
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

/// Object ids are SHA-1.
pub(crate) fn check_object_format(format: &[u8]) -> Result<(), Error> {
    if format == b"sha1" {
        return Ok(());
    }
    let format = String::from_utf8_lossy(format);
    Err(Error::Malformed(format!("mismatched object format: server sha1; client {format}")))
}

/// A version 2 request: a command and the reader at its arguments.
pub(crate) enum Command<'a> {
    LsRefs(PacketReader<'a>),
    Fetch(PacketReader<'a>),
    /// The client has nothing to ask.
    None,
}

/// Reads the head of a version 2 request.
pub(crate) fn parse_command<'a>(body: &'a [u8]) -> Result<Command<'a>, Error> {
    let mut reader = PacketReader::new(body);
    let mut command = None;
    loop {
        let line = match reader.next_line()? {
            Some(PacketLineRef::Data(line)) => line.strip_suffix(b"\n").unwrap_or(line),
            Some(PacketLineRef::Delimiter) => break,
            Some(PacketLineRef::Flush) => {
                // No arguments follow.
                reader = PacketReader::new(b"");
                break;
            }
            Some(PacketLineRef::ResponseEnd) => {
                return Err(Error::Malformed("unexpected response end".into()));
            }
            None => break,
        };
        if let Some(name) = line.strip_prefix(b"command=") {
            if command.replace(name).is_some() {
                return Err(Error::Malformed("command requested twice".into()));
            }
        } else if let Some(format) = line.strip_prefix(b"object-format=") {
            check_object_format(format)?;
        } else if !line.starts_with(b"agent=")
            && !line.starts_with(b"server-option=")
            && !line.starts_with(b"session-id=")
        {
            return Err(Error::Malformed(format!("unknown capability '{}'", String::from_utf8_lossy(line))));
        }
    }
    match command {
        Some(b"ls-refs") => Ok(Command::LsRefs(reader)),
        Some(b"fetch") => Ok(Command::Fetch(reader)),
        Some(name) => Err(Error::Malformed(format!("invalid command '{}'", String::from_utf8_lossy(name)))),
        None if body.is_empty() || body == b"0000" => Ok(Command::None),
        None => Err(Error::Malformed("no command requested".into())),
    }
}
