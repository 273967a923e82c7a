//! git-upload-pack: what `git fetch` and `git clone` talk to.

use crate::{
    Error, Pin, Reference, Repository,
    pack::{Pace, PackEncoder, PackOptions},
    wire::{
        Protocol,
        advertisement::peeled,
        closed_pack,
        commit_walk::{all_reach, commits_of, peel},
        enumeration::{Selection, enumerate},
        fetch_request::{Acknowledge, Command, FetchRequest, parse_command},
        output::{Output, Reply},
        pkt_line::{PacketReader, parse_id, write_delimiter, write_error, write_flush, write_text},
        progress::Meter,
        shallow::Boundary,
        sideband::{BandSize, Sideband},
    },
};
use bytes::Bytes;
use gix_object::Kind;
use gix_packetline::PacketLineRef;
use std::collections::HashSet;

/// Pack data is sent in pieces of about this size.
const PIECE: usize = 64 << 10;

/// Answers a `POST git-upload-pack`.
///
/// `request` is the whole body, inflated; its length bounds what the walk keeps for the client's wants
/// and haves. Errors go to the client in git's way, as `ERR` lines or on side band 3.
pub fn upload_pack(repository: &Repository, protocol: Protocol, request: Bytes) -> Reply {
    let repository = repository.clone();
    Reply::new(move |output| async move {
        // What is being sent stays, whatever becomes of the references.
        let pin = repository.pin();
        let repository = repository.held();
        let answer = match protocol {
            Protocol::V2 => answer_v2(&repository, &pin, &request, &output).await,
            Protocol::V0 | Protocol::V1 => answer_v0(&repository, &pin, &request, &output).await,
        };
        if let Err(error) = answer {
            let mut out = Vec::new();
            write_error(&mut out, &format!("upload-pack: {error}"));
            output.push(out);
        }
    })
}

async fn answer_v2(repository: &Repository, pin: &Pin, request: &[u8], output: &Output) -> Result<(), Error> {
    match parse_command(request)? {
        Command::None => Ok(()),
        Command::LsRefs(mut arguments) => list_references(repository, &mut arguments, output),
        Command::Fetch(mut arguments) => {
            let request = FetchRequest::parse_v2(&mut arguments)?;
            fetch_v2(repository, pin, request, output).await
        }
    }
}

/// The references of `ls-refs`, HEAD first.
fn list_references(
    repository: &Repository,
    arguments: &mut PacketReader<'_>,
    output: &Output,
) -> Result<(), Error> {
    /// Beyond it, as in git, all references are sent.
    const MAX_PREFIXES: usize = 65536;
    let (mut peel_tags, mut symrefs, mut unborn) = (false, false, false);
    let mut prefixes = Vec::new();
    while let Some(line) = arguments.next_text()? {
        match line {
            b"peel" => peel_tags = true,
            b"symrefs" => symrefs = true,
            b"unborn" => unborn = true,
            _ => match line.strip_prefix(b"ref-prefix ") {
                Some(prefix) if prefixes.len() <= MAX_PREFIXES => prefixes.push(prefix),
                Some(_) => {}
                None => {
                    let line = String::from_utf8_lossy(line);
                    return Err(Error::Malformed(format!("unexpected line: '{line}'")));
                }
            },
        }
    }
    if prefixes.len() > MAX_PREFIXES {
        prefixes.clear();
    }
    prefixes.sort_unstable();
    prefixes.dedup();
    let mut out = Vec::new();
    let matches =
        |name: &str| prefixes.is_empty() || prefixes.iter().any(|prefix| name.as_bytes().starts_with(prefix));
    if matches("HEAD") {
        let target = if symrefs { format!(" symref-target:{}", repository.head()) } else { String::new() };
        match repository.reference(repository.head()) {
            Some(id) => write_text(&mut out, format!("{id} HEAD{target}")),
            None if unborn => write_text(&mut out, format!("unborn HEAD{target}")),
            None => {}
        }
    }
    for Reference { name, id } in repository.references() {
        if !matches(&name) {
            continue;
        }
        let peeled = match peel_tags.then(|| peeled(repository, &id)).transpose()?.flatten() {
            Some(target) => format!(" peeled:{target}"),
            None => String::new(),
        };
        write_text(&mut out, format!("{id} {name}{peeled}"));
    }
    write_flush(&mut out);
    output.push(out);
    Ok(())
}

/// Checks that all is there that the client asks for, and holds it, and what the client says to have: none of
/// it needs to be reachable.
fn check_wants(repository: &Repository, pin: &Pin, request: &FetchRequest) -> Result<(), Error> {
    let named = request.wants.iter().chain(&request.haves).chain(&request.shallow);
    named.filter(|id| repository.contains(id)).for_each(|id| pin.add(*id));
    match request.wants.iter().find(|id| !repository.contains(id)) {
        Some(id) => Err(Error::Malformed(format!("not our ref {id}{}", repository.why_missing()))),
        None => Ok(()),
    }
}

