//! The dependencies between tasks. Pure, and without recursion: a chain may be as long as it likes.

use std::collections::{HashMap, HashSet};
use std::fmt::Write;

use super::task::{Task, TaskId, TaskStatus};

/// What waits for what, of one list of tasks. An edge counts when either of its two ends has it, since a writer may have
/// died between the two files.
#[derive(Debug)]
pub struct Graph<'a> {
    tasks: HashMap<&'a str, &'a Task>,
    /// For each task, those it waits for.
    blockers: HashMap<&'a str, Vec<&'a str>>,
}

impl<'a> Graph<'a> {
    /// The dependencies of these tasks. Edges to tasks that are not there are left out.
    pub fn new(tasks: &'a [Task]) -> Self {
        let by_id: HashMap<&str, &Task> = tasks.iter().map(|task| (&*task.id, task)).collect();
        let mut blockers: HashMap<&str, Vec<&str>> = HashMap::new();
        let edges = tasks.iter().flat_map(|task| {
            let before = task.blocked_by.iter().map(move |blocker| (&**blocker, &*task.id));
            before.chain(task.blocks.iter().map(move |blocked| (&*task.id, &**blocked)))
        });
        for (blocker, blocked) in edges {
            if by_id.contains_key(blocker) && by_id.contains_key(blocked) {
                let list = blockers.entry(blocked).or_default();
                if !list.contains(&blocker) {
                    list.push(blocker);
                }
            }
        }
        Self { tasks: by_id, blockers }
    }

    /// The tasks that this one still waits for.
    pub fn open_blockers(&self, id: &str) -> Vec<TaskId> {
        let blockers = self.blockers.get(id).map(Vec::as_slice).unwrap_or_default();
        let mut open: Vec<TaskId> = blockers
            .iter()
            .filter_map(|blocker| self.tasks.get(blocker))
            .filter(|task| task.status != TaskStatus::Completed)
            .map(|task| task.id.clone())
            .collect();
        open.sort_by(|a, b| a.order().cmp(&b.order()));
        open
    }

