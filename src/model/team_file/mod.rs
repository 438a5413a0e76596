//! The team file, `teams.toml`: a team, its members and its tasks, as a person writes them down.
//!
//! Keys are in kebab-case, durations are `30s`, `5m` or `1h30m`. `${NAME}` in `env`, `model`, `effort`, `cwd`, `command` and
//! `prompt-file` stands for a variable of the environment; `$${` is a `${` that stands for nothing.

mod check;
#[cfg(feature = "cli")]
mod outside;
mod place;
mod problem;
mod sections;
mod text;

#[cfg(feature = "cli")]
pub(crate) use outside::without;
pub use problem::{BadTeamFile, FileProblem};
pub use sections::{
    AUTO, BudgetSection, HookSection, LARGEST_POOL, LEAD_NAME, LimitsSection, MemberSection, MergeMode, PolicySection,
    RecordSection, RunSection, TEAM_FILE, TaskSection, TeamFile, TeamSection, WorktreeKey,
};

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
