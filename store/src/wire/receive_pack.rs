//! git-receive-pack: what `git push` talks to.

use crate::{
    Commit, Error, ObjectId, Objects, PackLimits, PushPolicy, PushedUpdate, ReferenceUpdate, Repository,
    Transaction,
    extent_writer::ExtentWriter,
    format::pack_index::{Ends, MAX_TIPS},
    pack::{LinkCheck, PACK_HEADER, Pace, PackReader, PackStorage, check_object, complete},
    transaction::SMALL_PACK,
    wire::{
        closed_pack,
        commit_walk::is_ancestor,
        output::Reply,
        pkt_line::{write_flush, write_text},
        progress::Meter,
        push_request::{PushCommand, PushRequest, commands_end},
        pushed_boundary::PushedBoundary,
        reference_rules::{check_conflict, check_name},
        sideband::{BandSize, Sideband},
    },
};
use bytes::{Bytes, BytesMut};
use futures_util::{Stream, StreamExt};
use gix_object::Kind;
use std::{
    collections::{BTreeSet, HashMap},
    pin::pin,
    rc::Rc,
};

/// A push of which more is kept in memory goes to the device as a pack, however few its objects.
const UNPACK_BYTES: u64 = 4 << 20;
/// Bytes that are taken at once from a pack that is in memory.
const PIECE: usize = 64 << 10;
/// Bytes of a pack that are passed over after it was refused.
const MAX_DISCARDED: u64 = 4 << 30;

/// How pushes are received.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReceiveOptions {
    /// What a pack may cost.
    pub limits: PackLimits,
    /// A pack of fewer objects becomes single objects of the log, as with git's `receive.unpackLimit`;
    /// a larger one is kept as a pack.
    pub unpack_limit: u32,
    /// Bytes of the list of references before the pack; they are held in memory.
    pub commands: u64,
}

impl Default for ReceiveOptions {
    fn default() -> Self {
        Self { limits: PackLimits::default(), unpack_limit: 100, commands: 16 << 20 }
    }
}

/// Answers a `POST git-receive-pack`.
///
/// `body` is the whole request: commands, and a pack. Nothing of it is visible, or takes space, unless a
/// reference moves; the report says `ok` when that is durable.
///
/// # Errors
/// [`Error::Malformed`] when the commands cannot be read, so that no report can be given. All else is told
/// to the client in git's way.
pub fn receive_pack(
    repository: &Repository,
    body: Bytes,
    policy: Rc<dyn PushPolicy>,
    options: ReceiveOptions,
) -> Result<Reply, Error> {
    let request = PushRequest::parse(&body)?;
    let pack = body.slice(request.pack_at..);
    let repository = repository.clone();
    Ok(Reply::new(move |output| async move {
        if request.commands.is_empty() {
            return;
        }
        let mut arrival = Arrival::new(&repository, &request, Watch::new(&policy, &request), options);
        let sideband = Sideband::new(output, request.band_size, !request.quiet);
        let pace = Pace::default();
        arrival.large = pack.len() >= SMALL_PACK;
        for piece in pack.chunks(PIECE) {
            arrival.take(piece, &pace).await;
            sideband.keep_alive();
        }
        push(&repository, &request, arrival, &*policy, sideband, pace).await;
    }))
}

