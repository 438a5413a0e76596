//! Brings members back with their own conversations: after a crash, a reboot, or an end that somebody ordered.

use std::path::PathBuf;

use crate::error::{Error, Result};
use crate::git::Git;
use crate::model::event::Conversation;
use crate::model::launch::{ResumeOutcome, Resumed, Surroundings, config_of};
use crate::model::name::{AgentName, TeamName};
use crate::model::team::Member;
use crate::orchestrator::entry::TeamOrchestrator;
use crate::orchestrator::feed::redact::Origin;
use crate::orchestrator::members::MemberKind;
use crate::orchestrator::members::reservation::Reservation;
use crate::orchestrator::members::worktrees::at_home;
use crate::orchestrator::teammate::Teammate;
use crate::orchestrator::teammate::journal::{Contents, Record};
use crate::orchestrator::teammate::native::Native;
use crate::orchestrator::teammate::parts::MemberCommand;
use crate::paths::own_environment;
use crate::store::StoreError;

impl TeamOrchestrator {
    /// Brings back every member of a team that does not run and that nobody has stopped, each with its own conversation, and
    /// answers what became of each.
    ///
    /// # Errors
    /// There is no such team.
    pub async fn resume_team(&self, team: &str, surroundings: &Surroundings) -> Result<Vec<Resumed>> {
        let team = self.roster(team).await?;
        let name = team.name;
        let mut resumes = tokio::task::JoinSet::new();
        for member in team.members.into_iter().filter(|member| member.launch.is_some()) {
            let Ok(agent) = member.name.parse::<AgentName>() else { continue };
            let running = self.teams().get(&name).is_some_and(|runtime| runtime.running_names().contains(&member.name));
            let wanted = Contents::read(&self.journal_path(&name, &agent)).is_ok_and(|journal| journal.record.wanted);
            if running || !wanted {
                continue;
            }
            let (this, name, surroundings) = (self.clone(), name.clone(), surroundings.clone());
            resumes.spawn(async move {
                let outcome = this.resume_known(&name, member, &surroundings, false).await;
                let (outcome, reason) = match outcome {
                    // Somebody else was faster.
                    Err(Error::Running { .. }) => return None,
                    Ok((conversation, reason)) => (conversation.into(), reason),
                    Err(error) => (ResumeOutcome::Failed, Some(error.to_string())),
                };
                Some(Resumed { name: agent.to_string(), outcome, reason })
            });
        }
        let mut resumed: Vec<Resumed> = resumes.join_all().await.into_iter().flatten().collect();
        resumed.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(resumed)
    }

    /// Brings back a member that does not run, whoever has stopped it, with its own conversation.
    ///
    /// # Errors
    /// There is no such member of ours, it runs, or it cannot be started.
    pub async fn resume_member(&self, team: &str, member: &str, surroundings: &Surroundings) -> Result<Resumed> {
        self.bring_back(team, member, surroundings, false).await
    }

    async fn bring_back(&self, team: &str, member: &str, surroundings: &Surroundings, fresh: bool) -> Result<Resumed> {
        let team = self.roster(team).await?;
        let found = team.member(member).filter(|member| member.launch.is_some()).cloned().ok_or_else(|| {
            let existing = team.teammates().map(|member| member.name.clone()).collect();
            StoreError::NoMember { team: team.name.to_string(), member: member.to_owned(), existing }
        })?;
        let (conversation, reason) = self.resume_known(&team.name, found, surroundings, fresh).await?;
        Ok(Resumed { name: member.to_owned(), outcome: conversation.into(), reason })
    }

