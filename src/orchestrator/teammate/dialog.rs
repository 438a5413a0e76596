//! A question as the dialog of a live Claude Code shows it: that knows its own tools only, and shows of any other no more than its name.

use agent_backends::{Approval, ApprovalKind};
use serde_json::{Value, json};

/// What a lead is told that its teammate asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Asked {
    pub(crate) tool: String,
    pub(crate) input: Value,
    pub(crate) description: String,
}

impl Asked {
    /// A command or a change of files in the lead's own words, whole; anything else by its name, and whole in the description.
    pub(crate) fn of(approval: &Approval) -> Self {
        let Approval { tool, summary, kind, command, details, .. } = approval;
        if let Some(command) = command {
            let input = json!({ "command": command, "description": summary });
            return Self { tool: "Bash".to_owned(), input, description: summary.clone() };
        }
        let change = details.as_deref().filter(|_| *kind == ApprovalKind::Edit).and_then(|text| change(summary, text));
        if let Some((tool, input)) = change {
            return Self { tool: tool.to_owned(), input, description: summary.clone() };
        }
        let description = match details {
            Some(details) if details != summary => format!("{summary}\n{details}"),
            _ => summary.clone(),
        };
        Self { tool: tool.clone(), input: json!({}), description }
    }
}

/// A change of one file whose name stands above it: lines that go, that come, and that stay, each with its sign. What has another form, such as
/// several files, or one that goes as a whole, has none that a lead knows.
fn change(summary: &str, text: &str) -> Option<(&'static str, Value)> {
    let (path, lines) = text.split_once('\n')?;
    let is_signed = lines.lines().all(|line| line.is_empty() || line.starts_with(['+', '-', ' ', '@', '\\']));
    // More is said of the file than its name.
    if path.is_empty() || path.ends_with(')') || summary.contains(", ") || !is_signed {
        return None;
    }
    let (mut old, mut new) = (String::new(), String::new());
    for line in lines.lines() {
        let (sign, rest) = line.split_at_checked(1).unwrap_or(("", ""));
        match sign {
            "-" => old = old + rest + "\n",
            "+" => new = new + rest + "\n",
            // Where in the file it is, and whether its last line ends.
            "@" | "\\" => {}
            _ => (old, new) = (old + rest + "\n", new + rest + "\n"),
        }
    }
    if old.is_empty() {
        return Some(("Write", json!({ "file_path": path, "content": new })));
    }
    Some(("Edit", json!({ "file_path": path, "old_string": old, "new_string": new })))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(kind: ApprovalKind, command: Option<&str>, details: Option<&str>) -> Asked {
        let (command, details) = (command.map(str::to_owned), details.map(str::to_owned));
        Asked::of(&Approval {
            tool: "tool".into(),
            summary: "/a b".into(),
            kind,
            command,
            details,
            ..Approval::default()
        })
    }

    #[test]
    fn what_a_lead_knows_is_said_in_its_words() {
        let run = asked(ApprovalKind::Command, Some("touch x"), None);
        assert_eq!((run.tool.as_str(), &run.input["command"]), ("Bash", &json!("touch x")));
        let named = asked(ApprovalKind::Edit, None, Some("/x y\n-one\n+two\n"));
        let expected = json!({ "file_path": "/x y", "old_string": "one\n", "new_string": "two\n" });
        assert_eq!((named.tool.as_str(), named.input), ("Edit", expected));
        let diff = asked(ApprovalKind::Edit, None, Some("/a\n@@ -1 +1 @@\n-one\n+two\n same\n"));
        let expected = json!({ "file_path": "/a", "old_string": "one\nsame\n", "new_string": "two\nsame\n" });
        assert_eq!(diff.input, expected);
        let fresh = asked(ApprovalKind::Edit, None, Some("/a\n+- hosts: all\n"));
        assert_eq!((fresh.tool.as_str(), &fresh.input["content"]), ("Write", &json!("- hosts: all\n")));
        for gone in ["/a (deleted)\n-one\n", "/a\nplain\n", "/a (moved to /b)\n@@ -1 +1 @@\n-x\n+y\n"] {
            let whole = asked(ApprovalKind::Edit, None, Some(gone));
            assert!(whole.tool == "tool" && whole.description.contains(gone), "{whole:?}");
        }
        let several = Approval {
            kind: ApprovalKind::Edit,
            summary: "/a, /b".into(),
            details: Some("/a\nx\n/b\ny\n".into()),
            ..Approval::default()
        };
        let several = Asked::of(&several);
        assert!(several.tool.is_empty() && several.description.contains("/b\ny"), "{several:?}");
        let other = asked(ApprovalKind::Other, None, Some("{\"x\": 1}"));
        assert_eq!((other.tool.as_str(), other.description.as_str()), ("tool", "/a b\n{\"x\": 1}"));
    }
}
