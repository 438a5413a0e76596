//! Claude Code's files: the samples that its versions wrote survive a rewrite, and its lock is respected, both ways.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use agent_teams::model::message::Message;
use agent_teams::model::name::{AgentName, TeamName};
use agent_teams::model::task::{TaskId, TaskUpdate};
use agent_teams::store::{Store, StoreError, new_message};
use serde_json::{Value, json};

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("a folder");
    for entry in fs::read_dir(from).expect("a folder").flatten() {
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).expect("a copy");
        }
    }
}

fn files(dir: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir).expect("a folder").flatten() {
        if entry.path().is_dir() { found.extend(files(&entry.path())) } else { found.push(entry.path()) }
    }
    found.sort();
    found
}

/// A file's meaning and the order of its keys: what must not change.
fn content(path: &Path) -> Option<String> {
    let bytes = fs::read(path).expect("a file");
    Some(serde_json::from_slice::<Value>(&bytes).ok()?.to_string())
}

fn store_at(dir: &Path) -> Store {
    Store::new(dir.join("teams"), dir.join("tasks"), dir.join("locks"))
}

fn new_team() -> (tempfile::TempDir, Store, TeamName) {
    let dir = tempfile::tempdir().expect("a folder");
    let store = store_at(dir.path());
    let team: TeamName = "t".parse().expect("a name");
    store.create_team(&team, None, Path::new("/"), 1).expect("created");
    (dir, store, team)
}

/// Writes every file of a tree anew, through every verb that writes, and takes back what it added.
fn rewrite_everything(store: &Store, team: &TeamName) -> (usize, usize) {
    let now = jiff::Timestamp::now();
    let mut inboxes = 0;
    for member in store.team(team).expect("a team").members {
        let Ok(name) = member.name.parse() else { continue };
        let before = store.read_inbox_of(team, &name).expect("an inbox").len();
        let message = store.append_message(team, &name, new_message("x", "probe", None, None), now).expect("appended");
        assert_eq!(store.read_inbox_of(team, &name).expect("an inbox").len(), before + 1);
        let taken = store.take_messages(team, &name, |other| other.id == message.id).expect("taken");
        assert_eq!(taken.len(), 1);
        inboxes += 1;
    }
    let tasks = store.tasks(team).expect("tasks");
    assert_eq!(tasks.problems, []);
    for task in &tasks.tasks {
        for subject in ["probe", task.subject.as_str()] {
            let update = TaskUpdate { subject: Some(subject.to_owned()), ..TaskUpdate::default() };
            store.update_task(team, &task.id, &update).expect("updated");
        }
    }
    (inboxes, tasks.tasks.len())
}

#[test]
fn every_tree_of_every_version_survives_a_rewrite() {
    let samples = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/claude-homes");
    let (mut trees, mut teams, mut inboxes, mut tasks) = (0, 0, 0, 0);
    for version in fs::read_dir(&samples).expect("versions").flatten() {
        for sample in fs::read_dir(version.path()).expect("samples").flatten() {
            let dir = tempfile::tempdir().expect("a folder");
            copy(&sample.path(), dir.path());
            let before: Vec<(PathBuf, Option<String>)> =
                files(dir.path()).into_iter().map(|path| (path.clone(), content(&path))).collect();
            let store = store_at(dir.path());
            for team in store.list_teams().expect("teams") {
                let (some, more) = rewrite_everything(&store, &team);
                (teams, inboxes, tasks) = (teams + 1, inboxes + some, tasks + more);
            }
            for (path, content_before) in before {
                let name = path.strip_prefix(dir.path()).expect("below").display().to_string();
                assert_eq!(content(&path), content_before, "{}: {name}", sample.path().display());
            }
            trees += 1;
        }
    }
    assert!(trees >= 10 && teams >= 10 && inboxes >= 20 && tasks >= 15, "{trees} {teams} {inboxes} {tasks}");
}

