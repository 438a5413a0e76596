"""A home of its own for `scripts/faults`, its daemon, and the processes that belong to it."""
import json, os, pathlib, shutil, socket, subprocess, tempfile, time

# Processes that nobody's parent is: double-forked, in sessions of their own, without an environment, deaf to what can be ignored.
LEAVE = """for i in 1 2 3; do
(setsid env -i sh -c 'trap "" TERM HUP INT; read s < /proc/$$/stat; set -- $s; echo $1 ${22} >> sleepers; exec sleep 1000' >/dev/null 2>&1 </dev/null &)
done
"""


class Gone(Exception):
    """The daemon ended while it was asked, or refused."""


class Home:
    def __init__(self, teams, place=None):
        self.dir = pathlib.Path(place or tempfile.mkdtemp(prefix="teams-faults-"))
        # What is built meanwhile is another program.
        self.teams_binary = str(teams if place else shutil.copy(teams, self.dir / "teams"))
        self.state = self.dir / "state"
        self.work = self.dir / "project"
        self.work.mkdir()
        (self.work / "leave.sh").write_text(LEAVE)
        self.env = {"PATH": os.environ["PATH"], "HOME": str(self.dir), "TEAMS_STATE_DIR": str(self.state), "TEAMS_SIMULATE": "1"}

    def popen(self, *args):
        return subprocess.Popen([self.teams_binary, *args], cwd=self.work, env=self.env, stdin=subprocess.DEVNULL,
                                stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def teams(self, *args, check=True):
        process = self.popen(*args)
        out, err = process.communicate(timeout=120)
        if check and process.returncode != 0:
            raise RuntimeError(f"teams {' '.join(args)}: {err.strip()}\n{self.log()}")
        return out

    def log(self):
        path = self.state / "daemon.log"
        return "\n".join(path.read_text().splitlines()[-15:]) if path.exists() else ""

    def processes(self):
        """Pids that carry this home in their environment, and what was left on purpose."""
        mark = f"TEAMS_STATE_DIR={self.state}".encode()
        found = {}
        for entry in os.listdir("/proc"):
            if not entry.isdigit():
                continue
            try:
                if mark in pathlib.Path(f"/proc/{entry}/environ").read_bytes().split(b"\0"):
                    found[int(entry)] = pathlib.Path(f"/proc/{entry}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            except OSError:
                pass
        return found

    def sleepers(self):
        path = self.work / "sleepers"
        lines = [line.split() for line in path.read_text().splitlines()] if path.exists() else []
        return [int(pid) for pid, start in lines if runs(int(pid)) and started(int(pid)) == start]


class Connection:
    """JSON-RPC, one object a line."""

    def __init__(self, home):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(60)
        try:
            self.socket.connect(str(home.state / "daemon.sock"))
        except OSError as error:
            raise Gone(error)
        self.lines = self.socket.makefile("rb")
        self.next = 0

    def call(self, method, **params):
        self.next += 1
        try:
            self.socket.sendall(json.dumps({"jsonrpc": "2.0", "id": self.next, "method": method, "params": params}).encode() + b"\n")
            line = self.lines.readline()
        except OSError as error:
            raise Gone(error)
        if not line:
            raise Gone("closed")
        reply = json.loads(line)
        if "error" in reply:
            raise Gone(reply["error"]["message"])
        return reply["result"]


def runs(pid):
    try:
        fields = pathlib.Path(f"/proc/{pid}/stat").read_text(errors="replace").rsplit(")", 1)[1].split()
        # Whose first thread has ended looks dead before the others are.
        return fields[0] not in "ZX" or int(fields[17]) > 1
    except OSError:
        return False


def started(pid):
    """When, in clock ticks since the machine was: a pid alone may mean another process by now."""
    try:
        return pathlib.Path(f"/proc/{pid}/stat").read_text(errors="replace").rsplit(")", 1)[1].split()[19]
    except OSError:
        return None


def ancestors(pid):
    found = set()
    while pid > 1:
        try:
            pid = int(pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[1])
        except OSError:
            return found
        found.add(pid)
    return found


def wait(limit, condition):
    deadline = time.monotonic() + limit
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.01)
    return True
