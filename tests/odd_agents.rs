//! Agents that say what nobody expects: what carries an answer, an end or a question is understood all the same.

use serde_json::Value;

use crate::support::{Home, PROTOCOLS, daemon_pid, signal, wait_for};

/// Asks an agent that does this in each turn, and answers the report.
fn report_of(protocol: &str, turn: &str) -> Value {
    let home = Home::made_up(protocol, &program(turn));
    home.ask("worker", "go on")
}

/// A program whose turn is these lines.
fn program(turn: &str) -> String {
    let lines: String = turn.trim().lines().map(|line| format!("    {line}\n")).collect();
    format!("def turn(text):\n{lines}agent.run(turn)\n")
}

/// What a command says beside its output.
fn noted(home: &Home, args: &[&str]) -> String {
    String::from_utf8_lossy(&home.output(args).stderr).into_owned()
}

fn completed(protocol: &str, report: &Value, text: &str) {
    assert_eq!(report["status"], "completed", "{protocol}: {report}");
    assert_eq!(report["text"], text, "{protocol}: {report}");
}

#[test]
fn half_a_surrogate_pair_costs_nothing() {
    for protocol in PROTOCOLS {
        let report = report_of(protocol, "agent.say('before \\ud83d after \\U0001f980')\nagent.end()");
        completed(protocol, &report, "before \u{fffd} after 🦀");
    }
}

#[test]
fn figures_that_are_none_are_unknown() {
    for figure in ["None", "2.5", "-1", "'many'", "[1]", "10**30"] {
        for (protocol, end) in [
            ("claude", "usage={'input_tokens': F, 'output_tokens': 3}, total_cost_usd=F, api_error_status=F"),
            ("claude", "usage=F"),
            ("gemini", "stats={'input_tokens': 1, 'output_tokens': F}"),
            ("gemini", "stats=F"),
            ("acp", "usage={'inputTokens': F, 'outputTokens': 3}, _meta=F"),
            ("acp", "_meta={'quota': {'token_count': F}}"),
        ] {
            let report = report_of(protocol, &format!("F = {figure}\nagent.say('fine')\nagent.end({end})"));
            completed(protocol, &report, "fine");
            assert_eq!(report["usage"], Value::Null, "{protocol} {end} {figure}: {report}");
        }
    }
    let turn = "agent.say('fine')\nagent.tell('thread/tokenUsage/updated', tokenUsage={'total': {'inputTokens': None}, 'last': 7})\nagent.end(items=7)";
    completed("codex", &report_of("codex", turn), "fine");
}

/// A thread that goes on may tell late what its last turn has used, which was counted then.
#[test]
fn a_turn_uses_what_is_told_of_itself() {
    let told = |turn: &str, total: u64, last: u64| {
        format!(
            "agent.tell('thread/tokenUsage/updated', turnId={turn}, tokenUsage={{'total': {{'inputTokens': {total}, 'outputTokens': 1}}, 'last': {{'inputTokens': {last}, 'outputTokens': 1}}}})\n"
        )
    };
    let turn = format!("{}agent.say('fine')\n{}agent.end()", told("'earlier'", 100, 100), told("agent.turn", 107, 7));
    let report = report_of("codex", &turn);
    assert_eq!(report["usage"]["inputTokens"], 7, "{report}");
}

/// Figures that decorate others do not make those unknown.
#[test]
fn an_unknown_part_of_a_figure_is_nothing() {
    let end = "agent.end(usage={'input_tokens': 5, 'cache_read_input_tokens': None, 'output_tokens': 2})";
    let report = report_of("claude", &format!("agent.say('fine')\n{end}"));
    assert_eq!((&report["usage"]["inputTokens"], &report["usage"]["outputTokens"]), (&5.into(), &2.into()), "{report}");
}

#[test]
fn what_a_terminal_swallows_before_a_line_is_no_part_of_it() {
    for before in ["\\x1b]0;working {x}\\x07", "\\x1b[0m\\x1b[?25l", "\\ufeff", "\\x1b]2;title\\x1b\\\\", "\\r\\0"] {
        for protocol in PROTOCOLS {
            let program = format!(
                "plain = raw\ndef raw(data): plain('{before}' + data)\n{}",
                program("agent.say('fine')\nagent.end()")
            );
            let home = Home::made_up(protocol, &program);
            completed(protocol, &home.ask("worker", "go on"), "fine");
        }
    }
}

#[test]
fn several_values_on_a_line_are_all_heard() {
    for join in ["''.join(said)", "' '.join(said)", "'[' + ','.join(said) + ']'", "''.join(said) + ' rubbish'"] {
        for protocol in PROTOCOLS {
            let turn = format!(
                "said, plain = [], raw\nglobals()['raw'] = lambda data: said.append(data.strip())\nagent.say('fine')\nagent.end()\n\
                 plain({join} + '\\n')\nglobals()['raw'] = plain"
            );
            completed(protocol, &report_of(protocol, &turn), "fine");
        }
    }
}

#[test]
fn unreadable_parts_of_a_message_do_not_hide_the_others() {
    for (protocol, turn) in [
        (
            "claude",
            "line(type='assistant', message={'model': 7, 'content': [7, {'type': 'text', 'text': 'fine'}, {'type': 'tool_use', 'id': 3}, {'text': 'x'}]}, session_id=None)",
        ),
        ("codex", "agent.say('fine', status=7, changes=None, command=['a'])"),
        ("gemini", "line(type='message', role='assistant', content='fine', severity=7, error=None, parameters=[])"),
        ("acp", "agent.update('agent_message_chunk', content={'type': 'text', 'text': 'fine'}, title=7, _meta='x')"),
    ] {
        completed(protocol, &report_of(protocol, &format!("{turn}\nagent.end()")), "fine");
    }
}

