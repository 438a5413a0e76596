//! Task lists as people see them: a list, a tree, a picture. What is in a circle is drawn, too; the text of a task is never taken for
//! part of the drawing.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::fmt::Write;

use super::graph::Graph;
use super::task::{Task, TaskId, TaskStatus};

/// How far a task is, in a letter.
fn mark(task: &Task) -> &'static str {
    match task.status {
        _ if task.is_failed() => "!",
        TaskStatus::Completed => "x",
        TaskStatus::InProgress => ">",
        TaskStatus::Pending => " ",
    }
}

/// A task in a line: how far it is, its number, its subject and its owner.
pub(crate) fn line(task: &Task) -> String {
    let owner = task.owner.as_ref().map(|owner| format!(" ({})", one_line(owner))).unwrap_or_default();
    format!("[{}] #{} {}{owner}", mark(task), task.id, one_line(&task.subject))
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

impl Graph<'_> {
    /// For people: a line for each task, with what it waits for; `*` is what holds up the end of all.
    pub fn to_text(&self) -> String {
        let critical: BTreeSet<TaskId> = self.critical_path().into_iter().collect();
        let mut out = String::new();
        for task in self.in_order() {
            out.push_str(&line(task));
            let names: Vec<_> = self.blockers(&task.id).iter().map(|id| format!("#{id}")).collect();
            if !names.is_empty() {
                let _ = write!(out, "  <- {}", names.join(", "));
            }
            if critical.contains(&task.id) {
                out.push_str("  *");
            }
            out.push('\n');
        }
        out
    }

    /// For people: each task below the first one that it waits for. What it waits for besides stands behind it; `*` is what holds up the
    /// end of all.
    pub fn to_tree(&self) -> String {
        let critical = self.critical_path().into_iter().collect();
        let tasks = self.in_order();
        let mut roots = Vec::new();
        let mut below: HashMap<TaskId, Vec<&Task>> = HashMap::new();
        for task in &tasks {
            match self.blockers(&task.id).into_iter().next() {
                Some(first) => below.entry(first).or_default().push(task),
                None => roots.push(*task),
            }
        }
        let mut tree = Tree { graph: self, critical, below, out: String::new() };
        roots.into_iter().for_each(|task| tree.draw(task));
        // What is in a circle is below nothing.
        for task in tasks {
            if tree.below.contains_key(&task.id) {
                tree.draw(task);
            }
        }
        tree.out
    }

    /// For Mermaid.
    pub fn to_mermaid(&self) -> String {
        let mut out = String::from("graph TD\n");
        for task in self.in_order() {
            let text = one_line(&task.subject).replace('"', "#quot;");
            let _ = writeln!(out, "  t{}[\"#35;{} {text}\"]", task.id, task.id);
        }
        for (blocker, blocked) in self.edges() {
            let _ = writeln!(out, "  t{blocker} --> t{blocked}");
        }
        out
    }

    /// For Graphviz.
    pub fn to_dot(&self) -> String {
        let mut out = String::from("digraph tasks {\n");
        for task in self.in_order() {
            let text = one_line(&task.subject).replace('\\', "\\\\").replace('"', "\\\"");
            let _ = writeln!(out, "  \"{}\" [label=\"#{} {text}\"];", task.id, task.id);
        }
        for (blocker, blocked) in self.edges() {
            let _ = writeln!(out, "  \"{blocker}\" -> \"{blocked}\";");
        }
        out.push_str("}\n");
        out
    }

    /// A picture for browsers, without references to anything outside: what waits stands to the right of what it waits for, and what holds
    /// up the end of all is drawn bold.
    pub fn to_svg(&self) -> String {
        self.drawn(&format!("<style>{SVG_STYLE}</style>\n"))
    }

    /// The same for a page that has [`SVG_STYLE`] in its own style sheet.
    #[cfg(feature = "cli")]
    pub(crate) fn to_svg_part(&self) -> String {
        self.drawn("")
    }

    fn drawn(&self, style: &str) -> String {
        let critical: BTreeSet<TaskId> = self.critical_path().into_iter().collect();
        let tasks = self.in_order();
        let layers = self.layers();
        let mut rows = vec![0; layers.iter().max().map_or(0, |most| most + 1)];
        let mut places = HashMap::new();
        let mut boxes = String::new();
        for (task, layer) in tasks.iter().zip(&layers) {
            let (x, y) = (MARGIN + layer * (WIDTH + GAP_X), MARGIN + rows[*layer] * (HEIGHT + GAP_Y));
            rows[*layer] += 1;
            places.insert(&task.id, (x, y));
            let bold = if critical.contains(&task.id) { " critical" } else { "" };
            let owner = task.owner.as_deref().unwrap_or("nobody");
            let _ = writeln!(
                boxes,
                "<g class=\"{}{bold}\"><title>#{} {}: {}, {}</title><rect x=\"{x}\" y=\"{y}\" width=\"{WIDTH}\" height=\"{HEIGHT}\" rx=\"6\"/>\
                 <text x=\"{}\" y=\"{}\">{}</text><text class=\"by\" x=\"{}\" y=\"{}\">{}</text></g>",
                task.state(),
                escaped(&task.id.to_string()),
                escaped(&one_line(&task.subject)),
                task.state(),
                escaped(owner),
                x + 10,
                y + 19,
                escaped(&short(&format!("#{} {}", task.id, one_line(&task.subject)), 30)),
                x + 10,
                y + 36,
                escaped(&short(&format!("{}, {owner}", task.state().replace('_', " ")), 34)),
            );
        }
        let mut lines = String::new();
        for (blocker, blocked) in self.edges() {
            let (Some((x1, y1)), Some((x2, y2))) = (places.get(blocker), places.get(blocked)) else { continue };
            let (x1, y1, y2) = (x1 + WIDTH, y1 + HEIGHT / 2, y2 + HEIGHT / 2);
            let bold =
                if critical.contains(blocker) && critical.contains(blocked) { " class=\"critical\"" } else { "" };
            let (c1, c2) = (x1 + GAP_X / 2, x2.saturating_sub(GAP_X / 2));
            let _ = writeln!(
                lines,
                "<path{bold} d=\"M{x1} {y1} C{c1} {y1} {c2} {y2} {x2} {y2}\" marker-end=\"url(#to)\"/>"
            );
        }
        let width = 2 * MARGIN + rows.len().max(1) * (WIDTH + GAP_X) - GAP_X;
        let height = 2 * MARGIN + rows.iter().max().copied().unwrap_or(1) * (HEIGHT + GAP_Y) - GAP_Y;
        format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" class=\"tasks\" viewBox=\"0 0 {width} {height}\" width=\"{width}\" height=\"{height}\" role=\"img\" aria-label=\"Tasks and \
             what they wait for\">\n{style}<defs><marker id=\"to\" viewBox=\"0 0 8 8\" refX=\"8\" refY=\"4\" markerWidth=\"7\" markerHeight=\"7\" \
             orient=\"auto\"><path d=\"M0 0 L8 4 L0 8 z\"/></marker></defs>\n{lines}{boxes}</svg>\n"
        )
    }
}

