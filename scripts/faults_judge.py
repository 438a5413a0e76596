"""What `scripts/faults` holds against the promises: what was acknowledged, what was told, what the agents heard, the files."""
import collections, json, re, sys


def numbers(texts, word):
    """The numbers in texts like `… input-17`."""
    found = []
    for text in texts:
        _, _, number = (text or "").rpartition(f"{word}-")
        if number.isdigit():
            found.append(int(number))
    return found


def remembered(path):
    """The prompts of a simulated agent's conversation; one that was killed while it wrote has cut a line off."""
    prompts = []
    for line in path.read_text(errors="replace").splitlines():
        try:
            prompts += [json.loads(line)] if line else []
        except ValueError:
            pass
    return prompts


def judge_inputs(acknowledged, events, conversations):
    """Counts acknowledged inputs whose fate nobody was told, inputs that an agent had twice, and pairs in the wrong order."""
    told = {event["turn"] for event in events if event.get("turn") and event["type"] in ("turn-completed", "turn-interrupted", "error")}
    # An input whose number went to another one is lost, too. One that never began was given back with an error, or told as cut off.
    begun_as = {event["turn"]: numbers([event.get("input")], "input") for event in events if event["type"] == "turn-started"}
    lost = sum(1 for turn, number in acknowledged if turn not in told or number not in begun_as.get(turn, [number]))
    lost += len(acknowledged) - len({turn for turn, _ in acknowledged})
    begun = numbers((event.get("input") for event in events if event["type"] == "turn-started"), "input")
    heard = [numbers(prompts, "input") for prompts in conversations]
    twice = sum(count - 1 for count in collections.Counter(begun).values())
    everything = collections.Counter(number for prompts in heard for number in prompts)
    twice += sum(count - 1 for number, count in everything.items() if number in set(begun))
    disorder = lambda row: sum(1 for a, b in zip(row, row[1:]) if a > b)
    return lost, twice, disorder(begun) + sum(map(disorder, heard))


def judge_mail(acknowledged, events, inbox, conversations):
    """Counts messages that are neither in the inbox nor known to have arrived, those that an agent had in two turns without
    a word of doubt, and pairs in the wrong order. Answers also how often there was doubt."""
    known = lambda text: [int(number) for number in re.findall(r"message-(\d+)", text or "")]
    number_of = {event["id"]: known(event["text"])[0] for event in events if event["type"] == "mail" and known(event.get("text"))}
    acknowledgements = [event for event in events if event["type"] == "mail" and event["state"] == "acknowledged"]
    # After a crash it may be told once more of the same turn.
    arrived = [number for number, _ in dict.fromkeys((number_of.get(event["id"]), event.get("turn")) for event in acknowledgements)]
    settled = set(arrived) | {number_of.get(event["id"]) for event in events if event["type"] == "mail" and event["state"] == "refused"}
    waiting = {number for entry in inbox for number in known(entry["text"])}
    lost = sum(1 for number in acknowledged if number not in settled and number not in waiting)
    prompts = [prompt for prompts in conversations for prompt in prompts]
    heard = collections.Counter(number for prompt in prompts if "do not do again" not in prompt for number in set(known(prompt)))
    doubts = sum(1 for prompt in prompts if "do not do again" in prompt)
    ours = set(acknowledged)
    twice = sum(count - 1 for number, count in heard.items() if number in ours) + len(arrived) - len(set(arrived))
    return lost, twice, sum(1 for a, b in zip(arrived, arrived[1:]) if a and b and a > b), doubts


def parse_files(home):
    """Answers how many files of ours and Claude Code's do not parse."""
    bad = 0
    for path in [*home.dir.glob(".claude/**/*.json"), *home.state.glob("**/*.json")]:
        try:
            json.loads(path.read_text())
        except ValueError:
            bad += 1
            print(f"does not parse: {path}", file=sys.stderr)
    for path in home.state.glob("teams/**/*.jsonl*"):
        for line in path.read_bytes().split(b"\n"):
            try:
                line and json.loads(line)
            except ValueError:
                bad += 1
                print(f"does not parse: {path}: {line[:80]}", file=sys.stderr)
    return bad


