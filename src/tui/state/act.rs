//! What a person does: an action changes the state, and may ask something of the daemon.

use agent_backends::{ApprovalKind, Decision};

use super::editor::Editor;
use super::parts::{Mode, Place, READ_FIRST_MS, State, Tab};
use super::rows::Row;
use crate::live::facts::Request;
use crate::live::team::Group;
use crate::live::transcript::Tone;
use crate::model::status::PendingApproval;

/// Something that a person does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::tui) enum Action {
    /// Selects the one below in the list.
    Next,
    /// Selects the one above.
    Previous,
    /// Selects the next one who needs the person.
    NextInNeed,
    /// Selects this.
    Select(Place),
    /// Shows this of what is selected.
    Show(Tab),
    /// Shows the next of what there is.
    NextTab,
    PreviousTab,
    /// Moves the window, up by so many lines where it is positive.
    Scroll(isize),
    /// To the newest.
    ScrollToEnd,
    /// Shows and hides what tools do.
    ToggleTools,
    Write,
    Search,
    Palette,
    Help,
    Allow,
    AllowForSession,
    Deny,
    Reply,
    /// The question after this one.
    NextQuestion,
    Interrupt,
    Stop,
    /// Leaves what is open, or ends nothing.
    Leave,
    Quit,
    /// Text for what is being written.
    Insert(String),
    NewLine,
    Edit(Edit),
    /// What is being written is done.
    Submit,
}

/// A change of what is being written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::tui) enum Edit {
    Backspace,
    Delete,
    DeleteWord,
    Left,
    Right,
    Up,
    Down,
    Home,
    End,
}

impl State {
    /// Does what a person does, and answers what is asked for with it.
    pub(in crate::tui) fn act(&mut self, action: Action) -> Vec<Request> {
        self.notice = None;
        match action {
            Action::Next => self.select_by(1),
            Action::Previous => self.select_by(-1),
            Action::NextInNeed => self.select_in_need(),
            Action::Select(place) => self.select(Some(place)),
            Action::Show(tab) => self.show(tab),
            Action::NextTab => self.show_by(1),
            Action::PreviousTab => self.show_by(Tab::ALL.len() - 1),
            Action::Scroll(lines) => {
                match (&self.mode, self.tab) {
                    (Mode::Help | Mode::Output(_), _) => {
                        self.window_first = self.window_first.saturating_add_signed(-lines);
                    }
                    (_, Tab::Transcript) => self.scrolled = self.scrolled.saturating_add_signed(lines),
                    // These are read from their beginning.
                    _ => self.scrolled = self.scrolled.saturating_add_signed(-lines),
                }
                Vec::new()
            }
            Action::ScrollToEnd => {
                self.scrolled = 0;
                Vec::new()
            }
            Action::ToggleTools => {
                self.shows_tools = !self.shows_tools;
                Vec::new()
            }
            Action::Write => match (self.member(), self.selected.clone()) {
                (Some(_), Some(place)) => {
                    self.drafts.entry(place).or_default();
                    self.enter(Mode::Write)
                }
                _ => self.say("select a member to write to"),
            },
            Action::Search => self.prompt_for(Mode::Search),
            Action::Palette => self.prompt_for(Mode::Palette),
            Action::Help => {
                self.window_first = 0;
                self.enter(Mode::Help)
            }
            Action::Allow => self.answer(Decision::Allow),
            Action::AllowForSession => self.answer(Decision::AllowForSession),
            Action::Deny => match self.question_to_answer() {
                Ok(question) => {
                    let mode = Mode::Reason(question.id.clone());
                    self.prompt_for(mode)
                }
                Err(why) => self.say(why),
            },
            Action::Reply => match self.question_to_answer() {
                Ok(question) if question.kind == ApprovalKind::Answer => {
                    let mode = Mode::Reply(question.id.clone());
                    self.prompt_for(mode)
                }
                Ok(_) => self.say("it asks for permission: allow or deny it"),
                Err(why) => self.say(why),
            },
            Action::NextQuestion => {
                let ids: Vec<String> = self.approvals().map(|approval| approval.id.clone()).collect();
                let place = ids.iter().position(|id| self.question.as_ref().is_some_and(|(known, _)| known == id));
                let next = place.map_or(0, |place| place + 1);
                self.question = ids.into_iter().cycle().nth(next).map(|id| (id, self.now_ms));
                Vec::new()
            }
            Action::Interrupt => self.ask_of_member(|team, member| Request::Interrupt { team, member }),
            Action::Stop => self.ask_of_member(|team, member| Request::Stop { team, member }),
            Action::Leave => {
                if self.mode == Mode::Browse {
                    self.search.clear();
                }
                self.enter(Mode::Browse)
            }
            Action::Quit => {
                self.quits = true;
                Vec::new()
            }
            Action::Insert(text) => self.edit(|editor| editor.insert(&text)),
            Action::NewLine => self.edit(|editor| editor.insert("\n")),
            Action::Edit(edit) => self.edit(|editor| match edit {
                Edit::Backspace => editor.backspace(),
                Edit::Delete => editor.delete(),
                Edit::DeleteWord => editor.delete_word(),
                Edit::Left => editor.left(),
                Edit::Right => editor.right(),
                Edit::Up => editor.up(),
                Edit::Down => editor.down(),
                Edit::Home => editor.home(),
                Edit::End => editor.end(),
            }),
            Action::Submit => self.submit(),
        }
    }

