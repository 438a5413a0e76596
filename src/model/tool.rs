//! The team's tools as an agent sees them: what there is, and what came of a use.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// A tool, as an agent is told of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ToolDescription {
    /// Its name.
    pub name: String,
    /// What it does, for a model.
    pub description: String,
    /// JSON Schema of its arguments.
    pub input_schema: Map<String, Value>,
    /// It changes nothing.
    pub read_only: bool,
}

/// What a tool answered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ToolOutcome {
    /// For the model.
    pub text: String,
    /// It did not do what it was asked to, and the text says why and what to do.
    pub failed: bool,
}