/// As [`receive_pack`], while the body arrives: a large pack is written to the device as it comes, and what
/// is held of it in memory is within [`PackLimits`]. Resolves when the body has ended.
///
/// A pack that is refused is taken to its end all the same, since git reads no answer before; but for not more
/// than 4 GiB. When this is dropped, or the body breaks off, nothing is left of the push.
///
/// # Errors
/// The inner ones are those of [`receive_pack`], and [`Error::Limit`] when there is no end of what is refused;
/// the outer ones those of `body`.
pub async fn receive_pack_stream<E>(
    repository: &Repository,
    body: impl Stream<Item = Result<Bytes, E>>,
    policy: Rc<dyn PushPolicy>,
    options: ReceiveOptions,
) -> Result<Result<Reply, Error>, E> {
    let mut body = pin!(body);
    let mut start = BytesMut::new();
    // A body is not polled again after its end: it need not bear that.
    let mut ended = false;
    let end = loop {
        match commands_end(&start) {
            Ok(Some(end)) => break end,
            Ok(None) if start.len() as u64 > options.commands => {
                return Ok(Err(Error::Limit(format!("commands of more than {} bytes", options.commands))));
            }
            Ok(None) => {}
            Err(error) => return Ok(Err(error)),
        }
        match body.next().await {
            Some(bytes) => start.extend_from_slice(&bytes?),
            None => {
                ended = true;
                break start.len();
            }
        }
    };
    let request = match PushRequest::parse(start.get(..end).unwrap_or_default()) {
        Ok(request) => request,
        Err(error) => return Ok(Err(error)),
    };
    let mut small = start.split_off(end);
    drop(start);
    while small.len() < SMALL_PACK && !ended {
        match body.next().await {
            Some(bytes) => small.extend_from_slice(&bytes?),
            None => ended = true,
        }
    }
    let pace = Pace::default();
    let mut arrival = Arrival::new(repository, &request, Watch::new(&policy, &request), options);
    arrival.large = !ended;
    arrival.take(&small, &pace).await;
    drop(small);
    let mut discarded = 0;
    while !ended && let Some(bytes) = body.next().await {
        let bytes = bytes?;
        arrival.take(&bytes, &pace).await;
        if let Some(error) = &arrival.failure {
            discarded += bytes.len() as u64;
            if discarded > MAX_DISCARDED {
                return Ok(Err(error.clone()));
            }
        }
    }
    let repository = repository.clone();
    Ok(Ok(Reply::new(move |output| async move {
        if !request.commands.is_empty() {
            let sideband = Sideband::new(output, request.band_size, !request.quiet);
            push(&repository, &request, arrival, &*policy, sideband, pace).await;
        }
    })))
}

/// A pack on its way into a transaction.
struct Arrival {
    transaction: Transaction,
    options: ReceiveOptions,
    reader: Option<PackReader>,
    links: LinkCheck,
    boundary: PushedBoundary,
    watch: Option<Watch>,
    /// Whether the pack is kept on the device.
    large: bool,
    /// The bytes of the objects so far, if they go into the log one by one.
    unpacking: Option<u64>,
    /// Why nothing more is taken.
    failure: Option<Error>,
}

impl Arrival {
    fn new(
        repository: &Repository,
        request: &PushRequest,
        watch: Option<Watch>,
        options: ReceiveOptions,
    ) -> Self {
        Self {
            transaction: repository.transaction(),
            options,
            reader: None,
            links: LinkCheck::new(repository),
            boundary: PushedBoundary::new(&request.shallow),
            watch,
            large: false,
            unpacking: Some(0),
            failure: None,
        }
    }

    /// Takes the next bytes of the pack. After a failure they are passed over.
    async fn take(&mut self, bytes: &[u8], pace: &Pace) {
        if bytes.is_empty() || self.failure.is_some() {
            return;
        }
        if let Err(error) = self.try_take(bytes, pace).await {
            self.failure = Some(error);
            // What was written of it is free at once.
            self.reader = None;
        }
    }

    async fn try_take(&mut self, bytes: &[u8], pace: &Pace) -> Result<(), Error> {
        if self.reader.is_none() {
            let repository = self.transaction.repository();
            let storage = match self.large {
                true => PackStorage::Device(ExtentWriter::new(repository.core())?),
                false => PackStorage::Memory(Vec::new()),
            };
            self.reader = Some(PackReader::new(repository, &self.options.limits, storage));
        }
        let Self { transaction, reader: Some(reader), links, boundary, watch, unpacking, .. } = self else {
            return Ok(());
        };
        // The number of objects comes before the first of them.
        let start = if reader.count() == 0 { PACK_HEADER.min(bytes.len()) } else { 0 };
        let (start, rest) = bytes.split_at(start);
        for part in [start, rest] {
            let known = reader.count();
            let mut visit = visitor(transaction, links, boundary, watch, unpacking, pace);
            reader.feed(part, pace, &mut visit).await?;
            drop(visit);
            if known == 0 && reader.count() > 0 {
                links.expect(reader.count());
                watch.iter_mut().for_each(|watch| watch.expected = reader.count());
                if self.large || reader.count() >= self.options.unpack_limit {
                    *unpacking = None;
                }
            }
        }
        Ok(())
    }

