//! How long users' history is kept commit by commit: `history-days` of `server.toml`.

use crate::realm::REALM_REPOSITORY;
use kalends_store::{Error, Retained, Store};

const DAY: i64 = 24 * 60 * 60;
/// Who makes the commits that stand for days.
const COMMITTER: &str = "Kalends <kalends@localhost>";

/// Gives back the history of all repositories but the realm's that is more than `days` old at `now`, in seconds
/// since 1970; tells of each in which something has changed, or failed. Gives way to other requests.
///
/// What is given back is no longer reachable, and collected by the store's compaction.
///
/// # Errors
/// [`Error::Device`]: the store takes no more changes. After other errors the other repositories have their turn.
pub async fn retain(
    store: &Store,
    days: u32,
    now: i64,
    report: &mut dyn FnMut(&str, Result<Retained, Error>),
) -> Result<(), Error> {
    let since = now.saturating_sub(DAY.saturating_mul(days.into()));
    for name in store.repositories() {
        if name == REALM_REPOSITORY {
            continue;
        }
        // It may be gone by now.
        let Ok(repository) = store.repository(&name) else { continue };
        match repository.retain(since, COMMITTER).await {
            Ok(done) if done.given_back == 0 && done.days == 0 => {}
            Err(error @ Error::Device(_)) => return Err(error),
            Err(Error::NoRepository(_)) => {}
            other => report(&name, other),
        }
    }
    Ok(())
}
