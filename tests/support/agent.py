# An agent of which a test decides every line. The test's own part follows this one, and calls run(turn): turn(text) is called for each input.
# The functions are the same for all four protocols; PROTOCOL is written above.
import json, os, sys, time

def raw(data):
    sys.stdout.buffer.write(data if isinstance(data, bytes) else data.encode())
    sys.stdout.buffer.flush()

def line(**fields):
    raw(json.dumps(fields) + "\n")

def option(*names, default=None):
    found = [sys.argv[sys.argv.index(name) + 1] for name in names if name in sys.argv]
    return found[0] if found else default

def read():
    text = sys.stdin.readline()
    return json.loads(text) if text else sys.exit(0)

class Claude:
    version = "2.1.329 (Claude Code)"
    session = option("--session-id", "--resume", default="s")
    model = option("--model", default="made-up")
    mode = option("--permission-mode", default="default")
    begins = True

    def run(self, turn):
        while True:
            message = read()
            if message["type"] == "control_request":
                asked = message["request"]["subtype"]
                known = {"initialize": {"current_permission_mode": self.mode, "account": {"apiProvider": "other"}},
                         "get_settings": {"applied": {"model": self.model}}}
                line(type="control_response", response={"subtype": "success", "request_id": message["request_id"],
                                                        "response": known.get(asked, {})})
            elif message["type"] == "user":
                self.input = message.get("uuid")
                if self.begins:
                    self.begin()
                turn(message["message"]["content"])

    def begin(self):
        line(type="command_lifecycle", command_uuid=self.input, state="started")
        line(type="system", subtype="init", session_id=self.session, cwd=os.getcwd(), model=self.model,
             permissionMode=self.mode, user_message_uuids=[self.input])

    def words(self, text):
        line(type="stream_event", event={"type": "content_block_delta", "delta": {"type": "text_delta", "text": text}})

    def say(self, text, **message):
        content = [{"type": "text", "text": text}]
        line(type="assistant", message={"role": "assistant", "model": self.model, "content": content, **message})

    def ask(self, id, command):
        line(type="control_request", request_id=str(id), request={
            "subtype": "can_use_tool", "tool_name": "Bash", "input": {"command": command}, "tool_use_id": f"t{id}"})

    def answer(self):
        response = read()["response"]
        return response["response"].get("behavior") == "allow", response["response"].get("updatedInput")

    def end(self, **fields):
        line(**{"type": "result", "subtype": "success", "is_error": False, "result": "", "session_id": self.session,
                "usage": {"input_tokens": 1, "output_tokens": 1}, **fields})

class Codex:
    version = "codex-cli 0.169.0"

    def run(self, turn):
        self.turns = 0
        self.calls = {"thread/read": lambda: {"thread": {"turns": []}}}
        while True:
            message = read()
            method, id, params = message.get("method"), message.get("id"), message.get("params") or {}
            if method == "initialize":
                line(id=id, result={"userAgent": "made-up"})
            elif method == "account/read":
                line(id=id, result={"account": None, "requiresOpenaiAuth": False})
            elif method in ("thread/start", "thread/resume") and self.refuses(params):
                line(id=id, error={"code": -32600, "message": self.refuses(params)})
            elif method in ("thread/start", "thread/resume"):
                kinds = {"workspace-write": "workspaceWrite", "danger-full-access": "dangerFullAccess"}
                line(id=id, result={"thread": {"id": "th"}, "model": params.get("model") or "made-up", "cwd": params.get("cwd"),
                                    "approvalPolicy": params.get("approvalPolicy"),
                                    "sandbox": {"type": kinds.get(params.get("sandbox"), "readOnly")}})
            elif method == "turn/start":
                self.turns += 1
                self.turn = f"tu{self.turns}"
                line(id=id, result={"turn": {"id": self.turn, "status": "inProgress", "items": []}})
                self.tell("turn/started", turn={"id": self.turn, "status": "inProgress"})
                self.item(type="userMessage", id="user", clientId=params.get("clientUserMessageId"))
                turn(params["input"][0]["text"])
            elif method in self.calls:
                line(id=id, result=self.calls[method]())
            elif method and id is not None:
                line(id=id, result={})

    def refuses(self, params):
        return None

    def tell(self, method, **params):
        line(method=method, params={"threadId": "th", "turnId": self.turn, **params})

    def item(self, **item):
        self.tell("item/completed", item=item)

    def words(self, text):
        self.tell("item/agentMessage/delta", itemId="m", delta=text)

    def say(self, text, **item):
        self.item(type="agentMessage", id="m", text=text, **item)

    def ask(self, id, command, **params):
        line(id=id, method="item/commandExecution/requestApproval", params={
            "threadId": "th", "turnId": self.turn, "itemId": f"t{id}", "command": command,
            "commandActions": [{"type": "unknown", "command": command}], **params})

    def answer(self):
        reply = read()
        return str((reply.get("result") or {}).get("decision", "")).startswith("accept"), reply

    def end(self, **turn):
        self.tell("turn/completed", turn={"id": self.turn, "status": "completed", "error": None, "items": [], **turn})

