//! What a person does on a page, as what is asked of the daemon. No form names a program, and none is read by a shell.

use agent_backends::Decision;

use crate::live::facts::Request;
use crate::model::failure::{ErrorKind, Failure};

/// Something that can be done on a page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Act {
    Answer,
    Send,
    Interrupt,
    Stop,
}

/// Reads a form.
///
/// # Errors
/// It lacks something, or has something that means nothing.
pub(super) fn asked(act: Act, form: &[(String, String)]) -> Result<Request, Failure> {
    let field = |name: &str| form.iter().find(|(known, _)| known == name).map(|(_, value)| value.clone());
    let needed = |name: &str| field(name).ok_or_else(|| bad(&format!("the form has no `{name}`")));
    let team = needed("team")?;
    Ok(match act {
        Act::Answer => Request::Answer { team, id: needed("id")?, decision: decision(&needed("decision")?, form)? },
        Act::Send => {
            // Browsers write the ends of lines their own way.
            let text = needed("text")?.replace("\r\n", "\n");
            if text.trim().is_empty() {
                return Err(bad("there is nothing to send; write something first"));
            }
            Request::Send { team, member: needed("member")?, text }
        }
        Act::Interrupt => Request::Interrupt { team, member: needed("member")? },
        Act::Stop => Request::Stop { team, member: needed("member")? },
    })
}

fn decision(what: &str, form: &[(String, String)]) -> Result<Decision, Failure> {
    Ok(match what {
        "allow" => Decision::Allow,
        "session" => Decision::AllowForSession,
        "deny" => {
            let reason = form.iter().find(|(name, _)| name == "reason").map_or("", |(_, reason)| reason.trim());
            let reason = if reason.is_empty() { "denied by the user" } else { reason };
            Decision::Deny { reason: reason.to_owned() }
        }
        "answer" => Decision::Answer { answers: answers(form)? },
        _ => return Err(bad("the form says neither allow, session, deny nor answer")),
    })
}

/// The answer to each question: what was chosen and what was written, in one text.
fn answers(form: &[(String, String)]) -> Result<Vec<String>, Failure> {
    let mut answers: Vec<Vec<&str>> = Vec::new();
    for (name, value) in form {
        let Some(number) = name.strip_prefix("answer-").and_then(|number| number.parse::<usize>().ok()) else {
            continue;
        };
        // Fields come in the order of the questions, each at least once.
        match number.cmp(&answers.len()) {
            std::cmp::Ordering::Less if number + 1 == answers.len() => {}
            std::cmp::Ordering::Equal => answers.push(Vec::new()),
            _ => return Err(bad("the answers are not in the order of the questions")),
        }
        if let Some(answer) = answers.last_mut() {
            answer.extend(Some(value.trim()).filter(|value| !value.is_empty()));
        }
    }
    match answers.iter().position(Vec::is_empty) {
        None if !answers.is_empty() => Ok(answers.into_iter().map(|given| given.join(", ")).collect()),
        Some(at) if answers.len() > 1 => Err(bad(&format!("question {} has no answer", at + 1))),
        _ => Err(bad("there is no answer; choose one, or write one")),
    }
}

fn bad(what: &str) -> Failure {
    Failure::new(ErrorKind::BadInput, what)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn form(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    fn answer(pairs: &[(&str, &str)]) -> Result<Decision, String> {
        let form = form(&[&[("team", "t"), ("id", "a-1")], pairs].concat());
        match asked(Act::Answer, &form) {
            Ok(Request::Answer { decision, .. }) => Ok(decision),
            Ok(other) => panic!("{other:?}"),
            Err(failure) => Err(failure.message),
        }
    }

    #[test]
    fn a_form_decides_what_it_says_and_nothing_else() {
        assert_eq!(answer(&[("decision", "allow")]), Ok(Decision::Allow));
        assert_eq!(answer(&[("decision", "session")]), Ok(Decision::AllowForSession));
        let denied = |reason: &str| Ok(Decision::Deny { reason: reason.to_owned() });
        assert_eq!(answer(&[("decision", "deny"), ("reason", " ")]), denied("denied by the user"));
        assert_eq!(answer(&[("decision", "deny"), ("reason", " not now ")]), denied("not now"));
        for bad in ["", "Allow", "yes", "allow,deny"] {
            assert!(answer(&[("decision", bad)]).is_err(), "{bad}");
        }
        assert!(answer(&[]).is_err());
    }

    #[test]
    fn each_question_has_one_answer() {
        let answers = |pairs: &[(&str, &str)]| match answer(&[&[("decision", "answer")], pairs].concat()) {
            Ok(Decision::Answer { answers }) => Ok(answers),
            Ok(other) => panic!("{other:?}"),
            Err(message) => Err(message),
        };
        let given = [("answer-0", "red"), ("answer-0", ""), ("answer-1", "a"), ("answer-1", "b"), ("answer-1", " c ")];
        assert_eq!(answers(&given), Ok(vec!["red".to_owned(), "a, b, c".to_owned()]));
        assert!(answers(&[("answer-0", " ")]).unwrap_err().contains("no answer"));
        assert!(answers(&[("answer-0", "x"), ("answer-1", "")]).unwrap_err().contains("question 2"));
        assert!(answers(&[("answer-1", "x")]).is_err() && answers(&[]).is_err());
        assert!(answers(&[("answer-99999999999", "x")]).is_err());
    }

    #[test]
    fn nothing_is_sent_that_is_empty() {
        let sent = |text: &str| asked(Act::Send, &form(&[("team", "t"), ("member", "m"), ("text", text)]));
        let text = "a\nb".to_owned();
        assert_eq!(sent("a\r\nb"), Ok(Request::Send { team: "t".into(), member: "m".into(), text }));
        assert!(sent(" \r\n ").is_err());
        assert!(asked(Act::Stop, &form(&[("team", "t")])).is_err());
    }
}
