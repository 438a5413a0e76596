//! Where the view's facts come from: the daemon's changes and events. What the view asks for goes back the same way.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::process::Command;
use tokio::sync::{mpsc, watch};
use tokio::task::{AbortHandle, JoinSet};

use super::facts::{Fact, Request, TeamFacts};
use crate::daemon::surroundings::surroundings;
use crate::daemon::{
    AnswerParams, Connection, ErrorKind, EventsParams, Failure, InboxParams, InterruptParams, ListApprovalsParams,
    ListBudgetsParams, ListTasksParams, ListTeamsParams, SendParams, StopParams, TeamStatusParams, Watcher,
};
use crate::model::change::Changed;
use crate::sync::lock;

/// The most events that are asked for at once, and how long the daemon may keep us waiting for the next, in milliseconds.
const AT_ONCE: usize = 1_000;
const WAIT_MS: u64 = 20_000;
/// How long at least passes between two looks at what has changed.
const LOOK_AGAIN: Duration = Duration::from_millis(100);
/// How long at least passes between two looks for a team that is not there.
const LOOK_FOR_TEAM: Duration = Duration::from_secs(1);
/// How long a verb may take that is run from the view.
const VERB_LIMIT: Duration = Duration::from_secs(60);

/// The daemon that answers now, for requests.
pub(super) type Current = watch::Receiver<Option<Connection>>;

/// Tells of the teams as long as somebody listens. When the daemon ends, the next one is waited for; none is started.
pub(super) struct Source {
    pub(super) state_dir: PathBuf,
    /// The team that is watched, if it is one.
    pub(super) only: Option<String>,
    /// How many of a team's last events are read at the beginning.
    pub(super) back: u64,
    pub(super) facts: mpsc::Sender<Fact>,
    pub(super) current: watch::Sender<Option<Connection>>,
    /// The number of the next event of each team: they are numbered on by the next daemon.
    pub(super) next: Arc<Mutex<BTreeMap<String, u64>>>,
}

impl Source {
    pub(super) async fn run(self, mut connection: Connection) {
        loop {
            self.current.send_replace(Some(connection.clone()));
            if self.facts.send(Fact::Connected).await.is_err() {
                return;
            }
            let why = match self.follow(&connection).await {
                Ok(()) => return,
                Err(failure) => failure.message,
            };
            self.current.send_replace(None);
            if self.facts.send(Fact::Lost { why }).await.is_err() {
                return;
            }
            connection = loop {
                tokio::time::sleep(LOOK_AGAIN).await;
                match Connection::to_running(&self.state_dir).await {
                    Ok(Some(next)) => break next,
                    Ok(None) => {}
                    Err(error) => {
                        let _ = self.facts.send(Fact::Lost { why: error.to_string() }).await;
                    }
                }
            };
        }
    }

    /// Follows one daemon; it ends well when nobody listens any more.
    async fn follow(&self, connection: &Connection) -> Result<(), Failure> {
        let mut watcher = Watcher::new(self.only.clone());
        let mut followers: JoinSet<Result<(), Failure>> = JoinSet::new();
        let mut followed: BTreeMap<String, AbortHandle> = BTreeMap::new();
        loop {
            let reply = tokio::select! {
                reply = watcher.next(connection) => match reply {
                    // It may be made again.
                    Err(failure) if failure.kind == ErrorKind::NoTeam => {
                        if self.facts.send(Fact::Teams(Vec::new())).await.is_err() {
                            return Ok(());
                        }
                        tokio::time::sleep(LOOK_FOR_TEAM).await;
                        watcher = Watcher::new(self.only.clone());
                        continue;
                    }
                    reply => reply?,
                },
                Some(ended) = followers.join_next(), if !followers.is_empty() => {
                    match ended {
                        // The list of teams tells that one is gone.
                        Ok(Err(failure)) if failure.kind == ErrorKind::NoTeam => continue,
                        Ok(ended) => return ended,
                        Err(_) => continue,
                    }
                }
            };
            let mut changed: BTreeSet<String> = reply.changes.iter().map(|change| change.team.clone()).collect();
            let lists = reply.reset || reply.changes.iter().any(|change| change.what == Changed::Team);
            if lists {
                let teams: BTreeSet<String> =
                    connection.call(ListTeamsParams {}).await?.into_iter().map(|team| team.team).collect();
                if reply.reset {
                    changed.clone_from(&teams);
                }
                followed.retain(|team, follower| {
                    let is_followed = teams.contains(team) && !follower.is_finished();
                    if !is_followed {
                        follower.abort();
                    }
                    is_followed
                });
                // One of the same name counts its events anew.
                lock(&self.next).retain(|team, _| teams.contains(team));
                // They are known before their events are.
                if self.facts.send(Fact::Teams(teams.iter().cloned().collect())).await.is_err() {
                    return Ok(());
                }
                let wanted = |team: &&String| self.only.as_ref().is_none_or(|only| only == *team);
                for team in teams.iter().filter(wanted) {
                    if !followed.contains_key(team) {
                        let (connection, facts, back) = (connection.clone(), self.facts.clone(), self.back);
                        let (name, next) = (team.clone(), Arc::clone(&self.next));
                        let follower = async move { events(&connection, &name, back, &facts, &next).await };
                        followed.insert(team.clone(), followers.spawn(follower));
                    }
                }
            }
            for team in changed.into_iter().filter(|team| followed.contains_key(team)) {
                match read(connection, &team).await {
                    Ok(facts) => {
                        if self.facts.send(Fact::Team(Box::new(facts))).await.is_err() {
                            return Ok(());
                        }
                    }
                    Err(failure) if failure.kind == ErrorKind::NoTeam => {}
                    Err(failure) if !connection.is_connected() => return Err(failure),
                    Err(failure) => drop(self.facts.send(Fact::Refused(failure)).await),
                }
            }
            tokio::time::sleep(LOOK_AGAIN).await;
        }
    }
}

