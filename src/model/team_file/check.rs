//! What is wrong with a team file, and where.

use std::collections::{BTreeMap, HashMap, HashSet};

use agent_backends::{BackendType, PermissionMode, known};

use super::place::{Step, line_and_column, span};
use super::problem::{BadTeamFile, FileProblem};
use super::sections::{AUTO, LARGEST_POOL, LEAD_NAME, MemberSection, MergeMode, TeamFile};
use super::text::{expand, looks_secret, names_secret};
use crate::model::approval::{ApprovalRule, Verdict};
use crate::model::name::{AgentName, TEAM_LEAD, TeamName};

impl TeamFile {
    /// Reads a team file, and checks all of it that can be checked without starting anything. `environment` is that of whoever uses it.
    ///
    /// # Errors
    /// It is no team file; each problem names its line and column.
    pub fn parse(text: &str, environment: &BTreeMap<String, String>) -> Result<Self, BadTeamFile> {
        parse(text, environment)
    }
}

fn parse(text: &str, environment: &BTreeMap<String, String>) -> Result<TeamFile, BadTeamFile> {
    let mut file: TeamFile = match toml::from_str(text) {
        Ok(file) => file,
        Err(error) => {
            let (line, column) = line_and_column(text, error.span().map_or(0, |span| span.start));
            let message = in_our_words(error.message());
            return Err(BadTeamFile { problems: vec![FileProblem { line, column, message }] });
        }
    };
    let mut check = Check { text, problems: Vec::new(), warnings: Vec::new() };
    check.secrets(&file);
    check.expand(&mut file, environment);
    check.team(&file);
    check.members(&file);
    check.tasks(&file);
    check.rest(&file);
    let Check { mut problems, mut warnings, .. } = check;
    let place = |problem: &FileProblem| (problem.line, problem.column);
    problems.sort_by_key(place);
    warnings.sort_by_key(place);
    if !problems.is_empty() {
        return Err(BadTeamFile { problems });
    }
    file.warnings = warnings;
    Ok(file)
}

/// What the reader of TOML says, in words of this file: a key that is not known comes with the nearest one that is.
fn in_our_words(message: &str) -> String {
    let words: Vec<&str> = message.split('`').skip(1).step_by(2).collect();
    match (&words[..], message.strip_prefix("missing field ")) {
        (_, Some(field)) => format!("{field} is missing"),
        ([key, known @ ..], _) if message.starts_with("unknown field") => unknown("key", key, known),
        ([value, known @ ..], _) if message.starts_with("unknown variant") => unknown("value", value, known),
        _ => message.to_owned(),
    }
}

fn unknown(what: &str, word: &str, known: &[&str]) -> String {
    format!("unknown {what} `{word}`{} (there are {})", did_you_mean(word, known.iter().copied()), known.join(", "))
}

/// Asks for the one of them that somebody most likely meant, if there is one.
fn did_you_mean<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> String {
    const NEAR: f64 = 0.7;
    let score = |known: &&str| strsim::jaro_winkler(&word.to_lowercase(), &known.to_lowercase());
    let nearest = known.into_iter().max_by(|one, other| score(one).total_cmp(&score(other)));
    nearest.filter(|known| score(known) >= NEAR).map(|near| format!("; did you mean `{near}`?")).unwrap_or_default()
}

struct Check<'a> {
    text: &'a str,
    problems: Vec<FileProblem>,
    warnings: Vec<FileProblem>,
}

macro_rules! way {
    ($($step:expr),* $(,)?) => { [$(Step::from($step)),*] };
}

