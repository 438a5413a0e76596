//! A recording as it is played: its lines in the order in which things are done, and what of them can happen again.

use std::collections::{HashMap, HashSet};

use super::seen::is_whole;
use crate::model::event::{Event, EventKind};
use crate::model::name::TEAM_LEAD;
use crate::model::recording::{Recorded, What};

/// How long an agent's process may be there after the end of its output that is part of its end, in milliseconds.
const SAME_MOMENT_MS: u64 = 100;

/// The lines of a recording, as they are played.
pub(super) struct Script {
    pub(super) lines: Vec<Recorded>,
    /// Who is played. Of members that ran before, a recording has events and no agent.
    members: HashSet<String>,
    /// The numbers of the events that come whole, in their order.
    whole: Vec<u64>,
}

impl Script {
    pub(super) fn of(lines: Vec<Recorded>) -> Self {
        let mut script = Self { lines: in_order(without_left_out(lines)), members: HashSet::new(), whole: Vec::new() };
        script.members.extend([TEAM_LEAD.to_owned(), "user".to_owned()]);
        let events = script.lines.iter().filter_map(|line| match &line.what {
            What::Event { event } => Some(event),
            _ => None,
        });
        let spawned = events.clone().filter(|event| matches!(event.kind, EventKind::Spawned { .. }));
        script.members.extend(spawned.map(|event| event.agent.clone()));
        let whole = events.filter(|event| is_whole(event) && script.members.contains(whose(event)));
        script.whole = whole.map(|event| event.seq).collect();
        script
    }

    /// Whether an event can happen again.
    pub(super) fn plays(&self, event: &Event) -> bool {
        self.members.contains(whose(event))
    }

    /// How many events that come whole there are up to a number.
    pub(super) fn before(&self, seq: u64) -> usize {
        self.whole.partition_point(|number| *number <= seq)
    }
}

/// Who has to be played for an event to happen again.
pub(super) fn whose(event: &Event) -> &str {
    match &event.kind {
        EventKind::Mail { from, .. } if event.agent == TEAM_LEAD => from,
        _ => &event.agent,
    }
}

/// Lines of a recording without the starts that did not come about, because another backend was chosen for the member then.
fn without_left_out(mut lines: Vec<Recorded>) -> Vec<Recorded> {
    let (mut calls, mut processes) = (HashSet::new(), HashSet::new());
    for (at, line) in lines.iter().enumerate() {
        let What::LeftOut { member } = &line.what else { continue };
        let is_its_call = |line: &Recorded| match &line.what {
            What::Call { method, params, .. } => method == "member.spawn" && params["name"] == member.as_str(),
            _ => false,
        };
        let Some(call) = lines[..at].iter().rposition(is_its_call) else { continue };
        calls.insert(call);
        processes.extend(lines[call..at].iter().filter_map(|line| match &line.what {
            What::Started { process, member: whose, .. } if whose == member => Some(*process),
            _ => None,
        }));
    }
    let mut at = 0;
    lines.retain(|line| {
        let is_of_call = calls.contains(&at);
        at += 1;
        !is_of_call && !process_of(&line.what).is_some_and(|process| processes.contains(&process))
    });
    lines
}

/// Of which process a line is.
fn process_of(what: &What) -> Option<u64> {
    match what {
        What::Started { process, .. }
        | What::Input { process, .. }
        | What::Output { process, .. }
        | What::TooLong { process }
        | What::OutputEnded { process }
        | What::Stderr { process, .. }
        | What::Ended { process, .. } => Some(*process),
        _ => None,
    }
}

/// Lines of a recording in the order in which an agent does things: what it has said before its end may have been read after it, and its
/// output ends when it does.
fn in_order(lines: Vec<Recorded>) -> Vec<Recorded> {
    let mut last_words = HashMap::new();
    for (at, line) in lines.iter().enumerate() {
        if let What::Output { process, .. } | What::TooLong { process } | What::OutputEnded { process } = line.what {
            last_words.insert(process, at);
        }
    }
    // The ends that do not stand where they belong, by where that is; and whose they are.
    let (mut ends, mut moved) = (HashMap::new(), HashSet::new());
    for (at, line) in lines.iter().enumerate() {
        let What::Ended { process, .. } = line.what else { continue };
        let Some(last) = last_words.get(&process).copied() else { continue };
        let is_over = matches!(lines[last].what, What::OutputEnded { .. });
        if last > at || is_over && line.ms.saturating_sub(lines[last].ms) <= SAME_MOMENT_MS {
            ends.insert(last, line.what.clone());
            moved.insert(process);
        }
    }
    let mut ordered = Vec::with_capacity(lines.len());
    for (at, line) in lines.into_iter().enumerate() {
        if matches!(line.what, What::Ended { process, .. } if moved.contains(&process)) {
            continue;
        }
        let end = ends.remove(&at).map(|what| Recorded { what, ..line });
        // An end is that of the output, too.
        if end.is_none() || !matches!(line.what, What::OutputEnded { .. }) {
            ordered.push(line);
        }
        ordered.extend(end);
    }
    ordered
}

#[cfg(test)]
mod tests {
    use agent_backends::Exit;

    use super::*;

    #[test]
    fn an_agent_ends_after_its_last_words() {
        let line = |seq, what| Recorded { ms: seq, seq, what };
        let output = |seq| line(seq, What::Output { process: 1, line: String::new() });
        let lines = vec![
            output(1),
            line(2, What::Ended { process: 1, exit: Exit::Code(0) }),
            output(3),
            line(4, What::OutputEnded { process: 1 }),
            line(5, What::Ended { process: 2, exit: Exit::Code(0) }),
        ];
        let ordered = in_order(lines);
        let order: Vec<(u64, bool)> =
            ordered.iter().map(|line| (line.seq, matches!(line.what, What::Ended { .. }))).collect();
        assert_eq!(order, [(1, false), (3, false), (4, true), (5, true)]);
    }

    #[test]
    fn a_start_that_did_not_come_about_is_not_played() {
        let line = |seq, what| Recorded { ms: seq, seq, what };
        let call = |name: &str| {
            let params = serde_json::json!({ "name": name });
            What::Call { method: "member.spawn".into(), params, member: None }
        };
        let started = |process, member: &str| What::Started { process, member: member.into(), args: Vec::new() };
        let lines = vec![
            line(1, call("a")),
            line(2, call("b")),
            line(3, started(1, "a")),
            line(4, started(2, "b")),
            line(5, What::LeftOut { member: "a".into() }),
            line(6, call("a")),
            line(7, What::Ended { process: 1, exit: Exit::Code(1) }),
            line(8, started(3, "a")),
        ];
        let left: Vec<u64> = without_left_out(lines).iter().map(|line| line.seq).collect();
        assert_eq!(left, [2, 4, 5, 6, 8]);
    }

    #[test]
    fn an_output_that_ends_long_before_its_process_ends_by_itself() {
        let line = |ms, what| Recorded { ms, seq: ms, what };
        let lines = |end| {
            let ended = What::Ended { process: 1, exit: Exit::Code(0) };
            in_order(vec![line(4, What::OutputEnded { process: 1 }), line(end, ended)])
        };
        assert_eq!(lines(5).iter().map(|line| line.seq).collect::<Vec<_>>(), [4]);
        assert_eq!(lines(500).iter().map(|line| line.seq).collect::<Vec<_>>(), [4, 500]);
    }
}
