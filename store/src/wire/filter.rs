//! Filters of partial clones (git-rev-list(1), `--filter`).

use crate::Error;

/// What a fetch leaves out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Filter {
    /// Blobs of at least so many bytes.
    pub(crate) blob_limit: Option<u64>,
    /// Trees and blobs at least so deep; the root tree has depth 0.
    pub(crate) tree_depth: Option<u64>,
}

impl Filter {
    /// `blob:none`, `blob:limit=<n>[kmg]`, `tree:<depth>`.
    pub(crate) fn parse(spec: &[u8]) -> Result<Self, Error> {
        let unknown = || Error::Malformed(format!("invalid filter-spec '{}'", String::from_utf8_lossy(spec)));
        let text = std::str::from_utf8(spec).map_err(|_| unknown())?;
        if text == "blob:none" {
            Ok(Self { blob_limit: Some(0), tree_depth: None })
        } else if let Some(limit) = text.strip_prefix("blob:limit=") {
            let (digits, unit) = match limit.as_bytes().last() {
                Some(b'k' | b'K') => (&limit[..limit.len() - 1], 1 << 10),
                Some(b'm' | b'M') => (&limit[..limit.len() - 1], 1 << 20),
                Some(b'g' | b'G') => (&limit[..limit.len() - 1], 1 << 30),
                _ => (limit, 1u64),
            };
            let limit = digits.parse::<u64>().ok().and_then(|limit| limit.checked_mul(unit));
            Ok(Self { blob_limit: Some(limit.ok_or_else(unknown)?), tree_depth: None })
        } else if let Some(depth) = text.strip_prefix("tree:") {
            Ok(Self { blob_limit: None, tree_depth: Some(depth.parse().map_err(|_| unknown())?) })
        } else {
            Err(unknown())
        }
    }

    /// Whether nothing is left out.
    pub(crate) fn is_none(&self) -> bool {
        *self == Self::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_filters_that_are_announced() {
        let limit = |limit| Filter { blob_limit: Some(limit), tree_depth: None };
        assert_eq!(Filter::parse(b"blob:none").unwrap(), limit(0));
        assert_eq!(Filter::parse(b"blob:limit=10").unwrap(), limit(10));
        assert_eq!(Filter::parse(b"blob:limit=2k").unwrap(), limit(2048));
        assert_eq!(Filter::parse(b"tree:0").unwrap().tree_depth, Some(0));
        for bad in [
            &b"blob:limit="[..],
            b"blob:limit=k",
            b"tree:x",
            b"sparse:oid=1",
            b"\xff",
            b"blob:limit=99999999999g",
        ] {
            assert!(Filter::parse(bad).is_err(), "{bad:?}");
        }
    }
}
