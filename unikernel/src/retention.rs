//! `history-days` of the realm: once a day, history that is older is given back.

use futures_util::future::{Either, pending, select};
use kalends_caldav::{Service, retain};
use kalends_store::{Error, Store};
use kalends_tls_frontend::Network;
use std::{
    pin::pin,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

/// How long after the start, and how often then, it is looked whether history has become old enough.
const FIRST_LOOK: Duration = Duration::from_secs(60);
const LOOK: Duration = Duration::from_secs(60 * 60);
const DAY: i64 = 24 * 60 * 60;

/// Runs `serving` to its end, and beside it gives back history that is older than the realm has it kept.
pub async fn with_retention<T>(
    store: &Store,
    service: &Service,
    network: &impl Network,
    serving: impl Future<Output = T>,
) -> T {
    let retaining = async {
        retention(store, service, network).await;
        pending().await
    };
    match select(pin!(serving), pin!(retaining)).await {
        Either::Left((output, _)) => output,
        Either::Right((never, _)) => never,
    }
}

/// Moves the boundary of histories once a day, and within an hour when the setting has changed; ends when the
/// device has failed.
async fn retention(store: &Store, service: &Service, network: &impl Network) {
    let mut wait = FIRST_LOOK;
    let mut done = None;
    loop {
        network.sleep(wait).await;
        wait = LOOK;
        let now = unix_time();
        let Some(days) = service.settings().history_days else { continue };
        // Boundaries are at midnight.
        if done == Some((days, now / DAY)) {
            continue;
        }
        if let Err(error) = retain_all(store, days, now).await {
            log::error!("no more history is given back: {error}");
            return;
        }
        done = Some((days, now / DAY));
    }
}

/// Gives back the history of all users that is older than so many days, and logs what was done.
///
/// # Errors
/// As [`retain`].
async fn retain_all(store: &Store, days: u32, now: i64) -> Result<(), Error> {
    retain(store, days, now, &mut |name, result| match result {
        Ok(done) => log::info!(
            "{name}: {} commits older than {days} days were given back, and {} made to stand for a day",
            done.given_back,
            done.days
        ),
        Err(error) => log::error!("{name}: history older than {days} days is not given back: {error}"),
    })
    .await
}

/// Seconds since 1970.
pub fn unix_time() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_secs() as i64)
}