class Gemini:
    version = "0.61.0"

    def run(self, turn):
        text = sys.stdin.read()
        line(type="init", session_id=option("--session-id", "-r"), model=option("-m", default="made-up"))
        turn(text)

    def words(self, text):
        line(type="message", role="assistant", content=text, delta=True)

    def say(self, text):
        self.words(text)

    def end(self, **fields):
        line(**{"type": "result", "status": "success", "stats": {"input_tokens": 1, "output_tokens": 1}, **fields})

class Acp:
    version = "1.0.0"
    capabilities = {}
    started = {}
    info = {}

    def run(self, turn):
        while True:
            message = read()
            method, id = message.get("method"), message.get("id")
            if method == "initialize":
                self.reply(id, protocolVersion=1, agentCapabilities=self.capabilities, agentInfo=self.info, authMethods=[])
            elif method in ("session/new", "session/load", "session/resume"):
                self.loading()
                self.reply(id, **{"sessionId": self.session(message["params"].get("sessionId")), **self.started})
            elif method == "session/prompt":
                self.prompt = id
                turn("".join(part.get("text", "") for part in message["params"]["prompt"]))
            elif method and id is not None:
                self.called(method, message["params"])
                self.reply(id)

    def session(self, asked):
        return "s1"

    def loading(self):
        pass

    def called(self, method, params):
        pass

    def reply(self, id, **result):
        line(jsonrpc="2.0", id=id, result=result)

    def update(self, session_update, **fields):
        line(jsonrpc="2.0", method="session/update", params={"sessionId": "s1", "update": {"sessionUpdate": session_update, **fields}})

    def words(self, text):
        self.update("agent_message_chunk", content={"type": "text", "text": text})

    def say(self, text):
        self.words(text)

    def ask(self, id, command, **call):
        self.request(id, **{"toolCallId": f"t{id}", "title": command, "kind": "execute", "rawInput": {"command": command}, **call})

    def request(self, id, options=("allow_once", "reject_once"), **call):
        options = [{"optionId": kind, "name": kind, "kind": kind} for kind in options]
        line(jsonrpc="2.0", id=id, method="session/request_permission",
             params={"sessionId": "s1", "toolCall": call, "options": options})

    def answer(self):
        reply = read()
        outcome = (reply.get("result") or {}).get("outcome") or {}
        return str(outcome.get("optionId", "")).startswith("allow"), reply

    def end(self, **fields):
        self.reply(self.prompt, **{"stopReason": "end_turn", **fields})

agent = {"claude": Claude, "codex": Codex, "gemini": Gemini, "acp": Acp}[PROTOCOL]()
if "--version" in sys.argv:
    print(agent.version)
    sys.exit(0)