    async fn resume_known(
        &self,
        team: &TeamName,
        member: Member,
        surroundings: &Surroundings,
        fresh: bool,
    ) -> Result<(Conversation, Option<String>)> {
        let name = AgentName::for_member(&member.name)?;
        let runtime = self.runtime(team)?;
        let Some(launch) = member.launch.clone() else {
            return Err(StoreError::MemberExists { team: team.to_string(), member: name.to_string() }.into());
        };
        if launch.adopted.is_some() {
            // Where it is led no more, its hooks have no say.
            let _ = self.heed_lead(&runtime, surroundings.environment.as_ref()).await;
        }
        let lead = self.lead_of(team).await;
        let reservation = Reservation::to_start(&runtime, &name, launch.backend)?;
        let mut config = config_of(&member, surroundings);
        if let Some(worktree) = launch.worktree.clone() {
            let git = Git::new(surroundings.environment.clone());
            let roots = tokio::task::spawn_blocking(move || git.verify(&worktree).and_then(|()| git.roots(&worktree)));
            config.writable_roots = roots.await.map_err(|_| Error::ShuttingDown)??;
            config = at_home(config);
        }
        // What was given at the spawn is a secret still, wherever it comes from now.
        let environment = surroundings.environment.clone().unwrap_or_else(own_environment);
        let given = environment.iter().filter(|(name, _)| launch.env_names.contains(name));
        self.inner.redactor.learn(given, Origin::Given);
        let kind = MemberKind { backend: launch.backend, if_lost: launch.if_lost, leads: launch.leads };
        let launcher = self.launcher(team, &name, kind, &config)?;
        // Opened anew only when the session is there: until then whoever had the member before may still write.
        let path = self.journal_path(team, &name);
        let before = Contents::read(&path).map_err(Error::io("read", &path))?;
        let mut launched = launcher.again(&before.record, fresh).await?;
        let (journal, contents) = match self.journal(team, &name) {
            Ok(journal) => journal,
            Err(error) => {
                launched.session.force_kill().await?;
                return Err(error);
            }
        };
        let missing: Vec<&str> =
            launch.env_names.iter().filter(|name| !environment.contains_key(*name)).map(String::as_str).collect();
        let conversation = launched.conversation.unwrap_or(Conversation::Fresh);
        let mut reasons: Vec<String> = launched.reason.clone().into_iter().collect();
        if !missing.is_empty() {
            let names = missing.join(", ");
            reasons.push(format!(
                "{names}, which it was given with --env, is not set in this shell, and was kept nowhere"
            ));
        }
        let cwd = config.cwd.unwrap_or_else(|| PathBuf::from("."));
        // A pane is gone with the lead that has opened it, and so is the key that it signed with.
        let native = contents.record.native.clone().map(|native| match &member.pane {
            Some(_) => native,
            None => Native::default(),
        });
        let treated = (launch.restart, launch.limits, launch.on_lead_exit);
        let profile = self.profile(name, launch.backend, cwd, treated, native);
        let teammate = Teammate::start(profile, launcher, launched, journal, contents, self.services(&runtime));
        reservation.fill(teammate);
        self.watch(&runtime);
        self.follow_lead(&runtime, lead);
        self.dispatch_tasks(&runtime);
        Ok((conversation, Some(reasons.join("; ")).filter(|reason| !reason.is_empty())))
    }

    /// Stops a member if it runs, and starts it with its conversation; what was held against it is forgotten.
    ///
    /// # Errors
    /// There is no such member of ours, or it cannot be started.
    pub async fn restart_member(&self, team: &str, member: &str, surroundings: &Surroundings) -> Result<Resumed> {
        self.restart(team, member, surroundings, false).await
    }

    /// As [`restart_member`](Self::restart_member), with a new conversation, whatever became of the one that it had. It is told so with its
    /// next turn.
    ///
    /// # Errors
    /// As [`restart_member`](Self::restart_member).
    pub async fn restart_member_fresh(&self, team: &str, member: &str, surroundings: &Surroundings) -> Result<Resumed> {
        self.restart(team, member, surroundings, true).await
    }

    /// Starts a member again, with its conversation or with a fresh one.
    pub(crate) async fn restart(
        &self,
        team: &str,
        member: &str,
        surroundings: &Surroundings,
        fresh: bool,
    ) -> Result<Resumed> {
        let Some(teammate) = self.known(team, member).await? else {
            return self.bring_back(team, member, surroundings, fresh).await;
        };
        let conversation = teammate.ask(|reply| MemberCommand::Restart { fresh, reply }).await;
        let conversation = conversation.unwrap_or(Err(Error::ShuttingDown))?;
        Ok(Resumed { name: member.to_owned(), outcome: conversation.into(), reason: None })
    }

    /// A member that does not run is not wanted any more.
    pub(crate) async fn note_unwanted(&self, team: &TeamName, member: &str) -> Result<()> {
        let path = self.journal_path(team, &member.parse()?);
        if !path.exists() {
            return Ok(());
        }
        let name: AgentName = member.parse()?;
        let runtime = self.runtime(team)?;
        // Nobody resumes it meanwhile.
        let _held = Reservation::hold(&runtime, &name)?;
        let (mut journal, contents) = self.journal(team, &name)?;
        let record = Record { wanted: false, alive: false, ..contents.record };
        journal.save(&record).map_err(Error::io("write", path))
    }
}