    /// Resolves deltas, checks all links, and completes what is going to be a pack.
    async fn finish(
        mut self,
        sideband: &Sideband,
        pace: &Pace,
    ) -> Result<(Transaction, Option<LinkCheck>), Error> {
        if let Some(error) = self.failure {
            return Err(error);
        }
        let Some(reader) = self.reader else { return Ok((self.transaction, None)) };
        let count = u64::from(reader.count());
        let mut meter = None;
        let mut progress = |done, total| {
            let meter = meter.get_or_insert_with(|| Meter::new(sideband, "Resolving deltas", Some(total)));
            if !meter.update(done) {
                sideband.keep_alive();
            }
        };
        let mut visit = visitor(
            &mut self.transaction,
            &mut self.links,
            &mut self.boundary,
            &mut self.watch,
            &mut self.unpacking,
            pace,
        );
        let received = reader.resolve(pace, &mut progress, &mut visit).await?;
        drop(visit);
        let boundary =
            self.boundary.settle(self.transaction.repository(), &received.records, &mut self.links)?;
        self.transaction.cut(boundary, []);
        let tips = self.links.finish(&received.records, MAX_TIPS, pace).await?;
        if self.unpacking.is_none() {
            meter.into_iter().for_each(Meter::done);
            let mut meter = Meter::new(sideband, "Indexing objects", Some(count));
            if !received.records.is_empty() {
                let repository = self.transaction.repository();
                let ends = match (tips, self.links.outside()) {
                    (Some(tips), Some(outside)) => {
                        closed_pack::ends(repository, &received, tips, &outside, pace).await?
                    }
                    _ => Ends::default(),
                };
                let received = complete(received, self.transaction.repository(), pace).await?;
                self.transaction.adopt_received(received, &ends, pace).await?;
            }
            meter.update(count);
            meter.done();
        }
        Ok((self.transaction, Some(self.links)))
    }
}

/// Shows the objects of a push to its policy while they arrive.
struct Watch {
    policy: Rc<dyn PushPolicy>,
    /// Objects that the pack declares.
    expected: u32,
    /// Commits so far; git has them before all else.
    commits: u32,
}

impl Watch {
    /// A pack in which more than one of so many objects is a commit is a history, whose files are mostly old
    /// versions that no policy asks for.
    const HISTORY: u32 = 16;

    /// `None` where the policy decides without looking at objects.
    fn new(policy: &Rc<dyn PushPolicy>, request: &PushRequest) -> Option<Self> {
        let watches = |command: &PushCommand| policy.watches(&String::from_utf8_lossy(&command.name));
        let watched = request.commands.iter().any(|command| command.new.is_some() && watches(command));
        watched.then(|| Self { policy: policy.clone(), expected: 0, commits: 0 })
    }

    fn see(&mut self, id: &ObjectId, kind: Kind, data: &[u8], pace: &Pace) {
        self.commits += u32::from(kind == Kind::Commit);
        if self.commits <= Self::HISTORY.max(self.expected / Self::HISTORY) {
            self.policy.see(id, kind, data, pace);
        }
    }
}

/// Examines each object, and puts it into the transaction while `unpacking` counts bytes.
fn visitor<'a>(
    transaction: &'a mut Transaction,
    links: &'a mut LinkCheck,
    boundary: &'a mut PushedBoundary,
    watch: &'a mut Option<Watch>,
    unpacking: &'a mut Option<u64>,
    pace: &'a Pace,
) -> impl FnMut(&ObjectId, Kind, &[u8]) -> Result<(), Error> + 'a {
    move |id, kind, data| {
        check_object(id, kind, data, &mut |to, kind| match boundary.take(id, &to, kind)? {
            true => Ok(()),
            false => links.add(to, kind),
        })?;
        if let Some(watch) = watch {
            watch.see(id, kind, data, pace);
        }
        if let Some(bytes) = unpacking {
            *bytes += data.len() as u64;
            if *bytes > UNPACK_BYTES {
                *unpacking = None;
                *transaction = transaction.repository().clone().transaction();
            } else {
                transaction.insert(kind, data.to_vec())?;
            }
        }
        Ok(())
    }
}

