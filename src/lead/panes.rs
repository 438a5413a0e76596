//! Panes without a terminal: what a lead asks of `tmux`, answered by this program in its place.
//!
//! A pane is a number in a file, and who works in it. Nothing is shown in it, and no process of ours stays there: the command that the lead
//! runs in it has the daemon start the member, and ends.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fmt::Write as _;
use std::fs::{File, OpenOptions};
use std::io::{Read as _, Seek as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use agent_backends::claude::lead::TeammateCall;
use fs2::FileExt as _;

/// How the name of the server begins that a lead opens its panes in; its process follows.
const SERVER: &str = "claude-swarm-";
/// How the program is called that stands for this one in panes of tmux; the lead's process follows.
const CALLER: &str = "teammate-";
/// The window that it opens them in.
const WINDOW: &str = "swarm-view";
/// The version that is answered: a lead wants to know only that there is one.
const VERSION: &str = "tmux 3.4";

/// Who works in a pane.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Occupant {
    pub(crate) team: String,
    pub(crate) name: String,
}

/// The panes of a lead.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Panes {
    /// The number of the next one.
    next: u64,
    open: BTreeMap<u64, Option<Occupant>>,
}

/// What is to be done, beside what is answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Deed {
    /// Run this command of a shell in this pane.
    Run { pane: String, command: String },
    /// Let go of whoever works there.
    LetGo(Vec<Occupant>),
}

/// An answer, as `tmux` gives it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) text: String,
    pub(crate) failed: bool,
    pub(crate) deed: Option<Deed>,
}

impl FromStr for Panes {
    type Err = ();

    /// A file that is damaged has no panes: whoever works in one runs on, and ends with the lead.
    fn from_str(text: &str) -> Result<Self, ()> {
        let mut lines = text.lines();
        let next = lines.next().and_then(|line| line.parse().ok()).ok_or(())?;
        let pane = |line: &str| {
            let mut words = line.split(' ');
            let number = words.next()?.parse().ok()?;
            let occupant = words.next().zip(words.next());
            Some((number, occupant.map(|(team, name)| Occupant { team: team.to_owned(), name: name.to_owned() })))
        };
        Ok(Self { next, open: lines.filter_map(pane).collect() })
    }
}

impl Panes {
    fn to_text(&self) -> String {
        let mut text = format!("{}\n", self.next);
        for (number, occupant) in &self.open {
            let _ = match occupant {
                Some(Occupant { team, name }) => writeln!(text, "{number} {team} {name}"),
                None => writeln!(text, "{number}"),
            };
        }
        text
    }

    /// Does what one call of `tmux` asks for, without the options that name the server.
    fn answer(&mut self, arguments: &[String]) -> Answer {
        let Some(verb) = arguments.first() else { return Answer { failed: true, ..Answer::default() } };
        let value = |option: &str| {
            let at = arguments.iter().position(|argument| argument == option)?;
            arguments.get(at + 1).map(String::as_str)
        };
        let pane = value("-t").and_then(|target| target.strip_prefix('%')?.parse::<u64>().ok());
        let said = |text: String| Answer { text, ..Answer::default() };
        match verb.as_str() {
            "has-session" => Answer { failed: self.open.is_empty(), ..Answer::default() },
            "new-session" | "new-window" | "split-window" => {
                let number = self.next;
                self.next += 1;
                self.open.insert(number, None);
                said(value("-F").map(|format| shown(format, number)).unwrap_or_default())
            }
            "list-panes" => {
                let format = value("-F").unwrap_or("#{pane_id}");
                said(self.open.keys().map(|number| shown(format, *number)).collect())
            }
            "list-windows" => said(shown(value("-F").unwrap_or(WINDOW), self.open.keys().next().copied().unwrap_or(0))),
            "display-message" => {
                let format = arguments.last().filter(|format| format.contains("#{")).map_or("", String::as_str);
                said(shown(format, pane.unwrap_or(0)))
            }
            "respawn-pane" => {
                let (Some(number), Some(command)) = (pane, arguments.last()) else {
                    return Answer { failed: true, ..Answer::default() };
                };
                self.open.insert(number, occupant(command));
                let deed = Deed::Run { pane: format!("%{number}"), command: command.clone() };
                Answer { deed: Some(deed), ..Answer::default() }
            }
            "kill-pane" => {
                let closed = pane.and_then(|number| self.open.remove(&number)).flatten();
                Answer { deed: closed.map(|occupant| Deed::LetGo(vec![occupant])), ..Answer::default() }
            }
            "kill-window" | "kill-session" | "kill-server" => {
                let closed = std::mem::take(&mut self.open).into_values().flatten().collect();
                Answer { deed: Some(Deed::LetGo(closed)), ..Answer::default() }
            }
            // How a pane looks: nobody sees it.
            _ => Answer::default(),
        }
    }
}

/// Who is called for in a pane's command.
fn occupant(command: &str) -> Option<Occupant> {
    let words = shell_words::split(command).ok()?;
    let at = words.iter().position(|word| word == TeammateCall::BEGINS)?;
    let call = TeammateCall::parse(words.into_iter().skip(at)).ok()?;
    Some(Occupant { team: call.team, name: call.name })
}

/// A line of the given format.
fn shown(format: &str, pane: u64) -> String {
    let known = [
        ("#{pane_id}", format!("%{pane}")),
        ("#{window_name}", WINDOW.to_owned()),
        ("#{window_id}", "@0".to_owned()),
        ("#{session_name}", "claude-swarm".to_owned()),
    ];
    let text = known.iter().fold(format.to_owned(), |text, (name, value)| text.replace(name, value));
    format!("{text}\n")
}

