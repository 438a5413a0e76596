//! What a program or a client calls, beside the store's own call in the same run: `cargo bench --bench verbs`, or
//! `cargo bench --bench verbs -- claims` for the parts whose name has that word. It asserts nothing but that it was done
//! right; it prints.

#![allow(clippy::unwrap_used)]

#[path = "support/files.rs"]
mod files;
mod support;
#[path = "support/work.rs"]
mod work;

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use agent_teams::model::message::Message;
use agent_teams::model::task::CreateTaskRequest;
use agent_teams::orchestrator::Redactor;
use agent_teams::{AgentName, Client, TeamName, TeamOrchestrator};
use files::{TEAM, fill_inbox, fill_tasks, message, raw_write, side_by_side, store_at, team, timed};
use serde_json::{Value, json};
use support::{median, ms, row, run, run_parts, runtime};

const SIZES: [usize; 3] = [100, 1_000, 10_000];

fn main() {
    run_parts(&[
        ("messages", messages),
        ("writers", writers),
        ("tasks", tasks),
        ("claims", claims),
        ("dispatch", work::dispatch),
        ("completion", work::completion),
        ("redactor", redactor),
    ]);
}

fn ratio(what: &str, (ours, other): (Duration, Duration), goal: &str) {
    let ratio = ours.as_secs_f64() / other.as_secs_f64();
    row(what, format!("{ratio:.2}"), &format!("{goal}   ({} to {})", ms(ours), ms(other)));
}

fn orchestrator(dir: &Path) -> TeamOrchestrator {
    let builder = TeamOrchestrator::builder().teams_base(dir.join("teams")).tasks_base(dir.join("tasks"));
    builder.state_dir(dir.join("state")).build().unwrap()
}

/// Adds members that nobody runs, so that what is written to them stays in their inboxes.
fn add_members(teams: &Path, names: &[&str]) {
    let path = teams.join(TEAM).join("config.json");
    let mut config: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    for name in names {
        let member = json!({"agentId": format!("{name}@{TEAM}"), "name": name, "joinedAt": 1, "cwd": "/"});
        config["members"].as_array_mut().unwrap().push(member);
    }
    fs::write(path, serde_json::to_vec(&config).unwrap()).unwrap();
}

/// A daemon, with a team that has these members.
struct Daemon {
    home: tempfile::TempDir,
}

impl Daemon {
    fn start(members: &[&str]) -> Self {
        let home = tempfile::tempdir_in(".").unwrap();
        run(home.path(), &["create", TEAM]);
        add_members(&home.path().join(".claude/teams"), members);
        Self { home }
    }

    async fn client(&self) -> Client {
        Client::connect(&self.home.path().join("state")).await.unwrap()
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        run(self.home.path(), &["daemon", "stop"]);
    }
}

// ---- messages ----

fn messages() {
    for entries in SIZES {
        let dir = tempfile::tempdir_in(".").unwrap();
        let store = store_at(dir.path());
        let team = team(&store);
        add_members(&dir.path().join("teams"), &["verb", "store"]);
        let inbox = |name: &str| dir.path().join("teams/bench/inboxes").join(format!("{name}.json"));
        fill_inbox(&inbox("verb"), entries);
        fill_inbox(&inbox("store"), entries);
        let (runtime, orchestrator) = (runtime(), orchestrator(dir.path()));
        let send = || {
            let sent = orchestrator.send_message(TEAM, "team-lead", "verb", "one more message, of a usual length");
            drop(runtime.block_on(sent).unwrap());
        };
        let name: AgentName = "store".parse().unwrap();
        let append = || drop(store.append_message(&team, &name, message(), jiff::Timestamp::now()).unwrap());
        send();
        append();
        let times = side_by_side(60, send, || (), |()| append());
        ratio(&format!("send_message into an inbox of {entries}, to the store's append"), times, "at most 1.3");

        let read = || assert!(store.read_inbox_of(&team, &name).unwrap().len() > entries);
        let plain = || {
            let messages: Vec<Message> = serde_json::from_slice(&fs::read(inbox("store")).unwrap()).unwrap();
            assert!(messages.len() > entries);
        };
        let times = side_by_side(40, read, || (), |()| plain());
        ratio(&format!("read an inbox of {entries}, to a typed parse of its bytes"), times, "at most 1.3");
    }
    let daemon = Daemon::start(&["verb"]);
    let runtime = runtime();
    let client = runtime.block_on(daemon.client());
    let path = daemon.home.path().join(".claude/teams/bench/inboxes/verb.json");
    for entries in SIZES {
        fill_inbox(&path, entries);
        let send = || drop(runtime.block_on(client.send_message(TEAM, "team-lead", "verb", "one more")).unwrap());
        send();
        let other = daemon.home.path().join("raw.json");
        let times = side_by_side(60, send, || fs::read(&path).unwrap(), |bytes| raw_write(&other, &bytes));
        ratio(&format!("message.send of the daemon, an inbox of {entries}, to the raw write"), times, "");
    }
}

