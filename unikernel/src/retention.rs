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
        retention(store, service, unix_time, async |duration| network.sleep(duration).await).await;
        pending().await
    };
    match select(pin!(serving), pin!(retaining)).await {
        Either::Left((output, _)) => output,
        Either::Right((never, _)) => never,
    }
}

/// Moves the boundary of histories once a day, and within an hour when the setting has changed; ends when the
/// device has failed. `now` is in seconds since 1970.
async fn retention(store: &Store, service: &Service, now: impl Fn() -> i64, sleep: impl AsyncFn(Duration)) {
    let mut wait = FIRST_LOOK;
    let mut done = None;
    loop {
        sleep(wait).await;
        wait = LOOK;
        let now = now();
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

#[cfg(test)]
mod tests {
    use super::*;
    use kalends_block_backend::MemoryDevice;
    use kalends_caldav::{ServiceOptions, realm::Realm};
    use kalends_store::{EntryKind, FormatOptions, Kind, Objects, ReferenceUpdate, Repository, TreeEdit};
    use std::{
        cell::Cell,
        future::poll_fn,
        pin::Pin,
        rc::Rc,
        task::{Context, Poll, Waker},
    };

    const MAIN: &str = "refs/heads/main";
    /// A noon.
    const NOON: i64 = 20_000 * DAY + DAY / 2;
    const HOUR: i64 = 60 * 60;

    /// Commits a file upon `main`, at a time in seconds since 1970.
    fn commit(repository: &Repository, name: &str, content: String, time: i64) {
        let mut transaction = repository.transaction();
        let expected = repository.reference(MAIN);
        let base = expected.map(|commit| transaction.tree_of_commit(&commit).unwrap());
        let blob = transaction.insert(Kind::Blob, content).unwrap();
        let edit = TreeEdit { name: name.into(), entry: Some((EntryKind::Blob, blob)) };
        let tree = transaction.edit_tree(base.as_ref(), &[edit]).unwrap();
        let parent = expected.map_or(String::new(), |commit| format!("parent {commit}\n"));
        let who = format!("A <a@example.org> {time} +0000");
        let text = format!("tree {tree}\n{parent}author {who}\ncommitter {who}\n\nWrite\n");
        let new = Some(transaction.insert(Kind::Commit, text).unwrap());
        transaction.update_reference(ReferenceUpdate { name: MAIN.into(), expected, new });
        poll_until_ready(&mut pin!(transaction.submit().unwrap())).unwrap();
    }

    fn poll_until_ready<F: Future>(future: &mut Pin<&mut F>) -> F::Output {
        for _ in 0..1000 {
            if let Poll::Ready(output) = future.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
                return output;
            }
        }
        panic!("it does not end")
    }

    #[test]
    fn a_setting_is_heeded_within_an_hour_and_the_boundary_moves_every_day() {
        let device = Rc::new(MemoryDevice::new(16 << 20));
        let store = Store::format(device, &FormatOptions::default()).unwrap();
        let service =
            Service::new(store.clone(), Realm::open(store.clone()).unwrap(), ServiceOptions::default());
        let realm = store.repository("realm").unwrap();
        let ada = store.create_repository("ada").unwrap();
        for day in (1..=9).rev() {
            commit(&ada, "a.ics", format!("{day} days ago"), NOON - day * DAY);
        }
        let clock = Cell::new(NOON);
        let sleep = async |duration: Duration| {
            let end = clock.get() + duration.as_secs() as i64;
            poll_fn(|_| if clock.get() >= end { Poll::Ready(()) } else { Poll::Pending }).await;
        };
        let mut running = pin!(retention(&store, &service, || clock.get(), sleep));
        let mut advance = |seconds: i64| {
            clock.set(clock.get() + seconds);
            for _ in 0..1000 {
                assert!(running.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
            }
        };
        // Days that are left of what was given back.
        let days = || {
            let mut next = ada.reference("refs/days/main");
            let mut count = 0;
            while let Some(commit) = next {
                count += 1;
                let text = ada.object(&commit).unwrap().data;
                let text = String::from_utf8(text.to_vec()).unwrap();
                let parent = text.lines().find_map(|line| line.strip_prefix("parent "));
                next = parent.map(|id| id.parse().unwrap());
            }
            count
        };
        // It waits for what comes later, so that it is polled before the clock moves.
        advance(0);
        advance(60);
        assert_eq!(days(), 0, "nothing is set");
        commit(&realm, "server.toml", "history-days = 3\n".into(), NOON);
        advance(HOUR - 1);
        assert_eq!(days(), 0, "it looks once an hour");
        advance(1);
        assert_eq!(days(), 6, "the days before the third one back");
        for _ in 0..10 {
            advance(HOUR);
        }
        assert_eq!(days(), 6, "the same day");
        advance(HOUR);
        assert_eq!(days(), 7, "after midnight");
        commit(&realm, "server.toml", "history-days = 1\n".into(), NOON);
        advance(HOUR);
        assert_eq!(days(), 9, "the setting has changed");
    }
}