impl Check<'_> {
    fn found(&self, way: &[Step], message: String) -> FileProblem {
        let (line, column) = line_and_column(self.text, span(self.text, way).start);
        FileProblem { line, column, message }
    }

    fn problem(&mut self, way: &[Step], message: impl Into<String>) {
        let found = self.found(way, message.into());
        self.problems.push(found);
    }

    fn warning(&mut self, way: &[Step], message: impl Into<String>) {
        let found = self.found(way, message.into());
        self.warnings.push(found);
    }

    /// Each place in which a member is described.
    fn sections(file: &TeamFile) -> Vec<(Vec<Step>, &MemberSection)> {
        let members = file.members.iter().enumerate().map(|(at, member)| (way!["member", at].to_vec(), member));
        let others = [("defaults", Some(&file.defaults)), ("lead", file.lead.as_ref())];
        let others = others.into_iter().filter_map(|(key, section)| Some((way![key].to_vec(), section?)));
        members.chain(others).collect()
    }

    fn secrets(&mut self, file: &TeamFile) {
        for (way, section) in Self::sections(file) {
            for (name, value) in &section.env {
                if !value.contains("${") && (names_secret(name) || looks_secret(value)) {
                    let way = [&way[..], &way!["env", name.as_str()]].concat();
                    self.warning(
                        &way,
                        format!("this looks like a secret in plain text; write \"${{{name}}}\" and set the variable"),
                    );
                }
            }
            let texts = [("prompt", &section.prompt), ("command", &section.command)];
            for (key, _) in texts.into_iter().filter(|(_, text)| text.as_deref().is_some_and(looks_secret)) {
                self.warning(&[&way[..], &way![key]].concat(), "there seems to be a secret in plain text in this");
            }
        }
        for (at, task) in file.tasks.iter().enumerate() {
            if task.description.as_deref().is_some_and(looks_secret) {
                self.warning(&way!["task", at, "description"], "there seems to be a secret in plain text in this");
            }
        }
    }

    fn expand(&mut self, file: &mut TeamFile, environment: &BTreeMap<String, String>) {
        let members = file.members.iter_mut().enumerate().map(|(at, member)| (way!["member", at].to_vec(), member));
        let others = [("defaults", Some(&mut file.defaults)), ("lead", file.lead.as_mut())];
        let others = others.into_iter().filter_map(|(key, section)| Some((way![key].to_vec(), section?)));
        let mut bad: Vec<(Vec<Step>, String)> = Vec::new();
        for (way, section) in members.chain(others) {
            let texts = [
                ("model", &mut section.model),
                ("effort", &mut section.effort),
                ("cwd", &mut section.cwd),
                ("command", &mut section.command),
                ("prompt-file", &mut section.prompt_file),
            ];
            let texts = texts.into_iter().filter_map(|(key, text)| Some((way![key].to_vec(), text.as_mut()?)));
            let variables = section.env.iter_mut().map(|(name, value)| (way!["env", name.as_str()].to_vec(), value));
            for (below, text) in texts.chain(variables) {
                match expand(text, environment) {
                    Ok(expanded) => *text = expanded,
                    Err(reason) => bad.push(([&way[..], &below].concat(), reason)),
                }
            }
        }
        bad.into_iter().for_each(|(way, reason)| self.problem(&way, reason));
    }

    fn team(&mut self, file: &TeamFile) {
        if let Err(error) = file.team.name.parse::<TeamName>() {
            self.problem(&way!["team", "name"], error.to_string());
        }
    }

    fn members(&mut self, file: &TeamFile) {
        for (way, section) in Self::sections(file) {
            self.section(&way, section);
        }
        for key in ["name", "count"] {
            let is_there = if key == "name" { file.defaults.name.is_some() } else { file.defaults.count.is_some() };
            if is_there {
                self.problem(&way!["defaults", key], format!("`{key}` is a member's own; remove it here"));
            }
        }
        if file.lead.as_ref().is_some_and(|lead| lead.count.is_some()) {
            self.problem(&way!["lead", "count"], "there is one lead; remove it");
        }
        let mut seen: HashMap<String, usize> = HashMap::new();
        for (at, member) in file.members.iter().enumerate() {
            let way = way!["member", at];
            let Some(name) = &member.name else {
                self.problem(&way, "`name` is missing");
                continue;
            };
            let way = [&way[..], &way!["name"]].concat();
            if name == TEAM_LEAD {
                self.problem(&way, format!("`{TEAM_LEAD}` is the lead's; choose another name"));
            } else if let Err(error) = AgentName::for_member(name) {
                self.problem(&way, error.to_string());
            }
            let names = match member.count {
                None => vec![name.clone()],
                Some(count) => (1..=count.min(LARGEST_POOL)).map(|number| format!("{name}-{number}")).collect(),
            };
            for name in names {
                if let Some(first) = seen.insert(name.clone(), at).filter(|first| *first != at) {
                    let (line, _) = line_and_column(self.text, span(self.text, &way!["member", first]).start);
                    self.problem(
                        &way,
                        format!("a member `{name}` is there already, in line {line}; choose another name"),
                    );
                }
            }
        }
        if let Some(lead) = &file.lead {
            let (way, name) = match &lead.name {
                Some(name) => (way!["lead", "name"].to_vec(), name.as_str()),
                None => (way!["lead"].to_vec(), LEAD_NAME),
            };
            match AgentName::for_member(name) {
                Err(error) => self.problem(&way, error.to_string()),
                Ok(_) if seen.contains_key(name) => {
                    self.problem(&way, format!("a member `{name}` is there already; give the lead another `name`"));
                }
                Ok(_) => {}
            }
        }
    }

    fn section(&mut self, way: &[Step], section: &MemberSection) {
        let at = |key: &str| [way, &way![key]].concat();
        if let Some(backend) = &section.backend {
            let known = BackendType::KNOWN.map(|backend| backend.to_string());
            let known: Vec<&str> = known.iter().map(String::as_str).chain([AUTO]).collect();
            let read = backend.parse::<BackendType>();
            if backend != AUTO && !read.is_ok_and(|backend| BackendType::KNOWN.contains(&backend)) {
                self.problem(&at("backend"), unknown("backend", backend, &known));
            }
        }
        if let Some(mode) = &section.permission_mode
            && matches!(PermissionMode::from(mode.as_str()), PermissionMode::Other(_))
        {
            let known = ["default", "acceptEdits", "plan", "bypassPermissions"];
            self.problem(&at("permission-mode"), unknown("permission mode", mode, &known));
        }
        if section.prompt.is_some() && section.prompt_file.is_some() {
            self.problem(&at("prompt-file"), "there is a `prompt` too; keep one of them");
        }
        if let Some(count) = section.count.filter(|count| !(1..=LARGEST_POOL).contains(count)) {
            self.problem(&at("count"), format!("a pool has 1 to {LARGEST_POOL} members, and not {count}"));
        }
        if section.backend.as_deref() == Some(AUTO) && section.command.is_some() {
            self.problem(&at("command"), "`command` is for backend `acp`, and `auto` chooses among the others");
        }
        let backend = section.backend.as_deref().and_then(|backend| backend.parse().ok());
        let any_program = backend.and_then(known::backend).map(|backend| backend.capabilities().any_program);
        match (any_program, &section.command) {
            (Some(true), None) => self.problem(&at("backend"), "this backend needs `command`: the agent to run"),
            (Some(false), Some(_)) => {
                let message =
                    "`command` is for backend `acp`; which program another one runs, your own configuration says";
                self.problem(&at("command"), message);
            }
            _ => {}
        }
        if section.budget.members.is_some() {
            self.problem(&at("budget"), "`members` is for the team's budget");
        }
    }

    fn tasks(&mut self, file: &TeamFile) {
        let members = file.members();
        let names: Vec<&str> = members.iter().map(|(name, _)| name.as_str()).collect();
        let mut places: HashMap<&str, usize> = HashMap::new();
        for (at, task) in file.tasks.iter().enumerate() {
            let way = way!["task", at, "name"];
            if task.name.trim().is_empty() {
                self.problem(&way, "a task needs a name");
            }
            if let Some(first) = places.insert(&task.name, at) {
                let (line, _) = line_and_column(self.text, span(self.text, &way!["task", first]).start);
                self.problem(
                    &way,
                    format!("a task `{}` is there already, in line {line}; choose another name", task.name),
                );
            }
        }
        for (at, task) in file.tasks.iter().enumerate() {
            for (place, name) in task.depends_on.iter().enumerate() {
                let way = way!["task", at, "depends-on", place];
                if *name == task.name {
                    self.problem(&way, "a task cannot wait for itself");
                } else if !places.contains_key(name.as_str()) {
                    let near = did_you_mean(name, places.keys().copied());
                    self.problem(&way, format!("there is no task `{name}`{near}"));
                }
            }
            let named = [
                (way!["task", at, "owner"].to_vec(), &task.owner),
                (way!["task", at, "wants", "member"].to_vec(), &task.wants.member),
            ];
            for (way, name) in named {
                if let Some(name) = name.as_ref().filter(|name| !names.contains(&name.as_str())) {
                    let near = did_you_mean(name, names.iter().copied());
                    self.problem(&way, format!("there is no member `{name}`{near}"));
                }
            }
            let wanted = crate::model::work::Wants { member: None, ..task.wants.clone() };
            let fits = |(name, section): &(String, MemberSection)| {
                // Which one `auto` becomes shows when it is started.
                let backend = section.backend.as_deref().unwrap_or(BackendType::KNOWN[0].as_str());
                let backend =
                    backend.parse::<BackendType>().map_or_else(|_| backend.to_owned(), |known| known.to_string());
                let backend = if backend == AUTO { wanted.backend.clone() } else { Some(backend) };
                let capabilities = section.capabilities.clone();
                let who = crate::model::work::Claimant { name: name.clone(), backend, capabilities, process: None };
                wanted.fits(&who) && section.works()
            };
            if !file.members.is_empty() && file.lead.is_none() && task.owner.is_none() && !members.iter().any(fits) {
                let what = match (&wanted.backend, &wanted.capability) {
                    (None, None) => "no member takes tasks: each has `work = false`".to_owned(),
                    (backend, capability) => {
                        let wanted: Vec<&str> = backend.iter().chain(capability).map(String::as_str).collect();
                        format!("no member that takes tasks is, or can do, what this wants: {}", wanted.join(", "))
                    }
                };
                let key = if wanted.backend.is_some() || wanted.capability.is_some() { "wants" } else { "name" };
                self.problem(&way!["task", at, key], what);
            }
        }
        self.circles(file, &places);
    }

    /// Tells of tasks that wait for each other, once for each circle.
    fn circles(&mut self, file: &TeamFile, places: &HashMap<&str, usize>) {
        let mut done: HashSet<usize> = HashSet::new();
        for start in 0..file.tasks.len() {
            let mut path: Vec<usize> = Vec::new();
            // Each entry: a task, and which of those that it waits for is next.
            let mut stack: Vec<(usize, usize)> = vec![(start, 0)];
            while let Some((at, next)) = stack.pop() {
                if next == 0 {
                    if done.contains(&at) {
                        continue;
                    }
                    path.push(at);
                }
                let Some(name) = file.tasks[at].depends_on.get(next) else {
                    path.pop();
                    done.insert(at);
                    continue;
                };
                stack.push((at, next + 1));
                let Some(before) = places.get(name.as_str()).copied().filter(|before| *before != at) else { continue };
                if let Some(from) = path.iter().position(|on| *on == before) {
                    let circle: Vec<&str> = path[from..].iter().map(|at| file.tasks[*at].name.as_str()).collect();
                    let message = format!("these tasks wait for each other: {} -> {}", circle.join(" -> "), circle[0]);
                    self.problem(&way!["task", at, "depends-on", next], message);
                    return;
                }
                stack.push((before, 0));
            }
        }
    }

    fn rest(&mut self, file: &TeamFile) {
        for (key, rules) in [
            ("allow", &file.policy.allow),
            ("deny", &file.policy.deny),
            ("ask", &file.policy.ask),
            ("lead", &file.policy.lead),
        ] {
            for (at, rule) in rules.iter().enumerate() {
                if let Err(reason) = ApprovalRule::parse(rule, Verdict::Ask) {
                    self.problem(&way!["policy", key, at], reason);
                }
            }
        }
        for (at, hook) in file.hooks.iter().enumerate() {
            if hook.command.trim().is_empty() {
                self.problem(&way!["hook", at, "command"], "there is no command");
            }
        }
        if let Some(record) = &file.record
            && !record.folder.components().all(|part| matches!(part, std::path::Component::Normal(_)))
        {
            self.problem(&way!["record", "folder"], "this is no folder below that of the file");
        }
        let has_worktrees = file.members().iter().any(|(_, member)| member.has_worktree());
        if file.run.merge != MergeMode::None && !has_worktrees {
            self.warning(
                &way!["run", "merge"],
                "no member has a worktree, so there is nothing to merge; set `worktree = true`",
            );
        }
        if file.members.is_empty() && file.lead.is_none() {
            self.warning(
                &way!["team"],
                "nobody is in the team; add a [[member]], or name a lead with `teams run --lead`",
            );
        }
    }
}