/// Eight who write to one inbox at the same time.
fn writers() {
    const EACH: usize = 40;
    let runtime = runtime();
    for entries in SIZES {
        let dir = tempfile::tempdir_in(".").unwrap();
        let team_store = store_at(dir.path());
        team(&team_store);
        add_members(&dir.path().join("teams"), &["one", "eight"]);
        for name in ["one", "eight"] {
            fill_inbox(&dir.path().join(format!("teams/bench/inboxes/{name}.json")), entries);
        }
        let orchestrator = orchestrator(dir.path());
        let by = |writers: usize, to: &'static str| {
            let orchestrator = orchestrator.clone();
            runtime.block_on(async move {
                let writing: Vec<_> = (0..writers)
                    .map(|_| {
                        let orchestrator = orchestrator.clone();
                        tokio::spawn(async move {
                            for _ in 0..EACH {
                                let sent = orchestrator.send_message(TEAM, "team-lead", to, "one more message").await;
                                drop(sent.unwrap());
                            }
                        })
                    })
                    .collect();
                for writer in writing {
                    writer.await.unwrap();
                }
            });
        };
        by(1, "one");
        by(1, "eight");
        let one = timed(|| by(1, "one"));
        let eight = timed(|| by(8, "eight"));
        let rate = |writers: usize, time: Duration| (writers * EACH) as f64 / time.as_secs_f64();
        let (one, eight) = (rate(1, one), rate(8, eight));
        row(
            &format!("rate of 8 writers of an inbox of {entries}, to that of one"),
            format!("{:.2}", eight / one),
            &format!("at least 4   ({eight:.0} to {one:.0} messages a second)"),
        );
    }
}

// ---- tasks ----

fn tasks() {
    for entries in SIZES {
        let [verb, primitive] = [(); 2].map(|()| tempfile::tempdir_in(".").unwrap());
        let stores = [&verb, &primitive].map(|dir| store_at(dir.path()));
        let mut name: TeamName = TEAM.parse().unwrap();
        for (store, dir) in stores.iter().zip([&verb, &primitive]) {
            name = team(store);
            fill_tasks(store, &dir.path().join("tasks/bench"), &name, entries as u64);
        }
        let (runtime, orchestrator) = (runtime(), orchestrator(verb.path()));
        let request = CreateTaskRequest { subject: "One more".into(), ..Default::default() };
        let by_verb = || drop(runtime.block_on(orchestrator.create_task(TEAM, request.clone())).unwrap());
        let by_store = || drop(stores[1].create_task(&name, &request).unwrap());
        by_verb();
        by_store();
        let times = side_by_side(100, by_verb, || (), |()| by_store());
        ratio(&format!("create_task beside {entries}, to the store's"), times, "at most 1.3");
        let by_verb = || drop(runtime.block_on(orchestrator.claim_task(TEAM, None, "team-lead")).unwrap().unwrap());
        let by_store = || drop(stores[1].claim_task(&name, None, "team-lead").unwrap().unwrap());
        let times = side_by_side(60, by_verb, || (), |()| by_store());
        ratio(&format!("claim_task of the first of {entries} that is free, to the store's"), times, "at most 1.3");
    }
}