fn launch() -> agent_teams::model::team::Launch {
    agent_teams::model::team::Launch {
        backend: agent_teams::BackendType::GeminiCli,
        permission_mode: agent_teams::PermissionMode::Plan,
        effort: None,
        work: false,
        capabilities: Vec::new(),
        leads: false,
        max_turns: None,
        command: None,
        extra_args: Vec::new(),
        env_names: Vec::new(),
        if_lost: agent_teams::model::team::IfLost::Fail,
        restart: agent_teams::model::team::RestartPolicy::OnFailure,
        limits: agent_teams::model::team::TurnLimits::default(),
        worktree: None,
        stop_grace_ms: None,
        plan: None,
        adopted: None,
        on_lead_exit: agent_teams::model::team::OnLeadExit::Keep,
        routed: Some("order: it is the first".to_owned()),
    }
}

#[test]
fn a_member_that_joins_disturbs_nothing() {
    let sample = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/claude-homes/2.1.329/message-sent");
    let dir = tempfile::tempdir().expect("a folder");
    copy(&sample, dir.path());
    let store = store_at(dir.path());
    let team: TeamName = "session-1e210cc4".parse().expect("a name");
    let path = dir.path().join("teams/session-1e210cc4/config.json");
    let mut expected: Value = serde_json::from_slice(&fs::read(&path).expect("a config")).expect("JSON");
    expected["ours"] = serde_json::json!({"unknown": [1, 2.5, null]});
    fs::write(&path, serde_json::to_vec_pretty(&expected).expect("JSON")).expect("written");
    let member = agent_teams::store::NewMember {
        name: "gem".parse().expect("a name"),
        model: None,
        prompt: String::new(),
        cwd: "/".into(),
        launch: launch(),
    };
    store.add_member(&team, &member, 1).expect("added");
    assert_eq!(store.team(&team).expect("a team").member("gem").expect("gem").color.as_deref(), Some("green"));
    store.remove_member(&team, "gem").expect("removed");
    assert_eq!(content(&path), Some(expected.to_string()));
    let error = store.remove_member(&team, "gem").expect_err("gone");
    assert!(error.to_string().contains("team-lead, worker"), "{error}");
}

#[test]
fn a_torn_or_foreign_file_is_reported_and_left_alone() {
    let (dir, store, team) = new_team();
    let inbox = dir.path().join("teams/t/inboxes/w.json");
    for torn in ["[{\"from\":\"a\"", "{}", "[] []"] {
        fs::write(&inbox, torn).expect("written");
        let message = new_message("a", "hello", None, None);
        let error = store.append_message(&team, &"w".parse().expect("a name"), message, jiff::Timestamp::now());
        let error = error.expect_err("refused");
        assert!(matches!(error, StoreError::Unreadable(_)), "{error}");
        assert!(error.to_string().contains("w.json"), "{error}");
        assert_eq!(fs::read_to_string(&inbox).expect("a file"), torn, "not overwritten");
    }
    let config = dir.path().join("teams/t/config.json");
    fs::write(&config, "{\"name\": \"t\", \"mem").expect("written");
    assert!(matches!(store.team(&team), Err(StoreError::Unreadable(_))));
    assert!(store.remove_member(&team, "w").is_err());
    assert_eq!(fs::read_to_string(&config).expect("a file"), "{\"name\": \"t\", \"mem");
}

#[test]
fn two_messages_of_the_same_moment_have_two_times() {
    let (dir, store, team) = new_team();
    let name = "w".parse().expect("a name");
    let now = jiff::Timestamp::from_millisecond(1_795_225_298_979).expect("a time");
    let times: Vec<String> = (0..3)
        .map(|_| {
            store.append_message(&team, &name, new_message("a", "same", None, None), now).expect("appended").timestamp
        })
        .collect();
    assert_eq!(times, ["2026-11-21T01:41:38.979Z", "2026-11-21T01:41:38.980Z", "2026-11-21T01:41:38.981Z"]);
    let text = fs::read_to_string(dir.path().join("teams/t/inboxes/w.json")).expect("an inbox");
    let rewritten = serde_json::to_string_pretty(&serde_json::from_str::<Value>(&text).expect("JSON")).expect("JSON");
    assert_eq!(text, rewritten, "spliced exactly as it would be written whole");
    let mut more = ["b", "c"].map(|from| new_message(from, "same", None, None));
    store.append_messages(&team, &name, &mut more, now).expect("appended");
    assert_eq!(more.map(|message| message.timestamp), ["2026-11-21T01:41:38.982Z", "2026-11-21T01:41:38.983Z"]);
    assert_eq!(store.read_inbox_of(&team, &name).expect("messages").len(), 5);
}

