//! git-receive-pack: what `git push` talks to.

use crate::{
    Commit, Error, Objects, PackLimits, PushPolicy, PushedUpdate, ReferenceUpdate, Repository, Transaction,
    pack::{LinkCheck, Pace, ReceiveStage, ReceivedPack, check_object, complete, read_pack},
    wire::{
        commit_walk::is_ancestor,
        output::{Output, Reply},
        pkt_line::{write_flush, write_text},
        progress::Meter,
        push_request::{PushCommand, PushRequest},
        reference_rules::{check_conflict, check_name},
        sideband::{BandSize, Sideband},
    },
};
use bytes::Bytes;
use gix_object::Kind;
use std::{
    collections::{BTreeSet, HashMap},
    rc::Rc,
};

/// A push of which more is kept in memory goes to the device as a pack, however few its objects.
const UNPACK_BYTES: u64 = 4 << 20;

/// How pushes are received.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReceiveOptions {
    /// What a pack may cost.
    pub limits: PackLimits,
    /// A pack of fewer objects becomes single objects of the log, as with git's `receive.unpackLimit`;
    /// a larger one is kept as a pack.
    pub unpack_limit: u32,
}

impl Default for ReceiveOptions {
    fn default() -> Self {
        Self { limits: PackLimits::default(), unpack_limit: 100 }
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
    // The pack can be completed in place when nobody else holds the body.
    drop(body);
    let repository = repository.clone();
    Ok(Reply::new(move |output| async move {
        if !request.commands.is_empty() {
            push(&repository, &request, pack, &*policy, &options, output).await;
        }
    }))
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
    pack: Bytes,
    policy: &dyn PushPolicy,
    options: &ReceiveOptions,
    output: Output,
) {
    let sideband = Sideband::new(output, request.band_size, !request.quiet);
    let refused = vec![None; request.commands.len()];
    let mut push = Push { repository, request, sideband, pace: Pace::default(), refused };
    let unpacked = match push.unpack(pack, options).await {
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
    /// Reads the pack into a transaction.
    async fn unpack(
        &mut self,
        pack: Bytes,
        options: &ReceiveOptions,
    ) -> Result<(Transaction, Option<LinkCheck<'a>>), Error> {
        let mut transaction = self.repository.transaction();
        if pack.is_empty() {
            return Ok((transaction, None));
        }
        if pack.len() as u64 > options.limits.pack_size {
            return Err(Error::Limit(format!("a pack of more than {} bytes", options.limits.pack_size)));
        }
        let count = pack.get(8..12).and_then(|count| count.try_into().ok()).map_or(0, u32::from_be_bytes);
        let mut links = LinkCheck::new(self.repository, count);
        let (mut unpack, mut unpacked) = (count < options.unpack_limit, 0);
        let mut meters = [Some(Meter::new(&self.sideband, "Indexing objects", Some(u64::from(count)))), None];
        let sideband = self.sideband.clone();
        let received = read_pack(
            pack,
            self.repository,
            &options.limits,
            &self.pace,
            &mut |stage, done, total| {
                let slot = match stage {
                    ReceiveStage::Indexing => 0,
                    ReceiveStage::Resolving => 1,
                };
                let meter = meters[slot]
                    .get_or_insert_with(|| Meter::new(&sideband, "Resolving deltas", Some(total)));
                if !meter.update(done) {
                    sideband.keep_alive();
                }
            },
            |id, kind, data| {
                check_object(id, kind, data, &mut |id, kind| links.add(id, kind))?;
                unpacked += data.len() as u64;
                if unpack && unpacked > UNPACK_BYTES {
                    unpack = false;
                    transaction = self.repository.transaction();
                }
                if unpack {
                    transaction.insert(kind, data.to_vec())?;
                }
                Ok(())
            },
        )
        .await?;
        links.finish(&received.kinds)?;
        if count >= options.unpack_limit {
            meters.into_iter().flatten().for_each(Meter::done);
        }
        if !unpack {
            self.adopt(&mut transaction, received).await?;
        }
        Ok((transaction, Some(links)))
    }

    async fn adopt(&self, transaction: &mut Transaction, received: ReceivedPack) -> Result<(), Error> {
        if received.entries.is_empty() {
            return Ok(());
        }
        let (pack, index) = complete(received, self.repository, &self.pace).await?;
        transaction.adopt_pack(pack, index)
    }

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
        links: Option<LinkCheck<'a>>,
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
                    Error::NoObject(_) => "missing necessary objects".to_owned(),
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
        let update = PushedUpdate { name: name.clone(), old: command.old, new: command.new, fast_forward };
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
