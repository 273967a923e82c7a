//! The media types of files, the same for `Content-Type` and `DAV:getcontenttype`.

use crate::snapshot::File;

/// By the ending of the name, in lower case.
const BY_ENDING: [(&str, &str); 20] = [
    ("csv", "text/csv; charset=utf-8"),
    ("gif", "image/gif"),
    ("gz", "application/gzip"),
    ("htm", "text/html; charset=utf-8"),
    ("html", "text/html; charset=utf-8"),
    ("ics", "text/calendar; charset=utf-8"),
    ("ifb", "text/calendar; charset=utf-8"),
    ("jpeg", "image/jpeg"),
    ("jpg", "image/jpeg"),
    ("json", "application/json"),
    ("md", "text/markdown; charset=utf-8"),
    ("pdf", "application/pdf"),
    ("png", "image/png"),
    ("svg", "image/svg+xml"),
    ("toml", "application/toml"),
    ("txt", "text/plain; charset=utf-8"),
    ("vcf", "text/vcard; charset=utf-8"),
    ("webp", "image/webp"),
    ("xml", "application/xml"),
    ("zip", "application/zip"),
];

/// The type of a file, by its name. The `component` parameter of calendar objects (RFC 5545 §8.1) is left
/// out: to list a calendar would mean to read every object in it.
pub(super) fn of_file(file: &File) -> &'static str {
    of_name(&file.name)
}

fn of_name(name: &[u8]) -> &'static str {
    let ending = name.iter().rposition(|byte| *byte == b'.').and_then(|dot| name.get(dot + 1..));
    let ending = ending.unwrap_or_default();
    BY_ENDING
        .iter()
        .find(|(known, _)| ending.eq_ignore_ascii_case(known.as_bytes()))
        .map_or("application/octet-stream", |(_, media_type)| media_type)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_tell_the_type() {
        assert_eq!(of_name(b"a.ICS"), "text/calendar; charset=utf-8");
        assert_eq!(of_name(b"a.b.png"), "image/png");
        for name in [&b"a"[..], b"a.", b"", b"html", b"a.\xff"] {
            assert_eq!(of_name(name), "application/octet-stream", "{name:?}");
        }
    }
}
