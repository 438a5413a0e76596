//! `run_command`: a program in the working directory, with an end to its time and to its output.
//!
//! Its two outputs are one pipe, so that they come in the order in which they were written; a shell that is given nothing but fixed words joins them and
//! becomes the program. Whatever the program has started ends with the call, however that ends.

use std::path::PathBuf;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use async_trait::async_trait;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::io::AsyncReadExt;
use tokio::time::{sleep, timeout};

use super::bounded::Bounded;
use super::call::{Call, NAME};
use super::limits::CommandLimits;
use super::shown::shown;
use super::{landlock_support, program};
use crate::command::Command;
use crate::kind::BackendType;
use crate::native::error::{Error, Result};
use crate::native::roots::Roots;
use crate::native::tool::{Tool, ToolDefinition, ToolKind, ToolUse};
use crate::output::Exit;
use crate::process::{AgentProcess, Grace, ProcessSpec, StopReport, Supervision};

/// Whose program it is, in errors and in the register of processes.
const BACKEND: BackendType = BackendType::named("native");
/// How long what a program has written last may take to be read.
const LAST_WORDS: Duration = Duration::from_millis(200);
/// How long a command that is ended may take to obey SIGTERM.
const GRACE: Grace = Grace { ask: Duration::ZERO, term: Duration::from_millis(500) };

/// Runs a command in the working directory.
#[derive(Clone, Debug)]
pub struct RunCommandTool {
    roots: Roots,
    limits: CommandLimits,
    /// Where confined commands put temporary files. It goes with the tool.
    temporary: Arc<OnceLock<Option<TempDir>>>,
}

impl RunCommandTool {
    /// The tool for commands in the working directory of these roots, with these limits.
    pub fn new(roots: Roots, limits: CommandLimits) -> Self {
        Self { roots, limits, temporary: Arc::default() }
    }

    /// That the call is one of those that this tool was built for.
    fn check(&self, call: &Call) -> Result<(), String> {
        if call.shell.is_some() {
            if self.limits.allows_shell() {
                return Ok(());
            }
            return Err("no shell can be used here; give the words of the command as `argv`".to_owned());
        }
        if self.limits.allows(&call.words) {
            return Ok(());
        }
        let allowed = self.limits.allowed_in_words().unwrap_or_default();
        Err(format!("this command is not allowed; those are that begin with {allowed}, word by word"))
    }

    fn start(&self, call: &Call) -> Result<(AgentProcess, crate::process::Stdout), String> {
        let work_dir = self.roots.work_dir();
        if !self.roots.work_dir_is_there() {
            return Err(format!(
                "the working directory {} is gone, or another one is in its place",
                work_dir.display()
            ));
        }
        let environment = self.limits.visible();
        let path = environment.get("PATH").map(String::as_str);
        let program = program::find(&call.words[0], path, work_dir, self.limits.allowed.is_some())?;
        let program = program.into_os_string().into_string();
        let program = program.map_err(|_| "the path of the program is no UTF-8, so it cannot be started".to_owned())?;
        let mut args = ["-c", "exec \"$@\" 2>&1", "sh"].map(str::to_owned).to_vec();
        args.push(program);
        args.extend_from_slice(&call.words[1..]);
        let mut spec = ProcessSpec {
            backend: BACKEND,
            command: Command::new("/bin/sh"),
            args,
            cwd: work_dir.to_owned(),
            package: None,
            inherit_env: Some(environment),
            env: std::collections::BTreeMap::new(),
            umask: None,
            stop_grace: None,
            supervision: Supervision { tap: None, ..self.limits.supervision.clone() },
            stderr: None,
        };
        let started = if self.limits.confine {
            let temporary = self.temporary_folder()?;
            spec.env.insert("TMPDIR".to_owned(), temporary.display().to_string());
            let writable: Vec<PathBuf> = [vec![work_dir.to_owned(), temporary], self.limits.writable.clone()].concat();
            AgentProcess::spawn_confined(spec, &writable)
        } else {
            AgentProcess::spawn(spec)
        };
        // Its input ends at once.
        let (process, _stdin, output) = started.map_err(|error| error.to_string())?;
        Ok((process, output))
    }

    fn temporary_folder(&self) -> Result<PathBuf, String> {
        let make = || tempfile::Builder::new().prefix("agent-teams-").tempdir().ok();
        let folder = self.temporary.get_or_init(make).as_ref();
        let folder = folder.ok_or("no folder for temporary files could be made, which a confined command needs")?;
        Ok(folder.path().to_owned())
    }

