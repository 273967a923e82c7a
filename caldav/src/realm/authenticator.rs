//! From credentials to accounts, at a bounded cost.

use super::{
    AuthenticationError,
    basic::Credentials,
    configuration::Configuration,
    password_hash::PasswordHash,
    throttle::{Source, Throttle},
    turnstile::Turnstile,
    users_file::Account,
    verdicts::Verdicts,
};
use std::{cell::RefCell, time::Instant};

/// Seconds after which a client that found the queue full should come again.
const RETRY_WHEN_BUSY: u64 = 2;

/// Verifies passwords: first by what is known, then, within limits, by argon2id.
pub(super) struct Authenticator {
    verdicts: RefCell<Verdicts>,
    throttle: RefCell<Throttle>,
    turnstile: Turnstile,
}

impl Authenticator {
    pub(super) fn new() -> Self {
        Self {
            verdicts: RefCell::new(Verdicts::new()),
            throttle: RefCell::new(Throttle::new()),
            turnstile: Turnstile::default(),
        }
    }

    /// The account whose password this is. An unknown name costs as much time as a wrong password, and
    /// fills the same tables.
    pub(super) async fn authenticate<'c>(
        &self,
        configuration: &'c Configuration,
        credentials: &Credentials,
        source: Source,
    ) -> Result<&'c Account, AuthenticationError> {
        let account = configuration.account(&credentials.name);
        let known = account.and_then(|account| Some((account, account.password.as_ref()?)));
        let name = match known {
            Some((account, _)) => account.user.name.clone(),
            None => credentials.name.to_lowercase(),
        };
        // The hash of an unknown name is, for cost and tag, that of some user, always the same for one name.
        let hash = known.map(|(_, hash)| hash).or_else(|| self.stand_in(configuration, &name));
        let Some(hash) = hash else { return Err(AuthenticationError::Wrong) };
        let stored = hash.to_string();
        let tag = {
            let verdicts = self.verdicts.borrow();
            verdicts.tag(&name, if known.is_some() { &stored } else { "" }, &credentials.password)
        };
        let verdict = |right: bool| match known {
            Some((account, _)) if right => Ok(account),
            _ => Err(AuthenticationError::Wrong),
        };
        if let Some(right) = self.verdicts.borrow().get(&tag, Instant::now()) {
            return verdict(right);
        }
        let admission = self
            .throttle
            .borrow_mut()
            .admit(source, &name, Instant::now())
            .map_err(|retry_after| AuthenticationError::TooManyFailures { retry_after })?;
        let Ok(turn) = self.turnstile.enter(source).await else {
            self.throttle.borrow_mut().give_back(admission, Instant::now());
            return Err(AuthenticationError::Busy { retry_after: RETRY_WHEN_BUSY });
        };
        // A client opens several connections with the same new password at once: the first found out.
        if let Some(right) = self.verdicts.borrow().get(&tag, Instant::now()) {
            self.throttle.borrow_mut().give_back(admission, Instant::now());
            return verdict(right);
        }
        let right = match known {
            Some(_) => hash.verify(&credentials.password),
            None => {
                hash.decoy().verify(&credentials.password);
                false
            }
        };
        drop(turn);
        let now = Instant::now();
        self.verdicts.borrow_mut().insert(tag, right, now);
        if right {
            self.throttle.borrow_mut().succeeded(admission, now);
        }
        verdict(right)
    }

    fn stand_in<'c>(&self, configuration: &'c Configuration, name: &str) -> Option<&'c PasswordHash> {
        let accounts = configuration.users.accounts.values();
        let hashes: Vec<&PasswordHash> = accounts.filter_map(|account| account.password.as_ref()).collect();
        let number = self.verdicts.borrow().number(name);
        let position = usize::try_from(number.checked_rem(hashes.len() as u64)?).ok()?;
        hashes.get(position).copied()
    }
}
