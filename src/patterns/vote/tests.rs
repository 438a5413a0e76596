use std::time::Duration;

use super::*;
use crate::patterns::agent::SimpleAgent;

fn says(name: &str, answer: &str) -> Box<dyn Agent> {
    let answer = answer.to_owned();
    Box::new(SimpleAgent::new(name, "", move |_| Ok(AgentOutput::new(answer.clone()))))
}

fn fails(name: &str) -> Box<dyn Agent> {
    Box::new(SimpleAgent::new(name, "", |_| Err(crate::patterns::AgentError::new("no idea").into())))
}

fn agents(answers: &[&str]) -> Vec<Box<dyn Agent>> {
    answers.iter().enumerate().map(|(number, answer)| says(&format!("a{number}"), answer)).collect()
}

fn question() -> OrchestratorInput {
    OrchestratorInput::new("What is 6 times 7?")
}

fn no_consensus(result: Result<Verdict>) -> NoConsensus {
    match result {
        Err(OrchestrationError::NoConsensus(error)) => *error,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn the_majority_wins_and_the_others_are_kept() {
    let verdict = Vote::majority().hold(agents(&["42", "41", "42\n"]), question()).await.unwrap();
    assert_eq!((verdict.winner.content(), verdict.winner.weight), ("42", 2.0));
    assert_eq!(verdict.winner.agents().collect::<Vec<_>>(), ["a0", "a2"]);
    assert_eq!(verdict.others.len(), 1);
    assert_eq!((verdict.output.result.as_str(), verdict.output.agent_outputs.len()), ("42", 3));
    assert_eq!(verdict.output.execution_trace.agent_executions.len(), 3);
}

#[tokio::test]
async fn no_consensus_carries_the_answers() {
    let tie = no_consensus(Vote::majority().hold(agents(&["42", "41"]), question()).await);
    assert_eq!((tie.cause, tie.candidates.len()), (NoConsensusCause::Tie, 2));
    assert_eq!(tie.to_string(), "no consensus: two answers have 1 of 2 each (a0 | a1)");
    let split = no_consensus(Vote::unanimous().hold(agents(&["42", "41", "42"]), question()).await);
    assert_eq!((split.cause, split.candidates[0].content()), (NoConsensusCause::NotEnough, "42"));
}

#[tokio::test]
async fn who_fails_does_not_agree() {
    let mut three = agents(&["42", "42"]);
    three.push(fails("a2"));
    let verdict = Vote::majority().hold(three, question()).await.unwrap();
    assert!(!verdict.output.is_successful());
    let mut three = agents(&["42"]);
    three.extend([fails("a1"), fails("a2")]);
    let error = no_consensus(Vote::majority().hold(three, question()).await);
    assert_eq!((error.cause, error.failures.len()), (NoConsensusCause::NotEnough, 2));
    let mut two = agents(&["42"]);
    two.push(fails("a1"));
    assert!(Vote::unanimous().hold(two, question()).await.is_err());
    assert!(Vote::unanimous().hold(agents(&["42", "42"]), question()).await.is_ok());
}

#[tokio::test]
async fn a_function_says_what_is_equal_and_what_weighs() {
    let close = |one: &AgentOutput, other: &AgentOutput| {
        let number = |output: &AgentOutput| output.content.parse::<f64>().unwrap();
        (number(one) - number(other)).abs() < 0.1
    };
    let verdict = Vote::unanimous().with_equality(close).hold(agents(&["3.14", "3.1"]), question()).await.unwrap();
    assert_eq!(verdict.output.result, "3.14");
    let expert = Vote::weighted(|answer| if answer.agent == "a2" { 3.0 } else { 1.0 });
    let verdict = expert.hold(agents(&["1", "1", "2"]), question()).await.unwrap();
    assert_eq!((verdict.winner.content(), verdict.winner.weight), ("2", 3.0));
    let error = Vote::weighted(|_| -1.0).hold(agents(&["1"]), question()).await.unwrap_err();
    assert!(matches!(error, OrchestrationError::InvalidConfig(_)), "{error}");
}

#[tokio::test]
async fn a_judge_sees_question_and_answers_and_chooses_one() {
    let judge = SimpleAgent::new("judge", "", |input| {
        assert!(input.content.contains("6 times 7") && input.content.contains("Answer 2:\n42"), "{}", input.content);
        let answers = input.context["answers"].as_array().cloned().unwrap_or_default();
        let best = answers.iter().position(|answer| answer == "42").map_or(0, |place| place + 1);
        Ok(AgentOutput::new(format!("Number {best}")))
    });
    let verdict = Vote::judged_by(judge).hold(agents(&["41", "42", "43"]), question()).await.unwrap();
    assert_eq!(verdict.output.result, "42");
    let last = verdict.output.execution_trace.agent_executions.last().cloned().unwrap();
    assert_eq!((last.agent_name.as_str(), last.position), ("judge", 3));
    let nobody = SimpleAgent::new("judge", "", |_| Ok(AgentOutput::new("0")));
    let error = no_consensus(Vote::judged_by(nobody).hold(agents(&["41", "42"]), question()).await);
    assert_eq!((error.cause, error.candidates.len()), (NoConsensusCause::Undecided, 2));
    let broken = fails("judge");
    let error = Vote::judged_by(broken).hold(agents(&["41"]), question()).await.unwrap_err();
    assert_eq!(error.to_string(), "agent `judge` failed for good: no idea");
}

#[tokio::test(start_paused = true)]
async fn a_person_decides_within_the_time_limit() {
    let vote =
        Vote::decided_by(
            |candidates| async move { candidates.iter().position(|candidate| candidate.content() == "42") },
        );
    assert_eq!(vote.hold(agents(&["41", "42"]), question()).await.unwrap().output.result, "42");
    let error = no_consensus(vote.hold(agents(&["41"]), question()).await);
    assert_eq!(error.cause, NoConsensusCause::Undecided);
    let asleep = Vote::decided_by(|_| std::future::pending());
    let asleep = asleep.with_config(ExecutionConfig::new().with_timeout(Duration::from_secs(60)));
    let error = asleep.hold(agents(&["41"]), question()).await.unwrap_err();
    assert!(matches!(error, OrchestrationError::Timeout(_)), "{error}");
}

#[tokio::test]
async fn a_vote_is_an_orchestrator() {
    let vote: Box<dyn Orchestrator> = Box::new(Vote::majority());
    assert_eq!(vote.orchestrate(agents(&["42"]), question()).await.unwrap().result, "42");
}