def judge(home, members, load, events):
    """Answers what was lost, duplicated and reordered, how many files do not parse, and how many deliveries were in doubt."""
    lost, twice, disorder, doubts = 0, 0, 0, 0
    conversations = [remembered(path) for path in home.state.glob("simulated/*.jsonl")]
    for name in members:
        own = [event for event in events if event["agent"] == name]
        begun = set(numbers((event.get("input") for event in own if event["type"] == "turn-started"), "input"))
        heard = [prompts for prompts in conversations if begun & set(numbers(prompts, "input"))]
        path = home.dir / f".claude/teams/crew/inboxes/{name}.json"
        inbox = json.loads(path.read_text()) if path.exists() else []
        of_mail = judge_mail(load.messages[name], own, inbox, conversations)
        for judged in [judge_inputs(load.inputs[name], own, heard), of_mail]:
            lost, twice, disorder = lost + judged[0], twice + judged[1], disorder + judged[2]
        doubts = of_mail[3]
    for id, number in load.tasks.items():
        path = home.dir / f".claude/tasks/crew/{id}.json"
        lost += not path.exists() or json.loads(path.read_text())["subject"] != f"task-{number}"
    sequence = [event["seq"] for event in events]
    disorder += sequence != list(range(1, len(sequence) + 1))
    return lost, twice, disorder, parse_files(home), doubts


def work_done_again(events, ids):
    """Counts the tasks that were begun by somebody after they were done."""
    done, again = {}, set()
    for event in events:
        if event["type"] == "task" and event["status"] == "completed":
            done.setdefault(event["id"], event["seq"])
        if event["type"] == "turn-started":
            again.update(id for id in re.findall(r"Task #(\d+): ", event.get("input") or "") if id in done)
    return len(again & set(ids))


def judge_work(home, load, events):
    """Answers how many tasks for members are not done, how many were begun after they were done, and how many attempts there were."""
    tasks = [json.loads((home.dir / f".claude/tasks/crew/{id}.json").read_text()) for id in load.work]
    stranded = [task["id"] for task in tasks if task["status"] != "completed"]
    if stranded:
        print(f"stranded: {stranded[:20]}", file=sys.stderr)
    attempts = sum(task.get("metadata", {}).get("agentTeams", {}).get("attempt", 0) for task in tasks)
    return len(stranded), work_done_again(events, load.work), attempts


def prove():
    """The judges see what they are there for."""
    given = lambda seq, id: {"seq": seq, "type": "turn-started", "input": f"Task #{id}: work"}
    done = lambda seq, id: {"seq": seq, "type": "task", "id": id, "status": "completed"}
    assert work_done_again([given(1, 1), given(2, 1), done(3, "1"), given(4, 2)], ["1", "2"]) == 0
    assert work_done_again([given(1, 1), done(2, "1"), given(3, 1)], ["1"]) == 1, "work that is done again is seen"
    started = lambda turn, number: {"type": "turn-started", "turn": turn, "input": f"x input-{number}"}
    completed = lambda turn: {"type": "turn-completed", "turn": turn}
    good = [started(1, 1), completed(1), started(2, 2), completed(2)]
    assert judge_inputs([(1, 1), (2, 2)], good, [["x input-1", "x input-2"]]) == (0, 0, 0)
    assert judge_inputs([(1, 1), (2, 3)], good, [[]]) == (1, 0, 0), "another one in its place is seen"
    assert judge_inputs([(1, 1), (1, 2)], good[:2], [[]])[0] > 0, "one number for two is seen"
    assert judge_inputs([(1, 1), (3, 3)], good, [[]]) == (1, 0, 0), "a loss is seen"
    assert judge_inputs([], good, [["input-1"], ["input-1"]]) == (0, 1, 0), "what was heard twice is seen"
    assert judge_inputs([], [started(1, 2), started(2, 1)], [[]]) == (0, 0, 1), "disorder is seen"
    mail = lambda number, state: {"type": "mail", "id": f"id-{number}", "state": state, "text": f"message-{number}"}
    wrapped = lambda *numbers, doubt="": doubt + " ".join(f"<t>message-{number}</t>" for number in numbers)
    fine = [mail(number, state) for number in (1, 2) for state in ("injected", "acknowledged")]
    assert judge_mail([1, 2, 3], fine, [{"text": "message-3"}], [[wrapped(1, 2)]]) == (0, 0, 0, 0)
    assert judge_mail([1, 2], fine[:2], [], [[wrapped(1)]])[0] == 1, "a lost message is seen"
    assert judge_mail([1], fine[:2], [], [[wrapped(1)], [wrapped(1)]])[1] == 1, "one that was heard twice is seen"
    assert judge_mail([1], fine[:2], [], [[wrapped(1), wrapped(1, doubt="do not do again")]]) == (0, 0, 0, 1)
    assert judge_mail([1, 2], fine[2:] + fine[:2], [], [[]])[2] == 1, "disorder is seen"
