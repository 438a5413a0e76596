//! The sections of a team file, and what they mean.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::problem::FileProblem;
use super::text;
use crate::model::approval::{ApprovalPolicy, ApprovalRule, Verdict};
use crate::model::hook::HookEvent;
use crate::model::policy::Budget;
use crate::model::team::{IfLost, RestartPolicy, TurnLimits};
use crate::model::time::milliseconds;
use crate::model::work::Wants;

/// The name of a team file, where no other is named.
pub const TEAM_FILE: &str = "teams.toml";
/// The backend that stands for whichever is installed.
pub const AUTO: &str = "auto";
/// The name of a lead that has none in its file.
pub const LEAD_NAME: &str = "coordinator";
/// The largest pool of members.
pub const LARGEST_POOL: u32 = 50;

/// A team file.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct TeamFile {
    /// The team.
    pub team: TeamSection,
    /// What holds for every member that does not say otherwise.
    #[serde(default)]
    pub defaults: MemberSection,
    /// The members.
    #[serde(default, rename = "member")]
    pub members: Vec<MemberSection>,
    /// The tasks of a run.
    #[serde(default, rename = "task")]
    pub tasks: Vec<TaskSection>,
    /// Commands that are run when something happens.
    #[serde(default, rename = "hook")]
    pub hooks: Vec<HookSection>,
    /// Who decides what agents ask for.
    #[serde(default)]
    pub policy: PolicySection,
    /// What the whole team may use.
    #[serde(default)]
    pub budget: BudgetSection,
    /// An agent that leads the run. Without one, the tasks are the plan.
    #[serde(default)]
    pub lead: Option<MemberSection>,
    /// How a run goes and ends.
    #[serde(default)]
    pub run: RunSection,
    /// Where its runs are recorded.
    #[serde(default)]
    pub record: Option<RecordSection>,
    /// What a person should know, and that stops nothing.
    #[serde(skip)]
    #[schemars(skip)]
    pub warnings: Vec<FileProblem>,
}

/// `[team]`
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct TeamSection {
    /// Its name.
    pub name: String,
    /// What it is for.
    #[serde(default)]
    pub description: Option<String>,
    /// Whether each task that is completed is noted on its commit, with what it has cost: in `refs/notes/agent-teams`.
    #[serde(default)]
    pub checkpoints: Option<bool>,
}

/// `[[member]]`, `[defaults]` or `[lead]`: how an agent is started. What is left out is as in `[defaults]`, or as the agent itself has it.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct MemberSection {
    /// Its name.
    pub name: Option<String>,
    /// Which agent it is: `claude-code`, `codex`, `gemini`, `gemini-acp`, `acp`, `native`, or `auto` for whichever fits: it is chosen when the member is started, by its name, its instructions and its tasks, among those that can be used.
    pub backend: Option<String>,
    /// The model.
    pub model: Option<String>,
    /// Standing instructions.
    pub prompt: Option<String>,
    /// A file with standing instructions.
    pub prompt_file: Option<String>,
    /// How hard the model thinks, in the agent's own words.
    pub effort: Option<String>,
    /// Where it works, seen from the file's folder.
    pub cwd: Option<String>,
    /// Variables on top of the shell's environment.
    pub env: BTreeMap<String, String>,
    /// What it may do without asking: `default`, `acceptEdits`, `plan` or `bypassPermissions`.
    pub permission_mode: Option<String>,
    /// Whether it changes nothing until its plan is approved.
    pub plan_approval: Option<bool>,
    /// A git worktree of its own: `true`, or the name of its branch.
    pub worktree: Option<WorktreeKey>,
    /// When it is started again if its session ends by itself.
    pub restart: Option<RestartPolicy>,
    /// What is done when its conversation is lost.
    pub if_lost: Option<IfLost>,
    /// So many members of this kind, NAME-1, NAME-2 and so on.
    pub count: Option<u32>,
    /// The agent to run, for backend `acp`.
    pub command: Option<String>,
    /// What it can do, in words that tasks may want.
    pub capabilities: Vec<String>,
    /// Whether it is given the team's tasks; it is when this is left out.
    pub work: Option<bool>,
    /// The most agentic steps in a turn.
    pub max_turns: Option<u32>,
    /// How long its turns may take.
    pub limits: LimitsSection,
    /// What it may use.
    pub budget: BudgetSection,
}

/// `worktree` of a member.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(untagged, expecting = "expected true, false or the name of a branch")]
pub enum WorktreeKey {
    /// A branch named after the team and the member, or no worktree.
    Own(bool),
    /// This branch.
    Branch(String),
}

/// `limits` of a member.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct LimitsSection {
    /// From the beginning of a turn to its end.
    #[serde(deserialize_with = "text::duration")]
    #[schemars(with = "Option<String>")]
    pub turn: Option<Duration>,
    /// Without a sign of life of the agent.
    #[serde(deserialize_with = "text::duration")]
    #[schemars(with = "Option<String>")]
    pub silence: Option<Duration>,
}

