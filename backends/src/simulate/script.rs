//! What a simulated agent does.
//!
//! A script is JSON: `{"turns": [[{"do": "say", "text": "Hello"}, {"do": "run", "command": "ls"}], …]}`. A prompt beyond
//! its turns, and every prompt without a script, is obeyed by its directives:
//!
//! | directive | the agent |
//! |---|---|
//! | `[[say TEXT]]` | answers TEXT, a word at a time |
//! | `[[recall]]` | answers with every prompt of the conversation |
//! | `[[run COMMAND]]` | runs COMMAND in a shell, after it asked where its permission mode says so, and tells its output |
//! | `[[call TOOL JSON]]` | uses a tool of an MCP server that it was given, and tells what it said |
//! | `[[finish NOTE]]` | completes the task that it was given, with that note |
//! | `[[slow MS]]` | waits so long before each word |
//! | `[[hold FILE]]` | goes on when FILE is there: it waits after the first word of what it says, and before anything else |
//! | `[[fail STATUS]]` | fails as if the model's provider had answered that HTTP status |
//! | `[[limited N]]` | fails with status 429 the first N times that it hears this very prompt |
//! | `[[silence]]` | says nothing more, for ever |
//! | `[[deaf]]` | says nothing more, and hears nothing but the end of its input |
//! | `[[lose end]]` | does all it should and forgets to say that the turn has ended (Codex only) |
//! | `[[crash]]` | ends at once, with exit code 9 |
//! | `[[flood N]]` | says N lines at once |
//!
//! Without any it answers `echo: ` and the prompt.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// The turns of a conversation, each a list of steps.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Script {
    /// What to do with the first prompt, the second, and so on.
    pub turns: Vec<Vec<Step>>,
}

/// One thing that a simulated agent does.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "do", rename_all = "kebab-case", rename_all_fields = "camelCase")]
#[non_exhaustive]
pub enum Step {
    /// Say something, a word at a time.
    Say {
        /// What.
        text: String,
        /// How long to wait before each word.
        #[serde(default)]
        delay_ms: u64,
        /// The file that has to be there before it goes on after the first word.
        #[serde(default)]
        hold: Option<PathBuf>,
    },
    /// Say every prompt of the conversation.
    Recall,
    /// Run a command, after asking where the permission mode says so, and tell its output.
    Run {
        /// What.
        command: String,
    },
    /// Use a tool of a server that it was given, and tell what it said.
    Call {
        /// Its name.
        tool: String,
        /// What it takes.
        #[serde(default)]
        arguments: Map<String, Value>,
    },
    /// Use this many tokens, in addition to those of the words.
    Usage {
        /// Read.
        input_tokens: u64,
        /// Written.
        output_tokens: u64,
    },
    /// Fail like the model's provider.
    Fail {
        /// With this HTTP status.
        status: u16,
    },
    /// Fail with a rate limit until the prompt was heard so often.
    Limited {
        /// How often it fails.
        times: usize,
    },
    /// Wait.
    Wait {
        /// So long.
        ms: u64,
    },
    /// Wait until a file is there.
    Hold {
        /// Its path; a relative one begins at the agent's working directory.
        file: PathBuf,
    },
    /// Say nothing more, for ever.
    Silence,
    /// Say nothing more, and hear nothing.
    Deaf,
    /// Do not say that the turn has ended.
    LoseEnd,
    /// End at once.
    Crash {
        /// With this exit code.
        code: i32,
    },
    /// Say many lines at once.
    Flood {
        /// So many.
        lines: u64,
    },
}

/// Completes the task of which a prompt says how to: `taskId "7", attempt 2`.
fn finish(prompt: &str, note: &str) -> Option<Step> {
    let (id, after) = prompt.rsplit_once("taskId \"")?.1.split_once('"')?;
    let attempt: String = after.strip_prefix(", attempt ")?.chars().take_while(char::is_ascii_digit).collect();
    let attempt: u64 = attempt.parse().ok()?;
    let arguments = serde_json::json!({"taskId": id, "attempt": attempt, "note": note}).as_object().cloned()?;
    Some(Step::Call { tool: "task_complete".to_owned(), arguments })
}

