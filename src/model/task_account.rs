//! What the turns of tasks have used, told from the events of their team. Each turn belongs to one task at most, so that no token is
//! counted twice: the task that its member had when the turn began; else the first that the member began in it, or that was completed
//! as the member's while it ran.

use std::collections::HashMap;

use agent_backends::Usage;

use super::event::{Event, EventKind, TaskChange};
use super::task::TaskStatus;

/// What one task has used, from its beginning, or from when it was opened again, to its completion: in all attempts, whoever made them.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct TaskAccount {
    /// The number of the event that it begins with.
    first: u64,
    is_completed: bool,
    /// Turns of it may have been told before what was heard first.
    pub(crate) is_cut: bool,
    /// When somebody began with it, as the event says.
    pub(crate) began: Option<String>,
    /// When it was completed.
    pub(crate) completed: Option<String>,
    /// What its turns have used, as far as their agents say.
    used: Option<Usage>,
    /// Its turns that have ended.
    pub(crate) turns: u64,
    pub(crate) turns_without_tokens: u64,
    pub(crate) turns_without_cost: u64,
}

impl TaskAccount {
    /// Tokens read and written.
    pub(crate) fn tokens(&self) -> Option<(u64, u64)> {
        self.used.map(|used| (used.input_tokens, used.output_tokens))
    }

    pub(crate) fn cost_usd(&self) -> Option<f64> {
        self.used?.cost_usd
    }

    fn add_turn(&mut self, usage: Option<Usage>, is_cost_known: bool) {
        self.turns += 1;
        self.turns_without_tokens += u64::from(usage.is_none());
        self.turns_without_cost += u64::from(usage.is_none() || !is_cost_known);
        if let Some(usage) = usage {
            *self.used.get_or_insert_default() += usage;
        }
    }
}

/// A turn that runs.
#[derive(Debug)]
struct Running {
    /// The number of the event that it began with.
    since: u64,
    turn: Option<u64>,
    /// Its task, and which account of that.
    task: Option<(String, usize)>,
    /// The sum of all that its agent says: of a turn that was held, it says what each attempt has used.
    usage: Option<Usage>,
    /// Each time with a cost.
    is_cost_known: bool,
}

/// The accounts of a team's tasks.
#[derive(Debug, Default)]
pub(crate) struct TaskAccounts {
    /// The number of the first event that was heard, and of the last: the oldest are thrown away at some time.
    began: u64,
    heard: u64,
    /// One for each time that a task was opened.
    accounts: HashMap<String, Vec<TaskAccount>>,
    /// The task that each member works on.
    at_work: HashMap<String, String>,
    running: HashMap<String, Running>,
}

impl TaskAccounts {
    /// Takes the next event.
    pub(crate) fn hear(&mut self, event: &Event) {
        if self.heard == 0 {
            self.began = event.seq;
        }
        self.heard = event.seq;
        match &event.kind {
            EventKind::TurnStarted { .. } => {
                // The end of the one before was not told: its daemon was killed.
                self.end_turn(&event.agent);
                let task = self.at_work.get(&event.agent).cloned().map(|task| self.open(task, event.seq));
                let turn = Running { since: event.seq, turn: event.turn, task, usage: None, is_cost_known: true };
                self.running.insert(event.agent.clone(), turn);
            }
            EventKind::Usage { usage } => {
                let running = self.running.get_mut(&event.agent).filter(|running| running.turn == event.turn);
                if let Some(running) = running {
                    *running.usage.get_or_insert_default() += *usage;
                    running.is_cost_known &= usage.cost_usd.is_some();
                }
            }
            EventKind::TurnCompleted { .. } | EventKind::TurnInterrupted { .. } | EventKind::Error { .. }
                if self.running.get(&event.agent).is_some_and(|running| running.turn == event.turn) =>
            {
                self.end_turn(&event.agent);
            }
            EventKind::Exited { restarts: false, .. } => self.end_turn(&event.agent),
            EventKind::Task { id, change, status, owner, .. } => {
                if self.began > 1 && *change != TaskChange::Created && !self.accounts.contains_key(id) {
                    let (_, at) = self.open(id.clone(), event.seq);
                    self.account_mut(id, at).is_cut = true;
                }
                self.task_changed(event, id, *status, owner.as_deref());
            }
            _ => {}
        }
    }

