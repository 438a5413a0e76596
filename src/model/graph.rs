//! The dependencies between tasks. Pure, and without recursion: a chain may be as long as it likes.

use std::borrow::Borrow;
use std::collections::{BTreeSet, HashMap};

use super::task::{Task, TaskId, TaskStatus};

/// What waits for what, of one list of tasks. An edge counts when either of its two ends has it, since a writer may have
/// died between the two files. Inside, a task is its place in the list.
#[derive(Debug)]
pub struct Graph<'a> {
    tasks: Vec<&'a Task>,
    places: Places<'a>,
    /// The blockers of the task at place `n` are `blockers[starts[n]..starts[n + 1]]`; one may be there twice.
    starts: Vec<u32>,
    blockers: Vec<u32>,
}

/// Finds a task by its id: by number where the numbers are dense, as they are in every list that was not made to annoy.
#[derive(Debug)]
struct Places<'a> {
    by_number: Vec<u32>,
    others: HashMap<&'a str, u32>,
}

const NOWHERE: u32 = u32::MAX;

impl<'a> Places<'a> {
    fn new(tasks: &[&'a Task]) -> Self {
        let dense = tasks.len() as u64 * 4 + 1024;
        let highest = tasks.iter().filter_map(|task| task.id.as_number()).filter(|number| *number < dense).max();
        let mut by_number = vec![NOWHERE; highest.map_or(0, |highest| highest as usize + 1)];
        let mut others = HashMap::new();
        for (place, task) in (0..).zip(tasks.iter().copied()) {
            match task.id.as_number().and_then(|number| by_number.get_mut(number as usize)) {
                Some(slot) => *slot = place,
                None => drop(others.insert(&*task.id, place)),
            }
        }
        Self { by_number, others }
    }

    fn of(&self, id: &TaskId) -> Option<u32> {
        match id.as_number().and_then(|number| self.by_number.get(usize::try_from(number).ok()?)) {
            Some(place) => Some(*place).filter(|place| *place != NOWHERE),
            None => self.others.get(&**id).copied(),
        }
    }
}

impl<'a> Graph<'a> {
    /// The dependencies of these tasks. Edges to tasks that are not there are left out.
    pub fn new<T: Borrow<Task>>(tasks: &'a [T]) -> Self {
        let tasks: Vec<&Task> = tasks.iter().map(T::borrow).collect();
        let places = Places::new(&tasks);
        // (blocked, blocker)
        let mut edges: Vec<(u32, u32)> = Vec::with_capacity(tasks.len() * 2);
        for (place, task) in (0..).zip(&tasks) {
            edges.extend(task.blocked_by.iter().filter_map(|id| Some((place, places.of(id)?))));
            edges.extend(task.blocks.iter().filter_map(|id| Some((places.of(id)?, place))));
        }
        let mut starts = vec![0; tasks.len() + 1];
        for (blocked, _) in &edges {
            starts[*blocked as usize + 1] += 1;
        }
        for place in 0..tasks.len() {
            starts[place + 1] += starts[place];
        }
        let mut next = starts.clone();
        let mut blockers = vec![0; edges.len()];
        for (blocked, blocker) in edges {
            let slot = &mut next[blocked as usize];
            blockers[*slot as usize] = blocker;
            *slot += 1;
        }
        Self { tasks, places, starts, blockers }
    }

    fn blockers_of(&self, place: u32) -> &[u32] {
        let place = place as usize;
        &self.blockers[self.starts[place] as usize..self.starts[place + 1] as usize]
    }

    /// The blockers of a task, each once, in the order of their numbers.
    fn ids_of_blockers(&self, place: u32) -> Vec<&'a TaskId> {
        let mut ids: Vec<&TaskId> = self.blockers_of(place).iter().map(|blocker| &self.task(*blocker).id).collect();
        ids.sort_by(|a, b| a.order().cmp(&b.order()));
        ids.dedup();
        ids
    }

