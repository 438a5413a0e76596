//! Rate limits belong to accounts, not to members: who shares an account waits with it.

use std::collections::HashMap;
use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash, Hasher};
use std::sync::{Mutex, MutexGuard};
use std::time::Duration;

use agent_backends::{AgentBackend, SpawnConfig};
use tokio::sync::watch;
use tokio::time::Instant;

use crate::sync::lock;

/// The first wait after a refusal that does not say how long; it doubles.
pub(crate) const FIRST_WAIT: Duration = Duration::from_secs(60);
const LONGEST_WAIT: Duration = Duration::from_secs(15 * 60);

/// Who pays. A number that means nothing elsewhere, so that no secret is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Account(u64);

impl Account {
    /// The account that a session started like this uses, as far as its provider, its home and its keys tell.
    pub(crate) fn of(backend: &dyn AgentBackend, config: &SpawnConfig) -> Self {
        let capabilities = backend.capabilities();
        let telling = capabilities.account_variables;
        let mut variables = config.environment();
        variables.retain(|name, _| name == "HOME" || telling.iter().any(|telling| name.starts_with(telling)));
        let mut hasher = DefaultHasher::new();
        (backend.family(), variables).hash(&mut hasher);
        if capabilities.any_program {
            config.command.hash(&mut hasher);
        }
        Self(hasher.finish())
    }
}

/// An account's provider takes no requests until then.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Limit {
    pub(crate) until: Instant,
    /// The same in seconds since 1970.
    pub(crate) resets_at: i64,
    pub(crate) refusals: u32,
}

/// The limits of all accounts.
#[derive(Debug)]
pub(crate) struct Accounts {
    limits: Mutex<HashMap<Account, Limit>>,
    changed: watch::Sender<()>,
    first_wait: Duration,
}

impl Accounts {
    pub(crate) fn new(first_wait: Duration) -> Self {
        Self { limits: Mutex::default(), changed: watch::Sender::new(()), first_wait }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Account, Limit>> {
        lock(&self.limits)
    }

    /// Tells of every change.
    pub(crate) fn watch(&self) -> watch::Receiver<()> {
        self.changed.subscribe()
    }

    /// The provider has refused; answers until when nothing is asked of it.
    pub(crate) fn refused(&self, account: Account, resets_at: Option<i64>) -> Limit {
        let now = jiff::Timestamp::now().as_second();
        let mut limits = self.lock();
        let known = limits.get(&account).copied();
        if let Some(limit) = known.filter(|limit| limit.until > Instant::now() && resets_at.is_none()) {
            // The same refusal, heard by another member.
            return limit;
        }
        let refusals = known.map_or(0, |limit| limit.refusals);
        let told = resets_at.and_then(|reset| u64::try_from(reset - now).ok()).filter(|wait| *wait > 0);
        let wait = match told {
            Some(seconds) => Duration::from_secs(seconds),
            None => self.first_wait.saturating_mul(1 << refusals.min(10)).min(LONGEST_WAIT.max(self.first_wait)),
        };
        let resets_at = now + i64::try_from(wait.as_secs()).unwrap_or(i64::MAX / 2);
        let limit = Limit { until: Instant::now() + wait, resets_at, refusals: refusals + 1 };
        limits.insert(account, limit);
        drop(limits);
        self.changed.send_replace(());
        limit
    }

    /// The limit that holds now.
    pub(crate) fn limit(&self, account: Account) -> Option<Limit> {
        self.lock().get(&account).filter(|limit| limit.until > Instant::now()).copied()
    }

    /// The provider has answered.
    pub(crate) fn answered(&self, account: Account) {
        if self.lock().remove(&account).is_some() {
            self.changed.send_replace(());
        }
    }
}

#[cfg(test)]
mod tests {
    use agent_backends::{BackendType, known};

    use super::*;

    #[test]
    fn members_with_the_same_keys_share_an_account() {
        let config = |key: &str, term: &str| {
            let mut config = SpawnConfig::new("a", "");
            let variables = [("ANTHROPIC_API_KEY", key), ("TERM", term), ("HOME", "/h")];
            config.inherit_env = Some(variables.map(|(name, value)| (name.to_owned(), value.to_owned())).into());
            config
        };
        let account = |backend, key, term| {
            let backend = known::backend(backend).expect("a known one");
            Account::of(&*backend, &config(key, term))
        };
        assert_eq!(account(BackendType::ClaudeCode, "k", "x"), account(BackendType::ClaudeCode, "k", "y"));
        assert_ne!(account(BackendType::ClaudeCode, "k", "x"), account(BackendType::ClaudeCode, "l", "x"));
        assert_ne!(account(BackendType::ClaudeCode, "k", "x"), account(BackendType::Codex, "k", "x"));
        assert_eq!(account(BackendType::GeminiCli, "k", "x"), account(BackendType::GeminiAcp, "k", "x"));
        assert_eq!(
            account(BackendType::Codex, "k", "x"),
            account(BackendType::Codex, "l", "x"),
            "not a key of its own"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn a_limit_without_a_time_is_waited_for_longer_each_time() {
        let accounts = Accounts::new(Duration::from_secs(1));
        let account = Account(1);
        let wait = |limit: Limit| limit.until.duration_since(Instant::now()).as_millis().div_ceil(1000);
        for expected in [1, 2, 4, 8] {
            let limit = accounts.refused(account, None);
            assert_eq!(wait(limit), expected);
            assert_eq!(accounts.refused(account, None), limit, "another member's refusal");
            tokio::time::advance(Duration::from_secs(expected as u64)).await;
        }
        accounts.answered(account);
        assert_eq!(accounts.limit(account), None);
        let reset = jiff::Timestamp::now().as_second() + 100;
        assert_eq!(wait(accounts.refused(account, Some(reset))), 100);
        assert!(accounts.limit(account).is_some_and(|limit| limit.resets_at == reset));
    }
}
