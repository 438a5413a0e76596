//! The children of every supervisor that shares a folder, on disk: what is left of one that died is found and ended by the
//! next one. Only what is written here is ever signalled, and only while it is still that process.

use std::collections::HashSet;
use std::fs;
use std::io;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use nix::sys::signal::Signal;
use serde::{Deserialize, Serialize};
use tokio::time::{Instant, sleep};

use super::table::{ProcessId, Table, boot_id};

/// How long what is left of a supervisor that died may take to end by itself, which its shims see to.
const BY_ITSELF: Duration = Duration::from_secs(2);
const KILL_DEADLINE: Duration = Duration::from_secs(5);

/// One child, as it is written down.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ChildRecord {
    /// The run of the machine; in another one its numbers mean nothing.
    pub boot_id: String,
    /// Who started it.
    pub owner: ProcessId,
    /// The process that was started: the shim, where there is one.
    pub process: ProcessId,
    /// That is a shim, whose agent may not be there yet.
    #[serde(default)]
    pub shim: bool,
    /// The agent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agent: Option<ProcessId>,
    /// What it and all that it starts have in their environment.
    pub mark: String,
    /// Whom it works for.
    pub label: String,
    /// What it is.
    pub what: String,
}

/// A process of a child, or below it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ProcessInfo {
    /// Its number.
    pub pid: i32,
    /// Its parent's.
    pub parent: i32,
    /// Its program. Arguments are not shown: an agent's tools may put anything there.
    pub name: String,
    /// What it is to the child.
    pub role: Role,
    /// For how long it has run.
    pub age_seconds: u64,
    /// Memory that it occupies now.
    pub resident_bytes: u64,
}

/// What a process is to a child.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    /// It looks after the agent.
    Shim,
    /// The agent.
    Agent,
    /// The agent, or something below it, started it.
    Descendant,
}

/// A child with the processes that are there of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Child {
    /// As it is written down.
    #[serde(flatten)]
    pub record: ChildRecord,
    /// Its supervisor is gone.
    pub orphan: bool,
    /// What runs of it.
    pub processes: Vec<ProcessInfo>,
}

/// A child of a supervisor that is gone, and what became of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reaped {
    /// The child.
    pub record: ChildRecord,
    /// How many processes had to be killed.
    pub killed: usize,
    /// How many are still there.
    pub left: usize,
}

/// The folder where children are written down.
#[derive(Clone, Debug)]
pub struct Registry {
    dir: PathBuf,
}

impl Registry {
    /// The children in `dir`, which is made when the first one is written down.
    pub fn new(dir: impl Into<PathBuf>) -> Self {
        Self { dir: dir.into() }
    }

    fn path(&self, record: &ChildRecord) -> PathBuf {
        self.dir.join(format!("{}.json", record.mark))
    }

    /// Writes a child down; whole, or not at all.
    pub(super) fn write(&self, record: &ChildRecord) -> io::Result<()> {
        fs::DirBuilder::new().recursive(true).mode(0o700).create(&self.dir)?;
        let path = self.path(record);
        let new = path.with_extension("new");
        let mut file = fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&new)?;
        serde_json::to_writer(&mut file, record)?;
        fs::rename(new, path)
    }

    pub(super) fn forget(&self, record: &ChildRecord) {
        let path = self.path(record);
        if let Err(error) = fs::remove_file(&path)
            && error.kind() != io::ErrorKind::NotFound
        {
            tracing::warn!(path = %path.display(), %error, "a child that has ended is still written down");
        }
    }

    fn records(&self) -> io::Result<Vec<ChildRecord>> {
        let entries = match fs::read_dir(&self.dir) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            entries => entries?,
        };
        let mut records = Vec::new();
        for entry in entries {
            let path = entry?.path();
            if path.extension().is_none_or(|extension| extension != "json") {
                continue;
            }
            match read(&path) {
                Ok(record) => records.push(record),
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => tracing::error!(path = %path.display(), %error, "a child's record cannot be read"),
            }
        }
        records.sort_by(|a, b| (&a.label, a.process.pid).cmp(&(&b.label, b.process.pid)));
        Ok(records)
    }

    /// Every child that is written down, with what runs of it.
    ///
    /// # Errors
    /// The folder, or `/proc`, cannot be read.
    pub fn children(&self) -> io::Result<Vec<Child>> {
        let boot = boot_id();
        let records: Vec<_> = self.records()?.into_iter().filter(|record| record.boot_id == boot).collect();
        if records.is_empty() {
            return Ok(Vec::new());
        }
        let table = Table::read()?;
        let uptime = uptime();
        let of = |record: ChildRecord| {
            let orphan = !record.owner.is_alive();
            let found = find(&table, &record).into_iter();
            let mut processes: Vec<_> = found.filter_map(|id| info(&table, &record, id, uptime)).collect();
            processes.sort_by_key(|process| (process.role, process.pid));
            Child { record, orphan, processes }
        };
        Ok(records.into_iter().map(of).collect())
    }

    /// Ends what is left of supervisors that are gone, and answers what that was. Children of one that lives are left alone.
    ///
    /// # Errors
    /// The folder, or `/proc`, cannot be read.
    pub async fn reap(&self) -> io::Result<Vec<Reaped>> {
        let boot = boot_id();
        let mut reaped = Vec::new();
        let mut orphans = Vec::new();
        for record in self.records()? {
            if record.boot_id != boot {
                self.forget(&record);
            } else if !record.owner.is_alive() {
                orphans.push((record, HashSet::new()));
            }
        }
        let begin = Instant::now();
        while !orphans.is_empty() && begin.elapsed() < BY_ITSELF + KILL_DEADLINE {
            let table = Table::read()?;
            let mut left = Vec::new();
            for (record, mut killed) in orphans {
                let found = find(&table, &record);
                if found.is_empty() {
                    self.forget(&record);
                    reaped.push(Reaped { record, killed: killed.len(), left: 0 });
                    continue;
                }
                if begin.elapsed() >= BY_ITSELF {
                    // A shim that is stopped still becomes the parent of what loses its own, so it goes last.
                    let shim = Some(record.process).filter(|_| record.shim);
                    let others = found.iter().any(|id| Some(*id) != shim);
                    found.iter().filter(|id| !others || Some(**id) != shim).for_each(|id| id.signal(Signal::SIGKILL));
                    killed.extend(found);
                }
                left.push((record, killed));
            }
            orphans = left;
            if !orphans.is_empty() {
                sleep(Duration::from_millis(20)).await;
            }
        }
        for (record, killed) in orphans {
            let left = find(&Table::read()?, &record).len();
            reaped.push(Reaped { record, killed: killed.len(), left });
        }
        Ok(reaped)
    }
}

