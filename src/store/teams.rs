//! Teams: `teams/<name>/config.json`, with its roster.

use std::fs;
use std::path::{Path, PathBuf};

use agent_backends::process::ProcessId;
use serde_json::{Value, json};

use super::{RawObject, Result, Store, StoreError, UnreadableFile, atomic, pretty, read_json, read_raw, set};
use crate::model::name::{AgentName, TEAM_LEAD, TeamName};
use crate::model::team::{COLORS, Launch, Member, Team};

/// The field of a member, in Claude Code's file, that is ours.
const LAUNCH: &str = "agentTeams";

/// What a new member is made of.
#[derive(Clone, Debug)]
pub struct NewMember {
    /// Its name.
    pub name: AgentName,
    /// The model that was asked for.
    pub model: Option<String>,
    /// Its standing instructions.
    pub prompt: String,
    /// Where it works.
    pub cwd: PathBuf,
    /// How we run it.
    pub launch: Launch,
}

impl Store {
    fn config_path(&self, team: &TeamName) -> PathBuf {
        self.teams.join(team.as_str()).join("config.json")
    }

    /// The names of all teams.
    pub fn list_teams(&self) -> Result<Vec<TeamName>> {
        let entries = match fs::read_dir(&self.teams) {
            Ok(entries) => entries,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(source) => return Err(StoreError::io("list", &self.teams, source)),
        };
        let mut names: Vec<TeamName> = entries
            .flatten()
            .filter(|entry| entry.path().join("config.json").is_file())
            .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
            .collect();
        names.sort();
        Ok(names)
    }

    pub(super) fn no_team(&self, team: &str) -> StoreError {
        let existing = self.list_teams().unwrap_or_default().into_iter().map(String::from).collect();
        StoreError::NoTeam { team: team.to_owned(), existing }
    }

    /// Whether there is a team of that name, readable or not.
    pub fn has_team(&self, team: &TeamName) -> bool {
        self.config_path(team).exists()
    }

    /// Reads a team.
    pub fn team(&self, team: &TeamName) -> Result<Team> {
        let path = self.config_path(team);
        let raw = read_json(&path)?.ok_or_else(|| self.no_team(team))?;
        parse(team, &raw, &path)
    }

    /// A team's file as it is.
    fn raw_team(&self, team: &TeamName) -> Result<RawObject> {
        read_json(&self.config_path(team))?.ok_or_else(|| self.no_team(team))
    }

    /// The name that the team's file gives it; older versions of Claude Code allow more than a [`TeamName`].
    pub(super) fn written_name(&self, team: &TeamName) -> Result<String> {
        let raw = self.raw_team(team)?;
        Ok(raw.get("name").and_then(Value::as_str).unwrap_or(team).to_owned())
    }

