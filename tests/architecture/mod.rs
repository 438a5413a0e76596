//! Who may know whom: reads the code and fails when an arrow points up, or files stand in a circle.

mod source;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use source::{Arrow, Source};

/// The floors of the root crate, from the ground up, and what of the crate each may name.
const FLOORS: [(&str, &[&str]); 22] = [
    ("sync", &[]),
    ("visible", &[]),
    ("model", &[]),
    ("store", &["model", "sync"]),
    ("error", &["model", "store"]),
    ("git", &["error", "model"]),
    ("paths", &["error"]),
    ("turn", &["error", "model"]),
    ("routing", &[]),
    ("orchestrator", &["error", "git", "model", "paths", "routing", "store", "sync", "turn"]),
    ("patterns", &["error", "model", "orchestrator", "sync", "turn"]),
    ("agents", &["error", "model", "orchestrator", "sync"]),
    ("daemon", &["error", "model", "orchestrator", "paths", "routing", "store", "sync", "turn"]),
    ("client", &["daemon", "error", "model", "orchestrator", "paths", "routing", "turn"]),
    // The faces see the daemon, and never the disk or the orchestrator. The command reads the notes of the repository that it stands in.
    ("mcp", &["daemon", "model", "paths"]),
    ("lead", &["daemon", "model", "paths"]),
    ("picture", &["model"]),
    ("live", &["daemon", "model", "sync"]),
    ("replay", &["daemon", "model", "sync"]),
    ("tui", &["daemon", "live", "model", "visible"]),
    ("web", &["daemon", "live", "model", "picture", "sync", "visible"]),
    (
        "cli",
        &[
            "agents", "client", "daemon", "git", "lead", "mcp", "model", "paths", "patterns", "picture", "replay",
            "routing", "sync", "tui", "turn", "visible", "web",
        ],
    ),
];

/// The rooms of the orchestrator, from the ground up: each may name itself and those before it.
const ROOMS: [&str; 18] = [
    "hooks",
    "tokens",
    "feed",
    "recorder",
    "limits",
    "teammate",
    "runtime",
    "entry",
    "members",
    "mail",
    "decisions",
    "work",
    "live_lead",
    "run",
    "handles",
    "tools",
    "builder",
    // Its door, which names what is public in all of them.
    "mod",
];

/// Crates that belong to a floor, and may not be named below it.
const UPPER_CRATES: [(&str, &[&str]); 3] = [
    ("jsonrpsee", &["daemon", "cli"]),
    ("clap", &["cli"]),
    ("anyhow", &["daemon", "lead", "mcp", "live", "replay", "tui", "web", "cli", "main"]),
];

fn root_crate() -> Source {
    Source::read(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"))
}

fn backends() -> Source {
    Source::read(&Path::new(env!("CARGO_MANIFEST_DIR")).join("backends/src"))
}

/// The first part of a file's path: its floor, or below `folder` its room.
fn part<'a>(file: &'a str, folder: &str) -> &'a str {
    let rest = file.strip_prefix(folder).unwrap_or(file);
    rest.split(['/', '.']).next().unwrap_or(rest)
}

/// The groups of files that name each other, each in the order of their names.
fn circles(arrows: &BTreeSet<Arrow>) -> Vec<Vec<String>> {
    let mut next: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for arrow in arrows {
        next.entry(&arrow.from).or_default().insert(&arrow.to);
    }
    let reach = |start: &str| -> BTreeSet<String> {
        let (mut seen, mut open) = (BTreeSet::new(), vec![start]);
        while let Some(file) = open.pop() {
            for to in next.get(file).into_iter().flatten() {
                if seen.insert((*to).to_owned()) {
                    open.push(to);
                }
            }
        }
        seen
    };
    let reaches: BTreeMap<&str, BTreeSet<String>> = next.keys().map(|file| (*file, reach(file))).collect();
    let mutual = |a: &str, b: &str| reaches[a].contains(b) && reaches.get(b).is_some_and(|files| files.contains(a));
    let mut circles = BTreeSet::new();
    for file in reaches.keys().filter(|file| reaches[*file].contains(**file)) {
        circles.insert(
            reaches.keys().filter(|other| mutual(file, other)).map(|file| (*file).to_owned()).collect::<Vec<_>>(),
        );
    }
    circles.into_iter().collect()
}

fn check_circles(source: &Source) {
    let arrows = source.arrows();
    let found = circles(&arrows);
    let within = |arrow: &&Arrow| found.iter().any(|circle| circle.contains(&arrow.from) && circle.contains(&arrow.to));
    let ties: Vec<&Arrow> = arrows.iter().filter(within).collect();
    assert!(found.is_empty(), "these files stand in circles: {found:#?}\nwhat ties them: {ties:#?}");
}

