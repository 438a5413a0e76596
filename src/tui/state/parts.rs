//! What the view knows, and where the person is in it.

use std::collections::BTreeMap;

use super::editor::Editor;
use crate::live::facts::Request;
use crate::live::team::TeamView;
use crate::live::transcript::Tone;
use crate::model::name::TEAM_LEAD;
use crate::model::status::{MemberStatus, PendingApproval};

/// How long a question has to be shown before a key answers it: a key that was meant for the one before must not.
pub(super) const READ_FIRST_MS: i64 = 400;

/// What is looked at: a team, or a member of it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::tui) struct Place {
    pub(in crate::tui) team: String,
    pub(in crate::tui) member: Option<String>,
}

impl Place {
    /// Whose transcript and inbox are those of the place: a team's are its lead's.
    pub(in crate::tui) fn agent(&self) -> &str {
        self.member.as_deref().unwrap_or(TEAM_LEAD)
    }
}

/// What is shown of a place.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::tui) enum Tab {
    #[default]
    Transcript,
    Tasks,
    Graph,
    Mail,
    Approvals,
    Budget,
}

impl Tab {
    /// Whether questions are on this page.
    pub(in crate::tui) fn shows_questions(self) -> bool {
        matches!(self, Self::Transcript | Self::Approvals)
    }

    pub(in crate::tui) const ALL: [Self; 6] =
        [Self::Transcript, Self::Tasks, Self::Graph, Self::Mail, Self::Approvals, Self::Budget];

    pub(in crate::tui) fn name(self) -> &'static str {
        match self {
            Self::Transcript => "Transcript",
            Self::Tasks => "Tasks",
            Self::Graph => "Graph",
            Self::Mail => "Mail",
            Self::Approvals => "Approvals",
            Self::Budget => "Budget",
        }
    }
}

/// Where keys go.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::tui) enum Mode {
    /// Keys are commands.
    #[default]
    Browse,
    /// Keys write the input of the selected member.
    Write,
    /// Keys write what is looked for.
    Search,
    /// Keys write a verb of the command line.
    Palette,
    /// Keys write why this question is denied.
    Reason(String),
    /// Keys write the answer to this question.
    Reply(String),
    /// The keys are explained.
    Help,
    /// What a verb has printed is shown.
    Output(String),
}

/// All that the view shows.
#[derive(Clone, Debug, Default)]
pub(in crate::tui) struct State {
    pub(in crate::tui) teams: BTreeMap<String, TeamView>,
    pub(in crate::tui) selected: Option<Place>,
    pub(in crate::tui) tab: Tab,
    pub(in crate::tui) mode: Mode,
    /// How many lines of a transcript are below the window, or of another page above it.
    pub(in crate::tui) scrolled: usize,
    /// How many lines of the help, or of what a verb has printed, are above the window.
    pub(in crate::tui) window_first: usize,
    /// What is looked for; nothing when it is empty.
    pub(in crate::tui) search: String,
    /// The question that keys answer, and since when it is shown.
    pub(in crate::tui) question: Option<(String, i64)>,
    /// What has happened to what was asked for.
    pub(in crate::tui) notice: Option<(Tone, String)>,
    /// Why nothing is known anew; `None` while a daemon answers.
    pub(in crate::tui) lost: Option<String>,
    /// What tools do is shown.
    pub(in crate::tui) shows_tools: bool,
    pub(in crate::tui) now_ms: i64,
    pub(in crate::tui) quits: bool,
    /// What is being written, for each place: words for one member never go to another.
    pub(super) drafts: BTreeMap<Place, Editor>,
    /// What is written into a prompt.
    pub(in crate::tui) prompt: Editor,
    /// The team that the view is about, if it is about one.
    pub(super) only: Option<String>,
}

impl State {
    /// A view of all teams, or of one.
    pub(in crate::tui) fn new(only: Option<String>) -> Self {
        Self { only, lost: Some("connecting".to_owned()), ..Self::default() }
    }

    /// No further than to the end of what there is, which only the drawing knows.
    pub(in crate::tui) fn clamp_scroll(&mut self, most: usize, most_of_window: usize) {
        self.scrolled = self.scrolled.min(most);
        self.window_first = self.window_first.min(most_of_window);
    }

    /// Makes what is selected something that is there.
    pub(super) fn settle(&mut self) {
        let is_there = |place: &Place| {
            self.teams.get(&place.team).is_some_and(|team| {
                let known = |member: &String| team.members().iter().any(|known| known.name == *member);
                // Until it was read, nobody knows.
                team.facts.is_none() || place.member.as_ref().is_none_or(known)
            })
        };
        if !self.selected.as_ref().is_some_and(is_there) {
            let team =
                self.selected.as_ref().map(|place| place.team.clone()).filter(|team| self.teams.contains_key(team));
            let team = team.or_else(|| self.teams.keys().next().cloned());
            self.selected = team.map(|team| Place { team, member: None });
            self.scrolled = 0;
            if self.mode == Mode::Write {
                self.mode = Mode::Browse;
            }
        }
        let open: Vec<String> = self.approvals().map(|approval| approval.id.clone()).collect();
        if let Mode::Reason(id) | Mode::Reply(id) = &self.mode
            && !open.contains(id)
        {
            self.mode = Mode::Browse;
            self.notice = Some((Tone::Warning, "the question is closed; nothing was answered".to_owned()));
        }
        if !self.question.as_ref().is_some_and(|(id, _)| open.contains(id)) {
            self.question = open.into_iter().next().map(|id| (id, self.now_ms));
        }
    }

    pub(in crate::tui) fn team(&self) -> Option<&TeamView> {
        self.teams.get(&self.selected.as_ref()?.team)
    }

    pub(in crate::tui) fn member(&self) -> Option<&MemberStatus> {
        let name = self.selected.as_ref()?.member.as_ref()?;
        self.team()?.members().iter().find(|member| member.name == *name)
    }

    /// The open questions of what is selected.
    pub(in crate::tui) fn approvals(&self) -> impl Iterator<Item = &PendingApproval> {
        let member = self.selected.as_ref().and_then(|place| place.member.as_deref());
        let approvals = self
            .team()
            .and_then(|team| team.facts.as_ref())
            .map(|facts| facts.approvals.as_slice())
            .unwrap_or_default();
        approvals.iter().filter(move |approval| member.is_none_or(|member| approval.member == member))
    }

    /// The question that keys answer.
    pub(in crate::tui) fn current_question(&self) -> Option<&PendingApproval> {
        let (id, _) = self.question.as_ref()?;
        self.approvals().find(|approval| approval.id == *id)
    }

    /// What is being written to the selected member.
    pub(in crate::tui) fn draft(&self) -> Option<&Editor> {
        self.drafts.get(self.selected.as_ref()?)
    }

    pub(super) fn is_selected(&self, team: &str, agent: &str) -> bool {
        let Some(place) = &self.selected else { return false };
        place.team == team && place.agent() == agent
    }

    /// What has to be read for the inbox of the selected member, or of the lead.
    pub(super) fn reads_mail(&self) -> Option<Request> {
        let place = self.selected.as_ref()?;
        Some(Request::ReadMail { team: place.team.clone(), member: place.agent().to_owned() })
    }
}