#[test]
fn notifications_that_nobody_reads_do_not_pile_up_and_messages_stay() {
    let (_dir, store, team) = new_team();
    let lead = AgentName::lead();
    let mut messages: Vec<Message> = (0..1000)
        .map(|number| {
            let text = match number % 10 {
                0 => format!("{number} {}", "x".repeat(2000)),
                _ => json!({"type": "idle_notification", "from": "w", "timestamp": "", "result": format!("{number} {}", "x".repeat(2000))}).to_string(),
            };
            new_message("w", &text, None, None)
        })
        .collect();
    for some in messages.chunks_mut(50) {
        store.send(&store.team(&team).expect("a team"), &lead, some).expect("posted");
    }
    let kept = store.read_inbox_of(&team, &lead).expect("messages");
    let (notices, others): (Vec<_>, Vec<_>) =
        kept.iter().partition(|message| message.text.contains("idle_notification"));
    assert_eq!(others.len(), 100, "no message is given up");
    assert!((100..1000 - 100).contains(&notices.len()), "{} notifications", notices.len());
    assert!(notices.last().is_some_and(|last| last.text.contains("\"999 ")), "the newest stay");
}

#[test]
fn a_deleted_team_is_not_brought_back_by_a_late_message() {
    let (dir, store, team) = new_team();
    std::thread::scope(|scope| {
        let writer = scope.spawn(|| {
            let name = "w".parse().expect("a name");
            let message = || new_message("a", "late", None, None);
            while store.append_message(&team, &name, message(), jiff::Timestamp::now()).is_ok() {}
        });
        let inbox = dir.path().join("teams/t/inboxes/w.json");
        while !inbox.exists() {
            std::thread::yield_now();
        }
        store.delete_team(&team).expect("deleted");
        writer.join().expect("it ended with an error, not a panic");
    });
    assert_eq!(files(&dir.path().join("teams")), Vec::<PathBuf>::new());
    store.create_team(&team, None, Path::new("/"), 1).expect("its name is free");
}

#[test]
fn a_full_disk_loses_nothing() {
    // A file size limit is a disk that is full for this process only.
    let (dir, store, team) = new_team();
    let name = "w".parse().expect("a name");
    let text = "x".repeat(4000);
    let member = agent_teams::store::NewMember {
        name: "w".parse().expect("a name"),
        model: None,
        prompt: String::new(),
        cwd: "/".into(),
        launch: launch(),
    };
    store.add_member(&team, &member, 1).expect("added");
    store.append_message(&team, &name, new_message("a", &text, None, None), jiff::Timestamp::now()).expect("appended");
    let inbox = dir.path().join("teams/t/inboxes/w.json");
    let before = fs::read(&inbox).expect("an inbox");
    let limited = Command::new("sh")
        .arg("-c")
        .arg("ulimit -f 4; trap '' XFSZ; exec \"$0\" message w \"$1\"")
        .arg(env!("CARGO_BIN_EXE_teams"))
        .arg(&text)
        .env_clear()
        .env("PATH", "/usr/bin:/bin")
        .env("HOME", dir.path())
        .env("CLAUDE_CONFIG_DIR", dir.path())
        .env("TEAMS_STATE_DIR", dir.path().join("state"))
        .stdin(Stdio::null())
        .output()
        .expect("it runs");
    let error = String::from_utf8_lossy(&limited.stderr).into_owned();
    // The daemon inherited the limit; whatever it could not write, the inbox is whole.
    let stopped = Command::new(env!("CARGO_BIN_EXE_teams"))
        .args(["daemon", "stop"])
        .env_clear()
        .env("HOME", dir.path())
        .env("TEAMS_STATE_DIR", dir.path().join("state"))
        .output()
        .expect("it runs");
    assert!(stopped.status.success(), "{}", String::from_utf8_lossy(&stopped.stderr));
    assert!(!limited.status.success(), "it was told");
    assert!(error.contains("cannot write") && error.contains("w.json"), "{error}");
    assert_eq!(fs::read(&inbox).expect("an inbox"), before);
    let leftovers = files(&dir.path().join("teams"))
        .into_iter()
        .filter(|path| path.display().to_string().contains(".tmp."))
        .count();
    assert_eq!(leftovers, 0);
}