    fn task_changed(&mut self, event: &Event, id: &str, status: TaskStatus, owner: Option<&str>) {
        match status {
            TaskStatus::Pending => {
                // What is opened again has an account of its own.
                self.open(id.to_owned(), event.seq);
                self.at_work.retain(|_, task| task != id);
            }
            TaskStatus::InProgress => {
                let (_, at) = self.open(id.to_owned(), event.seq);
                self.account_mut(id, at).began.get_or_insert_with(|| event.time.clone());
                self.at_work.retain(|_, task| task != id);
                if let Some(owner) = owner {
                    self.at_work.insert(owner.to_owned(), id.to_owned());
                    self.charge(owner, id, at);
                }
            }
            TaskStatus::Completed => {
                let is_told = |accounts: &Vec<TaskAccount>| accounts.last().is_some_and(|last| last.is_completed);
                if self.accounts.get(id).is_some_and(is_told) {
                    return;
                }
                let (_, at) = self.open(id.to_owned(), event.seq);
                let account = self.account_mut(id, at);
                account.is_completed = true;
                account.completed = Some(event.time.clone());
                owner.into_iter().for_each(|owner| self.charge(owner, id, at));
                self.at_work.retain(|_, task| task != id);
            }
        }
    }

    /// The account of a task that is not completed, which is begun if there is none.
    fn open(&mut self, task: String, seq: u64) -> (String, usize) {
        let accounts = self.accounts.entry(task.clone()).or_default();
        if accounts.last().is_none_or(|last| last.is_completed) {
            accounts.push(TaskAccount { first: seq, ..TaskAccount::default() });
        }
        let at = accounts.len() - 1;
        (task, at)
    }

    fn account_mut(&mut self, task: &str, at: usize) -> &mut TaskAccount {
        let accounts = self.accounts.entry(task.to_owned()).or_default();
        if accounts.len() <= at {
            accounts.resize_with(at + 1, TaskAccount::default);
        }
        &mut accounts[at]
    }

    /// The turn of a member that runs is about a task, unless it is about another one.
    fn charge(&mut self, member: &str, task: &str, at: usize) {
        if let Some(running) = self.running.get_mut(member) {
            running.task.get_or_insert_with(|| (task.to_owned(), at));
        }
    }

    fn end_turn(&mut self, member: &str) {
        if let Some(Running { task: Some((task, at)), usage, is_cost_known, .. }) = self.running.remove(member) {
            self.account_mut(&task, at).add_turn(usage, is_cost_known);
        }
    }

    /// Turns that run and were begun before this event will have no end: whoever ran them is gone.
    pub(crate) fn cut_off(&mut self, seq: u64) {
        let gone: Vec<String> =
            self.running.iter().filter(|(_, turn)| turn.since <= seq).map(|(member, _)| member.clone()).collect();
        gone.iter().for_each(|member| self.end_turn(member));
    }

    /// What a task has used that was found completed right after event `told`, and the time before, if there was one, after event `counted`;
    /// `None` while a turn of it runs, or is still to be heard of.
    pub(crate) fn settled(&self, task: &str, told: u64, counted: Option<u64>) -> Option<TaskAccount> {
        if self.heard < told {
            return None;
        }
        let accounts = self.accounts.get(task).map(Vec::as_slice).unwrap_or_default();
        // What was counted already is not counted again, also where nobody has told that the task was opened again.
        let is_its =
            |account: &TaskAccount| account.first <= told && counted.is_none_or(|counted| account.first > counted);
        let Some(at) = accounts.iter().rposition(is_its) else {
            return Some(TaskAccount { is_cut: self.began > 1 && counted.is_none(), ..TaskAccount::default() });
        };
        let runs = self.running.values().any(|turn| turn.task.as_ref().is_some_and(|(id, of)| id == task && *of == at));
        (!runs).then(|| accounts[at].clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Default)]
    struct Told {
        accounts: TaskAccounts,
        seq: u64,
    }

