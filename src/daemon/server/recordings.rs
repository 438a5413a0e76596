//! Records teams, and what was asked of them.

use serde::Serialize;
use serde_json::Value;

use super::Server;
use crate::daemon::control::{EndRecordingParams, StartRecordingParams, StartRecordingReply};
use crate::error::Result;
use crate::model::recording::{CHANGES, RecordingEnd};
use crate::model::team_file::TeamFile;
use crate::paths::own_environment;
use crate::routing::AUTO;

/// What belongs to the shell that asks, and to nobody who reads a recording.
const PRIVATE: &[&str] = &["environment", "env", "surroundings"];

impl Server {
    pub(super) async fn start_recording(&self, params: StartRecordingParams) -> Result<StartRecordingReply> {
        let later = self.orchestrator.start_recording(&params.team, &params.file).await?;
        Ok(StartRecordingReply { later })
    }

    pub(super) async fn end_recording(&self, params: EndRecordingParams) -> Result<RecordingEnd> {
        self.orchestrator.end_recording(&params.team).await
    }

    /// Writes down a call that may change a team that is recorded.
    pub(super) fn note_call(&self, method: &str, params: &impl Serialize) {
        if !CHANGES.contains(&method) || !self.orchestrator.is_recording() {
            return;
        }
        let Ok(Value::Object(mut params)) = serde_json::to_value(params) else { return };
        // What is chosen is written down when it is known.
        if params.get("backend").and_then(Value::as_str) == Some(AUTO.as_str()) {
            return;
        }
        // The token of a member is worth its tools.
        let caller = params.remove("caller");
        let of_caller = |name: &str| caller.as_ref().and_then(|caller| caller.get(name)?.as_str());
        let member = of_caller("token").and_then(|token| self.orchestrator.identify(token).ok());
        let team = match &member {
            Some(member) => Some(member.team.to_string()),
            None => params.get("team").and_then(Value::as_str).or(of_caller("team")).map(str::to_owned).or_else(|| {
                // The calls about team files.
                let text = params.get("file")?.get("text")?.as_str()?;
                Some(TeamFile::parse(text, &own_environment()).ok()?.team.name)
            }),
        };
        let Some(team) = team else { return };
        let mut params = Value::Object(params);
        leave_out_private(&mut params);
        self.orchestrator.note_call(&team, method, params, member.as_ref().map(|member| member.name.as_str()));
    }
}

fn leave_out_private(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                // That there was one is told: a call means something else without.
                match PRIVATE.contains(&name.as_str()) {
                    true => *value = Value::Null,
                    false => leave_out_private(value),
                }
            }
        }
        Value::Array(values) => values.iter_mut().for_each(leave_out_private),
        _ => {}
    }
}