/// `[[task]]`
#[derive(Clone, Debug, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct TaskSection {
    /// Its name, for `depends-on`.
    pub name: String,
    /// What is to be done, in a line; the name when left out.
    #[serde(default)]
    pub subject: Option<String>,
    /// What is to be done; the subject when left out.
    #[serde(default)]
    pub description: Option<String>,
    /// The member that does it.
    #[serde(default)]
    pub owner: Option<String>,
    /// Who may be given it.
    #[serde(default)]
    pub wants: Wants,
    /// The names of the tasks that it waits for.
    #[serde(default)]
    pub depends_on: Vec<String>,
    /// Tasks with lower values are begun first.
    #[serde(default)]
    pub priority: i64,
    /// How often it is given out again when it failed.
    #[serde(default)]
    pub max_retries: Option<u32>,
    /// The file that it is about.
    #[serde(default)]
    pub target_file: Option<String>,
    /// What its owner should know, by name.
    #[serde(default)]
    pub context: Map<String, Value>,
}

/// `[[hook]]`
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct HookSection {
    /// What it is told of.
    pub event: HookEvent,
    /// A command for the shell, run in the file's folder. It gets JSON on its standard input; exit code 2 is a veto, and what it writes to
    /// standard error the feedback.
    pub command: String,
    /// How long it may take; a minute when left out.
    #[serde(default, deserialize_with = "text::duration")]
    #[schemars(with = "Option<String>")]
    pub timeout: Option<Duration>,
}

/// `[policy]`: `TOOL`, or `TOOL COMMAND-PREFIX`, as with `teams policy`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct PolicySection {
    /// Nobody is asked: yes.
    pub allow: Vec<String>,
    /// Nobody is asked: no.
    pub deny: Vec<String>,
    /// A person is asked.
    pub ask: Vec<String>,
    /// The lead is asked.
    pub lead: Vec<String>,
    /// What holds for everything else.
    pub otherwise: Verdict,
}

/// `[budget]`, or `budget` of a member.
#[derive(Clone, Copy, Debug, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct BudgetSection {
    /// Turns.
    pub turns: Option<u64>,
    /// Tokens, read and written.
    pub tokens: Option<u64>,
    /// US dollars, of agents that say what they cost.
    pub cost_usd: Option<f64>,
    /// Time in which turns run.
    #[serde(deserialize_with = "text::duration")]
    #[schemars(with = "Option<String>")]
    pub time: Option<Duration>,
    /// Members, for the whole team.
    pub members: Option<u64>,
}

/// `[record]`
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct RecordSection {
    /// A folder, below that of the file: each run has a file of its own in it, `RUN.jsonl`.
    pub folder: PathBuf,
}

/// `[run]`
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct RunSection {
    /// How long it may take.
    #[serde(deserialize_with = "text::duration")]
    #[schemars(with = "Option<String>")]
    pub timeout: Option<Duration>,
    /// What becomes of the branches of members with a worktree.
    pub merge: MergeMode,
}

/// How the branches of members are brought together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum MergeMode {
    /// Not at all.
    #[default]
    None,
    /// In one branch of the run, with a merge commit for each.
    Branch,
    /// In one branch of the run, with one commit for each.
    Squash,
}

impl TeamFile {
    /// The JSON schema of a team file.
    pub fn schema() -> Value {
        schemars::schema_for!(TeamFile).to_value()
    }

    /// The members, each with its name and with what the defaults say; pools one by one.
    pub fn members(&self) -> Vec<(String, MemberSection)> {
        let mut members = Vec::new();
        for member in &self.members {
            let (name, section) = (member.name.clone().unwrap_or_default(), member.over(&self.defaults));
            match member.count {
                None => members.push((name, section)),
                Some(count) => {
                    members.extend((1..=count).map(|number| (format!("{name}-{number}"), section.clone())));
                }
            }
        }
        members
    }

    /// What in it gives agents or programs more than they have by themselves, and so needs a person's word: commands, variables,
    /// permissions.
    pub fn wants_trust(&self) -> Vec<String> {
        let mut wants = Vec::new();
        let members = self.members.iter().chain([&self.defaults]).chain(&self.lead);
        for member in members {
            let who = member.name.as_deref().unwrap_or("every member");
            if let Some(command) = &member.command {
                wants.push(format!("{who} runs the program `{command}`"));
            }
            for name in member.env.keys() {
                wants.push(format!("{who} gets the variable {name}"));
            }
            for (key, path) in [("cwd", &member.cwd), ("prompt-file", &member.prompt_file)] {
                if let Some(path) = path.as_ref().filter(|path| leaves_its_folder(path)) {
                    wants.push(format!("{who} has a {key} outside of the file's folder: {path}"));
                }
            }
            if let Some(mode) =
                member.permission_mode.as_ref().filter(|mode| !matches!(mode.as_str(), "default" | "plan"))
            {
                wants.push(format!("{who} works in mode {mode}, which does not ask for everything"));
            }
        }
        wants.extend(self.hooks.iter().map(|hook| format!("{} runs `{}`", hook.event.as_str(), hook.command)));
        wants.extend(self.policy.allow.iter().map(|rule| format!("the policy allows `{rule}`")));
        if self.policy.otherwise == Verdict::Allow {
            wants.push("the policy allows whatever it does not name".to_owned());
        }
        wants
    }

