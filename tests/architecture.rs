//! Who may know whom: reads the `use` lines and fails when an arrow points up.

use std::fs;
use std::path::{Path, PathBuf};

/// Each module of the root crate, and what of the crate it may use.
const ALLOWED: [(&str, &[&str]); 8] = [
    ("model", &["model"]),
    ("paths", &["error"]),
    ("error", &["model", "store"]),
    ("store", &["model", "store"]),
    ("orchestrator", &["orchestrator", "store", "model", "error", "paths"]),
    ("daemon", &["daemon", "orchestrator", "store", "model", "error", "paths"]),
    ("cli", &["cli", "mcp", "daemon", "model", "orchestrator", "paths"]),
    ("mcp", &["daemon", "model", "orchestrator", "paths"]),
];
/// What `cli` and `mcp` may name of the orchestrator: types that the daemon's answers are made of.
const FACES_SEE: [&str; 13] = [
    "ShutdownOutcome",
    "ToolDescription",
    "ToolOutcome",
    "BranchFate",
    "WorktreeBranch",
    "Budget",
    "MemberStatus",
    "TeamStatus",
    "PendingApproval",
    "ResumeMode",
    "ResumeOutcome",
    "Resumed",
    "Surroundings",
];

fn rust_files(dir: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(dir).expect("a folder").flatten() {
        let path = entry.path();
        if path.is_dir() {
            files.extend(rust_files(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
    files
}

/// The modules of this crate that a file names, wherever it does: `crate::store::…`.
fn named(text: &str) -> Vec<(usize, &str)> {
    let code = text.lines().enumerate().filter(|(_, line)| !line.trim_start().starts_with("//"));
    code.flat_map(|(number, line)| {
        line.match_indices("crate::").filter_map(move |(at, _)| {
            let rest = &line[at + "crate::".len()..];
            let end = rest.find(|char: char| !char.is_alphanumeric() && char != '_').unwrap_or(rest.len());
            Some((number + 1, &rest[..end])).filter(|(_, name)| !name.is_empty())
        })
    })
    .collect()
}

#[test]
fn arrows_go_down_only() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut wrong = Vec::new();
    let mut looked_at = 0;
    for file in rust_files(&root.join("src")) {
        let below = file.strip_prefix(root.join("src")).expect("below src");
        let module = below.components().next().expect("a name").as_os_str().to_string_lossy().replace(".rs", "");
        let Some((_, allowed)) = ALLOWED.iter().find(|(name, _)| *name == module) else { continue };
        let text = fs::read_to_string(&file).expect("a file");
        for (line, name) in named(&text) {
            looked_at += 1;
            // Types that the crate's root re-exports are named by their own module in these files.
            let a_module = ALLOWED.iter().any(|(module, _)| *module == name);
            if !allowed.contains(&name) && a_module {
                wrong.push(format!("{}:{line}: {module} uses {name}", below.display()));
            }
        }
        for upper in ["jsonrpsee", "clap", "anyhow"] {
            let lower = ["model", "store", "orchestrator"].contains(&module.as_str());
            if lower && text.contains(&format!("{upper}::")) {
                wrong.push(format!("{}: {module} uses {upper}", below.display()));
            }
        }
    }
    assert!(looked_at > 60, "only {looked_at} names were looked at; does this test still read the code?");
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn the_faces_see_the_daemon_and_never_the_disk() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    for file in rust_files(&root.join("src/cli")).into_iter().chain(rust_files(&root.join("src/mcp"))) {
        let text = fs::read_to_string(&file).expect("a file");
        for line in text.lines().filter(|line| line.contains("crate::orchestrator")) {
            let named = line.rsplit("::").next().unwrap_or_default();
            let names = named.trim_matches(|char: char| !char.is_alphanumeric()).split(',');
            for name in names.map(|name| name.trim_matches(|char: char| !char.is_alphanumeric())) {
                assert!(FACES_SEE.contains(&name), "{} uses {name} of the orchestrator", file.display());
            }
        }
        assert!(!text.contains("store::"), "{} uses the store", file.display());
    }
}

#[test]
fn the_backends_know_nothing_of_teams() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("backends");
    let manifest = fs::read_to_string(root.join("Cargo.toml")).expect("a manifest");
    assert!(!manifest.contains("agent-teams") && !manifest.contains("agent_teams"));
    for file in rust_files(&root.join("src")) {
        let text = fs::read_to_string(&file).expect("a file");
        let name = file.strip_prefix(&root).expect("below").display().to_string();
        assert!(!text.contains("agent_teams"), "{name}");
        // Only `process` signals.
        if !name.starts_with("src/process/") {
            assert!(!text.contains("nix::sys::signal"), "{name} sends signals");
        }
        // No protocol's JSON leaves its backend.
        for line in text.lines().filter(|line| line.trim_start().starts_with("pub fn") || line.starts_with("    pub "))
        {
            let simulated = name.contains("simulate");
            let value = line.replace("RawValue", "").contains("Value");
            assert!(simulated || !value, "{name}: {line}");
        }
    }
}
