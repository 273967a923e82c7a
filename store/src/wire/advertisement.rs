//! `GET info/refs`: the references and what the server can do.

use crate::{
    Error, Reference, Repository,
    wire::{
        AGENT, GitService, Protocol,
        commit_walk::peel,
        pkt_line::{write_data, write_flush, write_text},
    },
};
use bytes::Bytes;
use gix_hash::ObjectId;
use gix_object::Kind;

const UPLOAD_PACK: &str = "multi_ack thin-pack side-band side-band-64k ofs-delta shallow deepen-since \
    deepen-not deepen-relative no-progress include-tag multi_ack_detailed allow-tip-sha1-in-want \
    allow-reachable-sha1-in-want no-done";

const RECEIVE_PACK: &str = "report-status report-status-v2 delete-refs side-band-64k quiet atomic ofs-delta";

/// The body of `GET info/refs?service=…`, of type `application/x-git-…-advertisement`.
///
/// A push speaks version 0 or 1, as in git.
pub fn advertise(repository: &Repository, service: GitService, protocol: Protocol) -> Result<Bytes, Error> {
    let mut out = Vec::new();
    if service == GitService::UploadPack && protocol == Protocol::V2 {
        for line in ["version 2", AGENT, "ls-refs=unborn", "fetch=shallow wait-for-done filter"] {
            write_text(&mut out, line);
        }
        for line in ["server-option", "object-format=sha1"] {
            write_text(&mut out, line);
        }
        write_flush(&mut out);
        return Ok(out.into());
    }
    write_text(&mut out, format!("# service={}", service.name()));
    write_flush(&mut out);
    if protocol == Protocol::V1 {
        write_text(&mut out, "version 1");
    }
    let head = repository.reference(repository.head());
    let mut capabilities = match service {
        GitService::UploadPack => {
            let symref = head.map(|_| format!(" symref=HEAD:{}", repository.head())).unwrap_or_default();
            format!("{UPLOAD_PACK}{symref} filter")
        }
        GitService::ReceivePack => RECEIVE_PACK.to_owned(),
    };
    capabilities += &format!(" object-format=sha1 {AGENT}");
    let mut line = |id: &ObjectId, name: &str| {
        let mut text = format!("{id} {name}");
        if !capabilities.is_empty() {
            text.push('\0');
            text += &std::mem::take(&mut capabilities);
        }
        text.push('\n');
        write_data(&mut out, text.as_bytes());
    };
    let references = repository.references();
    if references.is_empty() {
        line(&ObjectId::null(gix_hash::Kind::Sha1), "capabilities^{}");
    }
    if let (GitService::UploadPack, Some(id)) = (service, head) {
        line(&id, "HEAD");
    }
    for Reference { name, id } in references {
        line(&id, &name);
        if service == GitService::UploadPack
            && let Some(target) = peeled(repository, &id)?
        {
            line(&target, &format!("{name}^{{}}"));
        }
    }
    for id in repository.shallow() {
        write_text(&mut out, format!("shallow {id}"));
    }
    write_flush(&mut out);
    Ok(out.into())
}

/// The object behind an annotated tag.
pub(crate) fn peeled(repository: &Repository, id: &ObjectId) -> Result<Option<ObjectId>, Error> {
    if repository.kind(id)? != Kind::Tag {
        return Ok(None);
    }
    peel(repository, id).map(|(target, _)| Some(target))
}