    fn enter(&mut self, mode: Mode) -> Vec<Request> {
        self.mode = mode;
        Vec::new()
    }

    fn prompt_for(&mut self, mode: Mode) -> Vec<Request> {
        if !matches!((&self.mode, &mode), (Mode::Palette, Mode::Palette)) {
            let _ = self.prompt.take();
        }
        self.enter(mode)
    }

    fn say(&mut self, text: impl Into<String>) -> Vec<Request> {
        self.notice = Some((Tone::Warning, text.into()));
        Vec::new()
    }

    fn select(&mut self, place: Option<Place>) -> Vec<Request> {
        if place != self.selected {
            (self.selected, self.scrolled, self.question) = (place, 0, None);
            self.settle();
        }
        self.reads_mail().filter(|_| self.tab == Tab::Mail).into_iter().collect()
    }

    fn select_by(&mut self, step: isize) -> Vec<Request> {
        let places: Vec<Place> = self.rows().iter().filter_map(Row::place).collect();
        let now = places.iter().position(|place| Some(place) == self.selected.as_ref()).unwrap_or(0);
        let next = now.saturating_add_signed(step).min(places.len().saturating_sub(1));
        self.select(places.into_iter().nth(next))
    }

    /// The one after the selected one who needs the person, and after the last one the first.
    fn select_in_need(&mut self) -> Vec<Request> {
        let rows = self.rows();
        let now = rows.iter().position(|row| row.place() == self.selected).unwrap_or(0);
        let needs = |row: &&Row<'_>| matches!(row, Row::Member(team, member) if Group::of(&self.teams[*team], member) == Group::NeedsYou);
        let next = rows.iter().skip(now + 1).chain(rows.iter().take(now + 1)).find(needs).and_then(Row::place);
        match next {
            Some(place) => self.select(Some(place)),
            None => self.say("nobody needs you"),
        }
    }

    fn show(&mut self, tab: Tab) -> Vec<Request> {
        if tab.shows_questions() && !self.tab.shows_questions() {
            // It is seen from now on.
            self.question = self.question.take().map(|(id, _)| (id, self.now_ms));
        }
        (self.tab, self.scrolled) = (tab, 0);
        self.reads_mail().filter(|_| tab == Tab::Mail).into_iter().collect()
    }

    fn show_by(&mut self, step: usize) -> Vec<Request> {
        let now = Tab::ALL.iter().position(|tab| *tab == self.tab).unwrap_or(0);
        self.show(Tab::ALL[(now + step) % Tab::ALL.len()])
    }

