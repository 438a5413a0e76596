//! Decides what agents ask for, as a person says.

use super::Server;
use crate::daemon::control::{AnswerParams, ApprovalPolicyParams, ListApprovalsParams, SetApprovalPolicyParams};
use crate::error::Result;
use crate::model::approval::ApprovalPolicy;
use crate::model::status::PendingApproval;

impl Server {
    pub(super) async fn list_approvals(&self, params: ListApprovalsParams) -> Result<Vec<PendingApproval>> {
        self.orchestrator.approvals(&params.team).await
    }

    pub(super) async fn answer(&self, AnswerParams { team, id, decision }: AnswerParams) -> Result<()> {
        self.orchestrator.answer_approval(&team, &id, decision).await
    }

    pub(super) async fn approval_policy(&self, params: ApprovalPolicyParams) -> Result<ApprovalPolicy> {
        self.orchestrator.approval_policy(&params.team).await
    }

    pub(super) async fn set_approval_policy(&self, params: SetApprovalPolicyParams) -> Result<()> {
        self.orchestrator.set_approval_policy(&params.team, params.policy).await
    }
}
