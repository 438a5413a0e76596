//! The plans of a team that wait for approval, kept on disk for longer than a daemon lives.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard};

use agent_backends::ApprovalKind;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::error::{Error, Result};
use crate::model::approval::Verdict;
use crate::model::name::AgentName;
use crate::model::status::PendingApproval;
use crate::store::write_private;
use crate::sync::lock;

/// What a tool, for the approvals' list, a plan is.
pub(crate) const TOOL: &str = "plan";

/// A plan that waits for its approval.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Plan {
    pub(crate) request_id: String,
    pub(crate) digest: String,
    pub(crate) first_line: String,
    /// The whole plan, without secrets; nothing in one that an older version has kept.
    #[serde(default)]
    pub(crate) text: String,
}

pub(crate) type Waiting = BTreeMap<AgentName, Plan>;

/// The plans of a team that wait, for longer than a daemon lives.
#[derive(Debug)]
pub(crate) struct WaitingPlans {
    pub(crate) path: PathBuf,
    pub(crate) waiting: Mutex<Waiting>,
}

impl WaitingPlans {
    /// Those that wait in the folder of a team's plans.
    pub(crate) fn open(dir: &Path) -> Result<Self> {
        let path = dir.join("waiting.json");
        let waiting = match std::fs::read(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Waiting::default()),
            bytes => bytes.and_then(|bytes| serde_json::from_slice(&bytes).map_err(io::Error::other)),
        };
        let waiting = Mutex::new(waiting.map_err(Error::io("read", &path))?);
        Ok(Self { path, waiting })
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, Waiting> {
        lock(&self.waiting)
    }

    /// Changes what waits, on disk first.
    pub(crate) fn change<T>(&self, change: impl FnOnce(&mut Waiting) -> T) -> Result<T> {
        let mut waiting = self.lock();
        let mut changed = waiting.clone();
        let done = change(&mut changed);
        let text = serde_json::to_vec_pretty(&changed).map_err(io::Error::other);
        text.and_then(|text| write_private(&self.path, &text)).map_err(Error::io("write", &self.path))?;
        *waiting = changed;
        Ok(done)
    }

    pub(crate) fn of(&self, member: &AgentName) -> Option<Plan> {
        self.lock().get(member).cloned()
    }

    pub(crate) fn of_request(&self, request_id: &str) -> Option<(AgentName, Plan)> {
        let plans = self.lock();
        plans.iter().find(|(_, plan)| plan.request_id == request_id).map(|(name, plan)| (name.clone(), plan.clone()))
    }

    pub(crate) fn take(&self, member: &AgentName, request_id: &str) -> Result<Option<Plan>> {
        self.change(|plans| match plans.get(member).is_some_and(|waits| waits.request_id == request_id) {
            true => plans.remove(member),
            false => None,
        })
    }

    pub(crate) fn pending(&self) -> Vec<PendingApproval> {
        let row = |(member, plan): (&AgentName, &Plan)| PendingApproval {
            id: plan.request_id.clone(),
            member: member.to_string(),
            tool: TOOL.to_owned(),
            summary: plan.first_line.clone(),
            kind: ApprovalKind::Plan,
            command: None,
            details: Some(plan.text.clone()).filter(|text| !text.is_empty()),
            questions: Vec::new(),
            decides: Verdict::Lead,
        };
        self.lock().iter().map(row).collect()
    }
}

/// SHA-256, in hexadecimal.
pub(crate) fn digest(text: &str) -> String {
    let mut digest = String::new();
    for byte in Sha256::digest(text.as_bytes()) {
        let _ = write!(digest, "{byte:02x}");
    }
    digest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_digest_is_sha_256() {
        assert_eq!(digest("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    }
}