fn read(path: &Path) -> io::Result<ChildRecord> {
    serde_json::from_slice(&fs::read(path)?).map_err(io::Error::other)
}

/// What runs of a child: itself, what carries its mark, and what is below those.
fn find(table: &Table, record: &ChildRecord) -> HashSet<ProcessId> {
    let known = std::iter::once(record.process).chain(record.agent);
    let mut members: HashSet<i32> = known.filter(|id| table.has(*id)).map(|id| id.pid).collect();
    table.grow(&mut members, Some(&record.mark));
    table.running(members).collect()
}

fn info(table: &Table, record: &ChildRecord, id: ProcessId, uptime: f64) -> Option<ProcessInfo> {
    let stat = table.0.get(&id.pid)?;
    let role = match id {
        id if Some(id) == record.agent => Role::Agent,
        id if id == record.process => {
            if record.shim {
                Role::Shim
            } else {
                Role::Agent
            }
        }
        _ => Role::Descendant,
    };
    let ticks = nix::unistd::sysconf(nix::unistd::SysconfVar::CLK_TCK).ok().flatten().unwrap_or(100).max(1);
    let page = nix::unistd::sysconf(nix::unistd::SysconfVar::PAGE_SIZE).ok().flatten().unwrap_or(4096);
    #[expect(clippy::cast_precision_loss, clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "seconds")]
    let age = (uptime - stat.start_time as f64 / ticks as f64).max(0.0) as u64;
    Some(ProcessInfo {
        pid: id.pid,
        parent: stat.parent,
        name: stat.name.clone(),
        role,
        age_seconds: age,
        resident_bytes: stat.resident_pages * u64::try_from(page).unwrap_or(4096),
    })
}

fn uptime() -> f64 {
    let text = fs::read_to_string("/proc/uptime").unwrap_or_default();
    text.split_whitespace().next().and_then(|seconds| seconds.parse().ok()).unwrap_or(0.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(process: ProcessId, owner: ProcessId) -> ChildRecord {
        ChildRecord {
            boot_id: boot_id(),
            owner,
            process,
            shim: false,
            agent: None,
            mark: uuid::Uuid::new_v4().to_string(),
            label: "m@t".into(),
            what: "acp".into(),
        }
    }

    fn sleeper() -> (std::process::Child, ProcessId) {
        let child = std::process::Command::new("sleep").arg("1000").spawn().unwrap();
        let id = ProcessId::of(i32::try_from(child.id()).unwrap());
        (child, id)
    }

    const DEAD: ProcessId = ProcessId { pid: 1, start_time: u64::MAX };

    #[tokio::test]
    #[cfg_attr(
        not(all(target_os = "linux", not(teams_portable))),
        ignore = "without /proc only an agent's group is found"
    )]
    async fn what_a_dead_supervisor_left_is_ended_and_nothing_else() {
        let dir = tempfile::tempdir().unwrap();
        let registry = Registry::new(dir.path());
        let (mut orphan, orphan_id) = sleeper();
        let (mut reused, reused_id) = sleeper();
        let (mut kept, kept_id) = sleeper();
        let (mut earlier, earlier_id) = sleeper();
        registry.write(&record(orphan_id, DEAD)).unwrap();
        // Its number means another process by now.
        registry.write(&record(ProcessId { start_time: reused_id.start_time + 1, ..reused_id }, DEAD)).unwrap();
        registry.write(&record(kept_id, ProcessId::own())).unwrap();
        registry.write(&ChildRecord { boot_id: "another".into(), ..record(earlier_id, DEAD) }).unwrap();
        let orphans = registry.children().unwrap().into_iter().filter(|child| child.orphan);
        assert_eq!(orphans.map(|child| child.processes.len()).sum::<usize>(), 1);

        let reaped = registry.reap().await.unwrap();
        let killed: Vec<_> = reaped.iter().map(|reaped| (reaped.record.process, reaped.killed, reaped.left)).collect();
        assert!(killed.contains(&(orphan_id, 1, 0)), "{killed:?}");
        assert!(!orphan_id.is_alive());
        for id in [reused_id, kept_id, earlier_id] {
            assert!(id.is_alive());
        }
        let left: Vec<_> = registry.children().unwrap().into_iter().map(|child| child.record.process).collect();
        assert_eq!(left, [kept_id]);
        for child in [&mut orphan, &mut reused, &mut kept, &mut earlier] {
            child.kill().ok();
            child.wait().unwrap();
        }
    }

    #[tokio::test]
    async fn a_record_that_cannot_be_read_stops_nothing() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("x.json"), "{\"boot").unwrap();
        assert_eq!(Registry::new(dir.path()).reap().await.unwrap(), []);
    }
}
