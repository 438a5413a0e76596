//! What a team remembers, for everybody in it.

use serde_json::Value;

use crate::error::{Error, Result};
use crate::model::memory::{MemoryEntry, MemoryName};
use crate::model::name::TeamName;
use crate::model::time::iso;
use crate::orchestrator::entry::TeamOrchestrator;
use crate::store::{self, Memory, StoreError};

impl TeamOrchestrator {
    /// All values that a team remembers, by name.
    ///
    /// # Errors
    /// There is no such team, or its memory cannot be read.
    pub async fn memories(&self, team: &str) -> Result<Vec<MemoryEntry>> {
        self.in_memory(team, |memory| memory.list()).await
    }

    /// One value.
    ///
    /// # Errors
    /// There is no such team or value.
    pub async fn recall(&self, team: &str, name: &str) -> Result<MemoryEntry> {
        let name = parse(name)?;
        self.in_memory(team, move |memory| match memory.read(&name)? {
            Some(entry) => Ok(entry),
            None => {
                let existing = memory.list()?.into_iter().map(|entry| entry.name.into()).collect();
                Err(StoreError::NoMemory { name: name.to_string(), existing })
            }
        })
        .await
    }

    /// Remembers a value; with `expected`, only if that is the version of what is there (0: nothing is).
    ///
    /// # Errors
    /// There is no such team, the name is bad, the value too long, the memory full, or the version another one.
    pub async fn remember(
        &self,
        team: &str,
        name: &str,
        value: Value,
        expected: Option<u64>,
        by: &str,
    ) -> Result<MemoryEntry> {
        let (name, by) = (parse(name)?, by.to_owned());
        let now = iso(jiff::Timestamp::now());
        self.in_memory(team, move |memory| memory.write(&name, value, expected, &by, &now)).await
    }

    /// Forgets a value, under the same condition.
    ///
    /// # Errors
    /// There is no such team or value, or the version is another one.
    pub async fn forget_memory(&self, team: &str, name: &str, expected: Option<u64>) -> Result<()> {
        self.recall(team, name).await?;
        let name = parse(name)?;
        self.in_memory(team, move |memory| memory.delete(&name, expected).map(|_| ())).await
    }

    async fn in_memory<T: Send + 'static>(
        &self,
        team: &str,
        work: impl FnOnce(&Memory) -> store::Result<T> + Send + 'static,
    ) -> Result<T> {
        let team: TeamName = team.parse()?;
        let memory = Memory::new(self.inner.team_dir(&team).join("memory"));
        self.with_store(move |store| {
            store.team(&team)?;
            work(&memory)
        })
        .await
    }
}

fn parse(name: &str) -> Result<MemoryName> {
    name.parse().map_err(|error| Error::Store(StoreError::BadMemoryName(error)))
}
