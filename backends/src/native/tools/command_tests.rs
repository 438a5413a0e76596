use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::testing::Playground;
use super::{CommandLimits, Support, landlock_support};
use crate::command::Command;
use crate::process::Supervision;

/// Limits that allow a shell. `TEAMS_TEST_SHIM` is a `teams` program that is to be the shim, for a run of these tests by hand.
fn limits() -> CommandLimits {
    let shim = std::env::var("TEAMS_TEST_SHIM").ok().map(|program| Command::new(program).arg("shim"));
    let supervision = Supervision { shim, ..Supervision::default() };
    CommandLimits { shell: true, supervision, ..CommandLimits::default() }
}

fn playground() -> Playground {
    Playground::with(limits())
}

async fn shell(play: &Playground, command: &str) -> Value {
    play.call("run_command", json!({ "command": command, "shell": true })).await.unwrap()
}

/// Whether a process runs, by the number in a file that it has written.
fn is_alive(play: &Playground, file: &str) -> bool {
    let pid = play.read(file);
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", pid.trim())).unwrap_or_default();
    stat.rsplit(')').next().is_some_and(|rest| !rest.is_empty() && !rest.starts_with(" Z"))
}

async fn wait_for(what: &str, mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while !condition() {
        assert!(Instant::now() < deadline, "{what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// A grandchild in a session of its own which ignores SIGTERM, and one that has lost its parent too; each writes its number down.
const STUBBORN: &str = "setsid sh -c 'trap \"\" TERM HUP INT; echo $$ >one; while :; do sleep 1; done' & \
                        (setsid sh -c 'trap \"\" TERM HUP INT; echo $$ >two; while :; do sleep 1; done' &); \
                        trap '' TERM; while [ ! -s one ] || [ ! -s two ]; do sleep 0.05; done; echo ready; ";

#[tokio::test]
async fn a_command_answers_with_its_end_and_its_output() {
    let play = playground();
    let answer =
        play.call("run_command", json!({ "argv": ["printf", "%s|", "a b", "$HOME", "*", "'"] })).await.unwrap();
    assert_eq!(answer, json!({ "exit_code": 0, "timed_out": false, "output": "a b|$HOME|*|'|" }));
    let answer = shell(&play, "echo one; echo two >&2; echo three; pwd -P; read x || echo no input; exit 3").await;
    let expected = format!("one\ntwo\nthree\n{}\nno input\n", play.path("work").canonicalize().unwrap().display());
    assert_eq!(answer, json!({ "exit_code": 3, "timed_out": false, "output": expected }));
    let answer = shell(&play, "kill -9 $$").await;
    assert_eq!((&answer["signal"], &answer["exit_code"]), (&json!(9), &Value::Null));
    let answer = shell(&play, "printf 'a\\377b\\n'").await;
    assert_eq!(answer["output"], json!("a\u{fffd}b\n"));
}

#[tokio::test]
async fn what_is_wrong_with_a_command_is_said() {
    let play = playground();
    play.write("work/text", "no program");
    std::fs::create_dir(play.path("work/folder")).unwrap();
    for (arguments, expected) in [
        (json!({ "argv": ["no-such-program"] }), "`no-such-program` was not found on PATH"),
        (json!({ "argv": ["./none"] }), "`./none` is not there"),
        (json!({ "argv": ["./text"] }), "`./text` cannot be executed"),
        (json!({ "argv": ["./folder"] }), "`./folder` cannot be executed"),
        (json!({ "argv": [] }), "`argv` is empty"),
        (json!({ "argv": [""] }), "`argv` is empty"),
        (json!({ "argv": ["echo", "a\0b"] }), "NUL"),
        (json!({ "argv": "echo a" }), "`argv` is to be a list of texts"),
        (json!({ "command": "echo a" }), "needs a shell: set `shell`"),
        (json!({ "argv": ["a"], "command": "b", "shell": true }), "goes without `command`"),
        (json!({ "argv": ["a"], "shell": true }), "goes without `command`"),
        (json!({ "argv": ["a"], "timeout_seconds": 0 }), "`timeout_seconds` is to be a whole number, 1 or more"),
        (json!({}), "`argv` is missing"),
    ] {
        let error = play.call("run_command", arguments.clone()).await.expect_err(&arguments.to_string());
        assert!(error.contains(expected), "{arguments}: {error}");
    }
    let error = Playground::one().call("run_command", json!({ "command": "echo", "shell": true })).await.unwrap_err();
    assert!(error.contains("no shell can be used here"), "{error}");
    std::fs::rename(play.path("work"), play.path("moved")).unwrap();
    play.link("outside", "work");
    let error = play.call("run_command", json!({ "argv": ["true"] })).await.unwrap_err();
    assert!(error.contains("another one is in its place"), "{error}");
}

#[tokio::test]
async fn a_list_of_commands_is_not_fooled() {
    let list = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
    let allowed = Some(vec![list(&["echo", "fine"]), list(&["true"]), list(&["./own"])]);
    let mut environment: BTreeMap<String, String> = BTreeMap::new();
    environment.insert("PATH".to_owned(), "bin:/usr/bin:/bin".to_owned());
    let play = Playground::with(CommandLimits { allowed, environment: Some(environment), ..limits() });
    for name in ["work/echo", "work/bin/true", "work/own"] {
        play.write(name, "#!/bin/sh\necho mine\n");
        std::fs::set_permissions(play.path(name), PermissionsExt::from_mode(0o755)).unwrap();
    }
    let answer = play.call("run_command", json!({ "argv": ["echo", "fine", "; touch x"] })).await.unwrap();
    assert_eq!(answer["output"], json!("fine ; touch x\n"));
    let answer = play.call("run_command", json!({ "argv": ["./own"] })).await.unwrap();
    assert_eq!(answer["output"], json!("mine\n"));
    for arguments in [
        json!({ "argv": ["echo", "finex"] }),
        json!({ "argv": ["echo"] }),
        json!({ "argv": ["echo fine"] }),
        json!({ "argv": ["./echo", "fine"] }),
        json!({ "argv": ["/bin/echo", "fine"] }),
        json!({ "argv": ["sh", "-c", "echo fine"] }),
        json!({ "argv": ["env", "echo", "fine"] }),
        json!({ "command": "echo fine", "shell": true }),
    ] {
        let error = play.call("run_command", arguments.clone()).await.expect_err(&arguments.to_string());
        assert!(error.contains("is not allowed") || error.contains("no shell can be used"), "{error}");
    }
    let error = play.call("run_command", json!({ "argv": ["true"] })).await.unwrap_err();
    assert!(error.contains("in the working directory, and not the one that is allowed"), "{error}");
}

#[tokio::test]
async fn output_without_an_end_is_bounded() {
    let play = Playground::with(CommandLimits { timeout: Duration::from_secs(2), ..limits() });
    let answer = play.call("run_command", json!({ "argv": ["yes"] })).await.unwrap();
    let output = answer["output"].as_str().unwrap();
    assert!(output.len() < (64 << 10) + 100 && output.contains(" bytes left out …\n") && answer["timed_out"] == true);
    let answer = shell(&play, "head -c 200000000 /dev/zero | tr '\\0' x; echo end").await;
    let output = answer["output"].as_str().unwrap();
    assert!(
        output.ends_with("xxend\n") && output.contains("\n… 199934468 bytes left out …\n"),
        "{}",
        &output[32 << 10..][..60]
    );
}

#[tokio::test]
#[cfg_attr(
    not(all(target_os = "linux", not(teams_portable))),
    ignore = "without /proc only a command's group is found"
)]
async fn the_time_limit_ends_all_that_a_command_has_started() {
    let play = playground();
    let command = format!("{STUBBORN} while :; do sleep 1; done");
    let answer =
        play.call("run_command", json!({ "command": command, "shell": true, "timeout_seconds": 3 })).await.unwrap();
    assert_eq!((&answer["timed_out"], &answer["signal"]), (&json!(true), &json!(9)));
    // A shell says so when what it runs is killed before it.
    assert!(answer["output"].as_str().unwrap().starts_with("ready\n"), "{answer}");
    assert!(answer["notes"][0].as_str().unwrap().contains("after 3 seconds, its limit"), "{answer}");
    assert!(!is_alive(&play, "work/one") && !is_alive(&play, "work/two"));
}

#[tokio::test]
#[cfg_attr(
    not(all(target_os = "linux", not(teams_portable))),
    ignore = "without /proc only a command's group is found"
)]
async fn what_a_command_leaves_running_is_ended_and_said() {
    let play = playground();
    let answer = shell(&play, STUBBORN).await;
    assert_eq!((&answer["exit_code"], &answer["timed_out"]), (&json!(0), &json!(false)));
    assert!(answer["output"].as_str().unwrap().starts_with("ready\n"), "{answer}");
    assert!(answer["notes"][0].as_str().unwrap().contains("running, which were ended"), "{answer}");
    assert!(!is_alive(&play, "work/one") && !is_alive(&play, "work/two"));
}

