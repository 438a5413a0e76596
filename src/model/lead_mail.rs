//! Mail of a live lead that does not read its inbox.

use serde::{Deserialize, Serialize};

/// What an idle lead is told.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LeadMail {
    /// The team that it leads now.
    pub team: String,
    /// Letters that were taken out of its inbox, as an agent sees them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub letters: Option<String>,
    /// What lies there still.
    pub waiting: Vec<WaitingLetter>,
}

/// A letter that is only told of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct WaitingLetter {
    /// The same each time that it is told of.
    pub id: String,
    /// What is told.
    pub text: String,
}