/// What one daemon is given at the same time is written together.
#[test]
fn of_messages_that_come_together_only_the_one_too_many_for_the_disk_fails() {
    let (dir, store, team) = new_team();
    let name = "team-lead".parse().expect("a name");
    for _ in 0..2 {
        let long = new_message("a", &"x".repeat(100_000), None, None);
        store.append_message(&team, &name, long, jiff::Timestamp::now()).expect("appended");
    }
    let teams = |limit: &str| {
        let mut command = Command::new("sh");
        command.arg("-c").arg(format!("{limit} exec \"$0\" \"$@\"")).arg(env!("CARGO_BIN_EXE_teams"));
        command.env_clear().env("PATH", "/usr/bin:/bin").env("HOME", dir.path());
        command.env("CLAUDE_CONFIG_DIR", dir.path()).env("TEAMS_STATE_DIR", dir.path().join("state"));
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    };
    // 512 blocks of 512 bytes: the next long one is too much, and the transcript has room.
    let started = teams("ulimit -f 512; trap '' XFSZ;").args(["daemon", "start"]).output().expect("it runs");
    assert!(started.status.success(), "{}", String::from_utf8_lossy(&started.stderr));
    let sending: Vec<_> = (0..12)
        .map(|number| {
            let text = if number == 5 { "y".repeat(100_000) } else { format!("short {number}") };
            let sending = teams("").args(["message", "team-lead", &text]).spawn().expect("it runs");
            (number, sending)
        })
        .collect();
    let outcomes: Vec<_> =
        sending.into_iter().map(|(number, sending)| (number, sending.wait_with_output().expect("it ends"))).collect();
    let stopped = teams("").args(["daemon", "stop"]).output().expect("it runs");
    assert!(stopped.status.success(), "{}", String::from_utf8_lossy(&stopped.stderr));
    for (number, output) in outcomes {
        let error = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.success(), number != 5, "{number}: {error}");
        assert!(number != 5 || error.contains("cannot write"), "{error}");
    }
    let messages = store.read_inbox_of(&team, &name).expect("an inbox");
    let mut short: Vec<_> = messages.iter().filter_map(|message| message.text.strip_prefix("short ")).collect();
    short.sort_by_key(|number| number.parse::<u32>().unwrap_or(0));
    assert_eq!(short, ["0", "1", "2", "3", "4", "6", "7", "8", "9", "10", "11"]);
    assert_eq!(messages.len(), 13);
    let times: std::collections::BTreeSet<_> = messages.iter().map(|message| &message.timestamp).collect();
    assert_eq!(times.len(), 13, "each has a time of its own");
}

