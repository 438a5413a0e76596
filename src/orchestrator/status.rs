//! How a team and its members are: what its file lists, and what runs.

use std::path::PathBuf;

use agent_backends::{ApprovalKind, BackendType, Exit, Usage};
use serde::{Deserialize, Serialize};

use super::journal::Contents;
use super::teammate::MemberState;
use super::{Slot, TeamOrchestrator};
use crate::error::Result;
use crate::model::approval::Verdict;
use crate::model::name::{AgentName, TEAM_LEAD, TeamName};

/// A member, as it is now.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct MemberStatus {
    /// Its name.
    pub name: String,
    /// Its backend; `None` for a member that is not ours.
    pub backend: Option<BackendType>,
    /// How it is.
    pub state: MemberState,
    /// Why it is in that state.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The process that serves it; `None` when none runs.
    pub pid: Option<u32>,
    /// The agent's name for the conversation.
    pub session_id: Option<String>,
    /// The model it uses.
    pub model: Option<String>,
    /// Where it works.
    pub cwd: Option<PathBuf>,
    /// Turns so far.
    pub turns: u64,
    /// What they used.
    pub usage: Usage,
    /// Messages in its inbox that it has not read.
    pub unread: usize,
    /// Messages that it was given once more because nobody could tell whether it had them; which ones, their ways tell
    /// ([`TeamOrchestrator::trace`]).
    #[serde(default)]
    pub in_doubt: u64,
    /// Inputs that wait for it.
    #[serde(default)]
    pub queued: usize,
    /// What it asks for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub approvals: Vec<PendingApproval>,
    /// When its provider will take requests again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rate_limited_until: Option<String>,
    /// How its session ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exit: Option<Exit>,
    /// Why it failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure: Option<String>,
}

/// A question of a member's agent that waits for somebody's decision.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PendingApproval {
    /// Its id within the team.
    pub id: String,
    /// Who asks.
    pub member: String,
    /// For which tool.
    pub tool: String,
    /// To do what.
    pub summary: String,
    /// Of what kind that is.
    #[serde(default)]
    pub kind: ApprovalKind,
    /// Who decides.
    #[serde(default)]
    pub decides: Verdict,
}

/// A team, as it is now.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TeamStatus {
    /// Its name.
    pub team: String,
    /// What it is for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Its members, without the lead.
    pub members: Vec<MemberStatus>,
    /// Messages in the lead's inbox that nobody has read.
    #[serde(rename = "leadUnread")]
    pub lead_unread: usize,
}

impl MemberStatus {
    /// A member of which nothing is known but its name.
    fn named(name: &str, backend: Option<BackendType>, state: MemberState) -> Self {
        Self {
            name: name.to_owned(),
            backend,
            state,
            reason: None,
            pid: None,
            session_id: None,
            model: None,
            cwd: None,
            turns: 0,
            usage: Usage::default(),
            unread: 0,
            in_doubt: 0,
            queued: 0,
            approvals: Vec::new(),
            rate_limited_until: None,
            exit: None,
            failure: None,
        }
    }

    fn of(name: &str, slot: &Slot) -> Self {
        match slot {
            Slot::Started(teammate) => teammate.status(),
            Slot::Starting { backend, .. } => Self::named(name, Some(*backend), MemberState::Starting),
        }
    }
}

impl TeamOrchestrator {
    /// A team and its members, as they are now: those in its file, and those that run or are being started all the same.
    ///
    /// # Errors
    /// There is no such team, neither on disk nor running.
    pub async fn status(&self, team: &str) -> Result<TeamStatus> {
        let name: TeamName = team.parse()?;
        let wanted = name.clone();
        let read = self
            .with_store(move |store| {
                let team = store.team(&wanted)?;
                let unread = |member: &str| {
                    let inbox = member.parse().ok().and_then(|member| store.read_inbox_of(&wanted, &member).ok());
                    inbox.unwrap_or_default().iter().filter(|message| !message.read).count()
                };
                let unread: Vec<usize> = team.members.iter().map(|member| unread(&member.name)).collect();
                Ok((team, unread))
            })
            .await;
        let runtime = self.teams().get(&name).cloned();
        let mut slots = runtime.as_ref().map(|runtime| runtime.members().clone()).unwrap_or_default();
        let runs = runtime.as_ref().is_some_and(|runtime| !runtime.running().is_empty());
        let mut status = TeamStatus { team: name.to_string(), description: None, members: Vec::new(), lead_unread: 0 };
        match read {
            Ok((team, unread)) => {
                status.description = team.description;
                for (member, unread) in team.members.into_iter().zip(unread) {
                    if member.name == TEAM_LEAD {
                        status.lead_unread = unread;
                        continue;
                    }
                    let known = member.name.parse::<AgentName>().ok();
                    let slot = known.as_ref().and_then(|name| slots.remove(name));
                    let mut found = match slot {
                        Some(slot) => MemberStatus::of(&member.name, &slot),
                        None => {
                            let journal =
                                known.and_then(|known| Contents::read(&self.journal_path(&name, &known)).ok());
                            let Contents { record, queued, .. } = journal.unwrap_or_default();
                            let (state, reason) = match record.alive {
                                true => {
                                    (MemberState::Lost, Some("whoever ran it was killed; say `teams resume`".into()))
                                }
                                false => (MemberState::Exited, None),
                            };
                            let backend = member.launch.map(|launch| launch.backend);
                            MemberStatus {
                                session_id: record.session_id,
                                model: record.model.or(member.model),
                                cwd: member.cwd,
                                turns: record.turns,
                                usage: record.usage,
                                reason,
                                in_doubt: record.in_doubt,
                                queued: queued.len(),
                                ..MemberStatus::named(&member.name, backend, state)
                            }
                        }
                    };
                    found.unread = unread;
                    status.members.push(found);
                }
            }
            // A live Claude Code deletes its team when it ends; those of ours in it run on, and must be seen.
            Err(error) if runs => {
                status.description = Some(format!("its files are gone or cannot be read: {error}"));
            }
            Err(error) => return Err(error),
        }
        let unlisted = slots.iter().map(|(name, slot)| MemberStatus::of(name, slot));
        let mut unlisted: Vec<MemberStatus> = unlisted.filter(|member| member.state.is_running()).collect();
        unlisted.sort_by(|a, b| a.name.cmp(&b.name));
        status.members.extend(unlisted);
        Ok(status)
    }

    /// `member@team` of everybody who runs. Looks at no file.
    pub fn running_everywhere(&self) -> Vec<String> {
        let teams = self.teams();
        let mut names: Vec<String> = teams
            .values()
            .flat_map(|runtime| runtime.running().into_iter().map(|name| format!("{name}@{}", runtime.name)))
            .collect();
        names.sort();
        names
    }
}
