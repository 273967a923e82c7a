//! Clones in the work on a store: by git's protocol, while other things are done.

use crate::session::{Operation, Session, name};
use futures_executor::block_on;
use futures_util::StreamExt;
use kalends_block_backend::MemoryDevice;
use kalends_store::{
    Error, FormatOptions, NoRules, ObjectId, Store,
    wire::{Protocol, ReceiveOptions, receive_pack, upload_pack},
};
use std::rc::Rc;

impl Session {
    /// Clones a repository as it is, and does other things while the pack is under way. What came must be all of
    /// it, whatever was done meanwhile.
    pub(crate) fn clone_meanwhile(&mut self, number: usize, meanwhile: &[Operation]) -> Result<(), Error> {
        let Some(repository) = self.repository(number) else { return Ok(()) };
        let references: Vec<(String, ObjectId)> =
            repository.references().into_iter().map(|one| (one.name, one.id)).collect();
        if references.is_empty() {
            return Ok(());
        }
        let shallow = repository.shallow();
        let line = |text: String| format!("{:04x}{text}", text.len() + 4);
        let mut request = String::new();
        for (place, (_, id)) in references.iter().enumerate() {
            let capabilities = if place == 0 { " ofs-delta no-progress" } else { "" };
            request += &line(format!("want {id}{capabilities}\n"));
        }
        request += &format!("0000{}", line("done\n".into()));
        let mut reply = upload_pack(&repository, Protocol::V0, request.into());
        drop(repository);
        let mut answer = Vec::new();
        // The request is read when the answer is asked for: from then on it holds what it wants.
        answer.extend(block_on(reply.next()).unwrap_or_default());
        let mut full = false;
        for operation in meanwhile {
            match self.try_run(operation) {
                Ok(()) => {}
                Err(Error::DeviceFull) => full = true,
                Err(error) => return Err(error),
            }
            for _ in 0..self.random.below(3) {
                answer.extend(block_on(reply.next()).unwrap_or_default());
            }
        }
        answer.extend(block_on(reply.collect::<Vec<_>>()).concat());
        let pack = answer.strip_prefix(b"0008NAK\n").expect("nothing is common");
        assert_whole(&references, &shallow, pack, &name(number));
        if full { Err(Error::DeviceFull) } else { Ok(()) }
    }
}

/// Pushes a pack to another store, which takes nothing that is not whole, but for what is below the boundary.
fn assert_whole(references: &[(String, ObjectId)], shallow: &[ObjectId], pack: &[u8], name: &str) {
    let device = Rc::new(MemoryDevice::new(24 << 20));
    let elsewhere = Store::format(device, &FormatOptions::default()).unwrap();
    let elsewhere = elsewhere.create_repository("clone").unwrap();
    let mut body = Vec::new();
    for id in shallow {
        let line = format!("shallow {id}");
        body.extend(format!("{:04x}{line}", line.len() + 4).into_bytes());
    }
    for (place, (name, id)) in references.iter().enumerate() {
        let capabilities = if place == 0 { "\0 report-status" } else { "" };
        let command = format!("{} {id} {name}{capabilities}", ObjectId::null(id.kind()));
        body.extend(format!("{:04x}{command}", command.len() + 4).into_bytes());
    }
    body.extend_from_slice(b"0000");
    body.extend_from_slice(pack);
    let reply = receive_pack(&elsewhere, body.into(), Rc::new(NoRules), ReceiveOptions::default()).unwrap();
    let report = block_on(reply.collect::<Vec<_>>()).concat();
    let report = String::from_utf8_lossy(&report);
    assert!(
        report.contains("unpack ok") && !report.contains("ng "),
        "a clone of {name} is not whole: {report}"
    );
}
