//! What a router is, what it is given, and what it answers.

use std::time::Duration;

use agent_backends::{BackendType, Capabilities};

/// The backend that stands for whichever is chosen; no backend of a program's own can be called so.
pub const AUTO: BackendType = BackendType::named("auto");

/// From so many turns on, what was measured counts.
pub const ENOUGH_TURNS: usize = 5;

/// Chooses a backend, or leaves that to another router.
pub trait BackendRouter: Send + Sync {
    /// What it goes by, in a word, for its reasons.
    fn name(&self) -> &str;

    /// One of the candidates, and why; nothing where it has nothing to go by. The candidates are in the order in which lists show them.
    fn route(&self, request: &RouteRequest, candidates: &[Candidate]) -> Option<Route>;
}

/// What a backend is wanted for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RouteRequest {
    /// What the member is to be called, if that is known.
    pub name: Option<String>,
    /// What it is to do: its standing instructions, and its tasks as far as they are known.
    pub text: String,
    /// The model that is asked for.
    pub model: Option<String>,
    /// What it has to be able to do.
    pub needs: Vec<Need>,
}

/// Something that some agents can do, and others cannot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Need {
    /// It asks before it does what its permission mode does not allow.
    Asks,
    /// Its conversation can be continued in another session.
    Resumes,
    /// Its permission mode can be changed while it runs, as when its plan is approved.
    ChangesMode,
    /// A turn that runs can be given a further input.
    Steers,
    /// It has agents by name, which it can be told to be.
    AgentTypes,
}

impl Need {
    /// Whether an agent that can do this can do that.
    pub fn is_met_by(self, capabilities: &Capabilities) -> bool {
        match self {
            Self::Asks => capabilities.asks,
            Self::Resumes => capabilities.resumes,
            Self::ChangesMode => capabilities.changes_mode,
            Self::Steers => capabilities.steers,
            Self::AgentTypes => capabilities.agent_types,
        }
    }

    /// In words, after "it can".
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Asks => "ask before it acts",
            Self::Resumes => "continue a conversation",
            Self::ChangesMode => "get another permission mode while it runs",
            Self::Steers => "be told something in a turn that runs",
            Self::AgentTypes => "be an agent that it knows by name",
        }
    }
}

/// A backend that may be chosen.
#[derive(Clone, Debug)]
pub struct Candidate {
    /// It.
    pub backend: BackendType,
    /// What it can do.
    pub capabilities: Capabilities,
    /// Why it cannot be used here, as this request would have it: its program is missing, it is not logged in, it cannot do what the settings ask for.
    pub unusable: Option<String>,
    /// Whether it can be asked for the request's model; `None` when nobody can tell.
    pub runs_model: Option<bool>,
    /// What its turns took.
    pub measured: Measured,
}

impl Candidate {
    /// One that can be used, and of which nothing else is known.
    pub fn usable(backend: BackendType) -> Self {
        let (capabilities, measured) = (Capabilities::default(), Measured::default());
        Self { backend, capabilities, unusable: None, runs_model: None, measured }
    }

    /// Whether it can be chosen for this.
    ///
    /// # Errors
    /// Why not.
    pub fn fits(&self, request: &RouteRequest) -> Result<(), String> {
        if let Some(reason) = &self.unusable {
            return Err(reason.clone());
        }
        if let (Some(false), Some(model)) = (self.runs_model, &request.model) {
            return Err(format!("it does not have the model {model}"));
        }
        match request.needs.iter().find(|need| !need.is_met_by(&self.capabilities)) {
            Some(need) => Err(format!("it cannot {}", need.as_str())),
            None => Ok(()),
        }
    }
}

/// The candidates that can be chosen, in their order.
pub fn fitting<'a>(request: &RouteRequest, candidates: &'a [Candidate]) -> Vec<&'a Candidate> {
    candidates.iter().filter(|candidate| candidate.fits(request).is_ok()).collect()
}

/// What the turns of a backend took so far: medians.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Measured {
    /// Of so many turns, which were completed, and in which nobody was asked.
    pub turns: usize,
    /// From the beginning of a turn to its end.
    pub duration: Option<Duration>,
    /// Of so many of them the agent said what they cost.
    pub priced: usize,
    /// US dollars for a turn.
    pub cost_usd: Option<f64>,
    /// Whose turns they were, in words.
    pub of: &'static str,
}

/// A backend that was chosen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Route {
    /// It.
    pub backend: BackendType,
    /// Why, for a person.
    pub reason: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_candidate_says_why_it_does_not_fit() {
        let request =
            RouteRequest { model: Some("gpt-5".into()), needs: vec![Need::ChangesMode], ..RouteRequest::default() };
        let of = |change: fn(&mut Candidate)| {
            let mut candidate = Candidate::usable(BackendType::Codex);
            change(&mut candidate);
            candidate.fits(&request)
        };
        assert_eq!(of(|_| {}).unwrap_err(), "it cannot get another permission mode while it runs");
        assert_eq!(of(|it| it.capabilities.changes_mode = true), Ok(()));
        assert_eq!(of(|it| it.runs_model = Some(false)).unwrap_err(), "it does not have the model gpt-5");
        assert_eq!(of(|it| it.unusable = Some("it is gone".into())).unwrap_err(), "it is gone");
    }
}