#[tokio::test]
#[cfg_attr(
    not(all(target_os = "linux", not(teams_portable))),
    ignore = "without /proc only a command's group is found"
)]
async fn a_call_that_is_dropped_ends_all_that_it_has_started() {
    let play = playground();
    let tool = std::sync::Arc::clone(play.tools.get("run_command").unwrap());
    let command = format!("{STUBBORN} while :; do sleep 1; done");
    let call = tokio::spawn(async move { tool.execute(json!({ "command": command, "shell": true })).await });
    let written = |name: &str| std::fs::read_to_string(play.path(name)).is_ok_and(|pid| pid.ends_with('\n'));
    wait_for("it does not start", || written("work/one") && written("work/two")).await;
    assert!(is_alive(&play, "work/one") && is_alive(&play, "work/two"));
    call.abort();
    wait_for("something is left", || !is_alive(&play, "work/one") && !is_alive(&play, "work/two")).await;
}

#[tokio::test]
async fn commands_do_not_see_keys() {
    let environment =
        [("PATH", "/usr/bin:/bin"), ("OPENAI_API_KEY", "canary"), ("TEAMS_MEMBER_TOKEN", "canary"), ("MINE", "seen")];
    let environment = environment.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
    let play = Playground::with(CommandLimits { environment: Some(environment), ..limits() });
    let answer = play.call("run_command", json!({ "argv": ["env"] })).await.unwrap();
    let output = answer["output"].as_str().unwrap();
    assert!(output.contains("MINE=seen") && !output.contains("canary"), "{output}");
}

