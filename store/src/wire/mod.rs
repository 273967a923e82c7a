//! The git wire protocol over smart HTTP: what stock `git clone`, `fetch` and `push` talk to
//! (gitprotocol-http(5), gitprotocol-v2(5), gitprotocol-pack(5)).
//!
//! Requests for a fetch come as whole bodies; the pack of a push is read, and written to the device, while it
//! arrives. Responses are streams that are made as they are read. Long work gives way to other requests every few milliseconds.

mod advertisement;
mod closed_pack;
pub(crate) mod commit_walk;
pub(crate) mod enumeration;
mod fetch_request;
mod filter;
mod full_pack;
mod output;
pub(crate) mod pack_groups;
mod packed_refs;
mod pkt_line;
mod progress;
mod push_request;
mod pushed_boundary;
mod receive_pack;
mod reference_rules;
mod shallow;
mod sideband;
mod upload_pack;

pub use advertisement::advertise;
pub(crate) use commit_walk::{Commit, peel};
pub use full_pack::{FullPack, write_full_pack};
pub use output::Reply;
pub use packed_refs::packed_refs;
pub use receive_pack::{ReceiveOptions, receive_pack, receive_pack_stream};
pub use upload_pack::upload_pack;

/// The two services of smart HTTP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GitService {
    /// Clone and fetch.
    UploadPack,
    /// Push.
    ReceivePack,
}

impl GitService {
    /// The service of this name, such as `git-upload-pack`.
    pub fn from_name(name: &str) -> Option<Self> {
        match name {
            "git-upload-pack" => Some(Self::UploadPack),
            "git-receive-pack" => Some(Self::ReceivePack),
            _ => None,
        }
    }

    /// Its name, such as `git-upload-pack`.
    pub fn name(self) -> &'static str {
        match self {
            Self::UploadPack => "git-upload-pack",
            Self::ReceivePack => "git-receive-pack",
        }
    }
}

/// A version of the protocol.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Protocol {
    /// The original one.
    #[default]
    V0,
    /// The original one, with a line that names the version.
    V1,
    /// Commands; for fetch only, as in git.
    V2,
}

impl Protocol {
    /// The highest version that a `Git-Protocol` header offers, such as `version=2`.
    pub fn from_header(value: &str) -> Self {
        let version = |item: &str| match item.trim().strip_prefix("version=") {
            Some("1") => Self::V1,
            Some("2") => Self::V2,
            _ => Self::V0,
        };
        value.split(':').map(version).max().unwrap_or_default()
    }
}

/// What the server calls itself.
const AGENT: &str = concat!("agent=kalends/", env!("CARGO_PKG_VERSION"));

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_highest_known_version_is_spoken() {
        assert_eq!(Protocol::from_header("version=2"), Protocol::V2);
        assert_eq!(Protocol::from_header("version=1:foo"), Protocol::V1);
        assert_eq!(Protocol::from_header("version=3"), Protocol::V0);
        assert_eq!(Protocol::from_header("version=1:version=2"), Protocol::V2);
        assert_eq!(Protocol::from_header(""), Protocol::V0);
    }
}