/// A tree that is being drawn.
struct Tree<'a, 'b> {
    graph: &'a Graph<'b>,
    critical: BTreeSet<TaskId>,
    /// What is to be drawn below each task; what was drawn is gone from here.
    below: HashMap<TaskId, Vec<&'b Task>>,
    out: String,
}

impl<'b> Tree<'_, 'b> {
    /// Draws a task and all below it.
    fn draw(&mut self, root: &'b Task) {
        // The task, what stands before it, and what stands before those below it.
        let mut stack = vec![(root, String::new(), String::new())];
        let mut drawn = HashSet::new();
        while let Some((task, before, trunk)) = stack.pop() {
            // A circle comes back to where it began.
            if !drawn.insert(&task.id) {
                continue;
            }
            let _ = write!(self.out, "{before}{}", line(task));
            let others: Vec<_> = self.graph.blockers(&task.id).iter().skip(1).map(|id| format!("#{id}")).collect();
            if !others.is_empty() {
                let _ = write!(self.out, "  <- {}, too", others.join(", "));
            }
            if self.critical.contains(&task.id) {
                self.out.push_str("  *");
            }
            self.out.push('\n');
            let mut children = self.below.remove(&task.id).unwrap_or_default();
            children.retain(|child| !drawn.contains(&child.id));
            let last = children.len();
            for (at, child) in children.into_iter().enumerate().rev() {
                let (branch, more) = if at + 1 == last { ("└─ ", "   ") } else { ("├─ ", "│  ") };
                stack.push((child, format!("{trunk}{branch}"), format!("{trunk}{more}")));
            }
        }
    }
}

/// How wide a box of the picture is, in pixels.
const WIDTH: usize = 230;
/// How high it is.
const HEIGHT: usize = 46;
/// What is between a box and the next one to its right.
const GAP_X: usize = 60;
/// What is between a box and the next one below.
const GAP_Y: usize = 18;
/// What is around all boxes.
const MARGIN: usize = 16;