    impl Told {
        fn tell(&mut self, agent: &str, turn: Option<u64>, kind: EventKind) -> u64 {
            self.seq += 1;
            let (time, team) = (format!("t{}", self.seq), "t".to_owned());
            self.accounts.hear(&Event { seq: self.seq, time, team, agent: agent.into(), turn, kind });
            self.seq
        }

        fn begin(&mut self, agent: &str, turn: u64) {
            self.tell(agent, Some(turn), EventKind::TurnStarted { input: None, from: None });
        }

        fn end(&mut self, agent: &str, turn: u64, used: Option<(u64, Option<f64>)>) {
            if let Some((tokens, cost_usd)) = used {
                let usage = Usage { input_tokens: tokens, output_tokens: 1, cost_usd };
                self.tell(agent, Some(turn), EventKind::Usage { usage });
            }
            self.tell(agent, Some(turn), EventKind::TurnCompleted { text: String::new() });
        }

        fn task(&mut self, id: &str, status: TaskStatus, owner: Option<&str>) -> u64 {
            let (id, owner, subject) = (id.to_owned(), owner.map(str::to_owned), String::new());
            let change = TaskChange::Changed;
            let kind = EventKind::Task { id, change, subject, status, owner, failed: None, fields: Vec::new() };
            self.tell("team-lead", None, kind)
        }

        /// Turns, tokens read, cost.
        fn of(&self, task: &str, told: u64) -> Option<(u64, Option<u64>, Option<f64>)> {
            let account = self.accounts.settled(task, told, None)?;
            Some((account.turns, account.tokens().map(|(read, _)| read), account.cost_usd()))
        }
    }

    use TaskStatus::{Completed, InProgress, Pending};

    #[test]
    fn a_turn_counts_for_the_task_that_its_member_had_first() {
        let mut told = Told::default();
        told.begin("a", 1);
        told.end("a", 1, Some((1000, None)));
        told.task("1", InProgress, Some("a"));
        told.begin("a", 2);
        let one = told.task("1", Completed, Some("a"));
        told.task("2", InProgress, Some("a"));
        let two = told.task("2", Completed, Some("a"));
        assert_eq!(told.of("1", one), None, "its turn runs");
        assert_eq!(told.of("2", two), Some((0, None, None)), "all of the turn is the other's");
        assert_eq!(told.of("1", two + 1), None, "what is to be heard of first");
        told.end("a", 2, Some((10, Some(0.5))));
        assert_eq!(told.of("1", one), Some((1, Some(10), Some(0.5))));
        // Begun and completed within one turn, or completed without having been begun.
        told.begin("a", 3);
        told.task("3", InProgress, Some("a"));
        let three = told.task("3", Completed, Some("a"));
        told.end("a", 3, Some((7, None)));
        told.begin("b", 1);
        let four = told.task("4", Completed, Some("b"));
        told.end("b", 1, None);
        assert_eq!(told.of("3", three), Some((1, Some(7), None)));
        assert_eq!(told.of("4", four), Some((1, None, None)));
        assert_eq!(told.of("5", four), Some((0, None, None)), "nobody has told of it");
    }