    /// The question that is shown, if it was shown for long enough to be read.
    fn question_to_answer(&self) -> Result<&PendingApproval, &'static str> {
        let question = self.current_question().ok_or("no question waits here")?;
        if !self.tab.shows_questions() {
            return Err("show the question first: 5");
        }
        let since = self.question.as_ref().map_or(self.now_ms, |(_, since)| *since);
        match self.now_ms - since < READ_FIRST_MS {
            true => Err("this question has only just come: read it, and press again"),
            false => Ok(question),
        }
    }

    fn answer(&mut self, decision: Decision) -> Vec<Request> {
        match (self.question_to_answer(), &self.selected) {
            (Ok(question), _) if question.kind == ApprovalKind::Answer => {
                self.say("it asks for an answer: reply to it")
            }
            (Ok(question), Some(place)) => {
                vec![Request::Answer { team: place.team.clone(), id: question.id.clone(), decision }]
            }
            (Ok(_), None) => Vec::new(),
            (Err(why), _) => self.say(why),
        }
    }

    fn ask_of_member(&mut self, request: impl FnOnce(String, String) -> Request) -> Vec<Request> {
        match self.selected.clone() {
            Some(Place { team, member: Some(member) }) => vec![request(team, member)],
            _ => self.say("select a member first"),
        }
    }

    fn edit(&mut self, edit: impl FnOnce(&mut Editor)) -> Vec<Request> {
        match (&self.mode, &self.selected) {
            (Mode::Write, Some(place)) => edit(self.drafts.entry(place.clone()).or_default()),
            (Mode::Search | Mode::Palette | Mode::Reason(_) | Mode::Reply(_), _) => edit(&mut self.prompt),
            _ => {}
        }
        if self.mode == Mode::Search {
            self.prompt.text().clone_into(&mut self.search);
        }
        Vec::new()
    }

    fn submit(&mut self) -> Vec<Request> {
        let mode = std::mem::take(&mut self.mode);
        let team = self.selected.as_ref().map(|place| place.team.clone());
        match (mode, self.selected.clone()) {
            (Mode::Write, Some(place)) => {
                self.mode = Mode::Write;
                let text = self.drafts.entry(place.clone()).or_default().take();
                let (team, Some(member)) = (place.team, place.member) else { return Vec::new() };
                match text.trim().is_empty() {
                    true => Vec::new(),
                    false => vec![Request::Send { team, member, text }],
                }
            }
            (Mode::Reason(id), Some(place)) => {
                let reason = self.prompt.take();
                let reason =
                    if reason.trim().is_empty() { "denied by the user".to_owned() } else { reason.trim().to_owned() };
                vec![Request::Answer { team: place.team, id, decision: Decision::Deny { reason } }]
            }
            (Mode::Reply(id), Some(place)) => {
                let text = self.prompt.take();
                let asked = self.approvals().find(|open| open.id == id).map_or(1, |open| open.questions.len().max(1));
                let mut answers: Vec<String> = text.split('\n').map(|line| line.trim().to_owned()).collect();
                if asked == 1 {
                    answers = vec![text.trim().to_owned()];
                }
                if answers.len() != asked || answers.iter().any(String::is_empty) {
                    self.mode = Mode::Reply(id);
                    self.prompt.insert(&text);
                    return self.say(match asked {
                        1 => "it asks 1 question: write an answer".to_owned(),
                        _ => format!("it asks {asked} questions: write an answer to each on a line of its own"),
                    });
                }
                vec![Request::Answer { team: place.team, id, decision: Decision::Answer { answers } }]
            }
            (Mode::Palette, _) => match shell_words::split(&self.prompt.take()) {
                Ok(words) if words.is_empty() => Vec::new(),
                Ok(words) => vec![Request::Run { team, words }],
                Err(error) => self.say(format!("this cannot be read: {error}")),
            },
            _ => Vec::new(),
        }
    }
}
