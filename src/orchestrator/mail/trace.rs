//! What became of a message: from the inboxes, the journals, and the transcript.

use crate::error::{Error, Result};
use crate::model::event::{EventKind, MailState};
use crate::model::mail_step::MailStep;
use crate::model::name::{AgentName, TeamName};
use crate::orchestrator::entry::TeamOrchestrator;
use crate::orchestrator::teammate::journal::{Contents, Input};

impl TeamOrchestrator {
    /// The whole way of a message, as far as the transcript reaches back.
    ///
    /// # Errors
    /// There is no such team, or nothing is known of such a message.
    pub async fn trace(&self, team: &str, id: &str) -> Result<Vec<MailStep>> {
        let mut waiting = self.waiting(team, |_| true).await?;
        waiting.retain(|step| step.id == id);
        let mut events = self.events(team, 1).await?;
        let wanted = id.to_owned();
        let told = tokio::task::spawn_blocking(move || {
            let mut steps = Vec::new();
            while let Some(event) = events.next_now() {
                if let EventKind::Mail { id, from, state, reason, .. } = &event.kind
                    && *id == wanted
                {
                    steps.push(MailStep {
                        id: id.clone(),
                        time: event.time.clone(),
                        from: from.clone(),
                        to: event.agent.clone(),
                        state: state.as_str().to_owned(),
                        turn: event.turn,
                        reason: reason.clone(),
                    });
                }
            }
            steps
        });
        let mut steps = told.await.map_err(|_| Error::ShuttingDown)?;
        // What another program has written is known from the inbox only.
        let queued = steps.iter().any(|step| step.state == MailState::Queued.as_str());
        steps.splice(0..0, waiting.into_iter().filter(|_| !queued));
        if steps.is_empty() {
            return Err(Error::NoMessage { id: id.to_owned() });
        }
        Ok(steps)
    }

    /// Whether the transcript has anything about a member, which may have left the team.
    ///
    /// # Errors
    /// There is no such team.
    pub async fn tells_of(&self, team: &str, member: &str) -> Result<bool> {
        let mut events = self.events(team, 1).await?;
        let member = member.to_owned();
        let told = tokio::task::spawn_blocking(move || {
            std::iter::from_fn(|| events.next_now()).any(|event| event.agent == member)
        });
        told.await.map_err(|_| Error::ShuttingDown)
    }

    /// Messages for members of ours that their agents do not have yet.
    ///
    /// # Errors
    /// There is no such team.
    pub async fn undelivered(&self, team: &str) -> Result<Vec<MailStep>> {
        let ours = self.roster(team).await?;
        let ours = move |name: &str| ours.member(name).is_some_and(|member| member.launch.is_some());
        self.waiting(team, ours).await
    }

    async fn waiting(&self, team: &str, whose: impl Fn(&str) -> bool + Send + 'static) -> Result<Vec<MailStep>> {
        let team: TeamName = team.parse()?;
        let taken: Vec<(String, Contents)> = self.journals(&team).filter(|(name, _)| whose(name)).collect();
        let mut steps: Vec<MailStep> = Vec::new();
        for (name, contents) in taken {
            let of = |inputs: &[Input], state: &str| -> Vec<MailStep> {
                inputs
                    .iter()
                    .flat_map(|input| input.mail.iter().map(|message| MailStep::of(message, &name, state)))
                    .collect()
            };
            steps.extend(of(&contents.queued, "taken"));
            steps.extend(of(&contents.unsure, "injected"));
        }
        let inboxes = self.with_store(move |store| {
            let mut steps = Vec::new();
            for member in store.team(&team)?.members.iter().filter(|member| whose(&member.name)) {
                let Ok(name) = member.name.parse::<AgentName>() else { continue };
                match store.read_inbox_of(&team, &name) {
                    Ok(inbox) => {
                        let unread = inbox.iter().filter(|message| !message.read);
                        steps.extend(unread.map(|message| MailStep::of(message, &name, "queued")));
                    }
                    Err(error) => steps.push(MailStep::unreadable(&name, error.to_string())),
                }
            }
            Ok(steps)
        });
        for step in inboxes.await? {
            // For a moment it is in both places.
            if step.id.is_empty() || !steps.iter().any(|other| other.id == step.id) {
                steps.push(step);
            }
        }
        steps.sort_by(|a, b| a.time.cmp(&b.time));
        Ok(steps)
    }
}