    #[test]
    fn all_that_is_told_within_a_turn_counts() {
        let mut told = Told::default();
        told.task("1", InProgress, Some("a"));
        told.begin("a", 1);
        let usage = |cost_usd| EventKind::Usage { usage: Usage { input_tokens: 100, output_tokens: 2, cost_usd } };
        // Refused because of a limit, held, and made once more under the same number.
        told.tell("a", Some(1), usage(Some(0.5)));
        told.tell("a", Some(1), EventKind::Notice { message: "held".into() });
        told.end("a", 1, Some((10, Some(0.25))));
        told.begin("a", 2);
        told.tell("a", Some(2), usage(None));
        let done = told.task("1", Completed, Some("a"));
        told.end("a", 2, Some((1, Some(1.0))));
        assert_eq!(told.of("1", done), Some((2, Some(211), Some(1.75))));
        let account = told.accounts.settled("1", done, None).unwrap();
        assert_eq!(
            (account.turns_without_tokens, account.turns_without_cost),
            (0, 1),
            "of a part nobody knows the cost"
        );
    }

    #[test]
    fn what_began_before_the_oldest_event_may_have_used_more() {
        let mut told = Told { seq: 40, ..Told::default() };
        let begun = told.task("1", InProgress, Some("a"));
        told.begin("a", 7);
        told.end("a", 7, Some((3, None)));
        let done = told.task("1", Completed, Some("a"));
        assert!(told.accounts.settled("1", done, None).unwrap().is_cut);
        assert!(told.accounts.settled("2", done, None).unwrap().is_cut, "of which nothing is told any more");
        told.task("1", Pending, None);
        let again = told.task("1", Completed, Some("a"));
        assert!(!told.accounts.settled("1", again, Some(done)).unwrap().is_cut, "it was opened again since");
        let mut whole = Told::default();
        whole.task("1", InProgress, Some("a"));
        let done = whole.task("1", Completed, Some("a"));
        assert!(!whole.accounts.settled("1", done, None).unwrap().is_cut && begun == 41);
    }

    #[test]
    fn all_attempts_count_and_what_is_opened_again_begins_anew() {
        let mut told = Told::default();
        for (member, tokens) in [("a", Some((5, None))), ("b", None)] {
            told.task("1", InProgress, Some(member));
            told.begin(member, 1);
            told.end(member, 1, tokens);
            told.task("1", Pending, None);
        }
        told.task("1", InProgress, Some("b"));
        told.begin("b", 2);
        told.end("b", 2, Some((3, Some(0.25))));
        let first = told.task("1", Completed, Some("b"));
        let before = told.accounts.settled("1", first, None).unwrap();
        assert_eq!((before.turns, before.turns_without_tokens, before.turns_without_cost), (3, 1, 2));
        assert_eq!((before.tokens(), before.cost_usd()), (Some((8, 2)), Some(0.25)));
        assert_eq!((before.began.as_deref(), before.completed.as_deref()), (Some("t1"), Some("t14")));
        told.task("1", Completed, Some("b"));
        told.task("1", Pending, None);
        assert_eq!(told.accounts.settled("1", first, None), Some(before), "what comes later changes nothing");
        assert_eq!(
            told.accounts.settled("1", first + 1, Some(first)),
            Some(TaskAccount::default()),
            "nor counts twice"
        );
        let again = told.task("1", Completed, Some("b"));
        assert_eq!(told.of("1", again), Some((0, None, None)));
    }

    #[test]
    fn a_turn_whose_end_nobody_tells_ends_with_what_is_known() {
        let mut told = Told::default();
        told.task("1", InProgress, Some("a"));
        told.begin("a", 1);
        let done = told.task("1", Completed, Some("a"));
        told.accounts.cut_off(done);
        assert_eq!(told.of("1", done), Some((1, None, None)));
        told.tell("a", Some(1), EventKind::TurnInterrupted { text: String::new(), input: None });
        assert_eq!(told.of("1", done), Some((1, None, None)), "and not twice");
        told.task("2", InProgress, Some("a"));
        told.begin("a", 2);
        let done = told.task("2", Completed, Some("a"));
        told.tell("a", None, EventKind::Exited { code: Some(0), signal: None, restarts: true });
        assert_eq!(told.of("2", done), None, "it goes on");
        told.tell("a", None, EventKind::Exited { code: Some(0), signal: None, restarts: false });
        assert_eq!(told.of("2", done), Some((1, None, None)));
    }
}