/// The looks of the picture, readable on a light page and on a dark one.
pub(crate) const SVG_STYLE: &str = "svg.tasks text{font:13px system-ui,sans-serif;fill:#1c1e21}svg.tasks .by{font-size:11px;opacity:.75}\
svg.tasks rect{fill:#f4f5f7;stroke:#8a9099;stroke-width:1}svg.tasks path{fill:none;stroke:#8a9099;stroke-width:1.2}\
svg.tasks marker path{fill:#8a9099}svg.tasks .completed rect{fill:#d9f0dd;stroke:#3d8b4d}\
svg.tasks .in_progress rect{fill:#dce9fb;stroke:#3b6fb6}svg.tasks .failed rect{fill:#f9dcdc;stroke:#b3403f}\
svg.tasks .critical rect,svg.tasks path.critical{stroke-width:2.5}\
@media(prefers-color-scheme:dark){svg.tasks text{fill:#e6e8eb}svg.tasks rect{fill:#2a2d31}svg.tasks .completed rect{fill:#1f3d26}\
svg.tasks .in_progress rect{fill:#1f3350}svg.tasks .failed rect{fill:#4a2323}}";

/// The first so many characters.
fn short(text: &str, most: usize) -> String {
    if text.chars().count() <= most {
        return text.to_owned();
    }
    text.chars().take(most - 1).chain(['…']).collect()
}

/// Text for XML, which has no control characters.
fn escaped(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for char in text.chars() {
        match char {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            // Neither may a text turn the direction of those beside it.
            '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => {
                safe.push('\u{fffd}')
            }
            char if char.is_control() || matches!(char, '\u{fffe}' | '\u{ffff}') => safe.push('\u{fffd}'),
            char => safe.push(char),
        }
    }
    safe
}

#[cfg(test)]
mod tests {
    use super::*;

    fn task(id: u64, subject: &str, status: TaskStatus, blocked_by: &[u64]) -> Task {
        Task {
            id: TaskId::number(id),
            subject: subject.to_owned(),
            description: String::new(),
            active_form: None,
            owner: (status != TaskStatus::Pending).then(|| "w".to_owned()),
            status,
            blocks: Vec::new(),
            blocked_by: blocked_by.iter().copied().map(TaskId::number).collect(),
            metadata: None,
        }
    }

    fn tasks() -> Vec<Task> {
        use TaskStatus::{Completed, InProgress, Pending};
        vec![
            task(1, "Look", Completed, &[]),
            task(2, "Draw <b>\u{7}", InProgress, &[1]),
            task(3, "Build", Pending, &[1, 2]),
            task(4, "Test", Pending, &[3]),
            task(5, "Tell", Pending, &[1]),
            task(6, "Alone", Pending, &[]),
        ]
    }

    #[test]
    fn a_list_shows_who_has_what_and_what_holds_up_the_end() {
        let tasks = tasks();
        let text = Graph::new(&tasks).to_text();
        let expected = "[x] #1 Look (w)\n[>] #2 Draw <b>\u{7} (w)  <- #1  *\n[ ] #3 Build  <- #1, #2  *\n[ ] #4 Test  <- #3  *\n\
                        [ ] #5 Tell  <- #1\n[ ] #6 Alone\n";
        assert_eq!(text, expected);
    }

    #[test]
    fn a_tree_has_each_task_once() {
        let tasks = tasks();
        let expected = "[x] #1 Look (w)\n├─ [>] #2 Draw <b>\u{7} (w)  *\n├─ [ ] #3 Build  <- #2, too  *\n│  └─ [ ] #4 Test  *\n\
                        └─ [ ] #5 Tell\n[ ] #6 Alone\n";
        assert_eq!(Graph::new(&tasks).to_tree(), expected);
        let circle = [task(1, "a", TaskStatus::Pending, &[2]), task(2, "b", TaskStatus::Pending, &[1])];
        assert_eq!(Graph::new(&circle).to_tree(), "[ ] #1 a  *\n└─ [ ] #2 b  *\n");
    }

    #[test]
    fn a_tree_may_be_as_wide_and_as_deep_as_it_likes() {
        let one = |id: u64| {
            task(id, "x", TaskStatus::Pending, &if id == 1 { vec![] } else { vec![id.saturating_sub(5_000).max(1)] })
        };
        let tasks: Vec<Task> = (1..=20_000).map(one).collect();
        assert_eq!(Graph::new(&tasks).to_tree().lines().count(), 20_000);
    }

    #[test]
    fn a_picture_is_well_formed_whatever_is_in_it() {
        let tasks = tasks();
        let svg = Graph::new(&tasks).to_svg();
        assert!(svg.contains("#2 Draw &lt;b&gt;\u{fffd}") && !svg.contains("<b>"), "{svg}");
        assert_eq!(svg.matches("<rect").count(), 6);
        assert_eq!(svg.matches("<path").count(), 1 + 5, "an arrow head and five lines");
        assert_eq!(svg.matches("class=\"critical\"").count(), 2, "the lines from 2 to 4");
        assert!(Graph::new::<Task>(&[]).to_svg().starts_with("<svg "));
    }
}
