//! Who of a team waits for whose answer. A question that would have somebody wait for itself is not asked.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex};

use tokio::task::JoinSet;

use crate::sync::lock;

/// So many may wait for each other in a row.
pub(crate) const DEEPEST: usize = 4;

/// The questions of a team that were not answered yet.
#[derive(Debug, Default)]
pub(crate) struct OpenAsks(Mutex<Vec<Waits>>);

#[derive(Clone, Debug, PartialEq, Eq)]
struct Waits {
    who: String,
    whom: String,
}

/// Why a question is not asked: those that would wait for each other, in their order.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Refused {
    /// The last is the first.
    Loop(Vec<String>),
    /// They would be too many.
    TooDeep(Vec<String>),
}

/// A question that is open until this is dropped.
#[derive(Debug)]
pub(crate) struct OpenAsk {
    asks: Arc<OpenAsks>,
    waits: Waits,
}

impl Drop for OpenAsk {
    fn drop(&mut self) {
        let mut open = lock(&self.asks.0);
        if let Some(at) = open.iter().position(|other| *other == self.waits) {
            open.swap_remove(at);
        }
    }
}

impl OpenAsks {
    /// From now on `who` waits for `whom`, unless that would never end.
    pub(crate) fn begin(self: &Arc<Self>, who: &str, whom: &str) -> Result<OpenAsk, Refused> {
        let mut open = lock(&self.0);
        // Whom it waits for in the end may wait for it by now, whatever turn it is in: its own does not end meanwhile.
        if let Some(way) = way(&open, whom, who) {
            return Err(Refused::Loop(std::iter::once(who.to_owned()).chain(way).collect()));
        }
        // Those that wait for it wait for whomever it waits for, too.
        let behind = longest(&open, who, |waits| (&waits.whom, &waits.who), &mut HashMap::new());
        let ahead = longest(&open, whom, |waits| (&waits.who, &waits.whom), &mut HashMap::new());
        let chain: Vec<String> = behind.into_iter().rev().chain(ahead).map(str::to_owned).collect();
        if chain.len() > DEEPEST + 1 {
            return Err(Refused::TooDeep(chain));
        }
        let waits = Waits { who: who.to_owned(), whom: whom.to_owned() };
        open.push(waits.clone());
        drop(open);
        Ok(OpenAsk { asks: Arc::clone(self), waits })
    }
}

/// How one waits for another, with both of them.
fn way(open: &[Waits], from: &str, to: &str) -> Option<Vec<String>> {
    fn look<'a>(open: &'a [Waits], at: &'a str, to: &str, seen: &mut HashSet<&'a str>) -> Option<Vec<String>> {
        if at == to {
            return Some(vec![at.to_owned()]);
        }
        if !seen.insert(at) {
            return None;
        }
        let mut next = open.iter().filter(|waits| waits.who == at);
        let way = next.find_map(|waits| look(open, &waits.whom, to, seen))?;
        Some(std::iter::once(at.to_owned()).chain(way).collect())
    }
    look(open, from, to, &mut HashSet::new())
}

/// The longest row that begins with somebody, in the direction in which `step` leads; there are no circles among the open ones. What was found of
/// anybody is `known`, so that nobody is looked at twice.
fn longest<'a>(
    open: &'a [Waits],
    at: &'a str,
    step: for<'b> fn(&'b Waits) -> (&'b str, &'b str),
    known: &mut HashMap<&'a str, Vec<&'a str>>,
) -> Vec<&'a str> {
    if let Some(row) = known.get(at) {
        return row.clone();
    }
    let next = open.iter().map(step).filter(|(from, _)| *from == at);
    let rest = next.map(|(_, to)| longest(open, to, step, known)).max_by_key(Vec::len).unwrap_or_default();
    let row: Vec<&str> = std::iter::once(at).chain(rest).collect();
    known.insert(at, row.clone());
    row
}

/// Follows the questions of a team, one task for each. They end with this.
#[derive(Debug, Default)]
pub(crate) struct Asking(Mutex<JoinSet<()>>);

impl Asking {
    /// Has a question followed.
    pub(crate) fn spawn(&self, question: impl Future<Output = ()> + Send + 'static) {
        let mut tasks = lock(&self.0);
        // Those that are over are forgotten.
        while tasks.try_join_next().is_some() {}
        tasks.spawn(question);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    #[test]
    fn nobody_waits_for_itself_over_others_or_not() {
        let asks = Arc::new(OpenAsks::default());
        assert_eq!(asks.begin("a", "a").unwrap_err(), Refused::Loop(names(&["a", "a"])));
        let first = asks.begin("a", "b").unwrap();
        assert_eq!(asks.begin("b", "a").unwrap_err(), Refused::Loop(names(&["b", "a", "b"])));
        let _second = asks.begin("b", "c").unwrap();
        assert_eq!(asks.begin("c", "a").unwrap_err(), Refused::Loop(names(&["c", "a", "b", "c"])));
        let _again = asks.begin("a", "c").unwrap();
        drop(first);
        assert!(matches!(asks.begin("c", "a"), Err(Refused::Loop(_))));
        drop(_again);
        asks.begin("c", "a").unwrap();
    }

    #[test]
    fn a_row_has_an_end() {
        let asks = Arc::new(OpenAsks::default());
        let _open: Vec<OpenAsk> = [("a", "b"), ("b", "c"), ("x", "c"), ("c", "d"), ("d", "e")]
            .map(|(who, whom)| asks.begin(who, whom).unwrap())
            .into();
        let row = names(&["a", "b", "c", "d", "e", "f"]);
        assert_eq!(asks.begin("e", "f").unwrap_err(), Refused::TooDeep(row));
        asks.begin("d", "f").unwrap();
        asks.begin("f", "g").unwrap();
    }

    #[test]
    fn a_row_has_an_end_from_wherever_it_grows() {
        let asks = Arc::new(OpenAsks::default());
        let _open: Vec<OpenAsk> =
            [("e", "f"), ("d", "e"), ("c", "d"), ("b", "c")].map(|(who, whom)| asks.begin(who, whom).unwrap()).into();
        let row = names(&["a", "b", "c", "d", "e", "f"]);
        assert_eq!(asks.begin("a", "b").unwrap_err(), Refused::TooDeep(row));
        // In the middle, too.
        let asks = Arc::new(OpenAsks::default());
        let _open: Vec<OpenAsk> =
            [("a", "b"), ("b", "c"), ("d", "e"), ("e", "f")].map(|(who, whom)| asks.begin(who, whom).unwrap()).into();
        let row = names(&["a", "b", "c", "d", "e", "f"]);
        assert_eq!(asks.begin("c", "d").unwrap_err(), Refused::TooDeep(row));
        asks.begin("c", "e").unwrap();
    }

    #[test]
    fn many_ways_are_looked_at_once() {
        let asks = Arc::new(OpenAsks::default());
        let layer = |number: usize| (0..8).map(move |at| format!("{number}-{at}"));
        let mut open = Vec::new();
        for number in 0..3 {
            for who in layer(number) {
                // The same question twice is one wait.
                open.extend(layer(number + 1).chain(layer(number + 1)).map(|whom| asks.begin(&who, &whom).unwrap()));
            }
        }
        assert!(matches!(asks.begin("3-0", "0-0"), Err(Refused::Loop(row)) if row.len() == 5));
    }
}