    /// If `blocked` waited for `blocker` too: the circle that this would close, from `blocker` on, or `None`.
    pub fn cycle_with(&self, blocker: &'a str, blocked: &'a str) -> Option<Vec<&'a str>> {
        if blocker == blocked {
            return Some(vec![blocker, blocker]);
        }
        // Does `blocker` wait for `blocked` already?
        let mut came_from: HashMap<&str, &str> = HashMap::new();
        let mut seen = HashSet::from([blocker]);
        let mut stack = vec![blocker];
        while let Some(id) = stack.pop() {
            if id == blocked {
                let mut path = vec![blocker, blocked];
                let mut at = blocked;
                while let Some(previous) = came_from.get(at) {
                    path.push(previous);
                    at = previous;
                }
                path.dedup();
                return Some(path);
            }
            for next in self.blockers.get(id).map(Vec::as_slice).unwrap_or_default() {
                if seen.insert(next) {
                    came_from.insert(next, id);
                    stack.push(next);
                }
            }
        }
        None
    }

    /// The tasks in an order in which each comes after those it waits for; what is in a circle comes last.
    fn ordered(&self) -> Vec<&'a Task> {
        let mut waiting: HashMap<&str, usize> =
            self.tasks.keys().map(|id| (*id, self.blockers.get(id).map_or(0, Vec::len))).collect();
        let mut blocks: HashMap<&str, Vec<&str>> = HashMap::new();
        for (blocked, blockers) in &self.blockers {
            for blocker in blockers {
                blocks.entry(blocker).or_default().push(blocked);
            }
        }
        let mut free: std::collections::BTreeSet<_> =
            waiting.iter().filter(|(_, count)| **count == 0).map(|(id, _)| self.tasks[id].id.order()).collect();
        let mut order = Vec::with_capacity(self.tasks.len());
        while let Some((_, id)) = free.pop_first() {
            waiting.remove(id);
            order.push(self.tasks[id]);
            for next in blocks.get(id).map(Vec::as_slice).unwrap_or_default() {
                if let Some(count) = waiting.get_mut(next) {
                    *count -= 1;
                    if *count == 0 {
                        free.insert(self.tasks[next].id.order());
                    }
                }
            }
        }
        let mut rest: Vec<_> = waiting.keys().map(|id| self.tasks[id]).collect();
        rest.sort_by(|a, b| a.id.order().cmp(&b.id.order()));
        order.extend(rest);
        order
    }

    fn edges(&self) -> Vec<(&'a str, &'a str)> {
        let mut edges: Vec<_> =
            self.blockers.iter().flat_map(|(blocked, list)| list.iter().map(|blocker| (*blocker, *blocked))).collect();
        edges.sort_by(|a, b| {
            let order = |id: &str| (self.tasks[id].id.as_number().unwrap_or(u64::MAX), id.to_owned());
            (order(a.0), order(a.1)).cmp(&(order(b.0), order(b.1)))
        });
        edges
    }

    /// For people: a line for each task, with what it waits for.
    pub fn to_text(&self) -> String {
        let mut out = String::new();
        for task in self.ordered() {
            let mark = match task.status {
                TaskStatus::Completed => "x",
                TaskStatus::InProgress => ">",
                TaskStatus::Pending => " ",
            };
            let _ = write!(out, "[{mark}] #{} {}", task.id, one_line(&task.subject));
            let blockers = self.blockers.get(&*task.id).map(Vec::as_slice).unwrap_or_default();
            if !blockers.is_empty() {
                let names: Vec<_> = blockers.iter().map(|id| format!("#{id}")).collect();
                let _ = write!(out, "  <- {}", names.join(", "));
            }
            out.push('\n');
        }
        out
    }

    /// For Mermaid.
    pub fn to_mermaid(&self) -> String {
        let mut out = String::from("graph TD\n");
        for task in self.ordered() {
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
        for task in self.ordered() {
            let text = one_line(&task.subject).replace('\\', "\\\\").replace('"', "\\\"");
            let _ = writeln!(out, "  \"{}\" [label=\"#{} {text}\"];", task.id, task.id);
        }
        for (blocker, blocked) in self.edges() {
            let _ = writeln!(out, "  \"{blocker}\" -> \"{blocked}\";");
        }
        out.push_str("}\n");
        out
    }
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn task(id: u64, status: TaskStatus, blocked_by: &[u64]) -> Task {
        Task {
            id: TaskId::number(id),
            subject: format!("task {id}"),
            description: String::new(),
            active_form: None,
            owner: None,
            status,
            blocks: Vec::new(),
            blocked_by: blocked_by.iter().copied().map(TaskId::number).collect(),
            metadata: None,
        }
    }

    #[test]
    fn a_circle_is_found_and_shown() {
        use TaskStatus::Pending;
        let tasks = [task(1, Pending, &[]), task(2, Pending, &[1]), task(3, Pending, &[2])];
        let graph = Graph::new(&tasks);
        assert_eq!(graph.cycle_with("3", "1"), Some(vec!["3", "1", "2", "3"]));
        assert_eq!(graph.cycle_with("1", "1"), Some(vec!["1", "1"]));
        assert_eq!(graph.cycle_with("1", "3"), None);
    }

    #[test]
    fn an_edge_counts_when_one_end_has_it_and_a_finished_blocker_does_not_block() {
        let mut tasks =
            [task(1, TaskStatus::Pending, &[]), task(2, TaskStatus::Pending, &[]), task(3, TaskStatus::Completed, &[])];
        tasks[0].blocks = vec![TaskId::number(2), TaskId::number(99)];
        tasks[1].blocked_by = vec![TaskId::number(3)];
        assert_eq!(Graph::new(&tasks).open_blockers("2"), [TaskId::number(1)]);
        tasks[0].status = TaskStatus::Completed;
        assert_eq!(Graph::new(&tasks).open_blockers("2"), []);
    }

    #[test]
    fn a_long_chain_needs_no_deep_stack() {
        let tasks: Vec<Task> = (1..=100_000)
            .map(|id| task(id, TaskStatus::Pending, &if id == 1 { vec![] } else { vec![id - 1] }))
            .collect();
        let graph = Graph::new(&tasks);
        assert_eq!(graph.cycle_with("100000", "1").map(|path| path.len()), Some(100_001));
        assert_eq!(graph.to_text().lines().count(), 100_000);
    }

    #[test]
    fn the_drawings_name_every_task_and_every_edge() {
        let tasks = [task(2, TaskStatus::InProgress, &[1]), task(1, TaskStatus::Completed, &[])];
        let graph = Graph::new(&tasks);
        assert_eq!(graph.to_text(), "[x] #1 task 1\n[>] #2 task 2  <- #1\n");
        assert_eq!(graph.to_mermaid(), "graph TD\n  t1[\"#35;1 task 1\"]\n  t2[\"#35;2 task 2\"]\n  t1 --> t2\n");
        assert_eq!(
            graph.to_dot(),
            "digraph tasks {\n  \"1\" [label=\"#1 task 1\"];\n  \"2\" [label=\"#2 task 2\"];\n  \"1\" -> \"2\";\n}\n"
        );
    }
}
