//! How a team and its members are: what its file lists, and what runs.

use agent_backends::process::ProcessId;

use crate::error::Result;
use crate::model::name::{AgentName, TEAM_LEAD, TeamName};
use crate::model::status::{MemberState, MemberStatus, TeamStatus};
use crate::orchestrator::entry::TeamOrchestrator;
use crate::orchestrator::teammate::journal::Contents;
use crate::store::Store;

/// What helps where a live lead does not hear of what its members say.
const DEAF: &str = "the Claude Code that leads this team reads its inbox only once it has started a teammate itself: ask it for one (with `teams claude`, of any \
                    make); until then what members write to it waits there";

/// Whether the lead of a team is a Claude Code that lives.
pub(crate) fn lead_lives(store: &Store, team: &TeamName) -> bool {
    store.lead_process(team).ok().flatten().is_some_and(ProcessId::is_alive)
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
                    member.parse().ok().and_then(|member| store.unread(&wanted, &member).ok()).unwrap_or_default()
                };
                let unread: Vec<usize> = team.members.iter().map(|member| unread(&member.name)).collect();
                let lives = lead_lives(store, &wanted);
                let session =
                    store.lead_session(&wanted)?.filter(|_| !lives && store.is_claimed(&wanted).unwrap_or(false));
                Ok((team, unread, lives, session))
            })
            .await;
        let runtime = self.teams().get(&name).cloned();
        let mut slots = runtime.as_ref().map(|runtime| runtime.members().clone()).unwrap_or_default();
        let runs = runtime.as_ref().is_some_and(|runtime| !runtime.running_names().is_empty());
        let mut status = TeamStatus {
            team: name.to_string(),
            description: None,
            members: Vec::new(),
            lead_unread: 0,
            notes: Vec::new(),
        };
        match read {
            Ok((team, unread, lead_lives, gone)) => {
                if let Some(session) = gone {
                    status.notes.push(format!(
                        "the Claude Code that led this team is gone, and has left its files: `teams claude --resume {session}` goes on with it, \
                         `teams delete {name}` removes them"
                    ));
                }
                // A pane of its own, or a place in the lead's process.
                if lead_lives && !team.teammates().any(|member| member.pane.is_some()) {
                    status.notes.push(DEAF.to_owned());
                }
                status.description = team.description;
                for (member, unread) in team.members.into_iter().zip(unread) {
                    if member.name == TEAM_LEAD {
                        status.lead_unread = unread;
                        continue;
                    }
                    let known = member.name.parse::<AgentName>().ok();
                    let slot = known.as_ref().and_then(|name| slots.remove(name));
                    let routed = member.launch.as_ref().and_then(|launch| launch.routed.clone());
                    let mut found = match slot.and_then(|slot| slot.status(&member.name)) {
                        Some(status) => status,
                        None => {
                            let journal =
                                known.and_then(|known| Contents::read(&self.journal_path(&name, &known)).ok());
                            let Contents { record, queued, .. } = journal.unwrap_or_default();
                            let (state, reason) = match record.alive {
                                true => {
                                    (MemberState::Lost, Some("whoever ran it was killed; say `teams resume`".into()))
                                }
                                false if lead_lives && member.launch.is_none() => {
                                    let works = |is_active| if is_active { "it works" } else { "it is idle" };
                                    (MemberState::Native, member.is_active.map(|is_active| works(is_active).to_owned()))
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
                    (found.unread, found.routed) = (unread, routed);
                    status.members.push(found);
                }
            }
            // A live Claude Code deletes its team when it ends; those of ours in it run on, and must be seen.
            Err(error) if runs => {
                status.description = Some(format!("its files are gone or cannot be read: {error}"));
            }
            Err(error) => return Err(error),
        }
        let unlisted = slots.iter().filter_map(|(name, slot)| slot.status(name));
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
            .flat_map(|runtime| runtime.running_names().into_iter().map(|name| format!("{name}@{}", runtime.name)))
            .collect();
        names.sort();
        names
    }
}
