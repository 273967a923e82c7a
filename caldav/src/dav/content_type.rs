//! The media types of files, the same for `Content-Type` and `DAV:getcontenttype`.

use crate::{collection::is_ics, snapshot::File};

/// The type of a file, by its name: what is calendar data has been checked when it came.
pub(super) fn of_file(file: &File) -> &'static str {
    if is_ics(&file.name) {
        return "text/calendar; charset=utf-8";
    }
    let extension = file.name.rsplitn(2, |byte| *byte == b'.').next().unwrap_or(b"");
    match extension.to_ascii_lowercase().as_slice() {
        b"txt" | b"md" => "text/plain; charset=utf-8",
        _ => "application/octet-stream",
    }
}
