//! How many passwords may be tried, from where and for whom.

use std::{
    collections::HashMap,
    hash::{BuildHasher, RandomState},
    net::{IpAddr, Ipv6Addr, SocketAddr},
    time::Instant,
};

/// Where a request comes from: an IPv4 address, or the /64 that one IPv6 customer has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Source {
    Unknown,
    Address(IpAddr),
}

impl Source {
    pub(super) fn new(peer: Option<&SocketAddr>) -> Self {
        let Some(peer) = peer else { return Self::Unknown };
        Self::Address(match peer.ip().to_canonical() {
            IpAddr::V6(address) => {
                let prefix = u128::from(address) & !u128::from(u64::MAX);
                IpAddr::V6(Ipv6Addr::from(prefix))
            }
            address => address,
        })
    }
}

/// A supply of tries that comes back with time.
struct Allowance {
    burst: f64,
    per_second: f64,
}

/// Tries of one user name from one address.
const PER_NAME: Allowance = Allowance { burst: 10.0, per_second: 1.0 / 30.0 };
/// Tries of all names from one address, behind which may be an office.
const PER_SOURCE: Allowance = Allowance { burst: 50.0, per_second: 1.0 / 5.0 };
/// Tries from everywhere: bounds what a distributed attack can spend of the processor.
const TOTAL: Allowance = Allowance { burst: 200.0, per_second: 3.0 };

/// The most tables entries, some 32 bytes each.
const MAX_BUCKETS: usize = 4_096;
const MAX_FAMILIAR: usize = 1_024;

#[derive(Clone, Copy)]
struct Bucket {
    tries: f64,
    since: Instant,
}

impl Bucket {
    fn refilled(self, allowance: &Allowance, now: Instant) -> f64 {
        let elapsed = now.saturating_duration_since(self.since).as_secs_f64();
        (self.tries + elapsed * allowance.per_second).min(allowance.burst)
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum Kind {
    Name,
    Source,
    Total,
}

impl Kind {
    fn allowance(self) -> &'static Allowance {
        match self {
            Self::Name => &PER_NAME,
            Self::Source => &PER_SOURCE,
            Self::Total => &TOTAL,
        }
    }
}

/// A try that was admitted; given back if the password was right.
#[derive(Clone, Copy)]
pub(super) struct Admission {
    pair: u64,
    source: u64,
    limited_by_all: bool,
}

/// Counts tries. Names and addresses are kept as keyed 64-bit hashes, so that the table stays small.
pub(super) struct Throttle {
    hasher: RandomState,
    buckets: HashMap<(Kind, u64), Bucket>,
    /// Pairs of name and address that signed in before: only their own limit holds for them, so that an
    /// attack from elsewhere does not keep them out.
    familiar: HashMap<u64, Instant>,
}

impl Throttle {
    pub(super) fn new() -> Self {
        Self { hasher: RandomState::new(), buckets: HashMap::new(), familiar: HashMap::new() }
    }

    /// Takes one try, or says for how many seconds there is none.
    pub(super) fn admit(&mut self, source: Source, name: &str, now: Instant) -> Result<Admission, u64> {
        let pair = self.hasher.hash_one((source, name));
        let source = self.hasher.hash_one(source);
        let limited_by_all = !self.familiar.contains_key(&pair);
        let admission = Admission { pair, source, limited_by_all };
        let mut wait = 0.0_f64;
        for (kind, key) in admission.buckets() {
            let allowance = kind.allowance();
            let tries = self.tries(kind, key, now);
            if tries < 1.0 {
                wait = wait.max((1.0 - tries) / allowance.per_second);
            }
        }
        if wait > 0.0 {
            return Err((wait.ceil() as u64).max(1));
        }
        for (kind, key) in admission.buckets() {
            let tries = self.tries(kind, key, now) - 1.0;
            self.put(kind, key, tries, now);
        }
        Ok(admission)
    }

    /// Gives the try back: it was no failure.
    pub(super) fn give_back(&mut self, admission: Admission, now: Instant) {
        for (kind, key) in admission.buckets() {
            let tries = (self.tries(kind, key, now) + 1.0).min(kind.allowance().burst);
            self.put(kind, key, tries, now);
        }
    }

    /// The password was right: gives the try back and remembers who comes from where.
    pub(super) fn succeeded(&mut self, admission: Admission, now: Instant) {
        self.give_back(admission, now);
        if self.familiar.len() >= MAX_FAMILIAR
            && !self.familiar.contains_key(&admission.pair)
            && let Some(oldest) = self.familiar.iter().min_by_key(|(_, since)| **since).map(|(pair, _)| *pair)
        {
            self.familiar.remove(&oldest);
        }
        self.familiar.insert(admission.pair, now);
    }

    fn tries(&self, kind: Kind, key: u64, now: Instant) -> f64 {
        let allowance = kind.allowance();
        self.buckets.get(&(kind, key)).map_or(allowance.burst, |bucket| bucket.refilled(allowance, now))
    }

    fn put(&mut self, kind: Kind, key: u64, tries: f64, now: Instant) {
        if tries >= kind.allowance().burst {
            self.buckets.remove(&(kind, key));
            return;
        }
        if self.buckets.len() >= MAX_BUCKETS && !self.buckets.contains_key(&(kind, key)) {
            self.make_room(now);
        }
        self.buckets.insert((kind, key), Bucket { tries, since: now });
    }