#[test]
#[ignore = "needs the real agent CLIs; run scripts/test"]
fn no_update_is_lost_beside_proper_lockfile() {
    const OURS: usize = 600;
    const THEIRS: usize = 400;
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let (dir, store, team) = new_team();
    let name = "w".parse().expect("a name");
    store
        .append_message(&team, &name, new_message("us", "first", None, None), jiff::Timestamp::now())
        .expect("appended");
    let inbox = dir.path().join("teams/t/inboxes/w.json");
    let mut node: Vec<_> = (0..2)
        .map(|writer| {
            Command::new("node")
                .arg(root.join("tests/support/append.cjs"))
                .args([inbox.as_os_str(), format!("node-{writer}").as_ref(), (THEIRS / 2).to_string().as_ref()])
                .env("NODE_PATH", root.join("target/agents/node_modules"))
                .spawn()
                .expect("node runs")
        })
        .collect();
    std::thread::scope(|scope| {
        for writer in 0..4 {
            let (team, name, dir) = (&team, &name, dir.path());
            scope.spawn(move || {
                // A store of its own, as another process has.
                let store = store_at(dir);
                for number in 0..OURS / 4 {
                    let message = new_message("us", &format!("{writer}/{number}"), None, None);
                    store.append_message(team, name, message, jiff::Timestamp::now()).expect("appended");
                }
            });
        }
    });
    for child in &mut node {
        assert!(child.wait().expect("it ends").success());
    }
    let messages = store.read_inbox_of(&team, &name).expect("an inbox");
    let from = |who: &str| messages.iter().filter(|message| message.from.starts_with(who)).count();
    assert_eq!((from("us"), from("node")), (OURS + 1, THEIRS));
    for writer in 0..4 {
        let prefix = format!("{writer}/");
        let numbers: Vec<usize> =
            messages.iter().filter_map(|message| message.text.strip_prefix(&prefix)?.parse().ok()).collect();
        assert_eq!(numbers, (0..OURS / 4).collect::<Vec<_>>(), "in order");
    }
}

#[test]
fn an_id_of_a_task_cannot_leave_its_folder() {
    for bad in ["../1", "a/b", "", ".lock", "x.json", "a b"] {
        assert!(bad.parse::<TaskId>().is_err(), "{bad}");
    }
    assert_eq!("#7".parse::<TaskId>().expect("an id"), TaskId::number(7));
}

