//! Who of a team waits for whose answer. A question that would have somebody wait for itself is not asked.

use std::sync::{Arc, Mutex};

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
        let mut chain = behind(&open, who);
        chain.push(whom.to_owned());
        if chain.len() > DEEPEST + 1 {
            return Err(Refused::TooDeep(chain));
        }
        let waits = Waits { who: who.to_owned(), whom: whom.to_owned() };
        open.push(waits.clone());
        drop(open);
        Ok(OpenAsk { asks: Arc::clone(self), waits })
    }
}

/// How one waits for another, with both of them; there are no circles among the open ones.
fn way(open: &[Waits], from: &str, to: &str) -> Option<Vec<String>> {
    if from == to {
        return Some(vec![from.to_owned()]);
    }
    let next = open.iter().filter(|waits| waits.who == from);
    let mut ways = next.filter_map(|waits| way(open, &waits.whom, to));
    ways.next().map(|way| std::iter::once(from.to_owned()).chain(way).collect())
}

/// The longest row of those that wait for somebody, who is the last in it.
fn behind(open: &[Waits], whom: &str) -> Vec<String> {
    let rows = open.iter().filter(|waits| waits.whom == whom).map(|waits| behind(open, &waits.who));
    let mut longest = rows.max_by_key(Vec::len).unwrap_or_default();
    longest.push(whom.to_owned());
    longest
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
}
