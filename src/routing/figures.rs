//! By what turns cost, and by how long they take: measured, else by the table of what is usual.

use agent_backends::usual::{Class, USUAL_AS_OF, Usual};

use super::router::{BackendRouter, Candidate, ENOUGH_TURNS, Route, RouteRequest, fitting};

/// Chooses the cheapest backend. What was measured counts from [`ENOUGH_TURNS`] turns on of which the agent said what they cost, else the
/// [table](super::DEFAULT_TABLE). Figures are made classes, so that both can be compared: up to 0.02 US dollars for a turn is low, up to 0.2 middle,
/// more is high; within a class what was measured comes first, by its figure. Of several that are alike the first is chosen, and the reason says so. Where
/// nothing tells the candidates apart it answers nothing.
#[derive(Clone, Copy, Debug, Default)]
pub struct CostRouter;

/// Chooses the quickest backend, as [`CostRouter`] does the cheapest: up to 10 seconds for a turn is low, up to a minute middle, more is high.
#[derive(Clone, Copy, Debug, Default)]
pub struct LatencyRouter;

/// What is known of a candidate.
struct Figure {
    class: Class,
    measured: Option<f64>,
}

impl Figure {
    fn new(measured: Option<f64>, classes: [f64; 2], usual: Class) -> Self {
        let class = match measured {
            Some(figure) if figure <= classes[0] => Class::Low,
            Some(figure) if figure <= classes[1] => Class::Middle,
            Some(_) => Class::High,
            None => usual,
        };
        Self { class, measured }
    }

    fn is_better(&self, than: &Self) -> bool {
        let figure = |figure: &Self| figure.measured.unwrap_or(f64::INFINITY);
        self.class < than.class || (self.class == than.class && figure(self) < figure(than))
    }
}

/// The best of those that fit, and how many are as good, with it; unless nothing tells them apart.
fn best<'a>(
    request: &RouteRequest,
    candidates: &'a [Candidate],
    figure: impl Fn(&Candidate) -> Figure,
) -> Option<(&'a Candidate, Figure, usize)> {
    let known = fitting(request, candidates).into_iter().map(|candidate| (candidate, figure(candidate)));
    let mut known = known.collect::<Vec<_>>().into_iter();
    let mut best = known.next()?;
    let (mut differs, mut alike) = (false, 1);
    for next in known {
        if next.1.is_better(&best.1) {
            (best, differs, alike) = (next, true, 1);
        } else if best.1.is_better(&next.1) {
            differs = true;
        } else {
            alike += 1;
        }
    }
    differs.then_some((best.0, best.1, alike))
}

/// Why one is chosen that is the best, and the first of so many that are as good.
fn reason(what: &str, alike: usize, source: &str) -> String {
    match alike {
        1 => format!("it is {what} ({source})"),
        several => format!("it is {what}, the first of {several} that are alike ({source})"),
    }
}

/// From where a figure is, in words.
fn source(figure: &Figure, shown: impl Fn(f64) -> String, turns: usize, of: &str) -> String {
    match figure.measured {
        Some(median) => format!("{} a turn, the median of {turns} turns {of}", shown(median)),
        None => {
            format!("{} by the default table of {USUAL_AS_OF}, which is no measurement", figure.class.as_str())
        }
    }
}

impl BackendRouter for CostRouter {
    fn name(&self) -> &str {
        "cost"
    }

    fn route(&self, request: &RouteRequest, candidates: &[Candidate]) -> Option<Route> {
        let (best, figure, alike) = best(request, candidates, |candidate| {
            let measured = candidate.measured.cost_usd.filter(|_| candidate.measured.priced >= ENOUGH_TURNS);
            Figure::new(measured, [0.02, 0.2], Usual::of(candidate.backend).cost)
        })?;
        let source = source(&figure, |usd| format!("{usd:.4} US dollars"), best.measured.priced, best.measured.of);
        Some(Route { backend: best.backend, reason: reason("the cheapest", alike, &source) })
    }
}