#[tokio::test]
async fn a_confined_command_writes_where_it_may_and_nowhere_else() {
    let play = Playground::with(CommandLimits { confine: true, ..limits() });
    let outside = play.path("outside").display().to_string();
    let command = format!(
        "cat {outside}/secret.txt && echo && echo in >file && mkdir -p a/b && mv file a/b/ && mktemp >/dev/null && echo inside; \
         echo x >{outside}/new; echo x >>{outside}/secret.txt; rm {outside}/secret.txt; ln -s x {outside}/link; mkdir {outside}/made; mv a {outside}/; \
         kill -0 {}; cp /dev/null {outside}/secret.txt; echo over",
        std::process::id()
    );
    let answer = shell(&play, &command).await;
    let output = answer["output"].as_str().unwrap();
    assert!(output.starts_with("the secret of somebody else\ninside\n") && output.ends_with("over\n"), "{output}");
    let support = landlock_support();
    if support == Support::Full {
        assert!(output.matches("ermission denied").count() >= 6, "{output}");
        assert_eq!(answer.get("notes"), None);
        assert_eq!(play.read("work/a/b/file"), "in\n");
        play.assert_outside_untouched();
    } else {
        assert!(answer["notes"].to_string().contains("confined"), "{answer}");
    }
    // Nobody else is.
    std::fs::write(Path::new(&outside).join("mine"), "x").unwrap();
    let play = Playground::with(CommandLimits { confine: true, writable: vec!["/no/such/folder".into()], ..limits() });
    let answer = play.call("run_command", json!({ "argv": ["true"] })).await;
    if support != Support::None {
        let error = answer.unwrap_err();
        assert!(error.contains("/no/such/folder cannot be opened"), "{error}");
    }
}

#[tokio::test]
async fn a_person_is_shown_the_command() {
    let play = playground();
    let describe = |arguments: Value| play.tools.get("run_command").unwrap().describe(&arguments);
    let shown = describe(json!({ "argv": ["rm", "-rf", "a b", "it's", "\n", ""] }));
    assert_eq!(shown.title, r"run rm -rf 'a b' 'it'\''s' '\n' ''");
    assert_eq!((shown.argv.len(), shown.shell), (6, None));
    let shown = describe(json!({ "command": "a | b\nc", "shell": true }));
    assert_eq!((shown.title.as_str(), shown.shell.as_deref()), ("run in a shell: a | b\\nc", Some("a | b\nc")));
    assert_eq!(shown.argv, ["/bin/sh", "-c", "a | b\nc"]);
    let shown = describe(json!({ "argv": ["a"], "command": "b" }));
    assert_eq!((shown.title.as_str(), shown.argv.len()), (r#"run_command {"argv":["a"],"command":"b"}"#, 0));
}
