//! Which answer has won: pure functions over answers.

use crate::patterns::answer::{Answer, Candidate};
use crate::patterns::errors::NoConsensusCause;
use crate::patterns::values::AgentOutput;

/// Puts answers together that count as the same. Each joins the first group whose first answer it equals. The largest group
/// comes first, and of groups of one size the one that was there first.
pub(super) fn group(answers: Vec<Answer>, equal: impl Fn(&AgentOutput, &AgentOutput) -> bool) -> Vec<Candidate> {
    let mut groups: Vec<Candidate> = Vec::new();
    for answer in answers {
        let same = |group: &&mut Candidate| group.answers.first().is_some_and(|it| equal(&it.output, &answer.output));
        match groups.iter_mut().find(same) {
            Some(group) => {
                group.answers.push(answer);
                group.weight += 1.0;
            }
            None => groups.push(Candidate { answers: vec![answer], weight: 1.0 }),
        }
    }
    rank(&mut groups);
    groups
}

/// Gives each group the sum of what its answers weigh. An answer whose weight is no number, or below 0, is answered instead.
pub(super) fn weigh(groups: &mut [Candidate], weight: impl Fn(&Answer) -> f64) -> Result<(), Box<(Answer, f64)>> {
    for group in &mut *groups {
        group.weight = 0.0;
        for answer in &group.answers {
            let weight = weight(answer);
            if !weight.is_finite() || weight < 0.0 {
                return Err(Box::new((answer.clone(), weight)));
            }
            group.weight += weight;
        }
    }
    rank(groups);
    Ok(())
}

/// Whether the first group has more than half of this; otherwise why it has not won.
pub(super) fn majority_of(total: f64, groups: &[Candidate]) -> Result<(), (NoConsensusCause, String)> {
    let of = |place: usize| groups.get(place).map_or(0.0, |group| group.weight);
    let (first, second) = (of(0), of(1));
    if first * 2.0 > total {
        return Ok(());
    }
    if first == second {
        return Err((NoConsensusCause::Tie, format!("two answers have {first} of {total} each")));
    }
    Err((NoConsensusCause::NotEnough, format!("the first answer has {first} of {total}, which is not more than half")))
}

/// Whether all that were asked have given the first answer; otherwise why it has not won.
pub(super) fn unanimous(asked: usize, groups: &[Candidate]) -> Result<(), (NoConsensusCause, String)> {
    let agree = groups.first().map_or(0, |group| group.answers.len());
    if agree == asked {
        return Ok(());
    }
    Err((NoConsensusCause::NotEnough, format!("{agree} of {asked} have given the first answer, which is not all")))
}

fn rank(groups: &mut [Candidate]) {
    groups.sort_by(|one, other| other.weight.total_cmp(&one.weight));
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn answers(contents: &[u8]) -> Vec<Answer> {
        let output = |content: &u8| AgentOutput::new(content.to_string());
        let answer = |(position, content)| Answer { position, agent: position.to_string(), output: output(content) };
        contents.iter().enumerate().map(answer).collect()
    }

    fn same(one: &AgentOutput, other: &AgentOutput) -> bool {
        one.content == other.content
    }

    proptest! {
        /// Compared with plain counting: every answer is in one group, and there is a winner when one has more than half.
        #[test]
        fn a_majority_is_more_than_half_of_those_asked(said in prop::collection::vec(0..4_u8, 0..12), silent in 0..4_usize) {
            let asked = said.len() + silent;
            let groups = group(answers(&said), same);
            prop_assert_eq!(groups.iter().map(|group| group.answers.len()).sum::<usize>(), said.len());
            let count = |content: u8| said.iter().filter(|one| **one == content).count();
            let expected = (0..4).find(|content| 2 * count(*content) > asked);
            let won = majority_of(asked as f64, &groups);
            match expected {
                Some(content) => {
                    prop_assert_eq!(&won, &Ok(()));
                    prop_assert_eq!(groups[0].content(), content.to_string());
                }
                None => prop_assert!(won.is_err()),
            }
            let all_agree = silent == 0 && groups.len() <= 1;
            prop_assert_eq!(unanimous(asked, &groups).is_ok(), all_agree);
        }
    }

    #[test]
    fn weights_decide_instead_of_heads() {
        let mut groups = group(answers(&[1, 1, 2]), same);
        assert_eq!((groups[0].content(), groups[0].weight), ("1", 2.0));
        weigh(&mut groups, |answer| if answer.position == 2 { 5.0 } else { 1.0 }).unwrap();
        assert_eq!((groups[0].content(), groups[0].weight, groups[1].weight), ("2", 5.0, 2.0));
        assert_eq!(majority_of(7.0, &groups), Ok(()));
        for bad in [f64::NAN, -1.0, f64::INFINITY] {
            assert_eq!(weigh(&mut groups, |_| bad).unwrap_err().0.agent, "2");
        }
    }

    #[test]
    fn a_tie_and_too_few_are_told_apart() {
        let cause = |said: &[u8], asked| majority_of(asked, &group(answers(said), same)).unwrap_err().0;
        assert_eq!(cause(&[1, 2], 2.0), NoConsensusCause::Tie);
        assert_eq!(cause(&[1, 1, 2, 3], 4.0), NoConsensusCause::NotEnough);
        assert_eq!(cause(&[1], 5.0), NoConsensusCause::NotEnough);
    }
}