/// Four clients that take tasks until there are no more.
fn claims() {
    const COUNT: usize = 2_000;
    let daemon = Daemon::start(&["a", "b", "c", "d"]);
    let runtime = runtime();
    let claimed = runtime.block_on(async {
        let client = daemon.client().await;
        let mut creating = Vec::new();
        let began = std::time::Instant::now();
        for number in 0..COUNT {
            let client = client.clone();
            let request = CreateTaskRequest { subject: format!("Task {number}"), ..Default::default() };
            creating.push(tokio::spawn(async move { client.create_task(TEAM, request).await.unwrap() }));
            if creating.len() == 32 {
                for created in creating.drain(..) {
                    created.await.unwrap();
                }
            }
        }
        for created in creating {
            created.await.unwrap();
        }
        row(
            "tasks created through the daemon",
            format!("{:.0} a second", COUNT as f64 / began.elapsed().as_secs_f64()),
            "",
        );
        let failed = Arc::new(AtomicUsize::new(0));
        let mut claimers = Vec::new();
        let mut clients = Vec::new();
        for _ in 0..4 {
            clients.push(daemon.client().await);
        }
        let began = std::time::Instant::now();
        for (client, owner) in clients.into_iter().zip(["a", "b", "c", "d"]) {
            let failed = Arc::clone(&failed);
            claimers.push(tokio::spawn(async move {
                let mut ids = Vec::new();
                loop {
                    match client.claim_task(TEAM, None, owner).await {
                        Ok(Some(task)) => ids.push(task.id.to_string()),
                        Ok(None) => return ids,
                        Err(_) => drop(failed.fetch_add(1, Ordering::Relaxed)),
                    }
                }
            }));
        }
        let mut ids = Vec::new();
        for claimer in claimers {
            ids.extend(claimer.await.unwrap());
        }
        let time = began.elapsed();
        row(
            "claims of 4 clients through the daemon",
            format!("{:.0} a second", COUNT as f64 / time.as_secs_f64()),
            "at least 2,000",
        );
        row("claims that ended in an error", failed.load(Ordering::Relaxed), "0");
        ids
    });
    let count = claimed.len();
    let mut ids = claimed;
    ids.sort();
    ids.dedup();
    row("tasks claimed, and claimed twice", format!("{count}, {}", count - ids.len()), "2000, 0");
}

// ---- secrets ----

/// A line of an event with so many secrets known. A few are looked for by their first bytes, which costs less still.
fn redactor() {
    let line = format!("{{\"seq\":1,\"agent\":\"c\",\"text\":\"{}\"}}", "words of an agent, as they come; ".repeat(30));
    let cost = |count: usize| {
        let redactor = Redactor::default();
        let secrets: Vec<(String, String)> =
            (0..count).map(|number| (format!("TOKEN_{number}"), uuid::Uuid::new_v4().to_string())).collect();
        redactor.learn_secrets(secrets.iter().map(|(name, value)| (name, value)));
        const ROUNDS: u32 = 2_000;
        let once = || timed(|| (0..ROUNDS).for_each(|_| drop(redactor.redact(&line)))) / ROUNDS;
        let each = median((0..9).map(|_| once()).collect());
        let what = format!("an event of {} bytes, {count} secrets known", line.len());
        row(&what, format!("{:.3} µs", each.as_secs_f64() * 1e6), "");
        each.as_secs_f64()
    };
    let [_, _, hundred, thousand] = [1, 10, 100, 1_000].map(cost);
    row("with 1,000 secrets, to 100", format!("{:.2}", thousand / hundred), "about 1");
}
