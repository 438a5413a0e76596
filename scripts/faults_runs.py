"""What `scripts/faults` does to runs: kills the daemon while members work, hooks judge and branches are merged, resumes, and looks at what has
come of it."""
import json, os, random, signal, subprocess, time

from faults_judge import work_done_again

TASKS = 6
MEMBERS = {"anna": "claude", "cleo": "codex", "fred": "gemini-acp"}
# Rejects the first word about each task, and writes down what it lets pass.
GATE = """id=$(sed 's/.*"task_id":"\\([0-9]*\\)".*/\\1/'); touch "judging-$TEAM"; sleep 0.05; rm -f "judging-$TEAM"
if mkdir "gate-$TEAM-$id" 2>/dev/null; then echo look at it once more >&2; exit 2; fi
echo "$id" >> "passed-$TEAM"
"""
# Whoever does it, and however often, it comes to the same.
STEP = """echo "$1" > "of-$1" && git add "of-$1" && { git diff --cached --quiet || git -c user.name=T -c user.email=t@example.invalid commit -q -m "step $1"; }
"""


class Runs:
    def __init__(self, home, wait, nothing_left):
        self.home, self.wait, self.nothing_left = home, wait, nothing_left
        self.killed = {"at work": 0, "in a hook": 0, "in a merge": 0}
        self.left, self.again, self.notes = 0, 0, []
        home.env["AGENT_SIMULATE_FINISH"] = "1"
        (home.work / "gate.sh").write_text(GATE)
        (home.work / "step.sh").write_text(STEP)
        self.git("init", "-q", "-b", "main")
        self.git("add", "gate.sh", "step.sh")
        self.git("-c", "user.name=T", "-c", "user.email=t@example.invalid", "commit", "-q", "-m", "first")

    def git(self, *args):
        return subprocess.run(["git", *args], cwd=self.home.work, capture_output=True, text=True, check=True).stdout

    def file(self, team):
        text = f'[team]\nname = "{team}"\n[defaults]\nworktree = true\npermission-mode = "bypassPermissions"\n'
        text += f'[run]\nmerge = "{random.choice(["squash", "branch"])}"\n'
        text += f'[[hook]]\nevent = "TaskCompleted"\ncommand = "TEAM={team} sh gate.sh"\n'
        for name, backend in MEMBERS.items():
            text += f'[[member]]\nname = "{name}"\nbackend = "{backend}"\n'
        for number in range(1, TASKS + 1):
            after = f'depends-on = ["step-{number - 2}"]\n' if number > 2 else ""
            text += f'[[task]]\nname = "step-{number}"\ndescription = "[[run sh step.sh {number}]]"\nmax-retries = 100\n{after}'
        path = self.home.work / f"{team}.toml"
        path.write_text(text)
        return str(path)

    def state(self, team):
        return json.loads(self.home.teams("runs", "--json", "-t", team))[0]["state"]

    def moment(self, team):
        """Waits for the moment in which the daemon is killed, and says which it is."""
        kind = random.choice(list(self.killed))
        merges = self.home.state / "merges"
        reached = {
            "at work": lambda: True,
            "in a hook": lambda: (self.home.work / f"judging-{team}").exists(),
            "in a merge": lambda: merges.exists() and any(merges.glob(f"{team}-*/*")),
        }[kind]
        asked = time.monotonic()
        while not reached():
            # The state is asked for now and then only: that takes a process.
            if time.monotonic() > asked + 0.5:
                if self.state(team) not in ("running", "interrupted"):
                    return None
                asked = time.monotonic()
            time.sleep(0.002)
        time.sleep(random.expovariate(1 / (0.3 if kind == "at work" else 0.02)))
        return kind

    def one(self, number):
        team = f"run-{number}"
        file = self.file(team)
        self.home.teams("trust", file)
        self.home.teams("run", file, "--detach")
        for _ in range(random.choice([1, 2, 3])):
            kind = self.moment(team)
            if not kind:
                break
            daemon = next((pid for pid, command in self.home.processes().items() if "daemon run" in command), None)
            os.kill(daemon, signal.SIGKILL)
            self.killed[kind] += 1
            self.left += self.nothing_left(daemon)
            resumed = self.home.popen("run", file, "--resume", "--detach")
            _, complaint = resumed.communicate(timeout=60)
            if resumed.returncode != 0 and "can be resumed" not in complaint:
                self.notes.append(f"{team} is not resumed: {complaint}")
        if not self.wait(60, lambda: self.state(team) not in ("running", "interrupted")):
            self.notes.append(f"{team} does not end: {self.state(team)}")
        self.judge(team)

    def judge(self, team):
        """Looks at everything that the run has promised."""
        note = lambda text: self.notes.append(f"{team}: {text}")
        run = json.loads(self.home.teams("runs", "--json", "-t", team))[0]
        if run["state"] != "done":
            note(f"it is {run['state']}: {run.get('reason')}")
            return
        events = [json.loads(line) for line in self.home.teams("tail", "--json", "-t", team).splitlines()]
        tasks = json.loads(self.home.teams("task", "list", "--json", "-t", team))
        self.again += work_done_again(events, [task["id"] for task in tasks])
        passed = set((self.home.work / f"passed-{team}").read_text().split())
        for task in tasks:
            if task["status"] != "completed" or task["id"] not in passed:
                note(f"task #{task['id']} is {task['status']}, " + ("judged" if task["id"] in passed else "and no hook let it pass"))
        branch = f"teams-runs/{team}-1"
        for number in range(1, TASKS + 1):
            shown = subprocess.run(["git", "show", f"{branch}:of-{number}"], cwd=self.home.work, capture_output=True, text=True)
            if not shown.stdout.startswith(str(number)):
                note(f"what came of step {number} is not in {branch}")
        kept = set(self.git("log", "--format=%s", *(f"teams/{team}/{name}" for name in MEMBERS)).splitlines())
        if not {f"step {number}" for number in range(1, TASKS + 1)} <= kept:
            note(f"commits of members are lost: {sorted(kept)}")
        if self.git("log", "--format=%s", "main") != "first\n" or self.git("status", "--porcelain", "--untracked-files=no"):
            note("the checkout has changed")
        places = self.git("worktree", "list", "--porcelain")
        if str(self.home.state / "merges") in places:
            note("the worktree of its merge is left")
        members = json.loads(self.home.teams("status", "--json", "-t", team))["members"]
        if any(member["state"] not in ("exited", "failed") for member in members):
            note(f"members run on: {[(member['name'], member['state']) for member in members]}")

    def run(self, rounds):
        for number in range(1, rounds + 1):
            self.one(number)