#[test]
fn a_failure_says_its_reason_in_whatever_form_it_has() {
    for (protocol, end) in [
        (
            "claude",
            "agent.end(subtype='error_during_execution', is_error=True, result=None, errors=[{'message': 'no luck'}, 7])",
        ),
        ("claude", "agent.end(subtype=None, is_error=True, result='no luck')"),
        ("claude", "line(type='result', is_error=True, errors='no luck')"),
        ("codex", "agent.end(status='failed', error='no luck')"),
        ("codex", "agent.end(status='failed', error={'message': 'no luck', 'codexErrorInfo': [7]}, id=None)"),
        ("gemini", "agent.end(status='error', error='no luck', stats=None)"),
        ("gemini", "agent.end(status='error', error={'type': 7, 'message': 'no luck'})"),
        ("acp", "line(jsonrpc='2.0', id=agent.prompt, error='no luck')"),
        ("acp", "line(jsonrpc='2.0', id=str(agent.prompt), error={'code': None, 'message': 'no luck'})"),
    ] {
        let report = report_of(protocol, &format!("agent.say('words')\n{end}"));
        let error = report["error"].as_str().unwrap_or_default();
        assert!(report["status"] == "failed" && error.contains("no luck"), "{protocol} {end}: {report}");
    }
}

#[test]
fn an_empty_answer_is_told_the_same_way_of_every_agent() {
    for protocol in PROTOCOLS {
        let report = report_of(protocol, "agent.end()");
        assert_eq!(report["status"], "failed", "{protocol}: {report}");
        assert_eq!(report["error"], "the agent ended its turn without a word", "{protocol}");
    }
}

#[test]
fn a_line_that_is_too_long_is_said_and_its_turn_is_not_complete() {
    for protocol in PROTOCOLS {
        let turn = "agent.words('x')\nagent.words('y' * (65 << 20))\nagent.say('fine')\nagent.end()";
        let home = Home::made_up(protocol, &program(turn));
        let report = home.ask("worker", "go on");
        assert_eq!(report["status"], "failed", "{protocol}: {report}");
        assert!(report["error"].as_str().is_some_and(|error| error.contains("not whole")), "{protocol}: {report}");
        let said = |event: &Value| {
            event["type"] == "notice"
                && event["message"].as_str().is_some_and(|text| text.contains("longer than 64 MiB"))
        };
        assert!(home.events().iter().any(said), "{protocol}");
    }
}

/// Each of these ends is told in an odd way, and none of them late: the turn does not wait for the silence to be noticed.
#[test]
fn an_end_has_a_second_witness() {
    for (protocol, turn, status) in [
        (
            "claude",
            "agent.say('fine')\nline(type='command_lifecycle', command_uuid=agent.input, state='completed')",
            "completed",
        ),
        ("codex", "agent.say('x')\nagent.tell('error', willRetry=False, error={'message': 'broken'})", "failed"),
        ("codex", "agent.say('x')\nagent.tell('thread/status/changed', status={'type': 'systemError'})", "failed"),
        (
            "codex",
            "agent.say('fine')\nline(method='turn/completed', params={'threadId': 'th', 'turn': {'status': 'completed', 'items': 7}})",
            "completed",
        ),
        (
            "codex",
            "agent.calls['thread/read'] = lambda: {'thread': {'turns': [7, {'id': agent.turn, 'status': 'completed'}]}}\n\
                   agent.say('fine')\nagent.tell('thread/status/changed', status={'type': 'idle'})",
            "completed",
        ),
        ("gemini", "agent.say('fine')\nagent.end()\nsys.stdout.flush()\ntime.sleep(1000)", "completed"),
        ("acp", "agent.words('fi')\nagent.end()\ntime.sleep(0.03)\nagent.words('ne')", "completed"),
    ] {
        let report = report_of(protocol, turn);
        assert_eq!(report["status"], status, "{protocol} {turn}: {report}");
        match status {
            "completed" => assert_eq!(report["text"], "fine", "{protocol} {turn}"),
            _ => assert!(report["error"].as_str().is_some_and(|error| !error.is_empty()), "{protocol} {turn}"),
        }
    }
}

#[test]
fn an_end_belongs_to_its_turn() {
    let stale = "line(type='result', subtype='error_during_execution', is_error=True, errors=['old'])";
    let named = "line(type='result', subtype='success', result='old', user_message_uuids=['another'])";
    for odd in [stale, named] {
        let turn = format!(
            "agent.n = getattr(agent, 'n', 0) + 1\nif agent.n > 1:\n    {odd}\nagent.begin()\nagent.say('answer to ' + text)\nagent.end(user_message_uuids=[agent.input])"
        );
        let home = Home::made_up("claude", &format!("Claude.begins = False\n{}", program(&turn)));
        for input in ["one", "two", "three"] {
            completed("claude", &home.ask("worker", input), &format!("answer to {input}"));
        }
    }
    let turn = "agent.words('beginning')\nagent.end()\ntime.sleep(0.05)\nagent.words(' and end of ' + text.split()[0])";
    let home = Home::made_up("acp", &program(turn));
    for input in ["one", "two"] {
        completed("acp", &home.ask("worker", input), &format!("beginning and end of {input}"));
    }
}