    async fn run(&self, call: Call) -> Result<Value, String> {
        let limit = call.timeout.unwrap_or(self.limits.timeout).min(self.limits.longest_timeout);
        let (mut process, output) = self.start(&call)?;
        let mut output = output.into_bytes();
        let mut kept = Bounded::new(self.limits.output_limit);
        let mut buffer = vec![0; 64 << 10];
        let mut open = true;
        let deadline = sleep(limit);
        tokio::pin!(deadline);
        let exit = loop {
            tokio::select! {
                biased;
                () = &mut deadline => break None,
                exit = process.wait() => break Some(exit),
                read = output.read(&mut buffer), if open => match read {
                    Ok(count @ 1..) => kept.push(&buffer[..count]),
                    _ => open = false,
                },
            }
        };
        let mut last_words = async |kept: &mut Bounded| {
            let rest = async {
                while let Ok(count @ 1..) = output.read(&mut buffer).await {
                    kept.push(&buffer[..count]);
                }
            };
            let _ = timeout(LAST_WORDS, rest).await;
        };
        if exit.is_some() {
            last_words(&mut kept).await;
        }
        let report = process.stop(None, GRACE).await.map_err(|error| error.to_string());
        last_words(&mut kept).await;
        let timed_out = exit.is_none().then_some(limit);
        let exit = exit.or_else(|| report.as_ref().ok().map(|report| report.exit.clone())).unwrap_or(Exit::Unknown);
        let mut notes = self.notes(timed_out, call.timeout, &report);
        if exit == Exit::Unknown && !process.last_words().is_empty() {
            notes.push(process.last_words());
        }
        Ok(answer(&exit, kept.into_text(), timed_out.is_some(), notes))
    }

    fn notes(
        &self,
        timed_out: Option<Duration>,
        asked: Option<Duration>,
        report: &Result<StopReport, String>,
    ) -> Vec<String> {
        let mut notes = Vec::new();
        let longest = self.limits.longest_timeout.as_secs();
        if let Some(limit) = timed_out {
            notes.push(format!(
                "it was ended with all that it had started after {} seconds, its limit",
                limit.as_secs_f64()
            ));
        }
        if asked.is_some_and(|asked| asked > self.limits.longest_timeout) {
            notes.push(format!("no command may take longer than {longest} seconds"));
        }
        match report {
            Ok(report) => {
                if timed_out.is_none() && report.descendants > 0 {
                    let count = report.descendants;
                    notes.push(format!(
                        "it had left {count} running, which were ended; nothing can run on after a command"
                    ));
                }
                if report.left > 0 {
                    notes.push(format!("{} of its processes could not be ended", report.left));
                }
            }
            Err(error) => notes.push(format!("whether it has left processes behind is not known: {error}")),
        }
        if self.limits.confine {
            notes.extend(landlock_support().warning().map(str::to_owned));
        }
        notes
    }
}

fn answer(exit: &Exit, output: String, timed_out: bool, notes: Vec<String>) -> Value {
    let mut answer = serde_json::Map::new();
    match exit {
        Exit::Code(code) => answer.insert("exit_code".to_owned(), json!(code)),
        Exit::Signal(signal) => answer.insert("signal".to_owned(), json!(signal)),
        Exit::Unknown => answer.insert("exit_code".to_owned(), Value::Null),
    };
    answer.insert("timed_out".to_owned(), json!(timed_out));
    answer.insert("output".to_owned(), json!(output));
    if !notes.is_empty() {
        answer.insert("notes".to_owned(), json!(notes));
    }
    Value::Object(answer)
}

#[async_trait]
impl Tool for RunCommandTool {
    fn definition(&self) -> ToolDefinition {
        let limits = &self.limits;
        let mut description = format!(
            "Runs a program in {} and waits for its end. It has no input; its output and its errors come together, and of a long output the middle is left out. What it leaves running \
             is ended. It may take {} seconds unless `timeout_seconds` says otherwise.",
            self.roots.work_dir().display(),
            limits.timeout.as_secs_f64()
        );
        if let Some(allowed) = limits.allowed_in_words() {
            description += &format!(" Allowed are commands that begin with {allowed}.");
        }
        if limits.confine {
            description += " It can write below that folder and $TMPDIR only.";
        }
        let mut properties = json!({
            "argv": { "type": "array", "items": { "type": "string" }, "description": "The program and its arguments, a word each. There is no shell." },
            "timeout_seconds": { "type": "integer", "minimum": 1, "maximum": limits.longest_timeout.as_secs(), "description": "How long it may take." },
        });
        if limits.allows_shell() {
            properties["argv"]["description"] =
                json!("The program and its arguments, a word each. No shell reads them.");
            properties["command"] = json!({ "type": "string", "description": "Instead of argv: a line for /bin/sh, with pipes and redirections. Needs `shell`." });
            properties["shell"] = json!({ "type": "boolean", "description": "That `command` is given to a shell." });
        }
        let parameters = json!({ "type": "object", "properties": properties });
        ToolDefinition { name: NAME.to_owned(), description, parameters }
    }

    /// A command has a limit of its own, and says what it has said until then.
    fn time_limit(&self) -> Option<Duration> {
        None
    }

    fn kind(&self) -> ToolKind {
        ToolKind::Execute
    }

    fn describe(&self, arguments: &Value) -> ToolUse {
        match Call::of(arguments) {
            Ok(call) => ToolUse { title: call.title(), argv: call.words, shell: call.shell, change: None },
            Err(_) => ToolUse { title: format!("{NAME} {}", shown(&arguments.to_string())), ..ToolUse::default() },
        }
    }

    async fn execute(&self, arguments: Value) -> Result<Value> {
        let call = Call::of(&arguments)?;
        self.check(&call).map_err(|message| Error::tool(NAME, message))?;
        self.run(call).await.map_err(|message| Error::tool(NAME, message))
    }
}
