use std::collections::BTreeMap;

use super::table::Stat;
use super::*;
use crate::command::Command;
use crate::config::SpawnConfig;
use crate::kind::BackendType;

fn spec(script: &str) -> ProcessSpec {
    let shell = Command::new("/bin/sh").arg("-c").arg(script);
    SpawnConfig::default().process(BackendType::Acp, shell, Vec::new(), std::env::temp_dir())
}

fn alive(pid: i32) -> bool {
    Stat::read(pid).is_some_and(|stat| !stat.zombie)
}

#[tokio::test]
async fn a_line_of_ten_megabytes_and_a_flood_on_stderr_arrive() {
    let script = "head -c 10000000 /dev/zero | tr '\\0' x; echo; yes noise | head -c 5000000 >&2; echo done";
    let (mut process, stdin, mut lines) = AgentProcess::spawn(spec(script)).unwrap();
    assert_eq!(lines.next().await.unwrap().map(|line| line.len()), Some(10_000_000));
    assert_eq!(lines.next().await.unwrap().as_deref(), Some("done"));
    assert_eq!(process.wait().await, Exit::Code(0));
    let report = process.stop(Some(&stdin), Grace::default()).await.unwrap();
    assert_eq!((report.step, report.left), (StopStep::AlreadyEnded, 0));
}

#[tokio::test]
async fn an_agent_that_obeys_stops_when_its_input_closes() {
    let (mut process, stdin, _lines) = AgentProcess::spawn(spec("cat >/dev/null")).unwrap();
    let report = process.stop(Some(&stdin), Grace::default()).await.unwrap();
    assert_eq!(
        report,
        StopReport { exit: Exit::Code(0), step: StopStep::Asked, descendants: 0, left: 0, elsewhere: false }
    );
}

#[tokio::test]
#[cfg_attr(not(all(target_os = "linux", not(teams_portable))), ignore = "without /proc only an agent's group is found")]
async fn an_agent_that_ignores_everything_is_killed_with_all_it_started() {
    // A grandchild in a session of its own, and one that lost its parent: neither is reached by the group.
    let script = "trap '' TERM; setsid sh -c 'trap \"\" TERM; echo $$; sleep 1000' & \
                  (setsid sh -c 'trap \"\" TERM; echo $$; sleep 1000' &) ; while :; do sleep 1; done";
    let (mut process, stdin, mut lines) = AgentProcess::spawn(spec(script)).unwrap();
    let mut children = Vec::new();
    for _ in 0..2 {
        children.push(lines.next().await.unwrap().unwrap().parse::<i32>().unwrap());
    }
    assert!(children.iter().all(|pid| alive(*pid)));
    let grace = Grace { ask: Duration::from_millis(50), term: Duration::from_millis(50) };
    let report = process.stop(Some(&stdin), grace).await.unwrap();
    assert_eq!((report.exit, report.step, report.left), (Exit::Signal(9), StopStep::Killed, 0));
    assert!(children.iter().all(|pid| !alive(*pid)), "{children:?}");
}

#[tokio::test]
#[cfg_attr(not(all(target_os = "linux", not(teams_portable))), ignore = "without /proc only an agent's group is found")]
async fn what_an_agent_leaves_behind_when_it_is_killed_is_found() {
    let (mut process, _stdin, mut lines) =
        AgentProcess::spawn(spec("setsid sh -c 'echo $$; exec sleep 1000' & wait")).unwrap();
    let child: i32 = lines.next().await.unwrap().unwrap().parse().unwrap();
    process.id.signal(Signal::SIGKILL);
    assert_eq!(process.wait().await, Exit::Signal(9));
    assert!(alive(child));
    let report = process.stop(None, Grace::NONE).await.unwrap();
    assert_eq!((report.descendants, report.left), (1, 0));
    assert!(!alive(child));
}

#[tokio::test]
async fn the_mask_and_the_environment_are_those_that_were_asked_for() {
    let mut spec = spec("umask; echo $A; echo ${HOME-none}");
    spec.umask = Some(0o027);
    spec.inherit_env = Some(BTreeMap::from([("PATH".into(), "/usr/bin:/bin".into())]));
    spec.env.insert("A".into(), "b c".into());
    let (_process, _stdin, mut lines) = AgentProcess::spawn(spec).unwrap();
    let mut got = Vec::new();
    while let Some(line) = lines.next().await.unwrap() {
        got.push(line);
    }
    assert_eq!(got, ["0027", "b c", "none"]);
}

#[tokio::test]
async fn a_missing_program_is_named() {
    let mut spec = spec("");
    spec.command = Command::new("no-such-program-here");
    let error = AgentProcess::spawn(spec).unwrap_err().to_string();
    assert!(error.contains("no-such-program-here"), "{error}");
}

#[test]
fn a_process_name_may_hold_anything() {
    let line = "12 (a) b (c) S 3 4 5 0 -1 0 0 0 0 0 0 0 0 0 20 0 1 0 777 0 0";
    let first_thread_ended = line.replace(") S", ") Z").replace("20 0 1 0 777", "20 0 2 0 777");
    assert!(!Stat::parse(&first_thread_ended).unwrap().zombie);
    assert!(Stat::parse(&line.replace(") S", ") Z")).unwrap().zombie);
    let stat = Stat::parse(line).unwrap();
    assert_eq!((stat.parent, stat.group, stat.start_time, stat.zombie), (3, 4, 777, false));
}