/// What an agent wrote of an answer that it began anew is no part of it.
#[test]
fn text_of_an_attempt_that_is_repeated_is_not_printed() {
    for (protocol, turn) in [
        (
            "claude",
            "agent.words('The answer is 1')\nline(type='system', subtype='api_retry', attempt=1)\nagent.words('The answer is 17')\nagent.say('The answer is 17')\nagent.end()",
        ),
        (
            "claude",
            "line(type='stream_event', event={'type': 'message_start'})\nagent.words('The answer is 1')\n\
                    line(type='stream_event', event={'type': 'message_start'})\nagent.words('The answer is 17')\nagent.say('The answer is 17')\nagent.end()",
        ),
        (
            "codex",
            "agent.tell('item/started', item={'type': 'agentMessage', 'id': 'a'})\nagent.words('The answer is 1')\n\
                   agent.tell('item/started', item={'type': 'agentMessage', 'id': 'm'})\nagent.words('The answer is 17')\nagent.say('The answer is 17')\nagent.end()",
        ),
    ] {
        let home = Home::made_up(protocol, &program(turn));
        assert_eq!(home.teams(&["ask", "worker", "go on"]), "The answer is 17\n", "{protocol}");
        assert!(home.events().iter().any(|event| event["type"] == "retracted"), "{protocol}");
        let tail = home.teams(&["tail", "worker"]);
        assert!(tail.contains("The answer is 1\n[it begins this answer anew]\nThe answer is 17\n"), "{tail}");
    }
}

/// What it prints is in its result, or in a message that no model has written.
#[test]
fn the_output_of_a_command_of_the_cli_arrives() {
    let synthetic =
        "line(type='assistant', message={'model': '<synthetic>', 'content': [{'type': 'text', 'text': 'Total: 7'}]})";
    for turn in ["agent.end(result='Total: 7')".to_owned(), format!("{synthetic}\nagent.end(result='Total: 7')")] {
        completed("claude", &report_of("claude", &turn), "Total: 7");
    }
    let failure = "line(type='assistant', error='server_error', message={'model': '<synthetic>', 'content': [{'type': 'text', 'text': 'API Error'}]})";
    let report = report_of("claude", &format!("{failure}\nagent.end(is_error=True, result='API Error')"));
    assert_eq!((&report["status"], &report["text"]), (&"failed".into(), &"".into()), "{report}");
}

/// Nobody can use a question that is not asked.
#[test]
fn a_question_with_unreadable_parts_is_asked() {
    for (protocol, ask) in [
        (
            "claude",
            "line(type='control_request', request_id=7, request={'subtype': 'can_use_tool', 'tool_name': 'Bash', 'input': {'command': 'ls'}, 'permission_suggestions': None, 'tool_use_id': 7})",
        ),
        ("codex", "agent.ask(7, 'ls', commandActions=None, reason={}, itemId=9)"),
        (
            "acp",
            "agent.request(7, options=('allow_once',), toolCallId=7, title=None, rawInput={'command': 'ls'}, content=7)",
        ),
    ] {
        let turn = format!("{ask}\nallowed, reply = agent.answer()\nagent.say(str(allowed))\nagent.end()");
        let home = Home::made_up(protocol, &program(&turn));
        home.teams(&["send", "worker", "go on"]);
        let id = home.wait_for_approval();
        home.teams(&["approve", &id]);
        let end = home.wait_for_event("the end", |event| event["type"] == "turn-completed");
        assert_eq!(end["text"], "True", "{protocol}");
    }
    // What cannot be asked at all is answered under its id.
    for (protocol, ask) in [
        ("claude", "line(type='control_request', request_id=7, request=[1])"),
        (
            "codex",
            "line(id=7, method='item/commandExecution/requestApproval', params={'threadId': 'th', 'turnId': agent.turn, 'itemId': []})\nagent.tell('x')\nline(id=8, method='unheard/of', params={'threadId': 'th'})",
        ),
        ("acp", "line(jsonrpc='2.0', id=7, method='session/request_permission', params=[])"),
    ] {
        let turn = format!("{ask}\nreply = read()\nagent.say(json.dumps(reply))\nagent.end()");
        let text = match protocol {
            // The first is asked: only its item is unknown.
            "codex" => continue,
            _ => report_of(protocol, &turn)["text"].as_str().unwrap_or_default().to_owned(),
        };
        assert!(text.contains('7') && text.contains("error"), "{protocol}: {text}");
    }
}