async fn fetch_v2(
    repository: &Repository,
    pin: &Pin,
    mut request: FetchRequest,
    output: &Output,
) -> Result<(), Error> {
    check_wants(repository, pin, &request)?;
    let pace = Pace::default();
    let mut out = Vec::new();
    if request.wants.is_empty() && !request.wait_for_done {
        return Ok(());
    }
    let told = !request.haves.is_empty();
    request.haves.retain(|id| repository.contains(id));
    if !request.done && (told || request.wait_for_done) {
        write_text(&mut out, "acknowledgments");
        for id in &request.haves {
            write_text(&mut out, format!("ACK {id}"));
        }
        if request.haves.is_empty() {
            write_text(&mut out, "NAK");
        }
        let enough = !request.wait_for_done && !request.haves.is_empty() && {
            let had = commits_of(repository, &request.haves)?.into_iter().collect();
            all_reach(repository, &commits_of(repository, &request.wants)?, &had, &pace).await?
        };
        if !enough {
            write_flush(&mut out);
            output.push(out);
            return Ok(());
        }
        write_text(&mut out, "ready");
        write_delimiter(&mut out);
    }
    let boundary = Boundary::compute(repository, &request, &pace).await?;
    if request.deepen.is_some() || !request.shallow.is_empty() || !boundary.shallow.is_empty() {
        write_text(&mut out, "shallow-info");
        write_boundary(&mut out, &boundary);
        write_delimiter(&mut out);
    }
    write_text(&mut out, "packfile");
    output.push(out);
    let sideband = Sideband::new(output.clone(), BandSize::Large, !request.no_progress);
    send_pack(repository, &request, boundary, &sideband, &pace).await;
    Ok(())
}

fn write_boundary(out: &mut Vec<u8>, boundary: &Boundary) {
    for id in &boundary.shallow {
        write_text(out, format!("shallow {id}"));
    }
    for id in &boundary.unshallow {
        write_text(out, format!("unshallow {id}"));
    }
}

/// Versions 0 and 1 in their stateless form: each request repeats what was said before.
async fn answer_v0(repository: &Repository, pin: &Pin, body: &[u8], output: &Output) -> Result<(), Error> {
    let mut reader = PacketReader::new(body);
    let Some(mut request) = FetchRequest::parse_wants(&mut reader)? else { return Ok(()) };
    check_wants(repository, pin, &request)?;
    let pace = Pace::default();
    let mut out = Vec::new();
    let boundary = Boundary::compute(repository, &request, &pace).await?;
    if request.deepen.is_some() {
        write_boundary(&mut out, &boundary);
        write_flush(&mut out);
    }
    let ended = negotiate(repository, pin, &mut request, &mut reader, &mut out, &pace).await?;
    output.push(out);
    if ended {
        let progress = !request.no_progress;
        let sideband = Sideband::new(output.clone(), request.band_size, progress);
        send_pack(repository, &request, boundary, &sideband, &pace).await;
    }
    Ok(())
}

/// Answers the haves of one request. Returns whether the pack follows.
async fn negotiate(
    repository: &Repository,
    pin: &Pin,
    request: &mut FetchRequest,
    reader: &mut PacketReader<'_>,
    out: &mut Vec<u8>,
    pace: &Pace,
) -> Result<bool, Error> {
    let wanted = commits_of(repository, &request.wants)?;
    let mut common = HashSet::new();
    let mut last = None;
    let (mut got_common, mut got_other, mut sent_ready) = (false, false, false);
    // Once enough, always enough; and what was not enough is asked again only when more is common.
    let (mut enough, mut examined) = (false, 0);
    loop {
        let line = match reader.next_line()? {
            Some(PacketLineRef::Data(line)) => line.strip_suffix(b"\n").unwrap_or(line),
            None => return Ok(false),
            Some(_) => {
                if let (Acknowledge::Detailed, Some(last), true, false) =
                    (request.acknowledge, last, got_common, got_other)
                {
                    if !enough && examined != common.len() {
                        enough = all_reach(repository, &wanted, &common, pace).await?;
                        examined = common.len();
                    }
                    if enough {
                        sent_ready = true;
                        write_text(out, format!("ACK {last} ready"));
                    }
                }
                if last.is_none() || request.acknowledge != Acknowledge::Single {
                    write_text(out, "NAK");
                }
                if let (true, true, Some(last)) = (request.no_done, sent_ready, last) {
                    write_text(out, format!("ACK {last}"));
                    return Ok(true);
                }
                // Stateless: the client asks again with all that it has told.
                if reader.rest().is_empty() {
                    return Ok(false);
                }
                (got_common, got_other) = (false, false);
                continue;
            }
        };
        if let Some(id) = line.strip_prefix(b"have ") {
            let id = parse_id(id)?;
            if repository.contains(&id) {
                got_common = true;
                pin.add(id);
                request.haves.push(id);
                let (commit, kind) = peel(repository, &id)?;
                if kind == Kind::Commit {
                    common.insert(commit);
                }
                match request.acknowledge {
                    Acknowledge::Detailed => write_text(out, format!("ACK {id} common")),
                    Acknowledge::Continue => write_text(out, format!("ACK {id} continue")),
                    Acknowledge::Single if last.is_none() => write_text(out, format!("ACK {id}")),
                    Acknowledge::Single => {}
                }
                last = Some(id);
            } else {
                got_other = true;
                if request.acknowledge != Acknowledge::Single && !common.is_empty() {
                    if !enough && examined != common.len() {
                        enough = all_reach(repository, &wanted, &common, pace).await?;
                        examined = common.len();
                    }
                    if enough {
                        let detailed = request.acknowledge == Acknowledge::Detailed;
                        sent_ready |= detailed;
                        let word = if detailed { "ready" } else { "continue" };
                        write_text(out, format!("ACK {id} {word}"));
                    }
                }
            }
        } else if line == b"done" {
            match last {
                Some(last) if request.acknowledge != Acknowledge::Single => {
                    write_text(out, format!("ACK {last}"));
                }
                Some(_) => {}
                None => write_text(out, "NAK"),
            }
            return Ok(true);
        } else {
            let line = String::from_utf8_lossy(line);
            return Err(Error::Malformed(format!("expected a have line, got '{line}'")));
        }
        pace.spend(1000).await;
    }
}

