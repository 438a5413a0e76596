//! What members say, for programs: receivers, streams, and the events of a team.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use crate::error::{Error, Result};
use crate::model::name::{AgentName, TeamName};
use crate::orchestrator::entry::TeamOrchestrator;
use crate::orchestrator::feed::receiver::{MemberReceiver, MemberStream};
use crate::orchestrator::feed::{Feed, Subscription};
use crate::orchestrator::teammate::Teammate;
use crate::store::StoreError;

impl TeamOrchestrator {
    /// A member's output from the start of its session on, handed out once; `None` after that.
    ///
    /// # Errors
    /// There is no such member, or it was not started by this orchestrator.
    pub async fn take_output_receiver(&self, team: &str, member: &str) -> Result<Option<MemberReceiver>> {
        let (teammate, feed) = self.session_of(team, member).await?;
        if teammate.receiver_taken.swap(true, Ordering::Relaxed) {
            return Ok(None);
        }
        Ok(Some(MemberReceiver::new(&feed, member, teammate.first_seq)))
    }

    /// A member's output as a stream, from the start of its session on. There can be any number of them.
    ///
    /// # Errors
    /// As [`take_output_receiver`](Self::take_output_receiver).
    pub async fn output_stream(&self, team: &str, member: &str) -> Result<MemberStream> {
        let (teammate, feed) = self.session_of(team, member).await?;
        Ok(MemberStream::new(MemberReceiver::new(&feed, member, teammate.first_seq)))
    }

    /// A member that this orchestrator started, ended or not, and its team's events.
    async fn session_of(&self, team: &str, member: &str) -> Result<(Arc<Teammate>, Arc<Feed>)> {
        let name: TeamName = team.parse()?;
        let found =
            self.teams().get(&name).and_then(|runtime| Some((runtime.teammate(member)?, Arc::clone(&runtime.feed))));
        match found {
            Some(found) => Ok(found),
            None => Err(self.running_member(team, member).await.err().unwrap_or(Error::ShuttingDown)),
        }
    }

    /// A team's events from number `from` on.
    ///
    /// # Errors
    /// There is no such team.
    pub async fn events(&self, team: &str, from: u64) -> Result<Subscription> {
        let name: TeamName = team.parse()?;
        let known = self.teams().contains_key(&name);
        if !known {
            let name = name.clone();
            self.with_store(move |store| store.team(&name).map(|_| ())).await?;
        }
        Ok(self.runtime(&name)?.feed.subscribe(from))
    }

    /// Whether the events of all these can be read: they are members, or events tell of them. No inbox is read.
    ///
    /// # Errors
    /// There is no such team, or nothing is known of one of them.
    pub async fn check_readable(&self, team: &str, members: &[String]) -> Result<()> {
        let name: TeamName = team.parse()?;
        let runs = |member: &&String| {
            let known = member.parse::<AgentName>().ok();
            self.teams().get(&name).zip(known).is_some_and(|(runtime, known)| runtime.members().contains_key(&known))
        };
        // Those whose events are asked for most often cost no look at a file.
        let others: Vec<&String> = members.iter().filter(|member| !runs(member)).collect();
        if others.is_empty() {
            return Ok(());
        }
        let roster = self.roster(team).await?;
        for member in others {
            let listed = roster.teammates().any(|other| other.name == *member);
            // One that has left can be read about.
            if !listed && !self.tells_of(team, member).await? {
                let existing = roster.teammates().map(|member| member.name.clone()).collect();
                return Err(StoreError::NoMember { team: name.to_string(), member: member.clone(), existing }.into());
            }
        }
        Ok(())
    }

    /// The number of a team's last event.
    ///
    /// # Errors
    /// There is no such team.
    pub async fn last_seq(&self, team: &str) -> Result<u64> {
        self.events(team, 1).await?;
        Ok(self.runtime(&team.parse()?)?.feed.last_seq())
    }
}