impl BackendRouter for LatencyRouter {
    fn name(&self) -> &str {
        "latency"
    }

    fn route(&self, request: &RouteRequest, candidates: &[Candidate]) -> Option<Route> {
        let (best, figure, alike) = best(request, candidates, |candidate| {
            let measured = candidate.measured.duration.filter(|_| candidate.measured.turns >= ENOUGH_TURNS);
            Figure::new(measured.map(|time| time.as_secs_f64()), [10.0, 60.0], Usual::of(candidate.backend).latency)
        })?;
        let source = source(&figure, |seconds| format!("{seconds:.1} s"), best.measured.turns, best.measured.of);
        Some(Route { backend: best.backend, reason: reason("the quickest", alike, &source) })
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use agent_backends::BackendType;

    use super::*;
    use crate::routing::Measured;

    fn measured(backend: BackendType, turns: usize, cost: f64, seconds: u64) -> Candidate {
        let (cost_usd, duration) = (Some(cost), Some(Duration::from_secs(seconds)));
        let measured = Measured { turns, duration, priced: turns, cost_usd, of: "of this team" };
        Candidate { measured, ..Candidate::usable(backend) }
    }

    fn cost(candidates: &[Candidate]) -> Option<Route> {
        CostRouter.route(&RouteRequest::default(), candidates)
    }

    fn latency(candidates: &[Candidate]) -> Option<Route> {
        LatencyRouter.route(&RouteRequest::default(), candidates)
    }

    #[test]
    fn without_figures_the_table_says_it_and_says_so() {
        let all = BackendType::KNOWN.map(Candidate::usable);
        let cheapest = cost(&all).expect("one");
        assert_eq!(cheapest.backend, BackendType::GeminiCli);
        assert_eq!(
            cheapest.reason,
            "it is the cheapest, the first of 2 that are alike (low by the default table of 2026-11, which is no measurement)"
        );
        assert_eq!(latency(&all).expect("one").backend, BackendType::Native);
    }

    #[test]
    fn what_was_measured_counts_when_there_is_enough_of_it() {
        let usual = Candidate::usable(BackendType::GeminiCli);
        let cheap = measured(BackendType::ClaudeCode, ENOUGH_TURNS, 0.001, 3);
        let route = cost(&[usual.clone(), cheap.clone()]).expect("one");
        assert_eq!(route.backend, BackendType::ClaudeCode);
        assert_eq!(route.reason, "it is the cheapest (0.0010 US dollars a turn, the median of 5 turns of this team)");
        assert_eq!(latency(&[usual.clone(), cheap]).expect("one").backend, BackendType::ClaudeCode);
        let too_few = measured(BackendType::ClaudeCode, ENOUGH_TURNS - 1, 0.001, 3);
        assert_eq!(cost(&[usual, too_few]).expect("one").backend, BackendType::GeminiCli);
        let both = [measured(BackendType::Codex, 9, 0.15, 50), measured(BackendType::ClaudeCode, 9, 0.1, 40)];
        assert_eq!(cost(&both).expect("one").backend, BackendType::ClaudeCode);
        let dear = [measured(BackendType::GeminiCli, 9, 0.9, 400), Candidate::usable(BackendType::Codex)];
        assert_eq!(cost(&dear).expect("one").backend, BackendType::Codex);
        assert_eq!(latency(&dear).expect("one").backend, BackendType::Codex);
    }

    #[test]
    fn where_nothing_tells_them_apart_it_says_nothing() {
        let unknown = ["mine", "yours"].map(|name| Candidate::usable(BackendType::named(name)));
        assert_eq!((cost(&unknown), latency(&unknown)), (None, None));
        assert_eq!(cost(&[Candidate::usable(BackendType::Codex)]), None);
        assert_eq!(cost(&[]), None);
    }
}