    /// The process of the Claude Code that leads a team, by its own word. The team's file or the session's names it, and the session's file is there as long as it runs. `None` where no
    /// Claude Code says that it leads the team.
    pub fn lead_process(&self, team: &TeamName) -> Result<Option<ProcessId>> {
        #[derive(serde::Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Session {
            pid: i32,
            session_id: String,
            /// Digits in a text.
            #[serde(default)]
            proc_start: String,
        }
        let raw = self.raw_team(team)?;
        let leads = raw.get("leadSessionId").and_then(Value::as_str).unwrap_or_default();
        let claimed = raw.get("leadProcess").and_then(Value::as_object);
        let claims = |session: &Session| {
            claimed.is_some_and(|process| {
                process.get("pid").and_then(Value::as_i64) == Some(i64::from(session.pid))
                    && process.get("procStart").and_then(Value::as_str).is_none_or(|start| start == session.proc_start)
            })
        };
        let sessions = self.teams.parent().map(|dir| dir.join("sessions"));
        let files = sessions.and_then(|dir| fs::read_dir(dir).ok()).into_iter().flatten().flatten();
        let is_json = |path: &PathBuf| path.extension().is_some_and(|extension| extension == "json");
        let read = |path: PathBuf| serde_json::from_slice::<Session>(&fs::read(path).ok()?).ok();
        let sessions = files.map(|entry| entry.path()).filter(is_json).filter_map(read);
        // One that has cleared its conversation has another session; its process is the one that claimed the team.
        let leading = sessions.filter(|session| session.session_id == leads || claims(session));
        let process =
            |session: Session| Some(ProcessId { pid: session.pid, start_time: session.proc_start.parse().ok()? });
        let known: Vec<ProcessId> = leading.filter_map(process).collect();
        // One that was killed may have left its file.
        Ok(known.iter().find(|process| process.is_alive()).or(known.first()).copied())
    }

    /// Whether a Claude Code says in a team's file that it leads it, as versions do that write their process down.
    pub fn is_claimed(&self, team: &TeamName) -> Result<bool> {
        let raw = self.raw_team(team)?;
        Ok(raw.contains_key("leadProcess"))
    }

    /// The session of the Claude Code that leads a team, by the team's file.
    pub fn lead_session(&self, team: &TeamName) -> Result<Option<String>> {
        let raw = self.raw_team(team)?;
        Ok(raw.get("leadSessionId").and_then(Value::as_str).map(str::to_owned))
    }

    /// When a team's file was changed last; `None` where there is none.
    pub fn team_changed(&self, team: &TeamName) -> Result<Option<std::time::SystemTime>> {
        let path = self.config_path(team);
        match fs::metadata(&path).and_then(|meta| meta.modified()) {
            Ok(changed) => Ok(Some(changed)),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(source) => Err(StoreError::io("look at", &path, source)),
        }
    }

    /// The session that leads a team, and the entries of our members, whole.
    pub fn our_entries(&self, team: &TeamName) -> Result<(Option<String>, Vec<RawObject>)> {
        let raw = self.raw_team(team)?;
        let session = raw.get("leadSessionId").and_then(Value::as_str).map(str::to_owned);
        let members = raw.get("members").and_then(Value::as_array).into_iter().flatten();
        let ours = members.filter_map(Value::as_object).filter(|member| member.contains_key(LAUNCH));
        Ok((session, ours.cloned().collect()))
    }

    /// Puts entries of ours back into a team whose lead has written it anew, without what was the old lead's: the pane. Answers the names of
    /// those that were not there.
    pub fn restore_entries(&self, team: &TeamName, entries: &[RawObject]) -> Result<Vec<String>> {
        let mut restored = Vec::new();
        self.edit_members(team, |members| {
            for entry in entries {
                let name = entry.get("name").and_then(Value::as_str).unwrap_or_default();
                if members.iter().any(|member| member.get("name").is_some_and(|known| known == name)) {
                    continue;
                }
                let mut entry = entry.clone();
                for gone in ["tmuxPaneId", "backendType", "isActive"] {
                    set(&mut entry, gone, None);
                }
                restored.push(name.to_owned());
                members.push(entry);
            }
            Ok(())
        })?;
        for name in &restored {
            self.ensure_inbox(team, &AgentName::in_roster(name))?;
        }
        Ok(restored)
    }

    /// Creates a team with its lead.
    pub fn create_team(&self, team: &TeamName, description: Option<&str>, cwd: &Path, now_ms: i64) -> Result<()> {
        let dir = self.teams.join(team.as_str());
        fs::create_dir_all(&dir).map_err(|source| StoreError::io("create", &dir, source))?;
        let path = self.config_path(team);
        self.locks.with(&path, |_| {
            if path.exists() {
                return Err(StoreError::TeamExists { team: team.to_string() });
            }
            let lead = format!("{TEAM_LEAD}@{team}");
            let mut config = RawObject::new();
            set(&mut config, "name", Some(json!(team)));
            set(&mut config, "description", description.map(|text| json!(text)));
            set(&mut config, "createdAt", Some(json!(now_ms)));
            set(&mut config, "leadAgentId", Some(json!(lead)));
            set(&mut config, "leadSessionId", Some(json!(uuid::Uuid::new_v4().to_string())));
            let member = json!({"agentId": lead, "name": TEAM_LEAD, "agentType": TEAM_LEAD, "joinedAt": now_ms,
                "cwd": cwd, "subscriptions": []});
            set(&mut config, "members", Some(json!([member])));
            atomic::write(&path, &pretty(&config))
        })?;
        let inboxes = dir.join("inboxes");
        fs::create_dir_all(&inboxes).map_err(|source| StoreError::io("create", &inboxes, source))
    }

    /// Deletes a team with its inboxes and its task list.
    pub fn delete_team(&self, team: &TeamName) -> Result<()> {
        if !self.config_path(team).exists() {
            return Err(self.no_team(team));
        }
        self.delete_remains(team)
    }

    /// Deletes whatever there is of a team that has no file any more.
    ///
    /// # Errors
    /// A folder cannot be deleted.
    pub fn delete_remains(&self, team: &TeamName) -> Result<()> {
        let path = self.config_path(team);
        // Only its file could name another place.
        let tasks = match self.task_dir(team) {
            Err(StoreError::NoTeam { .. }) => self.tasks.join(team.as_str()),
            known => known?,
        };
        let inboxes = self.inbox_dir(team);
        let locked = fs::read_dir(&inboxes).into_iter().flatten().flatten();
        let locked: Vec<PathBuf> = locked
            .map(|entry| entry.path())
            .filter(|inbox| inbox.extension().is_some_and(|extension| extension == "json"))
            .map(|inbox| fs::canonicalize(&inbox).unwrap_or(inbox))
            .chain([path, tasks.clone()])
            .collect();
        // Gone at once for everybody, then taken apart: whoever writes at this moment gets an error, and recreates nothing.
        for dir in [self.teams.join(team.as_str()), tasks.clone()] {
            let mut trash = dir.clone().into_os_string();
            trash.push(format!(".deleted.{}", uuid::Uuid::new_v4().simple()));
            match fs::rename(&dir, &trash) {
                Ok(()) => {
                    fs::remove_dir_all(&trash).map_err(|source| StoreError::io("delete", Path::new(&trash), source))?
                }
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
                Err(source) => return Err(StoreError::io("delete", &dir, source)),
            }
        }
        self.task_cache.forget(&tasks);
        self.inbox_cache.forget_all(&inboxes);
        for target in locked {
            self.locks.forget(&target);
        }
        Ok(())
    }

    /// Adds a member, or replaces one that we ran before. Its colour is the next that is free.
    pub fn add_member(&self, team: &TeamName, member: &NewMember, now_ms: i64) -> Result<()> {
        self.edit_members(team, |members| {
            let taken: Vec<&str> = members.iter().filter_map(|member| member.get("color")?.as_str()).collect();
            let index = (0..).find(|index| !taken.contains(&COLORS[index % COLORS.len()]) || *index >= COLORS.len());
            let color = COLORS[index.unwrap_or(0) % COLORS.len()];
            let position =
                members.iter().position(|raw| raw.get("name").is_some_and(|name| name == member.name.as_str()));
            let mut raw = match position {
                // What stands there is the lead's, and stays.
                Some(at) if member.launch.adopted.is_some() => {
                    set(&mut members[at], LAUNCH, Some(json!(member.launch)));
                    return Ok(());
                }
                Some(at) if !members[at].contains_key(LAUNCH) => {
                    return Err(StoreError::MemberExists { team: team.to_string(), member: member.name.to_string() });
                }
                Some(at) => members.remove(at),
                None => {
                    let mut raw = RawObject::new();
                    set(&mut raw, "agentId", Some(json!(format!("{}@{team}", member.name))));
                    set(&mut raw, "name", Some(json!(member.name)));
                    set(&mut raw, "color", Some(json!(color)));
                    set(&mut raw, "joinedAt", Some(json!(now_ms)));
                    set(&mut raw, "subscriptions", Some(json!([])));
                    set(&mut raw, "agentType", Some(json!("general-purpose")));
                    raw
                }
            };
            set(&mut raw, "model", member.model.as_ref().map(|model| json!(model)));
            set(&mut raw, "prompt", Some(json!(member.prompt)));
            set(&mut raw, "planModeRequired", Some(json!(member.launch.plan.is_some())));
            set(&mut raw, "cwd", Some(json!(member.cwd)));
            set(&mut raw, LAUNCH, Some(json!(member.launch)));
            let at = position.unwrap_or(members.len());
            members.insert(at, raw);
            Ok(())
        })?;
        self.ensure_inbox(team, &member.name).map(|_| ())
    }

    /// FolderChanges how a member of ours is run.
    pub fn edit_launch(&self, team: &TeamName, member: &str, edit: impl FnOnce(&mut Launch)) -> Result<()> {
        self.edit_members(team, |members| {
            let found = members.iter_mut().find(|raw| raw.get("name").is_some_and(|name| name == member));
            let launch = found.and_then(|raw| {
                let launch: Launch = serde_json::from_value(raw.get(LAUNCH)?.clone()).ok()?;
                Some((raw, launch))
            });
            if let Some((raw, mut launch)) = launch {
                edit(&mut launch);
                set(raw, LAUNCH, Some(json!(launch)));
            }
            Ok(())
        })
    }

    /// Takes a member out of the roster. Its inbox stays.
    pub fn remove_member(&self, team: &TeamName, member: &str) -> Result<()> {
        self.edit_members(team, |members| {
            let before = members.len();
            members.retain(|raw| raw.get("name").is_none_or(|name| name != member));
            if members.len() == before {
                let existing = members.iter().filter_map(|raw| raw.get("name")?.as_str()).map(str::to_owned).collect();
                return Err(StoreError::NoMember { team: team.to_string(), member: member.to_owned(), existing });
            }
            Ok(())
        })
    }

    fn edit_members(&self, team: &TeamName, edit: impl FnOnce(&mut Vec<RawObject>) -> Result<()>) -> Result<()> {
        let path = self.config_path(team);
        if !path.exists() {
            return Err(self.no_team(team));
        }
        self.locks.with(&path, |_| {
            let mut config = read_raw(&path)?.ok_or_else(|| self.no_team(team))?;
            let unreadable =
                |reason: &str| StoreError::Unreadable(UnreadableFile { path: path.clone(), reason: reason.to_owned() });
            let members = config.get_mut("members").ok_or_else(|| unreadable("it has no members"))?;
            let Value::Array(entries) = members.take() else { return Err(unreadable("its members are no list")) };
            let mut list = Vec::with_capacity(entries.len());
            // What is no member stays where it is.
            let mut others = Vec::new();
            for (at, entry) in entries.into_iter().enumerate() {
                match entry {
                    Value::Object(member) => list.push(member),
                    other => others.push((at, other)),
                }
            }
            edit(&mut list)?;
            let mut entries: Vec<Value> = list.into_iter().map(Value::Object).collect();
            for (at, other) in others {
                entries.insert(at.min(entries.len()), other);
            }
            *members = Value::Array(entries);
            atomic::write(&path, &pretty(&config))
        })
    }
}