/// A push under way.
struct Push<'a> {
    repository: &'a Repository,
    request: &'a PushRequest,
    sideband: Sideband,
    pace: Pace,
    /// Why each command was refused.
    refused: Vec<Option<String>>,
}

async fn push(
    repository: &Repository,
    request: &PushRequest,
    arrival: Arrival,
    policy: &dyn PushPolicy,
    sideband: Sideband,
    pace: Pace,
) {
    let refused = vec![None; request.commands.len()];
    let mut push = Push { repository, request, sideband, pace, refused };
    let unpacked = match arrival.finish(&push.sideband, &push.pace).await {
        Ok((transaction, links)) => {
            push.update(transaction, links, policy).await;
            Ok(())
        }
        Err(error) => {
            push.sideband.message(&format!("error: {error}\n"));
            push.refuse_rest("unpacker error");
            Err(error)
        }
    };
    push.report(unpacked);
}

impl<'a> Push<'a> {
    fn open_commands(&self) -> impl Iterator<Item = (usize, &'a PushCommand)> {
        let open: Vec<bool> = self.refused.iter().map(Option::is_none).collect();
        let commands = self.request.commands.iter().enumerate();
        commands.filter(move |(position, _)| open.get(*position) == Some(&true))
    }

    fn refuse(&mut self, position: usize, reason: impl Into<String>) {
        if let Some(slot) = self.refused.get_mut(position) {
            slot.get_or_insert(reason.into());
        }
    }

    fn refuse_rest(&mut self, reason: &str) {
        for slot in &mut self.refused {
            slot.get_or_insert_with(|| reason.to_owned());
        }
    }

    /// Examines the commands, and moves the references that may move.
    async fn update(
        &mut self,
        mut transaction: Transaction,
        links: Option<LinkCheck>,
        policy: &dyn PushPolicy,
    ) {
        self.check_names();
        let open: Vec<_> = self.open_commands().collect();
        for (position, command) in open {
            if let Err(reason) = self.check_command(&transaction, command, policy).await {
                self.refuse(position, reason);
            }
            self.pace.spend(1000).await;
        }
        // From here to the submission nothing else runs, so what is found now holds.
        if let Some(Err(error)) = links.map(|links| links.still_present()) {
            self.refuse_rest(&error.to_string());
        }
        self.check_current();
        if self.request.atomic && self.refused.iter().any(Option::is_some) {
            self.refuse_rest("atomic push failure");
        }
        let mut any = false;
        for (_, command) in self.open_commands() {
            if command.old == command.new {
                continue;
            }
            any = true;
            transaction.update_reference(ReferenceUpdate {
                name: String::from_utf8_lossy(&command.name).into_owned(),
                expected: command.old,
                new: command.new,
            });
        }
        if !any {
            return;
        }
        let submitted = transaction.submit();
        let durable = match submitted {
            Ok(commit) => self.wait(commit).await,
            Err(error) => Err(error),
        };
        if let Err(error) = durable {
            let reason = match &error {
                Error::ReferenceConflict { .. } => "fetch first".to_owned(),
                other => other.to_string(),
            };
            self.sideband.message(&format!("error: {error}\n"));
            self.refuse_rest(&reason);
        }
    }

    async fn wait(&self, commit: Commit) -> Result<(), Error> {
        commit.await
    }

    /// Names that may exist, each once.
    fn check_names(&mut self) {
        let mut seen: HashMap<&[u8], usize> = HashMap::new();
        for (position, command) in self.request.commands.iter().enumerate() {
            // What is to go may have any name.
            if command.new.is_some()
                && let Err(reason) = check_name(&command.name)
            {
                self.refuse(position, reason);
            }
            if let Some(first) = seen.insert(&command.name, position) {
                self.refuse(first, "multiple updates of one reference");
                self.refuse(position, "multiple updates of one reference");
            }
        }
    }