/// Reads all that is shown of a team.
async fn read(connection: &Connection, team: &str) -> Result<TeamFacts, Failure> {
    let team = || team.to_owned();
    let (status, tasks, approvals, budgets) = tokio::try_join!(
        connection.call(TeamStatusParams { team: team() }),
        connection.call(ListTasksParams { team: team() }),
        connection.call(ListApprovalsParams { team: team() }),
        connection.call(ListBudgetsParams { team: team() }),
    )?;
    Ok(TeamFacts { status, tasks: tasks.tasks, approvals, budgets })
}

/// Passes on a team's events, from where the last daemon's ended.
async fn events(
    connection: &Connection,
    team: &str,
    back: u64,
    facts: &mpsc::Sender<Fact>,
    places: &Mutex<BTreeMap<String, u64>>,
) -> Result<(), Failure> {
    let ask = |from, max, wait_ms| {
        connection.call(EventsParams { team: team.to_owned(), names: Vec::new(), from, max, wait_ms })
    };
    let known = lock(places).get(team).copied();
    let mut next = match known {
        Some(next) => next,
        None => ask(u64::MAX, 1, 0).await?.last.saturating_sub(back) + 1,
    };
    loop {
        let reply = ask(next, AT_ONCE, WAIT_MS).await?;
        if reply.last + 1 < next {
            next = 1;
            lock(places).remove(team);
            if facts.send(Fact::Anew { team: team.to_owned() }).await.is_err() {
                return Ok(());
            }
            continue;
        }
        next = reply.next;
        if !reply.events.is_empty() && facts.send(Fact::Events(reply.events)).await.is_err() {
            return Ok(());
        }
        lock(places).insert(team.to_owned(), next);
    }
}

/// Does what the view asks for, and answers what to tell it.
pub(super) async fn perform(connection: Connection, request: Request) -> Fact {
    let done = match request {
        Request::Send { team, member, text } => send(&connection, team, member, text).await.map(|()| None),
        Request::Answer { team, id, decision } => {
            let said = format!("{id} is answered");
            connection.call(AnswerParams { team, id, decision }).await.map(|()| Some(said))
        }
        Request::Interrupt { team, member } => {
            let said = format!("{member} is told to end its turn");
            connection.call(InterruptParams { team, name: member }).await.map(|_| Some(said))
        }
        Request::Stop { team, member } => {
            let said = format!("{member} is stopped");
            let stop = StopParams { team, names: vec![member], now: false };
            connection.call(stop).await.map(|_| Some(said))
        }
        Request::ReadMail { team, member } => {
            let read = connection.call(InboxParams { team: team.clone(), name: member.clone() }).await;
            match read {
                Ok(messages) => return Fact::Mail { team, member, messages },
                Err(failure) => Err(failure),
            }
        }
        Request::Run { team, words } => run(&connection.daemon.state_dir, team, words).await.map(Some),
    };
    match done {
        Ok(say) => Fact::Done { say },
        Err(failure) => Fact::Refused(failure),
    }
}

/// Gives an input to a member, which is brought back if it does not run.
async fn send(connection: &Connection, team: String, name: String, text: String) -> Result<(), Failure> {
    let from = Some("user".to_owned());
    let mut params = SendParams { team, name, text, from, interrupt: false, surroundings: None };
    match connection.call(params.clone()).await {
        Err(failure) if failure.kind == ErrorKind::Dormant => {
            let failed = |error: anyhow::Error| Failure::new(ErrorKind::BadInput, format!("{error:#}"));
            params.surroundings = Some(surroundings(connection).map_err(failed)?);
            connection.call(params).await.map(drop)
        }
        sent => sent.map(drop),
    }
}

/// Runs a verb of this program, and answers what it has printed.
async fn run(state_dir: &Path, team: Option<String>, words: Vec<String>) -> Result<String, Failure> {
    let failed = |what: String| Failure::new(ErrorKind::BadInput, what);
    let program = std::env::current_exe().map_err(|error| failed(format!("the program is not found: {error}")))?;
    let mut command = Command::new(program);
    command.args(&words).env("TEAMS_STATE_DIR", state_dir).stdin(std::process::Stdio::null()).kill_on_drop(true);
    if let Some(team) = team {
        command.env("TEAMS_TEAM", team);
    }
    let ran = match tokio::time::timeout(VERB_LIMIT, command.output()).await {
        Ok(ran) => ran.map_err(|error| failed(format!("it cannot be run: {error}")))?,
        Err(_) => {
            let seconds = VERB_LIMIT.as_secs();
            return Err(failed(format!("it was ended after {seconds} s"))
                .hint(format!("run it in a terminal: teams {}", shell_words::join(&words))));
        }
    };
    let said = format!("{}{}", String::from_utf8_lossy(&ran.stdout), String::from_utf8_lossy(&ran.stderr));
    match (ran.status.success(), said.trim()) {
        (true, "") => Ok("done".to_owned()),
        (true, said) => Ok(said.to_owned()),
        (false, "") => Err(failed("it failed without a word".to_owned())),
        // The first line says what went wrong.
        (false, said) => Err(failed(said.replace('\n', "; "))),
    }
}