    /// Who decides what agents ask for.
    pub fn approvals(&self) -> ApprovalPolicy {
        self.policy.to_policy().unwrap_or_default()
    }
}

/// Whether a path may lead out of the folder that it is seen from.
fn leaves_its_folder(path: &str) -> bool {
    let mut parts = std::path::Path::new(path).components();
    !parts.all(|part| matches!(part, std::path::Component::Normal(_) | std::path::Component::CurDir))
}

impl MemberSection {
    /// The same with what it leaves out as `defaults` have it.
    fn over(&self, defaults: &Self) -> Self {
        fn or<T: Clone>(own: &Option<T>, default: &Option<T>) -> Option<T> {
            own.clone().or_else(|| default.clone())
        }
        // Instructions of its own, of whichever kind, take the place of the common ones.
        let prompted = self.prompt.is_some() || self.prompt_file.is_some();
        Self {
            name: self.name.clone(),
            count: self.count,
            backend: or(&self.backend, &defaults.backend),
            model: or(&self.model, &defaults.model),
            prompt: if prompted { self.prompt.clone() } else { defaults.prompt.clone() },
            prompt_file: if prompted { self.prompt_file.clone() } else { defaults.prompt_file.clone() },
            effort: or(&self.effort, &defaults.effort),
            cwd: or(&self.cwd, &defaults.cwd),
            env: defaults.env.clone().into_iter().chain(self.env.clone()).collect(),
            permission_mode: or(&self.permission_mode, &defaults.permission_mode),
            plan_approval: or(&self.plan_approval, &defaults.plan_approval),
            worktree: or(&self.worktree, &defaults.worktree),
            restart: or(&self.restart, &defaults.restart),
            if_lost: or(&self.if_lost, &defaults.if_lost),
            command: or(&self.command, &defaults.command),
            capabilities: if self.capabilities.is_empty() {
                defaults.capabilities.clone()
            } else {
                self.capabilities.clone()
            },
            work: or(&self.work, &defaults.work),
            max_turns: or(&self.max_turns, &defaults.max_turns),
            limits: LimitsSection {
                turn: self.limits.turn.or(defaults.limits.turn),
                silence: self.limits.silence.or(defaults.limits.silence),
            },
            budget: if self.budget == BudgetSection::default() { defaults.budget } else { self.budget },
        }
    }

    /// Whether it is given the team's tasks.
    pub fn works(&self) -> bool {
        self.work.unwrap_or(true)
    }

    /// Whether it has a worktree of its own.
    pub fn has_worktree(&self) -> bool {
        matches!(self.worktree, Some(WorktreeKey::Own(true) | WorktreeKey::Branch(_)))
    }

    /// How long its turns may take.
    pub fn turn_limits(&self) -> TurnLimits {
        let usual = TurnLimits::default();
        TurnLimits {
            turn_ms: self.limits.turn.map_or(usual.turn_ms, milliseconds),
            silence_ms: self.limits.silence.map_or(usual.silence_ms, milliseconds),
        }
    }

    /// Where it works, for a file in this folder.
    pub fn cwd_from(&self, folder: &std::path::Path) -> PathBuf {
        self.cwd.as_ref().map_or_else(|| folder.to_owned(), |cwd| folder.join(cwd))
    }
}

impl TaskSection {
    /// What is to be done, in a line.
    pub fn subject(&self) -> &str {
        self.subject.as_deref().unwrap_or(&self.name)
    }
}

impl BudgetSection {
    /// The same as the team's ledger has it.
    pub fn to_budget(&self) -> Budget {
        Budget {
            turns: self.turns,
            tokens: self.tokens,
            cost_usd: self.cost_usd,
            wall_ms: self.time.map(milliseconds),
            members: self.members,
        }
    }
}

impl PolicySection {
    fn to_policy(&self) -> Result<ApprovalPolicy, String> {
        let given = [
            (Verdict::Deny, &self.deny),
            (Verdict::Ask, &self.ask),
            (Verdict::Lead, &self.lead),
            (Verdict::Allow, &self.allow),
        ];
        let rules =
            given.into_iter().flat_map(|(then, rules)| rules.iter().map(move |rule| ApprovalRule::parse(rule, then)));
        Ok(ApprovalPolicy {
            otherwise: self.otherwise,
            rules: rules.collect::<Result<_, _>>()?,
            ..ApprovalPolicy::default()
        })
    }
}
