//! What a history of changes takes on the device.

use super::requests::Requests;
use crate::{
    load::Failure,
    report::{Outcome, Results, Task},
    scale::Scale,
    servers::Kind,
};
use std::time::Instant;

/// PUTs, one after the other: those of a year or two of somebody's calendar.
pub(crate) const PUTS: u32 = 1550;

/// Makes them, and adds what the server's storage has grown by and what it has had written. Radicale keeps no
/// history, the others keep every version.
pub(super) fn puts_with_history(kind: Kind, scale: &Scale, results: &mut Results) {
    let measured = kind.start(0).and_then(|peer| {
        let (requests, limit) = (Requests::new(&peer.calendar), scale.requests.first_limit);
        let mut client = peer.client(limit);
        let (kept, written) = (peer.kept_bytes(), peer.written_bytes());
        let start = Instant::now();
        for number in 0..PUTS {
            let status = client.send(&requests.put(number)).map_err(|error| Failure::new(&error, limit))?;
            if status != 201 {
                return Err(Failure::Refused(format!("status {status}")));
            }
            if start.elapsed() > limit {
                return Err(Failure::Unfinished(limit));
            }
        }
        let kept = peer.kept_bytes() - kept;
        Ok((kept, peer.written_bytes().zip(written).map(|(after, before)| after - before)))
    });
    match measured {
        Ok((kept, written)) => {
            results.add(Task::Kept, 0, kind.name(), Ok(Outcome::Bytes(kept)));
            if let Some(written) = written {
                results.add(Task::Written, 0, kind.name(), Ok(Outcome::Bytes(written)));
            }
        }
        Err(failure) => results.add(Task::Kept, 0, kind.name(), Err(failure)),
    }
}