#[test]
fn no_files_stand_in_a_circle() {
    check_circles(&root_crate());
    check_circles(&backends());
}

#[test]
fn arrows_between_floors_go_down_only() {
    let arrows = root_crate().arrows();
    assert!(arrows.len() > 300, "only {} arrows were found; does this test still read the code?", arrows.len());
    let mut wrong = Vec::new();
    for arrow in &arrows {
        let (from, to) = (part(&arrow.from, ""), part(&arrow.to, ""));
        if let Some((_, allowed)) = FLOORS.iter().find(|(floor, _)| *floor == from)
            && from != to
            && !allowed.contains(&to)
        {
            wrong.push(arrow);
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn arrows_between_the_orchestrators_rooms_go_down_only() {
    let level = |file: &str| {
        let room = part(file, "orchestrator/").to_owned();
        let level = ROOMS.iter().position(|known| *known == room);
        level.unwrap_or_else(|| panic!("{file} is in no room that this test knows"))
    };
    let mut looked_at = 0;
    let mut wrong = Vec::new();
    for arrow in root_crate().arrows() {
        if !arrow.from.starts_with("orchestrator/") || !arrow.to.starts_with("orchestrator/") {
            continue;
        }
        looked_at += 1;
        if level(&arrow.to) > level(&arrow.from) {
            wrong.push(arrow);
        }
    }
    assert!(looked_at > 80, "only {looked_at} arrows were looked at");
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn what_a_members_actor_does_is_in_its_folder() {
    let source = root_crate();
    let has_it = |text: &str| text.lines().any(|line| line.trim_start().starts_with("impl Actor"));
    let files: Vec<&str> = source.files().filter(|(_, text)| has_it(text)).map(|(file, _)| file).collect();
    assert!(files.len() > 5, "{files:?}");
    let elsewhere: Vec<&&str> = files.iter().filter(|file| !file.starts_with("orchestrator/teammate/actor/")).collect();
    assert!(elsewhere.is_empty(), "{elsewhere:?}");
}

#[test]
fn crates_of_an_upper_floor_are_not_named_below_it() {
    for (file, text) in root_crate().files() {
        for (name, floors) in UPPER_CRATES {
            let here = floors.contains(&part(file, ""));
            assert!(here || !text.contains(&format!("{name}::")), "{file} names {name}");
        }
    }
}

#[test]
fn no_agent_is_known_by_name_outside_the_backends() {
    let vendors = ["ANTHROPIC_", "CLAUDE_", "CLAUDECODE", "OPENAI_", "CODEX_", "GEMINI_", "GOOGLE_"];
    let mut looked_at = 0;
    for (file, text) in root_crate().files() {
        // Where the store's files are is Claude Code's to say, and not a matter of backends.
        let files_of_claude = ["paths.rs", "cli/throwaway.rs"].contains(&file);
        let code = text.split("#[cfg(test)]").next().unwrap_or_default();
        for line in code.lines().filter(|line| !line.trim_start().starts_with("//")) {
            looked_at += 1;
            let named = ["ClaudeCode", "Codex", "GeminiCli", "GeminiAcp", "Native", "Acp"];
            let named = named.iter().any(|name| line.contains(&format!("BackendType::{name}")));
            assert!(!named, "{file} knows a backend by name: {line}");
            let variable = vendors.iter().any(|vendor| line.contains(&format!("\"{vendor}")));
            assert!(!variable || files_of_claude, "{file} knows a vendor's variable: {line}");
        }
    }
    assert!(looked_at > 10_000, "only {looked_at} lines were looked at");
}

#[test]
fn the_backends_know_nothing_of_teams() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("backends");
    let manifest = fs::read_to_string(root.join("Cargo.toml")).expect("a manifest");
    assert!(!manifest.contains("agent-teams") && !manifest.contains("agent_teams"));
    for (name, text) in backends().files() {
        assert!(!text.contains("agent_teams"), "{name}");
        // Only `process` signals.
        if !name.starts_with("process/") {
            assert!(!text.contains("nix::sys::signal"), "{name} sends signals");
        }
        // No protocol's JSON leaves its backend.
        for line in text.lines().filter(|line| line.trim_start().starts_with("pub fn") || line.starts_with("    pub "))
        {
            let simulated = name.contains("simulate");
            // What a model gives a tool is JSON, whoever's model it is.
            let of_tools = name.starts_with("native/tool") || name == "native/llm/message.rs";
            let value = line.replace("RawValue", "").contains("Value");
            assert!(simulated || of_tools || !value, "{name}: {line}");
        }
    }
}