fn parse(team: &TeamName, raw: &RawObject, path: &Path) -> Result<Team> {
    let text = |raw: &RawObject, key: &str| raw.get(key).and_then(Value::as_str).map(str::to_owned);
    let members = raw.get("members").and_then(Value::as_array).ok_or_else(|| {
        StoreError::Unreadable(UnreadableFile { path: path.to_owned(), reason: "it has no members".into() })
    })?;
    // Like Claude Code: a member without a name and an id is none.
    let members = members
        .iter()
        .filter_map(Value::as_object)
        .filter(|member| member.get("agentId").is_some_and(Value::is_string))
        .filter_map(|member| {
            Some(Member {
                name: text(member, "name")?,
                color: text(member, "color"),
                model: text(member, "model"),
                prompt: text(member, "prompt"),
                cwd: text(member, "cwd").map(PathBuf::from),
                pane: text(member, "tmuxPaneId"),
                pane_kind: text(member, "backendType"),
                is_active: member.get("isActive").and_then(Value::as_bool),
                launch: member.get(LAUNCH).and_then(|launch| serde_json::from_value(launch.clone()).ok()),
            })
        })
        .collect();
    Ok(Team {
        name: team.clone(),
        description: text(raw, "description"),
        created_at: raw.get("createdAt").and_then(Value::as_i64).unwrap_or(0),
        members,
    })
}