/// The answer is for what somebody has read, and not for what was asked under the same id since.
#[test]
fn a_question_under_the_id_of_an_open_one_is_not_answered_with_it() {
    for protocol in PROTOCOLS.into_iter().filter(|protocol| *protocol != "gemini") {
        let turn = "agent.ask(7, 'ls harmless')\nagent.ask(7, 'rm everything')\nallowed, answer = agent.answer()\n\
                    agent.say(f'{allowed} {json.dumps(answer)}')\nagent.end()";
        let home = Home::made_up(protocol, &program(turn));
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

/// A policy decides on the command that the agent will run, however it is told, and a person on what no policy can read.
#[test]
fn a_policy_decides_on_what_will_be_run() {
    for (protocol, ask, denied) in [
        (
            "acp",
            "agent.update('tool_call', toolCallId='t', title='tidy up', kind='execute', rawInput={'command': 'rm x'})\nagent.request(7, toolCallId='t')",
            true,
        ),
        ("acp", "agent.request(7, toolCallId='t', title='rm x', kind='execute')", false),
        ("acp", "agent.request(7, toolCallId='t', title='Run shell command: rm x')", false),
        (
            "acp",
            "agent.request(7, toolCallId='t', title='ls', kind='execute', rawInput={'command': ['sh', '-c', 'rm x']})",
            true,
        ),
        (
            "acp",
            "agent.request(7, toolCallId='t', title='ls', kind='execute', rawInput={'commands': ['ls', 'rm x']})",
            false,
        ),
        ("acp", "agent.request(7, toolCallId='t', title='ls', kind='other')", false),
        ("codex", "agent.ask(7, 'ls', commandActions=[])", false),
        (
            "codex",
            "agent.ask(7, None, commandActions=[{'type': 'unknown', 'command': 'ls'}, {'type': 'unknown', 'command': 'rm x'}])",
            false,
        ),
        ("codex", "agent.ask(7, 'timeout 9 rm x', commandActions=[{'command': 'timeout 9 rm x'}])", true),
        ("codex", "agent.ask(7, 'bash', kind='writeStdin', commandActions=[{'command': 'ls'}])", false),
        ("claude", "agent.ask(7, 'FOO=1 /bin/rm x')", true),
        ("claude", "agent.ask(7, 'sh -c \"rm x\"')", true),
        ("claude", "agent.ask(7, 'ls; rm x')", false),
        (
            "claude",
            "line(type='control_request', request_id='7', request={'subtype': 'can_use_tool', 'tool_name': 'Bash', 'input': 'rm x'})",
            false,
        ),
    ] {
        let turn = format!("{ask}\nallowed, reply = agent.answer()\nagent.say(str(allowed))\nagent.end()");
        let home = Home::made_up(protocol, &program(&turn));
        home.teams(&["policy", "--deny", "command rm", "--allow", "command ls", "--otherwise", "allow"]);
        home.teams(&["send", "worker", "go on"]);
        if denied {
            let closed = home.wait_for_event(&format!("{protocol} {ask}"), |event| event["type"] == "approval-closed");
            assert_eq!((&closed["outcome"], &closed["by"]), (&"denied".into(), &"policy".into()), "{protocol} {ask}");
        } else {
            let id = home.wait_for_approval();
            home.teams(&["deny", &id]);
        }
        let end = home.wait_for_event("the end", |event| event["type"] == "turn-completed");
        assert_eq!(end["text"], "False", "{protocol} {ask}");
    }
}

#[test]
fn a_question_of_the_model_is_answered_by_a_person() {
    let turn = "line(type='control_request', request_id='7', request={'subtype': 'can_use_tool', 'tool_name': 'AskUserQuestion', 'tool_use_id': 't', 'input': {'more': 1, 'questions': [\n\
                {'question': 'Which?', 'options': [{'label': 'A'}, {'label': 'B'}]}, {'question': 'Why?', 'multiSelect': True, 'options': [7]}]}})\n\
                allowed, reply = agent.answer()\nagent.say(json.dumps(reply))\nagent.end()";
    let home = Home::made_up("claude", &program(turn));
    home.teams(&["policy", "--otherwise", "allow"]);
    home.teams(&["send", "worker", "go on"]);
    let id = home.wait_for_approval();
    let shown = home.teams(&["approvals", "show", &id]);
    assert!(shown.contains("Which?\n  - A\n  - B\n") && shown.contains("Why? (several may be chosen)"), "{shown}");
    for args in [vec!["approve", &id], vec!["approve", &id, "--answer", "A"], vec!["approve", &id, "--for-session"]] {
        let (code, said) = home.fails(&args);
        assert!(
            code == 1 && said.contains("2 questions") && said.contains("--answer TEXT --answer TEXT"),
            "{code} {said}"
        );
    }
    home.teams(&["approve", &id, "--answer", "B", "--answer", "because, and so"]);
    let end = home.wait_for_event("the end", |event| event["type"] == "turn-completed");
    let given: Value = serde_json::from_str(end["text"].as_str().expect("a text")).expect("JSON");
    assert_eq!(given["answers"], serde_json::json!({"Which?": "B", "Why?": "because, and so"}));
    assert_eq!(given["more"], 1, "the rest of the input is as it was: {given}");
}

/// A person decides on all of it.
#[test]
fn the_whole_of_what_is_asked_can_be_seen() {
    let long = format!("cargo test {}; touch END", "x ".repeat(200));
    for protocol in PROTOCOLS.into_iter().filter(|protocol| *protocol != "gemini") {
        let turn = format!("agent.ask(7, '{long}')\nagent.answer()\nagent.say('x')\nagent.end()");
        let home = Home::made_up(protocol, &program(&turn));
        home.teams(&["send", "worker", "go on"]);
        let id = home.wait_for_approval();
        assert_eq!(home.json(&["approvals"])[0]["command"], long, "{protocol}");
        assert!(home.teams(&["approvals", "show", &id]).contains(&long), "{protocol}");
        home.teams(&["deny", &id]);
        home.wait_for_event("the end", |event| event["type"] == "turn-completed");
    }
    let edit = "line(type='control_request', request_id='7', request={'subtype': 'can_use_tool', 'tool_name': 'Edit', 'input': {'file_path': '/a', 'old_string': 'x', 'new_string': 'y\\nEND'}})";
    let home = Home::made_up("claude", &program(&format!("{edit}\nagent.answer()\nagent.say('x')\nagent.end()")));
    home.teams(&["send", "worker", "go on"]);
    let id = home.wait_for_approval();
    assert!(home.teams(&["approvals", "show", &id]).contains("/a\n-x\n+y\n+END"));
    home.teams(&["deny", &id]);
    let (_, said) = home.fails(&["approvals", "show", "worker-999"]);
    assert!(said.contains("worker-999") && said.contains("teams approvals"), "{said}");
}

/// Nothing that an agent writes is obeyed by the terminal of whoever reads it.
#[test]
fn an_agent_does_not_write_to_the_terminal() {
    let odd = "\\x1b[2K\\x1b]0;t\\x07\\x9b1m\\u202e\\x08";
    let turn = format!("agent.ask(7, 'ls {odd}')\nagent.answer()\nagent.say('a{odd}b\\tc')\nagent.end()");
    let home = Home::made_up("claude", &program(&turn));
    home.teams(&["send", "worker", "go on"]);
    let id = home.wait_for_approval();
    let shown = [home.teams(&["approvals"]), home.teams(&["approvals", "show", &id]), home.teams(&["status"])];
    home.teams(&["approve", &id]);
    home.wait_for_event("the end", |event| event["type"] == "turn-completed");
    let asked = home.start(&["ask", "worker", "again"]);
    let id = home.wait_for_approval();
    home.teams(&["deny", &id]);
    let asked = asked.wait_with_output().expect("it ends");
    let said = [asked.stdout, asked.stderr].map(|text| String::from_utf8(text).expect("UTF-8"));
    for text in shown.iter().chain(&said).chain([&home.teams(&["tail"]), &home.teams(&["tail", "worker"])]) {
        let obeyed = |char: char| char.is_control() && !"\n\t".contains(char) || char == '\u{202e}';
        assert!(!text.contains(obeyed), "{text:?}");
    }
    assert!(said[0].contains("a␛[2K␛]0;t␇<U+009B>1m<U+202E>␈b\tc\n"), "{said:?}");
    assert!(home.teams(&["tail", "worker", "--raw"]).contains("\u{1b}[2K\u{1b}]0;t\u{7}\u{9b}1m\u{202e}\u{8}b\tc"));
    let (_, said) = home.fails(&["ask", "wor\u{1b}[2Kker", "x"]);
    assert!(!said.contains('\u{1b}'), "{said:?}");
}

#[test]
fn a_limit_ends_when_the_agent_says_so() {
    let turn = "agent.n = getattr(agent, 'n', 0) + 1\nif agent.n > 1:\n    agent.say('on again')\n    return agent.end()\n\
                line(type='rate_limit_event', rate_limit_info={'status': 'rejected', 'resetsAt': int(time.time()) + 2})\n\
                agent.end(is_error=True, result='You have hit your limit')";
    let home = Home::made_up("claude", &program(turn));
    completed("claude", &home.ask("worker", "go on"), "on again");
    let limited = home.wait_for_event("a limit", |event| event["state"] == "rate-limited");
    assert!(limited["reason"].as_str().is_some_and(|reason| !reason.is_empty()), "{limited}");
    wait_for("it to be idle", || (home.member("worker")["state"] == "idle").then_some(()));
}

/// Many ACP agents can continue no conversation; nobody's conversation is exchanged without a word.
#[test]
fn an_agent_that_cannot_resume_says_what_helps() {
    let turn = "if 'die' in text: os._exit(9)\nagent.say('heard: ' + text)\nagent.end()";
    let home = Home::made_up("acp", &program(turn));
    home.ask("worker", "hello");
    home.ask("worker", "die");
    let (_, said) = home.fails(&["ask", "worker", "again"]);
    assert!(said.contains("teams restart worker --fresh"), "{said}");
    let (_, said) = home.fails(&["restart", "worker"]);
    assert!(said.contains("teams restart worker --fresh"), "{said}");
    let outcome = home.json(&["restart", "worker", "--fresh"]);
    assert_eq!(outcome["outcome"], "fresh");
    let told = home.ask("worker", "again")["text"].as_str().expect("a text").to_owned();
    assert!(told.starts_with("heard: (You begin anew") && told.contains("again"), "{told}");
    assert_eq!(home.ask("worker", "once more")["text"], "heard: once more", "it is told once");
    // Said before, for all times.
    let home = Home::made_up_with("acp", &program(turn), &["--if-lost", "fresh"]);
    home.ask("worker", "hello");
    home.ask("worker", "die");
    let told = home.ask("worker", "again")["text"].as_str().expect("a text").to_owned();
    assert!(told.contains("You begin anew") && told.contains("continues no conversations"), "{told}");
    let fresh = home.wait_for_event("it", |event| event["type"] == "spawned" && event["conversation"] == "fresh");
    assert!(fresh["reason"].as_str().is_some_and(|reason| reason.contains("continues no")), "{fresh}");
    // And when its daemon was killed.
    signal("-9", daemon_pid(&home));
    let resumed = home.json(&["resume"]);
    assert_eq!(resumed[0]["outcome"], "fresh", "{resumed}");
    assert!(resumed[0]["reason"].as_str().is_some_and(|reason| reason.contains("continues no")), "{resumed}");
}

#[test]
fn what_is_printed_is_what_happened() {
    let turn = "if 'ask' in text:\n    agent.ask(7, 'ls')\n    agent.answer()\nif 'fast' in text:\n    agent.say('done'); return agent.end()\n\
                agent.say('one\\ntwo\\nthree')\nagent.end()";
    let home = Home::made_up("claude", &program(turn));
    home.teams(&["policy", "--otherwise", "allow"]);
    let asked = home.command(&["ask", "worker", "ask"]).output().expect("teams runs");
    let said = String::from_utf8_lossy(&asked.stderr).into_owned();
    assert!(!said.contains("approve"), "the policy has answered: {said}");
    // Lines that are shown, and not events.
    assert_eq!(home.teams(&["tail", "worker", "-n", "2"]), "two\nthree\n");
    assert_eq!(home.teams(&["tail", "worker", "-n", "1"]), "three\n");
    assert_eq!(home.teams(&["tail", "-n", "2"]), "worker: two\nworker: three\n");
    // What was stopped before is not stopped again.
    assert!(home.teams(&["stop", "worker"]).contains("stopped"));
    assert_eq!(home.teams(&["stop", "--all"]), "worker: was not running, 0 processes left\n");
    // A program that only reaches another machine.
    let ssh = home.made_up_agent("acp", &program("agent.say('x')\nagent.end()")).with_file_name("ssh");
    std::fs::rename(home.path().join("agent-acp.py"), &ssh).expect("renamed");
    home.teams(&["spawn", "far", "--backend", "acp", "--command", ssh.to_str().expect("UTF-8")]);
    assert!(home.teams(&["stop", "far"]).contains("0 processes left on this machine"));
}

#[test]
fn an_interrupt_says_what_became_of_the_turn() {
    let home = Home::simulated();
    home.teams(&["create", "crew"]);
    home.teams(&["spawn", "worker", "--backend", "claude"]);
    home.teams(&["send", "worker", "[[silence]]"]);
    home.wait_for_state("worker", "busy");
    assert_eq!(home.teams(&["interrupt", "worker"]), "worker: interrupted\n");
    // One that hears nothing.
    home.teams(&["send", "worker", "[[deaf]]"]);
    home.wait_for_event("its turn", |event| event["type"] == "turn-started" && event["turn"] == 2);
    assert!(home.teams(&["interrupt", "worker"]).contains("has not ended yet"));
}

/// What an ACP agent calls its modes, and that one of them asks, is not what it is for others.
#[test]
fn a_mode_of_an_acp_agent_is_in_force_or_refused() {
    let modes = |ids: &str, current: &str| {
        format!(
            "Acp.started = {{'modes': {{'availableModes': [{{'id': id}} for id in {ids}], 'currentModeId': '{current}'}}}}"
        )
    };
    let called = "Acp.called = lambda self, method, params: open('called', 'a').write(f'{method} {params.get(\"modeId\") or params.get(\"value\")}\\n')";
    let turn = program("agent.say('fine')\nagent.end()");
    let spawned =
        |before: &str, options: &[&str]| Home::made_up_with("acp", &format!("{before}\n{called}\n{turn}"), options);
    let asked = |home: &Home| std::fs::read_to_string(home.work().join("called")).unwrap_or_default();

    let home = spawned(&modes("['agent', 'x#Accept_Edits']", "agent"), &["--permission-mode", "acceptEdits"]);
    assert_eq!(asked(&home), "session/set_mode x#Accept_Edits\n");
    let option = "Acp.started = {'configOptions': [{'id': 'm', 'category': 'mode', 'currentValue': 'build', 'options': [{'value': 'build'}, {'value': 'plan'}]}]}";
    let home = spawned(option, &["--permission-mode", "plan"]);
    assert_eq!(asked(&home), "session/set_config_option plan\n");
    // Its own word for one.
    let home = spawned(&modes("['build', 'deploy']", "build"), &["--permission-mode", "deploy"]);
    assert_eq!(asked(&home), "session/set_mode deploy\n");
    // One that does not fit is refused, with what there is.
    let agent = home.path().join("agent-acp.py");
    let (_, said) = home.fails(&[
        "spawn",
        "other",
        "--backend",
        "acp",
        "--command",
        agent.to_str().expect("UTF-8"),
        "--permission-mode",
        "acceptEdits",
    ]);
    assert!(said.contains("its modes are: build, deploy"), "{said}");
    // And one that does not ask is said.
    let home = spawned(&modes("['build', 'plan']", "build"), &[]);
    let said = home.wait_for_event("a word", |event| event["type"] == "notice");
    let fits = |said: &str| said.contains("no mode that asks") && said.contains("build, plan");
    assert!(said["message"].as_str().is_some_and(fits), "{said}");
    completed("acp", &home.ask("worker", "go on"), "fine");
    assert!(fits(&noted(&home, &["status"])));
    let (agent, name) = (home.path().join("agent-acp.py"), "another");
    let command = agent.to_str().expect("UTF-8");
    let said = noted(&home, &["spawn", name, "--backend", "acp", "--command", command]);
    assert!(fits(&said), "at spawn: {said}");
}

/// What an agent does without asking, in a mode that asks, is said once; what it has asked for is not.
#[test]
fn an_acp_agent_that_acts_without_asking_is_told_of() {
    let turn = "for id in ('a', 'b'):\n agent.update('tool_call', toolCallId=id, kind='execute', status='pending', rawInput={'command': 'touch ' + id})\n\
                agent.request(7, toolCallId='a')\nread()\n\
                for id in ('a', 'b', 'c'):\n agent.update('tool_call_update', toolCallId=id, status='completed', kind='execute', title='anything')\n\
                agent.say('fine')\nagent.end()";
    let home = Home::made_up("acp", &program(turn));
    home.teams(&["policy", "--allow", "command touch"]);
    completed("acp", &home.ask("worker", "go on"), "fine");
    completed("acp", &home.ask("worker", "go on"), "fine");
    let told = |home: &Home| home.member("worker")["warnings"].as_array().cloned().unwrap_or_default();
    assert!(matches!(&told(&home)[..], [one] if one.as_str().is_some_and(|one| one.contains("(touch b)"))));
}

/// An agent that leaves the team's tools alone can write to nobody.
#[test]
fn an_acp_agent_without_the_team_s_tools_is_told_of() {
    let home = Home::made_up("acp", &program("agent.say('fine')\nagent.end()"));
    home.ask("worker", "go on");
    let said = home.wait_for_event("a word", |event| event["type"] == "notice");
    assert!(said["message"].as_str().is_some_and(|said| said.contains("has not started the team's tools")), "{said}");
    assert!(noted(&home, &["status"]).contains("has not started the team's tools"));
}

#[test]
fn an_acp_agent_thinks_as_hard_as_it_is_told_to() {
    let called = "Acp.called = lambda self, method, params: open('called', 'a').write(f'{method} {params.get(\"modelId\") or params.get(\"value\")}\\n')";
    let turn = program("agent.say('fine')\nagent.end()");
    for (started, asked, expected) in [
        (
            "{'configOptions': [{'id': 'e', 'category': 'thought_level', 'currentValue': 'low', 'options': [{'group': 'g', 'options': [{'value': 'low'}, {'value': 'x-high'}]}]}]}",
            "xhigh",
            "session/set_config_option x-high\n",
        ),
        (
            "{'models': {'availableModels': [], 'currentModelId': 'large[medium]'}}",
            "high",
            "session/set_model large[high]\n",
        ),
    ] {
        let home =
            Home::made_up_with("acp", &format!("Acp.started = {started}\n{called}\n{turn}"), &["--effort", asked]);
        assert_eq!(std::fs::read_to_string(home.work().join("called")).expect("a call"), expected);
        completed("acp", &home.ask("worker", "go on"), "fine");
    }
    let home = Home::made_up("acp", &turn);
    let command = home.path().join("agent-acp.py");
    let args = ["spawn", "b", "--backend", "acp", "--command", command.to_str().expect("UTF-8"), "--effort", "high"];
    let (_, said) = home.fails(&args);
    assert!(said.contains("--effort") && said.contains("offers no choice"), "{said}");
}

/// One that begins a new conversation where it does not have the old one has lost it, whether or not it says so.
#[test]
fn an_acp_agent_that_begins_anew_has_lost_its_conversation() {
    let turn = program("agent.say('fine')\nagent.end()");
    for other in [
        "Acp.capabilities = {'loadSession': True}",
        "Acp.capabilities = {'sessionCapabilities': {'resume': {}}}",
        "Acp.capabilities = {'loadSession': True}\nAcp.session = lambda self, asked: asked or 's1'\nAcp.loading = lambda self: line(jsonrpc='2.0', method='session/update', params={'sessionId': 's2', 'update': {'sessionUpdate': 'x'}})",
    ] {
        let home = Home::made_up("acp", &format!("{other}\n{turn}"));
        let command = home.path().join("agent-acp.py");
        let command = command.to_str().expect("UTF-8");
        let (_, said) = home.fails(&["spawn", "b", "--backend", "acp", "--command", command, "--resume", "old"]);
        assert!(said.contains("has begun a new one instead"), "{other}: {said}");
    }
}

#[test]
fn an_acp_turn_that_failed_is_not_done() {
    for end in [
        "agent.end(_meta={'codex': {'error': {'message': 'no luck'}}})",
        "agent.end(_meta={'error': 'no luck'})",
        "agent.update('session_info_update', threadStatus={'type': 'systemError'}, _meta={'error': {'message': 'no luck'}})\nagent.end()",
    ] {
        let report = report_of("acp", &format!("agent.say('an error, in words')\n{end}"));
        assert!(
            report["status"] == "failed" && report["error"].as_str().is_some_and(|error| error.contains("no luck")),
            "{end}: {report}"
        );
    }
    // One that says what it has used, and for once does not.
    let turn = "agent.n = getattr(agent, 'n', 0) + 1\nagent.say('words')\nagent.end(**({'usage': {'inputTokens': 1, 'outputTokens': 1}} if agent.n == 1 else {}))";
    let home = Home::made_up("acp", &program(turn));
    completed("acp", &home.ask("worker", "one"), "words");
    assert_eq!(home.ask("worker", "two")["status"], "failed");
    // The first one of an agent that always says it.
    let named = "Acp.info = {'name': 'Copilot'}\n";
    let report = Home::made_up("acp", &format!("{named}{}", program("agent.say('no credit')\nagent.end()")))
        .ask("worker", "one");
    assert!(report["status"] == "failed" && report["error"].to_string().contains("no credit"), "{report}");
    // What a provider says of its limit may be in the data of an error, or in the words of an answer that is none.
    for end in [
        "line(jsonrpc='2.0', id=agent.prompt, error={'code': -32603, 'message': 'Internal error', 'data': {'message': 'slow down', 'info': {'http_status_code': 429}}})",
        "agent.end(_meta={'error': '429 Too Many Requests'})",
        "agent.say('HTTP 429 from the provider; try again in 2 hours')\nagent.end(stopReason='refusal')",
    ] {
        let home = Home::made_up("acp", &program(end));
        home.teams(&["send", "worker", "go on"]);
        home.wait_for_state("worker", "rate-limited");
    }
    // What it has used may be said with what it writes.
    let turn = "agent.say('words')\nagent.update('agent_message_chunk', content={'type': 'text', 'text': ''}, _meta={'usage': {'inputTokens': 7, 'outputTokens': 2}})\nagent.end()";
    assert_eq!(report_of("acp", turn)["usage"]["inputTokens"], 7);
}

/// "Always" is for ever and for others with some agents, and one that is not asked cannot be denied later.
#[test]
fn what_is_allowed_for_the_session_is_kept_by_us() {
    let turn = "agent.request(7, options=('allow_always', 'allow_once', 'reject_once'), toolCallId='t', kind='execute', title='x', rawInput={'command': text.split('|')[1]})\n\
                reply = read()\nagent.say(str(reply['result']['outcome'].get('optionId')))\nagent.end()";
    let home = Home::made_up("acp", &program(turn));
    home.teams(&["send", "worker", "|touch x|"]);
    let id = home.wait_for_approval();
    home.teams(&["approve", &id, "--for-session"]);
    let end = home.wait_for_event("the end", |event| event["type"] == "turn-completed");
    assert_eq!(end["text"], "allow_once");
    // The same is not asked again, another one is, and a policy still holds.
    completed("acp", &home.ask("worker", "|touch x|"), "allow_once");
    let closed = home.events().into_iter().rfind(|event| event["type"] == "approval-closed").expect("a decision");
    assert_eq!(closed["by"], "session");
    home.teams(&["send", "worker", "|touch y|"]);
    let id = home.wait_for_approval();
    home.teams(&["deny", &id]);
    home.wait_for_state("worker", "idle");
    home.teams(&["policy", "--deny", "command touch"]);
    completed("acp", &home.ask("worker", "|touch x|"), "reject_once");
}

#[test]
fn the_teams_own_tools_ask_nobody() {
    for meta in ["{'claudeCode': {'toolName': 'mcp__teams__send_message'}}", "{'toolName': 'mcp__teams__task_list'}"] {
        let turn = format!(
            "agent.request(7, toolCallId='t', title='anything', kind='other', _meta={meta})\nallowed, reply = agent.answer()\nagent.say(str(allowed))\nagent.end()"
        );
        completed("acp", &report_of("acp", &turn), "True");
    }
    // A title is the model's.
    let turn = "agent.request(7, toolCallId='t', title='mcp__teams__send_message', kind='other')\nallowed, reply = agent.answer()\nagent.say(str(allowed))\nagent.end()";
    let home = Home::made_up("acp", &program(turn));
    home.teams(&["send", "worker", "go on"]);
    let id = home.wait_for_approval();
    home.teams(&["deny", &id]);
    // And the model is told that they are there.
    let told = report_of("acp", "agent.say(text)\nagent.end()")["text"].as_str().expect("a text").to_owned();
    assert!(told.starts_with("go on") && told.contains("`teams`"), "{told}");
}

#[test]
fn who_was_killed_has_not_died_of_what_it_said_before() {
    for protocol in ["claude", "acp"] {
        let turn = "sys.stderr.write('old trouble\\n'); sys.stderr.flush()\nif 'wait' in text: time.sleep(1000)\nagent.say('fine')\nagent.end()";
        let home = Home::made_up(protocol, &program(turn));
        home.ask("worker", "one");
        home.teams(&["send", "worker", "wait"]);
        home.wait_for_state("worker", "busy");
        signal("-9", home.member("worker")["pid"].as_u64().expect("a process"));
        let error = home.wait_for_event("its end", |event| event["type"] == "error");
        let said = error["message"].as_str().expect("words");
        assert!(said.contains("signal 9") && !said.contains("old trouble"), "{protocol}: {said}");
    }
}

/// A setting that only makes things nicer costs no session, and an old program is called old.
#[test]
fn other_versions_work_or_say_what_is_missing() {
    let old = "def refuses(self, params):\n    if 'agents.enabled' in json.dumps(params): return 'failed to load configuration: invalid type: boolean'\nCodex.refuses = refuses\n";
    let home = Home::made_up("codex", &format!("{old}{}", program("agent.say('fine')\nagent.end()")));
    completed("codex", &home.ask("worker", "go on"), "fine");
    let usage = "sys.stderr.write('Unknown arguments: session-id, sessionId\\nUsage: gemini [options]\\n  --delete-session  Error: session\\n')\nsys.exit(1)";
    let error = report_of("gemini", usage)["error"].to_string();
    assert!(error.contains("does not know --session-id"), "{error}");
    let home = Home::made_up("gemini", &program("agent.end()"));
    let older = home.made_up_agent("gemini", "").with_file_name("older");
    std::fs::write(&older, "#!/bin/sh\necho 0.40.1\n").expect("written");
    std::fs::set_permissions(&older, std::os::unix::fs::PermissionsExt::from_mode(0o755)).expect("a program");
    let doctor = home.command(&["doctor"]).env("TEAMS_GEMINI_COMMAND", &older).output().expect("teams runs");
    let said = String::from_utf8_lossy(&doctor.stdout).into_owned();
    assert!(said.contains("0.40.1 (too old: 0.41.0 is the oldest that works)"), "{said}");
}
