//! Agents that say what nobody expects: what carries an answer, an end or a question is understood all the same.

use crate::support::{Home, PROTOCOLS};

/// The answer is for what somebody has read, and not for what was asked under the same id since.
#[test]
fn a_question_under_the_id_of_an_open_one_is_not_answered_with_it() {
    for protocol in PROTOCOLS.into_iter().filter(|protocol| *protocol != "gemini") {
        let home = Home::made_up(
            protocol,
            r#"
def turn(text):
    agent.ask(7, "ls harmless")
    agent.ask(7, "rm everything")
    allowed, answer = agent.answer()
    agent.say(f"{allowed} {json.dumps(answer)}")
    agent.end()
agent.run(turn)
"#,
        );
        home.teams(&["send", "worker", "go on"]);
        let id = home.wait_for_approval();
        home.teams(&["approve", &id]);
        let end = home.wait_for_event("the end", |event| event["type"] == "turn-completed");
        let text = end["text"].as_str().expect("a text");
        assert!(text.starts_with("True") && !text.contains("everything"), "{protocol}: {text}");
        let asked: Vec<_> = home.events().into_iter().filter(|event| event["type"] == "approval").collect();
        assert_eq!(asked.len(), 1, "{protocol}: {asked:?}");
    }
}