/// What a call of `tmux` is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Call {
    /// A lead's for its panes.
    Ours { server: String, arguments: Vec<String> },
    /// A lead wants to know whether there is one.
    Version,
    /// Somebody else's, or a lead's that a person has started in a terminal of it.
    Other,
}

impl Call {
    pub(crate) fn of(arguments: &[OsString]) -> Self {
        let Some(words) = arguments.iter().map(|word| word.to_str().map(str::to_owned)).collect::<Option<Vec<_>>>()
        else {
            return Self::Other;
        };
        match words.as_slice() {
            [option] if option == "-V" => Self::Version,
            [option, server, arguments @ ..] if option == "-L" && lead_of(server).is_some() => {
                Self::Ours { server: server.clone(), arguments: arguments.to_vec() }
            }
            _ => Self::Other,
        }
    }
}

/// The process of the lead whose server has this name.
fn lead_of(server: &str) -> Option<u32> {
    server.strip_prefix(SERVER)?.parse().ok()
}

/// The version, as `tmux -V` answers it.
pub(crate) fn version() -> String {
    format!("{VERSION}\n")
}

/// Where this program stands in for `tmux`: a folder for a lead's PATH.
pub(crate) fn stand_in(state_dir: &Path) -> PathBuf {
    state_dir.join("panes/bin")
}

/// The program that a lead with panes in tmux calls for its teammates.
pub(crate) fn caller(state_dir: &Path, lead: u32) -> PathBuf {
    state_dir.join("panes").join(format!("{CALLER}{lead}"))
}

/// Answers a lead's call.
///
/// # Errors
/// What is known of its panes cannot be read or written.
pub(crate) fn answer(state_dir: &Path, server: &str, arguments: &[String]) -> std::io::Result<Answer> {
    let dir = state_dir.join("panes");
    std::fs::create_dir_all(&dir)?;
    let path = dir.join(server);
    let mut file = open(&path)?;
    file.lock_exclusive()?;
    let mut text = String::new();
    file.read_to_string(&mut text)?;
    let mut panes = text.parse().unwrap_or_else(|()| {
        forget_the_dead(&dir, server);
        Panes::default()
    });
    let answer = panes.answer(arguments);
    let after = panes.to_text();
    if after != text {
        file.rewind()?;
        file.set_len(0)?;
        file.write_all(after.as_bytes())?;
    }
    Ok(answer)
}

fn open(path: &Path) -> std::io::Result<File> {
    OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(path)
}

/// Removes what is known of the panes of leads that are gone.
pub(super) fn forget_the_dead(dir: &Path, but: &str) {
    for entry in std::fs::read_dir(dir).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let name = name.to_str().filter(|name| name.trim_end_matches(".log") != but).unwrap_or_default();
        let lead = lead_of(name.trim_end_matches(".log")).or_else(|| name.strip_prefix(CALLER)?.parse().ok());
        let is_gone = |pid: u32| Path::new("/proc/self").exists() && !Path::new("/proc").join(pid.to_string()).exists();
        if lead.is_some_and(is_gone) {
            let _ = std::fs::remove_file(entry.path());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(line: &str) -> Vec<String> {
        line.split(' ').map(str::to_owned).collect()
    }

    /// As 2.1.329 asks for two panes, and closes one.
    #[test]
    fn a_lead_gets_its_panes() {
        let mut panes = Panes::default();
        let mut ask = |line: &str| {
            panes = panes.to_text().parse().unwrap();
            panes.answer(&words(line))
        };
        assert!(ask("has-session -t claude-swarm").failed);
        assert_eq!(ask("new-session -d -s claude-swarm -n swarm-view -P -F #{pane_id} -- cat").text, "%0\n");
        assert!(!ask("has-session -t claude-swarm").failed);
        assert_eq!(ask("list-windows -t claude-swarm -F #{window_name}").text, "swarm-view\n");
        assert_eq!(ask("list-panes -t claude-swarm:swarm-view -F #{pane_id}").text, "%0\n");
        assert_eq!(ask("set-option -p -t %0 window-style bg=default,fg=blue"), Answer::default());
        assert_eq!(ask("split-window -d -t %0 -P -F #{pane_id} -- cat").text, "%1\n");
        let command = "cd /tmp && env A='' /bin/teams --agent-id t@s --agent-name t --team-name s --agent-type codex";
        let mut respawn = words("respawn-pane -k -t %1 --");
        respawn.push(command.to_owned());
        let run = panes.answer(&respawn);
        assert_eq!(run.deed, Some(Deed::Run { pane: "%1".into(), command: command.into() }));
        let mut ask = |line: &str| {
            panes = panes.to_text().parse().unwrap();
            panes.answer(&words(line))
        };
        let occupant = Occupant { team: "s".into(), name: "t".into() };
        assert_eq!(ask("kill-pane -t %0").deed, None);
        assert_eq!(ask("kill-pane -t %1").deed, Some(Deed::LetGo(vec![occupant])));
        assert_eq!(ask("kill-pane -t %1"), Answer::default(), "once");
        assert!(ask("has-session -t claude-swarm").failed);
        assert_eq!(ask("new-session -P -F #{pane_id}").text, "%2\n", "no number comes again");
    }

    #[test]
    fn other_calls_are_not_for_us() {
        let call = |line: &str| Call::of(&words(line).iter().map(OsString::from).collect::<Vec<_>>());
        assert_eq!(call("-V"), Call::Version);
        let server = "claude-swarm-17".to_owned();
        assert_eq!(call("-L claude-swarm-17 kill-server"), Call::Ours { server, arguments: words("kill-server") });
        for line in ["ls", "-L mine ls", "-L claude-swarm-x ls", "-L claude-swarm-../x ls", "split-window -h"] {
            assert_eq!(call(line), Call::Other, "{line}");
        }
    }
}