/// A program that cuts texts writes half a surrogate pair, which no text of ours can hold, and Claude Code's can.
#[test]
fn half_a_surrogate_pair_survives_in_every_file() {
    let (dir, store, team) = new_team();
    let lead = AgentName::lead();
    let member: AgentName = "anna".parse().expect("a name");
    let config = dir.path().join("teams/t/config.json");
    let text = fs::read_to_string(&config).expect("a file");
    let odd = r#"{"agentId": "odd@t", "name": "odd", "prompt": "cut \ud83d", "more": {"deep": ["\ude00"]}}"#;
    let text = text.replacen("\"members\": [", &format!("\"members\": [null, {odd}, 7,"), 1);
    fs::write(&config, text).expect("written");
    // A member that is none hides no other, and stays.
    store.edit_launch(&team, "odd", |_| ()).expect("edited");
    store.remove_member(&team, "nobody").expect_err("nobody is called so");
    let known = store.team(&team).expect("a team");
    assert_eq!(known.member("odd").and_then(|odd| odd.prompt.clone()).as_deref(), Some("cut \u{fffd}"));
    let written = fs::read_to_string(&config).expect("a file");
    for kept in [r#""cut \ud83d""#, r#""\ude00""#, "null,", "7,"] {
        assert!(written.contains(kept), "{kept}: {written}");
    }

    let inbox = dir.path().join("teams/t/inboxes/team-lead.json");
    let entries = r#"[
  {"from": "x", "text": "cut \ud83d here", "timestamp": "2026-01-01T00:00:00.000Z", "read": false, "n": 1.50},
  17,
  {"from": "y", "text": "whole", "timestamp": "2026-01-01T00:00:01.000Z", "read": false}
]"#;
    fs::write(&inbox, entries).expect("written");
    store.append_message(&team, &lead, new_message("z", "more", None, None), jiff::Timestamp::now()).expect("appended");
    let taken = store.take_messages(&team, &lead, |message| message.from == "y").expect("taken");
    assert_eq!(taken.len(), 1);
    let unread = store.mark_read(&team, &lead).expect("read");
    assert_eq!(unread.iter().map(|message| message.text.as_str()).collect::<Vec<_>>(), ["cut \u{fffd} here", "more"]);
    let written = fs::read_to_string(&inbox).expect("a file");
    assert!(
        written.contains(r#""cut \ud83d here""#) && written.contains("1.50") && written.contains("17"),
        "{written}"
    );
    assert_eq!(store.unread(&team, &lead).expect("counted"), 0);

    let tasks = dir.path().join("tasks/t");
    fs::create_dir_all(&tasks).expect("a folder");
    let task = r#"{"id": "1", "subject": "cut \ud83d", "description": "d", "status": "pending", "blocks": [], "blockedBy": [], "metadata": {"k": "\ude00"}}"#;
    fs::write(tasks.join("1.json"), task).expect("written");
    let claimed = store.claim_task(&team, None, member.as_str()).expect("claimed").expect("one");
    assert_eq!(claimed.subject, "cut \u{fffd}");
    let written = fs::read_to_string(tasks.join("1.json")).expect("a file");
    assert!(written.contains(r#""cut \ud83d""#) && written.contains(r#""\ude00""#), "{written}");
}

/// Somebody has begun to write it, or the disk was full.
#[test]
fn an_inbox_without_a_byte_is_an_empty_one() {
    let (dir, store, team) = new_team();
    let lead = AgentName::lead();
    let inbox = dir.path().join("teams/t/inboxes/team-lead.json");
    for content in ["", "\n"] {
        fs::write(&inbox, content).expect("written");
        assert!(store.read_inbox_of(&team, &lead).expect("read").is_empty());
        assert!(store.take_messages(&team, &lead, |_| true).expect("taken").is_empty());
        store
            .append_message(&team, &lead, new_message("x", "hello", None, None), jiff::Timestamp::now())
            .expect("appended");
        assert_eq!(store.read_inbox_of(&team, &lead).expect("read").len(), 1);
        assert!(content_is_an_array(&inbox));
    }
}

fn content_is_an_array(path: &Path) -> bool {
    serde_json::from_slice::<Vec<Value>>(&fs::read(path).expect("a file")).is_ok()
}

/// Some keep their files elsewhere, and have a link in the place.
#[test]
fn links_stay_links_and_what_they_lead_to_is_written() {
    let (dir, store, team) = new_team();
    let lead = AgentName::lead();
    store
        .append_message(&team, &lead, new_message("x", "hello", None, None), jiff::Timestamp::now())
        .expect("appended");
    let request = agent_teams::model::task::CreateTaskRequest { subject: "s".into(), ..Default::default() };
    let task = store.create_task(&team, &request).expect("created");
    let elsewhere = dir.path().join("elsewhere");
    fs::create_dir(&elsewhere).expect("a folder");
    let links: Vec<(PathBuf, PathBuf)> = ["teams/t/config.json", "teams/t/inboxes/team-lead.json", "tasks/t/1.json"]
        .iter()
        .map(|path| (dir.path().join(path), elsewhere.join(path.replace('/', "-"))))
        .collect();
    for (link, target) in &links {
        fs::rename(link, target).expect("moved");
        std::os::unix::fs::symlink(target, link).expect("linked");
    }
    let before: Vec<Vec<u8>> = links.iter().map(|(_, target)| fs::read(target).expect("a file")).collect();
    store
        .append_message(&team, &lead, new_message("x", "again", None, None), jiff::Timestamp::now())
        .expect("appended");
    let update = TaskUpdate { subject: Some("other".into()), ..TaskUpdate::default() };
    store.update_task(&team, &task.id, &update).expect("updated");
    let newcomer = agent_teams::store::NewMember {
        name: "anna".parse().expect("a name"),
        model: None,
        prompt: String::new(),
        cwd: PathBuf::from("/"),
        launch: serde_json::from_value(json!({"backend": "claude-code"})).expect("how it is run"),
    };
    store.add_member(&team, &newcomer, 1).expect("added");
    for ((link, target), before) in links.iter().zip(before) {
        assert!(link.is_symlink() && !target.is_symlink(), "{}", link.display());
        assert_ne!(fs::read(target).expect("a file"), before, "{}", link.display());
    }
}
