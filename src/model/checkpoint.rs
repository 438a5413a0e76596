//! A checkpoint: what a completed task has cost, as a note on the commit that it was completed at. This is the line of the note, and sums
//! of such lines.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// Where the notes are.
pub const NOTES_REF: &str = "refs/notes/agent-teams";
/// The number of the format of a line. Fields are added without a new one.
pub const CHECKPOINT_VERSION: u32 = 1;

/// A completed task, and what it has cost: a line of a note. What nobody knows is `null` there.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Checkpoint {
    /// The format's number.
    pub version: u32,
    /// Tells this completion from all others; a note that a rebase has copied has it once more.
    pub key: String,
    /// The team.
    pub team: String,
    /// The task's id.
    pub task: String,
    /// What was to be done, in a line.
    pub subject: String,
    /// Who owned the task when it was completed.
    pub member: Option<String>,
    /// The owner's backend.
    pub backend: Option<String>,
    /// The owner's model.
    pub model: Option<String>,
    /// Tokens that the task's turns read, from a cache too.
    pub input_tokens: Option<u64>,
    /// Tokens that the task's turns wrote.
    pub output_tokens: Option<u64>,
    /// US dollars that the task's turns cost.
    pub cost_usd: Option<f64>,
    /// How many turns were about the task.
    pub turns: u64,
    /// Of so many of them nobody knows the tokens; those of the others are counted.
    #[serde(default)]
    pub turns_without_tokens: u64,
    /// Of so many of them nobody knows the cost.
    #[serde(default)]
    pub turns_without_cost: u64,
    /// There may have been more turns: when this was counted, the transcript went back no more to where the task began.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub cut: bool,
    /// When the task was begun.
    pub began: Option<String>,
    /// When it was completed.
    pub completed: String,
}

impl Checkpoint {
    /// As a line of a note, without its end.
    pub fn line(&self) -> String {
        serde_json::to_string(self).expect("it has string keys only")
    }

    /// A line of a note; `None` for what somebody else has written there.
    pub fn read(line: &str) -> Option<Self> {
        serde_json::from_str(line.trim()).ok()
    }

    /// Whether all tokens of it are counted.
    pub fn has_all_tokens(&self) -> bool {
        !self.cut && self.turns_without_tokens == 0
    }

    /// Whether its whole cost is counted.
    pub fn has_whole_cost(&self) -> bool {
        !self.cut && self.turns_without_cost == 0
    }
}

/// A checkpoint and its commit.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct NotedCheckpoint {
    /// The commit, whole.
    pub commit: String,
    /// What stands there.
    #[serde(flatten)]
    pub checkpoint: Checkpoint,
}

/// The checkpoints of a repository.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct CheckpointNotes {
    /// Each once, the oldest first.
    pub checkpoints: Vec<NotedCheckpoint>,
    /// How many lines of the notes are none.
    pub unreadable: usize,
}

/// How a team's checkpoints are.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CheckpointStatus {
    /// Whether tasks that are completed get one.
    pub on: bool,
    /// Completed tasks that have none.
    pub missing: Vec<MissingCheckpoint>,
}

/// A completed task without a note.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MissingCheckpoint {
    /// The task's id.
    pub task: String,
    /// What was to be done.
    pub subject: String,
    /// Who owned it.
    pub member: Option<String>,
    /// When it was completed.
    pub completed: String,
    /// The commit that will get the note; `None` where there is no such commit, so that there will be no note.
    pub commit: Option<String>,
    /// The git directory that has the commit, or else the folder that its owner worked in.
    #[serde(default)]
    pub place: Option<PathBuf>,
    /// Why there is none.
    pub reason: String,
}

/// What several checkpoints come to. What is known of none of them is unknown and not zero.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct CheckpointSum {
    /// How many they are.
    pub checkpoints: usize,
    /// Their turns.
    pub turns: u64,
    /// Tokens read, as far as they are known.
    pub input_tokens: Option<u64>,
    /// Tokens written, as far as they are known.
    pub output_tokens: Option<u64>,
    /// US dollars, as far as they are known.
    pub cost_usd: Option<f64>,
    /// Of so many checkpoints not all tokens are known.
    pub without_all_tokens: usize,
    /// Of so many checkpoints not the whole cost is known.
    pub without_whole_cost: usize,
}

impl CheckpointSum {
    /// Adds a checkpoint.
    pub fn add(&mut self, checkpoint: &Checkpoint) {
        fn sum(total: &mut Option<u64>, more: Option<u64>) {
            if let Some(more) = more {
                *total = Some(total.unwrap_or_default().saturating_add(more));
            }
        }
        self.checkpoints += 1;
        self.turns = self.turns.saturating_add(checkpoint.turns);
        sum(&mut self.input_tokens, checkpoint.input_tokens);
        sum(&mut self.output_tokens, checkpoint.output_tokens);
        if let Some(more) = checkpoint.cost_usd {
            self.cost_usd = Some(self.cost_usd.unwrap_or_default() + more);
        }
        let tokens = checkpoint.input_tokens.is_some() && checkpoint.output_tokens.is_some();
        self.without_all_tokens += usize::from(!tokens || !checkpoint.has_all_tokens());
        self.without_whole_cost += usize::from(checkpoint.cost_usd.is_none() || !checkpoint.has_whole_cost());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checkpoint(tokens: Option<u64>, cost_usd: Option<f64>) -> Checkpoint {
        Checkpoint {
            version: CHECKPOINT_VERSION,
            key: "k".into(),
            team: "crew".into(),
            task: "1".into(),
            subject: "One\ntwo".into(),
            member: Some("a".into()),
            backend: None,
            model: None,
            input_tokens: tokens,
            output_tokens: tokens,
            cost_usd,
            turns: 2,
            turns_without_tokens: 0,
            turns_without_cost: 0,
            cut: false,
            began: None,
            completed: "2026-11-21T01:41:38.979Z".into(),
        }
    }

    #[test]
    fn a_line_is_one_line_and_says_what_is_unknown() {
        let known = checkpoint(Some(3), None);
        let line = known.line();
        assert!(!line.contains('\n') && line.contains(r#""costUsd":null"#), "{line}");
        assert_eq!(Checkpoint::read(&format!(" {line}\r")), Some(known.clone()));
        let later = line.replacen('{', r#"{"cacheTokens":7,"#, 1);
        assert_eq!(Checkpoint::read(&later), Some(known), "a later version adds fields");
        for other in ["", "reviewed by me", "{}", "[1]", r#"{"key":"k","task":"1"}"#] {
            assert_eq!(Checkpoint::read(other), None, "{other}");
        }
    }

    #[test]
    fn what_is_unknown_is_not_zero() {
        let mut sum = CheckpointSum::default();
        sum.add(&checkpoint(None, None));
        assert_eq!((sum.input_tokens, sum.cost_usd, sum.without_whole_cost), (None, None, 1));
        sum.add(&checkpoint(Some(u64::MAX), Some(0.25)));
        sum.add(&checkpoint(Some(1), Some(0.5)));
        assert_eq!((sum.input_tokens, sum.cost_usd), (Some(u64::MAX), Some(0.75)));
        assert_eq!((sum.checkpoints, sum.turns, sum.without_all_tokens), (3, 6, 1));
        sum.add(&Checkpoint { turns_without_cost: 1, ..checkpoint(Some(1), Some(1.0)) });
        assert_eq!((sum.without_all_tokens, sum.without_whole_cost), (1, 2));
        sum.add(&Checkpoint { cut: true, ..checkpoint(Some(1), Some(1.0)) });
        assert_eq!((sum.without_all_tokens, sum.without_whole_cost), (2, 3));
    }
}