/// Does what a prompt says finishes it: a task, a question to a lead, or a run.
pub(super) fn finish_anything(prompt: &str) -> Option<Vec<Step>> {
    const NOTE: &str = "simulated: nothing was done";
    if prompt.contains("[[") {
        return None;
    }
    let run = || {
        let arguments = serde_json::json!({"summary": NOTE}).as_object().cloned()?;
        prompt.contains("`finish_run`").then_some(Step::Call { tool: "finish_run".to_owned(), arguments })
    };
    let question = || {
        let (_, after) = prompt.rsplit_once("`answer_permission` and id \"")?;
        let arguments = serde_json::json!({"id": after.split_once('"')?.0, "approve": true}).as_object().cloned()?;
        Some(Step::Call { tool: "answer_permission".to_owned(), arguments })
    };
    Some(vec![finish(prompt, NOTE).or_else(question).or_else(run)?])
}

/// What a prompt asks for.
pub(super) fn directives(prompt: &str) -> Vec<Step> {
    let number = |name: &str| directive(prompt, name).and_then(|text| text.parse().ok());
    let delay_ms = number("slow").unwrap_or(0);
    let hold = directive(prompt, "hold").map(PathBuf::from);
    let say = |text: String| Step::Say { text, delay_ms, hold: hold.clone() };
    let mut steps = if let Some(times) = number("limited") {
        vec![Step::Limited { times: usize::try_from(times).unwrap_or(usize::MAX) }, say("the limit is lifted".into())]
    } else if let Some(status) = number("fail") {
        vec![Step::Fail { status: u16::try_from(status).unwrap_or(500) }]
    } else if directive(prompt, "crash").is_some() {
        vec![say("about to".into()), Step::Crash { code: 9 }]
    } else if directive(prompt, "deaf").is_some() {
        vec![Step::Deaf]
    } else if directive(prompt, "lose").is_some() {
        vec![say("all but the end".into()), Step::LoseEnd]
    } else if directive(prompt, "silence").is_some() {
        vec![Step::Silence]
    } else if let Some(lines) = number("flood") {
        vec![Step::Flood { lines }]
    } else if directive(prompt, "recall").is_some() {
        vec![Step::Recall]
    } else if let Some(command) = directive(prompt, "run") {
        vec![Step::Run { command: command.to_owned() }]
    } else if let Some(call) = directive(prompt, "call") {
        let (tool, arguments) = call.split_once(' ').unwrap_or((call, "{}"));
        vec![Step::Call { tool: tool.to_owned(), arguments: serde_json::from_str(arguments).unwrap_or_default() }]
    } else if let Some(note) = directive(prompt, "finish") {
        vec![finish(prompt, note).unwrap_or_else(|| say("there is no task to finish".into()))]
    } else if let Some(text) = directive(prompt, "say") {
        vec![say(text.to_owned())]
    } else {
        vec![say(format!("echo: {prompt}"))]
    };
    if let Some(file) = hold.clone().filter(|_| !matches!(steps.first(), Some(Step::Say { .. }))) {
        steps.insert(0, Step::Hold { file });
    }
    steps
}

fn directive<'a>(prompt: &'a str, name: &str) -> Option<&'a str> {
    let start = prompt.rfind(&format!("[[{name}"))? + 2 + name.len();
    let end = start + prompt[start..].find("]]")?;
    Some(prompt[start..end].trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn directives_are_found_in_a_prompt() {
        let say = |text: &str, delay_ms| vec![Step::Say { text: text.into(), delay_ms, hold: None }];
        let hold = || PathBuf::from("/a/go");
        let cases = [
            ("hi", say("echo: hi", 0)),
            ("x [[say a b]] [[slow 5]]", say("a b", 5)),
            ("[[run ls]]", vec![Step::Run { command: "ls".into() }]),
            ("[[fail 429]]", vec![Step::Fail { status: 429 }]),
            ("[[say a]] [[hold /a/go]]", vec![Step::Say { text: "a".into(), delay_ms: 0, hold: Some(hold()) }]),
            ("[[hold /a/go]] [[run ls]]", vec![Step::Hold { file: hold() }, Step::Run { command: "ls".into() }]),
            ("[[call a {}]]", vec![Step::Call { tool: "a".into(), arguments: Map::new() }]),
        ];
        for (prompt, expected) in cases {
            assert_eq!(directives(prompt), expected, "{prompt}");
        }
    }

    #[test]
    fn a_script_is_read() {
        let text = r#"{"turns":[[{"do":"say","text":"a"},{"do":"usage","inputTokens":1,"outputTokens":2},{"do":"hold","file":"go"}]]}"#;
        let script: Script = serde_json::from_str(text).unwrap();
        let expected = [
            Step::Say { text: "a".into(), delay_ms: 0, hold: None },
            Step::Usage { input_tokens: 1, output_tokens: 2 },
            Step::Hold { file: "go".into() },
        ];
        assert_eq!(script.turns, [expected]);
    }
}