    fn task(&self, place: u32) -> &'a Task {
        self.tasks[place as usize]
    }

    /// The tasks that this one waits for or has waited for.
    pub fn blockers(&self, id: &TaskId) -> Vec<TaskId> {
        let place = self.places.of(id);
        place.map(|place| self.ids_of_blockers(place).into_iter().cloned().collect()).unwrap_or_default()
    }

    /// The tasks that this one still waits for.
    pub fn open_blockers(&self, id: &TaskId) -> Vec<TaskId> {
        let Some(place) = self.places.of(id) else { return Vec::new() };
        let open =
            |id: &&TaskId| self.places.of(id).is_some_and(|place| self.task(place).status != TaskStatus::Completed);
        self.ids_of_blockers(place).into_iter().filter(open).cloned().collect()
    }

    /// The tasks that wait for this one and for nothing else that is open.
    pub fn freed_by(&self, id: &TaskId) -> Vec<TaskId> {
        let Some(place) = self.places.of(id) else { return Vec::new() };
        let waits_for_it_alone = |task: &&&Task| {
            let Some(at) = self.places.of(&task.id) else { return false };
            let is_open = |other: &u32| self.task(*other).status != TaskStatus::Completed;
            let mut open = self.blockers_of(at).iter().filter(|other| is_open(other)).peekable();
            open.peek().is_some() && open.all(|other| *other == place)
        };
        self.tasks.iter().filter(waits_for_it_alone).map(|task| task.id.clone()).collect()
    }

    /// The tasks that have failed for good and that this one waits for, also through others.
    pub fn failed_blockers(&self, id: &TaskId) -> Vec<TaskId> {
        let Some(place) = self.places.of(id) else { return Vec::new() };
        let (mut stack, mut seen) = (vec![place], vec![false; self.tasks.len()]);
        let mut failed = Vec::new();
        while let Some(place) = stack.pop() {
            for blocker in self.blockers_of(place) {
                let task = self.task(*blocker);
                if std::mem::replace(&mut seen[*blocker as usize], true) || task.status == TaskStatus::Completed {
                    continue;
                }
                if task.is_failed() {
                    failed.push(task.id.clone());
                }
                stack.push(*blocker);
            }
        }
        failed.sort_by(|a, b| a.order().cmp(&b.order()));
        failed
    }

    /// Whether a task waits for any other.
    pub fn is_blocked(&self, id: &TaskId) -> bool {
        let is_open = |place: &u32| self.task(*place).status != TaskStatus::Completed;
        self.places.of(id).is_some_and(|place| self.blockers_of(place).iter().any(is_open))
    }

    /// If `blocked` waited for `blocker` too: the circle that this would close, from `blocker` on, or `None`.
    pub fn cycle_with(&self, blocker: &TaskId, blocked: &TaskId) -> Option<Vec<&'a TaskId>> {
        let (from, to) = (self.places.of(blocker)?, self.places.of(blocked)?);
        // Does `blocker` wait for `blocked` already?
        let mut came_from = vec![NOWHERE; self.tasks.len()];
        let mut stack = vec![from];
        while let Some(place) = stack.pop() {
            if place == to {
                let mut path = vec![&self.task(from).id, &self.task(to).id];
                let mut at = to;
                while at != from {
                    at = came_from[at as usize];
                    path.push(&self.task(at).id);
                }
                return Some(path);
            }
            for next in self.blockers_of(place) {
                if came_from[*next as usize] == NOWHERE && *next != from {
                    came_from[*next as usize] = place;
                    stack.push(*next);
                }
            }
        }
        None
    }

    /// The tasks in an order in which each comes after those it waits for; what is in a circle comes last.
    fn ordered(&self) -> Vec<u32> {
        let count = self.tasks.len();
        let mut waiting: Vec<usize> = (0..count as u32).map(|place| self.blockers_of(place).len()).collect();
        let mut blocks: Vec<Vec<u32>> = vec![Vec::new(); count];
        for place in 0..count as u32 {
            for blocker in self.blockers_of(place) {
                blocks[*blocker as usize].push(place);
            }
        }
        let key = |place: u32| (self.task(place).id.order(), place);
        let mut free: BTreeSet<_> = (0..count as u32).filter(|place| waiting[*place as usize] == 0).map(key).collect();
        let mut order = Vec::with_capacity(count);
        let mut done = vec![false; count];
        while let Some((_, place)) = free.pop_first() {
            done[place as usize] = true;
            order.push(place);
            for next in &blocks[place as usize] {
                waiting[*next as usize] -= 1;
                if waiting[*next as usize] == 0 {
                    free.insert(key(*next));
                }
            }
        }
        let mut rest: Vec<u32> = (0..count as u32).filter(|place| !done[*place as usize]).collect();
        rest.sort_by_key(|place| key(*place));
        order.extend(rest);
        order
    }

    /// Each edge once: (blocker, blocked), in the order of their numbers.
    pub(super) fn edges(&self) -> Vec<(&'a TaskId, &'a TaskId)> {
        let of = |place: u32| {
            let blocked = &self.task(place).id;
            self.ids_of_blockers(place).into_iter().map(move |blocker| (blocker, blocked))
        };
        let mut edges: Vec<_> = (0..self.tasks.len() as u32).flat_map(of).collect();
        edges.sort_by(|a, b| (a.0.order(), a.1.order()).cmp(&(b.0.order(), b.1.order())));
        edges
    }

    /// All tasks, each after those that it waits for; what is in a circle comes last.
    pub(super) fn in_order(&self) -> Vec<&'a Task> {
        self.ordered().into_iter().map(|place| self.task(place)).collect()
    }

    /// How many tasks come before each one of [`in_order`](Self::in_order), on the longest way to it.
    pub(super) fn layers(&self) -> Vec<usize> {
        let order = self.ordered();
        let mut layers = vec![0; self.tasks.len()];
        for place in &order {
            let before = self.blockers_of(*place).iter().map(|blocker| layers[*blocker as usize] + 1);
            layers[*place as usize] = before.max().unwrap_or(0).min(self.tasks.len());
        }
        order.into_iter().map(|place| layers[place as usize]).collect()
    }

    /// The longest chain of tasks that are still to be done, of which each waits for the one before it: all is done when these are, at the
    /// earliest. Empty where nothing waits for anything.
    pub fn critical_path(&self) -> Vec<TaskId> {
        let is_open = |place: u32| self.task(place).status != TaskStatus::Completed;
        let mut length = vec![0usize; self.tasks.len()];
        let mut before = vec![NOWHERE; self.tasks.len()];
        let order = self.ordered();
        for place in order.iter().copied().filter(|place| is_open(*place)) {
            let longest = self.blockers_of(place).iter().copied().filter(|blocker| is_open(*blocker));
            if let Some(blocker) =
                longest.max_by_key(|blocker| (length[*blocker as usize], std::cmp::Reverse(*blocker)))
            {
                before[place as usize] = blocker;
                length[place as usize] = length[blocker as usize] + 1;
            }
        }
        let last = order.into_iter().max_by_key(|place| (length[*place as usize], std::cmp::Reverse(*place)));
        let Some(mut at) = last.filter(|place| length[*place as usize] > 0) else { return Vec::new() };
        let mut path = vec![self.task(at).id.clone()];
        // In a circle there is no first one.
        while before[at as usize] != NOWHERE && path.len() <= self.tasks.len() {
            at = before[at as usize];
            path.push(self.task(at).id.clone());
        }
        path.reverse();
        path
    }
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
        assert_eq!(
            graph.cycle_with(&TaskId::number(3), &TaskId::number(1)),
            Some([3, 1, 2, 3].map(TaskId::number).iter().collect())
        );
        assert_eq!(
            graph.cycle_with(&TaskId::number(1), &TaskId::number(1)),
            Some([1, 1].map(TaskId::number).iter().collect())
        );
        assert_eq!(graph.cycle_with(&TaskId::number(1), &TaskId::number(3)), None);
    }

    #[test]
    fn an_edge_counts_when_one_end_has_it_and_a_finished_blocker_does_not_block() {
        let mut tasks =
            [task(1, TaskStatus::Pending, &[]), task(2, TaskStatus::Pending, &[]), task(3, TaskStatus::Completed, &[])];
        tasks[0].blocks = vec![TaskId::number(2), TaskId::number(99)];
        tasks[1].blocked_by = vec![TaskId::number(3)];
        assert_eq!(Graph::new(&tasks).open_blockers(&TaskId::number(2)), [TaskId::number(1)]);
        tasks[0].status = TaskStatus::Completed;
        assert_eq!(Graph::new(&tasks).open_blockers(&TaskId::number(2)), []);
    }

    #[test]
    fn ids_far_apart_and_ids_that_are_no_numbers_are_found_too() {
        let mut tasks = [task(7, TaskStatus::Pending, &[]), task(9_000_000_000, TaskStatus::Pending, &[7])];
        tasks[0].id = "abc".parse().unwrap();
        tasks[1].blocked_by = vec!["abc".parse().unwrap(), TaskId::number(8)];
        let graph = Graph::new(&tasks);
        assert_eq!(graph.open_blockers(&tasks[1].id), ["abc".parse().unwrap()]);
        assert!(graph.cycle_with(&tasks[1].id, &tasks[0].id).is_some());
    }

    #[test]
    fn a_long_chain_needs_no_deep_stack() {
        let tasks: Vec<Task> = (1..=100_000)
            .map(|id| task(id, TaskStatus::Pending, &if id == 1 { vec![] } else { vec![id - 1] }))
            .collect();
        let graph = Graph::new(&tasks);
        assert_eq!(graph.cycle_with(&TaskId::number(100000), &TaskId::number(1)).map(|path| path.len()), Some(100_001));
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
