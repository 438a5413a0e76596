//! A command of the person's that is told when somebody needs them.

use std::process::Stdio;
use std::time::Duration;

use serde::Serialize;
use tokio::io::AsyncWriteExt as _;
use tokio::process::Command;
use tokio::sync::mpsc;

use crate::live::team::Need;

/// How long the command may take.
const LIMIT: Duration = Duration::from_secs(10);

/// What the command is told, on its standard input.
#[derive(Serialize)]
struct Told<'a> {
    team: &'a str,
    member: &'a str,
    /// The question's id, where it is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<&'a str>,
    text: &'a str,
}

/// Runs the command for each of them, one after the other. Its words are its own: nothing of a question is among them.
pub(super) async fn notify(mut needs: mpsc::Receiver<Need>, command: Option<Vec<String>>, say: impl Fn(&str)) {
    while let Some(need) = needs.recv().await {
        let Some([program, arguments @ ..]) = command.as_deref() else { continue };
        let told = Told { team: &need.team, member: &need.member, id: need.id.as_deref(), text: &need.what };
        let Ok(mut line) = serde_json::to_vec(&told) else { continue };
        line.push(b'\n');
        let mut command = Command::new(program);
        command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::inherit()).kill_on_drop(true);
        let run = async {
            let mut child = command.spawn()?;
            if let Some(mut stdin) = child.stdin.take() {
                // One that does not read may end well all the same.
                let _ = stdin.write_all(&line).await;
            }
            child.wait().await
        };
        match tokio::time::timeout(LIMIT, run).await {
            Ok(Ok(status)) if status.success() => {}
            Ok(Ok(status)) => say(&format!("the notify command has failed: {status}")),
            Ok(Err(error)) => say(&format!("the notify command cannot be run: {program}: {error}")),
            Err(_) => say(&format!("the notify command was ended after {} s", LIMIT.as_secs())),
        }
    }
}