/// Sends the pack, with progress, and the end of the response.
async fn send_pack(
    repository: &Repository,
    request: &FetchRequest,
    boundary: Boundary,
    sideband: &Sideband,
    pace: &Pace,
) {
    match write_pack(repository, request, boundary, sideband, pace).await {
        Ok(()) => {
            sideband.flush_data();
            if request.band_size != BandSize::None {
                let mut out = Vec::new();
                write_flush(&mut out);
                sideband.raw(out);
            }
        }
        Err(error) => sideband.fatal(&format!("fatal: {error}\n")),
    }
}

async fn write_pack(
    repository: &Repository,
    request: &FetchRequest,
    boundary: Boundary,
    sideband: &Sideband,
    pace: &Pace,
) -> Result<(), Error> {
    let Boundary { grafts, wants, .. } = boundary;
    let selection = Selection {
        wants: request.wants.iter().copied().chain(wants).collect(),
        haves: request.haves.clone(),
        grafts,
        filter: request.filter,
        include_tag: request.include_tag,
    };
    let mut meter = Meter::new(sideband, "Enumerating objects", None);
    let mut progress = |done| {
        if !meter.update(done) {
            sideband.keep_alive();
        }
    };
    let mut copied = Vec::new();
    let enumeration = if let Some(with_packs) = match request.offset_deltas {
        true => closed_pack::find(repository, &selection, pace, &mut progress).await?,
        false => None,
    } {
        copied = with_packs.packs;
        with_packs.rest
    } else if let Some(found) = closed_pack::of_kinds(repository, &selection, pace, &mut progress).await? {
        found
    } else {
        enumerate(repository, &selection, pace, &mut progress).await?
    };
    let objects = enumeration.objects;
    let in_packs = copied.iter().try_fold(0, |sum, pack| Ok::<_, Error>(sum + pack.len()?))?;
    meter.update((objects.len() + in_packs) as u64);
    meter.done();
    // A partial clone may lack what its commits refer to, so nothing is known of it.
    let thin = request.thin_pack && selection.filter.is_none() && copied.is_empty();
    let known = if thin { enumeration.known } else { HashSet::new() };
    let options = PackOptions { offset_deltas: request.offset_deltas, known };
    let mut encoder = PackEncoder::new(repository, &options, &objects)?;
    let mut out = Vec::with_capacity(2 * PIECE);
    encoder.begin_with(copied, &mut out)?;
    while encoder.copy(PIECE as u64, &mut out)? {
        pace.spend(PIECE as u64 / 4).await;
        sideband.data(&mut out);
        sideband.drained().await;
        out.clear();
    }
    for number in 0..objects.len() {
        encoder.write(number as u32, &mut out)?;
        pace.spend(1000).await;
        if out.len() >= PIECE {
            sideband.data(&mut out);
            sideband.drained().await;
            out.clear();
        }
    }
    let statistics = encoder.end(&mut out);
    sideband.data(&mut out);
    sideband.flush_data();
    sideband.progress(&format!(
        "Total {} (delta {}), reused {} (delta {}), pack-reused {}\n",
        statistics.total + statistics.copied,
        statistics.deltas,
        statistics.reused,
        statistics.reused_deltas,
        statistics.copied
    ));
    Ok(())
}
