//! What calendar clients ask, of each server in turn.

mod reads;
mod requests;
mod session;
mod storage;
mod writes;

use crate::{
    load::connect_again_and_again,
    report::{Outcome, Results, Task},
    scale::Scale,
    servers::Kind,
};
use requests::Requests;
use session::Session;

/// Measures each of the servers with calendars of every size.
pub(crate) fn measure(scale: &Scale, servers: &[Kind], results: &mut Results) {
    for &size in scale.sizes {
        for &kind in servers {
            eprintln!("measuring {} with {size} events …", kind.name());
            match Session::start(kind, size, scale) {
                Ok(mut session) => session.measure(results),
                Err(failure) => results.add(Task::Start, size, kind.name(), Err(failure)),
            }
        }
    }
    for &kind in servers {
        eprintln!("measuring {} with an empty calendar …", kind.name());
        writes::fill(kind, scale, results);
        storage::puts_with_history(kind, scale, results);
    }
}

/// New connections with TLS, where the server speaks it.
pub(crate) fn measure_handshakes(scale: &Scale, servers: &[Kind], results: &mut Results) {
    for &kind in servers {
        let peer = match kind.start(0) {
            Ok(peer) => peer,
            Err(failure) => return results.add(Task::FullHandshakes, 0, kind.name(), Err(failure)),
        };
        if peer.address.tls.is_none() {
            continue;
        }
        eprintln!("measuring handshakes of {} …", kind.name());
        let requests = Requests::new(&peer.calendar);
        for (task, resumption) in [(Task::FullHandshakes, false), (Task::ResumedHandshakes, true)] {
            let address = peer.address.clone().with_resumption(resumption);
            let rate = connect_again_and_again(&address, &requests.options(), &scale.side_by_side);
            results.add(task, 0, kind.name(), rate.map(Outcome::PerSecond));
        }
    }
}
