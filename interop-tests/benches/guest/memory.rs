//! How much memory a guest with many events takes, and the least that it can do with.

use crate::guest::{Guest, connect, within};
use kalends_interop_tests::{
    TemporaryDirectory,
    namespace::{GUEST, Namespace},
    process::{peak_resident_bytes, resident_bytes},
    server::PASSWORD,
};
use std::{fs, ops::RangeInclusive, path::Path, process::Command};

/// MiB that guests have where nothing else is said.
pub(crate) const MEMORY: u32 = 64;
/// Where the least is looked for, in MiB.
const SEARCH: RangeInclusive<u32> = 16..=MEMORY;

/// What was found, in bytes but for the last.
pub(crate) struct Memory {
    pub(crate) booted: u64,
    pub(crate) peak: u64,
    pub(crate) least_mebibytes: u32,
}

/// Measures guests on copies of the device.
pub(crate) fn measure(namespace: &Namespace, device: &Path, authority: &Path, events: u32) -> Memory {
    let copy = device.with_file_name("memory.img");
    let try_with = |memory| {
        fs::copy(device, &copy).unwrap();
        let mut guest = Guest::start(namespace, &copy, memory)?;
        let booted = resident_bytes(guest.id());
        let served = within(namespace, || serves(authority, events));
        let peak = guest.is_running().then(|| peak_resident_bytes(guest.id()))?;
        served.then_some((booted, peak))
    };
    let (booted, peak) = try_with(MEMORY).expect("it serves with this memory");
    let (mut too_little, mut enough) = (SEARCH.start() - 1, *SEARCH.end());
    while enough - too_little > 1 {
        let middle = (too_little + enough) / 2;
        match try_with(middle) {
            Some(_) => enough = middle,
            None => too_little = middle,
        }
    }
    Memory { booted, peak, least_mebibytes: enough }
}

/// Lists, queries, synchronises, clones and pushes.
fn serves(authority: &Path, events: u32) -> bool {
    let month = crate::load::MONTH;
    let all = "<sync-collection xmlns=\"DAV:\"><sync-token/><sync-level>1</sync-level><prop><getetag/></prop>\
               </sync-collection>";
    let listing = "<propfind xmlns=\"DAV:\"><prop><getetag/></prop></propfind>";
    for (method, body) in [("PROPFIND", listing), ("REPORT", month), ("REPORT", all)] {
        let headers = [("content-type", "application/xml"), ("depth", "1")];
        let response = connect(authority).and_then(|mut guest| {
            guest.request(method, "/dav/calendars/ada/calendar/", &headers, body.as_bytes())
        });
        if !response.is_ok_and(|response| response.status == 207) {
            return false;
        }
    }
    let directory = TemporaryDirectory::new();
    let url = format!("https://ada:{}@{GUEST}/git/ada.git", PASSWORD.replace(' ', "%20"));
    let event = kalends_interop_tests::event::meeting(events);
    let script = format!(
        "git clone --quiet {url} . && cat > calendar/{name} && git add --all \
         && git -c user.name=Ada -c user.email=ada@example.org commit --quiet --message Add && git push --quiet",
        name = event.name
    );
    let text = directory.path().with_extension("ics");
    fs::write(&text, event.text).unwrap();
    let status = Command::new("sh")
        .args(["-c", &script])
        .current_dir(directory.path())
        .env("GIT_SSL_CAINFO", authority)
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .stdin(fs::File::open(&text).unwrap())
        .stderr(std::process::Stdio::null())
        .status();
    fs::remove_file(text).unwrap();
    status.is_ok_and(|status| status.success())
}
