//! Calls about what agents ask for.

use agent_backends::Decision;
use serde::{Deserialize, Serialize};

use crate::model::approval::ApprovalPolicy;

/// Lists the questions of a team that wait for a decision.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ListApprovalsParams {
    /// The team.
    pub team: String,
}

/// Answers a question.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AnswerParams {
    /// The team.
    pub team: String,
    /// The question's id.
    pub id: String,
    /// The answer.
    pub decision: Decision,
}

/// Asks who decides what a team's agents ask for.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ApprovalPolicyParams {
    /// The team.
    pub team: String,
}

/// Says who decides what a team's agents ask for.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SetApprovalPolicyParams {
    /// The team.
    pub team: String,
    /// Its policy from the next question on.
    pub policy: ApprovalPolicy,
}