    /// Whether a command may be done, as far as the new objects decide that.
    async fn check_command(
        &self,
        transaction: &Transaction,
        command: &PushCommand,
        policy: &dyn PushPolicy,
    ) -> Result<(), String> {
        let name = String::from_utf8_lossy(&command.name).into_owned();
        let failed = |error: Error| {
            self.sideband.message(&format!("error: {name}: {error}\n"));
            "server error".to_owned()
        };
        if self.repository.latest_reference(&name) != command.old {
            // Deleting what is not there is no error, as in git.
            if command.new.is_none() && self.repository.latest_reference(&name).is_none() {
                self.sideband.message(&format!("warning: deleting a non-existent ref: {name}\n"));
                return Ok(());
            }
            return Err("fetch first".into());
        }
        let mut fast_forward = command.old.is_none();
        match command.new {
            None => {
                fast_forward = false;
                if name == self.repository.head() {
                    self.sideband.message(&format!("error: refusing to delete the current branch: {name}\n"));
                    return Err("deletion of the current branch prohibited".into());
                }
            }
            Some(new) => {
                transaction.rely_on(&new);
                let object = transaction.object(&new).map_err(|error| match error {
                    Error::NoObject(_) => {
                        format!("missing necessary objects{}", self.repository.why_missing())
                    }
                    error => failed(error),
                })?;
                if object.kind != Kind::Commit && name.starts_with("refs/heads/") {
                    return Err(format!("a branch cannot be a {}", object.kind));
                }
                if let (Some(old), Kind::Commit) = (command.old, object.kind)
                    && transaction.object(&old).is_ok_and(|object| object.kind == Kind::Commit)
                {
                    fast_forward = is_ancestor(transaction, &old, &new, &self.pace).await.map_err(failed)?;
                }
            }
        }
        let update = PushedUpdate {
            name: name.clone(),
            old: command.old,
            new: command.new,
            fast_forward,
            shallow: command.new.is_some() && transaction.cuts(),
        };
        match policy.check(transaction, &update, &self.pace).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(refusal)) => {
                for line in &refusal.details {
                    self.sideband.message(&format!("{line}\n"));
                }
                Err(refusal.summary)
            }
            Err(error) => Err(failed(error)),
        }
    }

    /// Compares with the references as they are now: other pushes may have been faster.
    fn check_current(&mut self) {
        let mut names: BTreeSet<String> =
            self.repository.references().into_iter().map(|reference| reference.name).collect();
        let open: Vec<_> = self.open_commands().collect();
        for (position, command) in open.iter().filter(|(_, command)| command.new.is_none()) {
            let name = String::from_utf8_lossy(&command.name);
            let current = self.repository.latest_reference(&name);
            if current.is_some() && current != command.old {
                self.refuse(*position, "fetch first");
            } else {
                names.remove(&*name);
            }
        }
        for (position, command) in open {
            let name = String::from_utf8_lossy(&command.name);
            if command.new.is_none() {
                continue;
            }
            if self.repository.latest_reference(&name) != command.old {
                self.refuse(position, "fetch first");
            } else if let Err(other) = check_conflict(&names, &name) {
                self.refuse(position, format!("'{other}' exists"));
            } else {
                names.insert(name.into_owned());
            }
        }
    }

    /// `report-status`: what became of the pack and of each reference.
    fn report(self, unpacked: Result<(), Error>) {
        /// pkt-lines are bounded. No reference has a longer name.
        const NAME: usize = 4096;
        fn line(text: &str) -> String {
            let text: String =
                text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(1000).collect();
            text.trim().to_owned()
        }
        if !self.request.report_status {
            if let Err(error) = unpacked {
                self.sideband.fatal(&format!("fatal: {error}\n"));
            }
            return;
        }
        let mut report = Vec::new();
        match unpacked {
            Ok(()) => write_text(&mut report, "unpack ok"),
            Err(error) => write_text(&mut report, format!("unpack {}", line(&error.to_string()))),
        }
        for (command, refused) in self.request.commands.iter().zip(&self.refused) {
            let mut text = if refused.is_none() { b"ok ".to_vec() } else { b"ng ".to_vec() };
            text.extend(command.name.iter().take(NAME));
            if let Some(reason) = refused {
                text.push(b' ');
                text.extend_from_slice(line(reason).as_bytes());
            }
            write_text(&mut report, text);
        }
        write_flush(&mut report);
        if self.request.band_size == BandSize::None {
            self.sideband.raw(report);
        } else {
            self.sideband.data(&mut report);
            self.sideband.flush_data();
            let mut end = Vec::new();
            write_flush(&mut end);
            self.sideband.raw(end);
        }
    }
}
