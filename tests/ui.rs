//! `teams ui` in a pseudo-terminal, with the real binary: what a person sees of it, and does with it.

use crate::support::{Agent, Home, PROTOCOLS, Page, Screen, daemon_pid, signal, wait_for};

/// Sees a member work, answers it, writes to it, and stops it.
fn a_person_lives_in_it(agent: Agent) {
    let home = Home::of(agent);
    let name = home.team_of(agent, &[]);
    let mut screen = Screen::open(&home, 24, 100, &[]);
    screen.wait_for(&format!("· {name}"));
    screen.press("j");
    screen.wait_for(&format!("{name}: idle"));
    screen.press("i");
    screen.press("please [[run touch made]]\r");
    screen.press("\u{1b}");
    screen.wait_for("needs you");
    screen.wait_for("touch made");
    screen.wait_for("a allow");
    // The key is taken when the question has been there long enough to be read.
    wait_for("the answer", || {
        if home.json(&["approvals"]).as_array().is_some_and(Vec::is_empty) {
            return Some(());
        }
        screen.press("a");
        None
    });
    home.wait_for_state(&name, "idle");
    assert!(home.work().join("made").exists());
    // Another program's words come by themselves, and a new member too.
    home.ask(&name, "[[say the plums are ripe]]");
    screen.wait_for("the plums are ripe");
    home.teams(&["spawn", "second", "--backend", agent.backend, "--model", agent.model()]);
    screen.wait_for("· second");
    screen.press(":task add Pick\r");
    screen.press("2");
    screen.wait_for("[ ] #1 Pick");
    screen.press("X");
    screen.wait_for(&format!("- {name}"));
    screen.leave();
    assert_eq!(home.member("second")["state"], "idle", "looking on has changed nothing");
}

#[test]
fn the_demo_shows_a_team_in_the_views() {
    let home = Home::simulated();
    let screen = Screen::open_with(&home, 30, 112, &["demo", "ui"]);
    screen.wait_for("· anna");
    screen.leave();
    let page = Page::of(&home, &["demo", "web", "--json"]);
    let cookie = page.enter();
    wait_for("its members", || {
        page.get("/?team=parser", &[("Cookie", &cookie)]).body.contains("member=anna").then_some(())
    });
    drop(page);
    wait_for("the end of all of it", || home.processes().is_empty().then_some(()));
}

/// Whoever closes the terminal leaves.
#[test]
fn it_ends_with_its_terminal() {
    let home = Home::simulated();
    home.teams(&["create", "crew"]);
    let mut screen = Screen::open(&home, 24, 80, &[]);
    screen.wait_for("crew");
    screen.hang_up();
    wait_for("its end", || screen.child.try_wait().expect("it can be looked at"));
}

#[test]
fn a_person_lives_in_it_with_a_simulated_agent() {
    a_person_lives_in_it(Agent { backend: "claude", real: false });
}

#[test]
#[ignore = "needs the real agent CLIs; run scripts/test"]
fn a_person_lives_in_it_with_real_agents() {
    for backend in ["claude", "codex"] {
        a_person_lives_in_it(Agent { backend, real: true });
    }
}

#[test]
fn it_survives_the_end_of_the_daemon_and_finds_the_next() {
    let home = Home::simulated();
    home.teams(&["create", "crew"]);
    home.teams(&["spawn", "anna", "--backend", "claude"]);
    let mut screen = Screen::open(&home, 24, 100, &[]);
    screen.wait_for("· anna");
    signal("-9", daemon_pid(&home));
    screen.wait_for("no daemon");
    home.teams(&["resume"]);
    screen.press("j");
    screen.wait_for("anna: idle");
    home.ask("anna", "[[say here again]]");
    screen.wait_for("here again");
    assert!(!screen.text().contains("no daemon"), "{}", screen.text());
    screen.leave();
}

/// Whatever length a line has: it is printed whole, and the views show its end.
#[test]
fn a_line_of_ten_megabytes_is_seen_everywhere() {
    for protocol in PROTOCOLS {
        let program =
            "def turn(text):\n    agent.say('x' * (10 << 20) + ' and the end')\n    agent.end()\nagent.run(turn)\n";
        let home = Home::made_up(protocol, program);
        let mut screen = Screen::open(&home, 24, 80, &[]);
        screen.wait_for("worker");
        screen.press("j");
        let page = Page::open(&home, &[]);
        home.teams(&["send", "worker", "go on"]);
        screen.wait_for("and the end");
        home.wait_for_state("worker", "idle");
        let tail = home.teams(&["tail", "worker"]);
        assert!(tail.contains("x and the end") && tail.len() > 10 << 20, "{protocol}: {} bytes", tail.len());
        let cookie = page.enter();
        let shown = wait_for("the page", || {
            let answer = page.get("/?team=crew&member=worker", &[("Cookie", &cookie)]);
            answer.body.contains("x and the end").then_some(answer.body)
        });
        assert!(shown.len() < 1 << 20, "{protocol}: {} bytes", shown.len());
        screen.leave();
    }
}

#[test]
fn without_a_terminal_it_says_what_to_use() {
    let home = Home::simulated();
    let (code, said) = home.fails(&["ui"]);
    assert!(code == 1 && said.contains("--plain"), "{said}");
    home.teams(&["create", "crew"]);
    let (_, said) = home.fails(&["ui", "--plain", "-t", "nobody"]);
    assert!(said.contains("nobody"), "{said}");
    home.teams(&["spawn", "anna", "--backend", "claude"]);
    let mut plain = home.start(&["ui", "--plain"]);
    let mut lines = std::io::BufRead::lines(std::io::BufReader::new(plain.stdout.take().expect("stdout")));
    let mut until = |mut wanted: Vec<&str>| {
        while !wanted.is_empty() {
            let line = lines.next().expect("another line").expect("text");
            wanted.retain(|wanted| !line.contains(wanted));
        }
    };
    until(vec!["crew/anna: idle"]);
    home.teams(&["send", "anna", "[[run echo plums]]"]);
    until(vec!["crew/anna: needs you", "asks for Bash: echo plums (teams approve anna-"]);
    home.teams(&["interrupt", "anna"]);
    plain.kill().expect("it runs");
    plain.wait().expect("it ends");
}