    /// Forgets those who have waited long enough; failing that, the one who is nearest to it.
    fn make_room(&mut self, now: Instant) {
        self.buckets
            .retain(|(kind, _), bucket| bucket.refilled(kind.allowance(), now) < kind.allowance().burst);
        if self.buckets.len() < MAX_BUCKETS {
            return;
        }
        let left = |(kind, _): &(Kind, u64), bucket: &Bucket| {
            let allowance = kind.allowance();
            (allowance.burst - bucket.refilled(allowance, now)) / allowance.per_second
        };
        let nearest = self
            .buckets
            .iter()
            .filter(|((kind, _), _)| *kind != Kind::Total)
            .min_by(|a, b| left(a.0, a.1).total_cmp(&left(b.0, b.1)))
            .map(|(key, _)| *key);
        if let Some(key) = nearest {
            self.buckets.remove(&key);
        }
    }
}

impl Admission {
    fn buckets(self) -> impl Iterator<Item = (Kind, u64)> {
        let common = [(Kind::Source, self.source), (Kind::Total, 0)];
        std::iter::once((Kind::Name, self.pair))
            .chain(common.into_iter().filter(move |_| self.limited_by_all))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn source(text: &str) -> Source {
        Source::new(Some(&SocketAddr::new(text.parse().unwrap(), 1)))
    }

    /// Tries until refused; gives the number of tries and the seconds to wait.
    fn exhaust(
        throttle: &mut Throttle,
        source: Source,
        name: impl Fn(u32) -> String,
        now: Instant,
    ) -> (u32, u64) {
        for tried in 0.. {
            assert!(tried < 100_000, "never refused");
            if let Err(wait) = throttle.admit(source, &name(tried), now) {
                return (tried, wait);
            }
        }
        unreachable!("the loop ends by return")
    }

    #[test]
    fn one_name_from_one_address_gets_ten_tries_then_one_each_half_minute() {
        let (mut throttle, now, peer) = (Throttle::new(), Instant::now(), source("192.0.2.1"));
        assert_eq!(exhaust(&mut throttle, peer, |_| "ada".into(), now), (10, 30));
        let later = now + Duration::from_secs(30);
        assert_eq!(exhaust(&mut throttle, peer, |_| "ada".into(), later), (1, 30));
        assert!(throttle.admit(source("192.0.2.2"), "ada", now).is_ok(), "others may try the same name");
        assert!(throttle.admit(peer, "eve", now).is_ok(), "and other names may come from there");
    }

    #[test]
    fn one_address_gets_fifty_tries_over_all_names() {
        let (mut throttle, now, peer) = (Throttle::new(), Instant::now(), source("192.0.2.1"));
        assert_eq!(exhaust(&mut throttle, peer, |n| format!("user{n}"), now), (50, 5));
    }

    #[test]
    fn all_addresses_together_are_limited_but_not_for_those_who_signed_in_before() {
        let (mut throttle, now) = (Throttle::new(), Instant::now());
        let home = source("192.0.2.1");
        let admission = throttle.admit(home, "ada", now).unwrap();
        throttle.succeeded(admission, now);
        let mut tried = 0;
        while throttle.admit(source(&format!("198.51.{}.{}", tried / 250, tried % 250)), "ada", now).is_ok() {
            tried += 1;
        }
        assert_eq!(tried, 200);
        assert!(throttle.admit(home, "ada", now).is_ok(), "from home as ever");
        assert!(throttle.admit(home, "bob", now).is_err());
    }

    #[test]
    fn right_passwords_use_nothing_up() {
        let (mut throttle, now, peer) = (Throttle::new(), Instant::now(), source("192.0.2.1"));
        for _ in 0..1_000 {
            let admission = throttle.admit(peer, "ada", now).unwrap();
            throttle.succeeded(admission, now);
        }
        assert!(throttle.buckets.len() <= 2, "a first try leaves nothing behind but what others used");
    }

    #[test]
    fn ipv6_customers_are_counted_by_their_64_and_mapped_addresses_as_ipv4() {
        assert_eq!(source("2001:db8:1:2::1"), source("2001:db8:1:2:ffff::2"));
        assert_ne!(source("2001:db8:1:2::1"), source("2001:db8:1:3::1"));
        assert_eq!(source("::ffff:192.0.2.1"), source("192.0.2.1"));
    }

    #[test]
    fn the_table_stays_bounded_and_keeps_the_worst() {
        let (mut throttle, now) = (Throttle::new(), Instant::now());
        let attacker = source("192.0.2.1");
        exhaust(&mut throttle, attacker, |_| "ada".into(), now);
        for n in 0..3 * MAX_BUCKETS as u32 {
            // Spread over time, so that the limit for all does not end the flood.
            let peer = source(&Ipv6Addr::from(u128::from(n) << 64).to_string());
            let later = now + Duration::from_millis(u64::from(n));
            throttle.put(Kind::Source, throttle.hasher.hash_one(peer), 49.0, later);
        }
        assert!(throttle.buckets.len() <= MAX_BUCKETS);
        assert!(throttle.admit(attacker, "ada", now + Duration::from_secs(13)).is_err());
    }
}
