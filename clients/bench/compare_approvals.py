"""Plays scenes of approvals, rules and sandboxes on two servers and compares, call for call, what clients see (items with
their outcomes, the questions with all their parameters, refusals) and what the model reads. Standard library only;
`compare.py` runs it.

A scene is a function of a Stage. Known differences stand in `approvals_allowed.py`.
"""

import concurrent.futures
import contextlib
import difflib
import json
import pathlib
import re
import shutil
import subprocess

import lifecycle
from approvals_allowed import Allowance
from approvals_scenes import SCENES

QUIET_SECONDS = 0.15
ANSWER_SECONDS = 40
STATUS = "thread/status/changed"
TOLD = {STATUS, "item/started", "item/completed", "turn/completed", "serverRequest/resolved",
        "item/commandExecution/requestApproval", "item/fileChange/requestApproval", "item/permissions/requestApproval",
        "item/commandExecution/terminalInteraction", "error", "process/exited"}
UNTOLD_ITEMS = {"userMessage", "agentMessage", "reasoning"}

CONFIG = """model = "gpt-5.5"
model_provider = "mock"
approval_policy = "never"
sandbox_mode = "danger-full-access"
[model_providers.mock]
name = "mock"
base_url = "http://127.0.0.1:{port}/v1"
wire_api = "responses"
"""

# What differs from run to run, and what stands for it. Times are numbers by their names below.
UNSTABLE = [
    (re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"), "ID"),
    (re.compile(r"\bcall_m\d+(_\d+)?"), "CALL"),
    (re.compile(r"Chunk ID: [0-9a-f]{6}"), "Chunk ID: X"),
    (re.compile(r"Wall time: [\d.]+ seconds"), "Wall time: T seconds"),
    (re.compile(r"aborted by user after [\d.]+s"), "aborted by user after Ts"),
    (re.compile(r"session ID \d+"), "session ID N"),
]
COUNTED = {"startedAtMs", "completedAtMs", "durationMs", "processId", "duration", "startedAt", "completedAt", "requestId"}


class Mock:
    """A mock model with a log that can be read while it runs."""

    def __init__(self, command, log):
        log.write_text("")
        self.process = subprocess.Popen([*command.split(), "--log", str(log)], stdout=subprocess.PIPE, text=True)
        self.port = int(self.process.stdout.readline())
        self.log = log.open()

    def inputs(self):
        """The inputs of the requests since the last call."""
        for line in self.log:
            body = json.loads(line).get("body")
            if isinstance(body, dict) and "input" in body:
                yield body["input"]

    def close(self):
        self.process.kill()
        self.process.wait()
        self.log.close()


class Client(lifecycle.Socket):
    """A client that keeps what it sees and answers what it is asked."""

    def __init__(self, port):
        self.answers, self.messages, self.unanswered = [], [], []
        super().__init__(port)
        self.socket.settimeout(ANSWER_SECONDS)

    def read(self):
        message = json.loads(self.take())
        if "method" in message and "id" in message:
            answer = self.answers.pop(0) if self.answers else {"result": {"decision": "decline"}}
            if answer is None:
                self.unanswered.append(message)
            else:
                self.socket.sendall(lifecycle.frame(json.dumps({"id": message["id"], **answer}).encode()))
        self.messages.append(message)
        return message

    def answer(self, number):
        while True:
            message = self.read()
            if message.get("id") == number and "method" not in message:
                self.messages.remove(message)
                return message

    def until(self, method):
        while not any(message.get("method") == method for message in self.messages):
            self.read()

    def settle(self, seconds=QUIET_SECONDS):
        self.socket.settimeout(seconds)
        try:
            while True:
                self.read()
        except TimeoutError:
            pass
        finally:
            self.socket.settimeout(ANSWER_SECONDS)


class Stage:
    """One server with its folders, in a scene."""

    def __init__(self, program, folder, mock):
        self.mock, self.transcript, self.told = mock, {}, set()
        self.home, self.work, self.outside = (folder / name for name in ("home", "work", "outside"))
        self.temporary = pathlib.Path("/tmp") / f"loomd-{folder.name}"
        for place in (self.home, self.work, self.outside):
            shutil.rmtree(place, ignore_errors=True)
            place.mkdir(parents=True)
        (self.work / ".git").mkdir()
        (self.work / ".git" / "HEAD").write_text("ref: refs/heads/main\n")
        (self.home / "config.toml").write_text(CONFIG.format(port=mock.port))
        self.program, self.folder = program, folder
        self.server = self.client = None

    def start(self):
        # A user's own shell profile would print into outputs.
        self.server = lifecycle.SocketServer(self.program, self.home, self.work, HOME=str(self.work.parent))
        self.client = Client(self.server.port)

    def close(self):
        self.temporary.unlink(missing_ok=True)
        if self.client:
            self.client.close()
            self.server.close()

    def thread(self, approval, sandbox="workspace-write", **more):
        answer = self.client.request("thread/start", {
            "cwd": str(self.work), "approvalPolicy": approval, "sandbox": sandbox, **more})
        self.settle()
        return answer["result"]["thread"]["id"]

    def settle(self, seconds=QUIET_SECONDS):
        self.client.settle(seconds)
        self.client.messages.clear()

    def rules(self, text):
        (self.home / "rules").mkdir(exist_ok=True)
        (self.home / "rules" / "default.rules").write_text(text)

    def placed(self, value):
        """JSON text with the real folders in it."""
        text = json.dumps(value)
        for word, real in (("@WORK", self.work), ("@OUTSIDE", self.outside), ("@TMP", self.temporary)):
            text = text.replace(word, str(real))
        return text

    def turn(self, name, thread, script, *answers, meanwhile=None, ordered=True):
        """One turn: what its items, its questions and its outputs were. An answer of None keeps a question open."""
        text = self.placed(script)
        self.client.answers = list(answers)
        started = self.client.request("turn/start", {
            "threadId": thread, "input": [{"type": "text", "text": "go\n@@ " + text}]})
        if meanwhile:
            meanwhile(started["result"]["turn"]["id"])
        self.client.until("turn/completed")
        self.client.settle()
        self.tell_messages(name)
        told = {}
        for items in self.mock.inputs():
            told.update((item["call_id"], item) for item in items if item.get("type", "").endswith("_output"))
        self.tell(name, [f"model reads {item['type']} {shown(item['output'])}"
                         for call, item in told.items() if call not in self.told])
        self.told.update(told)
        if not ordered:
            self.transcript[name] = sorted(set(self.transcript[name]))

    def ask(self, name, method, params, seconds=QUIET_SECONDS):
        """One request: its answer, and what came with it."""
        message = self.client.request(method, json.loads(self.placed(params)))
        self.client.settle(seconds)
        self.tell(name, [f"{method} " + shown(message.get("result", message.get("error")))])
        self.tell_messages(name)

    def tell_messages(self, name):
        """Tells what came. The reference tells of statuses from a task of its own: they have no place among the items."""
        for is_status in (False, True):
            self.tell(name, [line for message in self.client.messages if (message.get("method") == STATUS) is is_status
                             for line in described(message)])
        self.client.messages.clear()

    def tell(self, name, lines):
        for real, word in ((self.home, "HOME"), (self.work, "WORK"), (self.outside, "OUTSIDE"), (self.folder, "FOLDER"),
                           (self.temporary, "TMP")):
            lines = [line.replace(str(real), word) for line in lines]
        for pattern, word in UNSTABLE:
            lines = [pattern.sub(word, line) for line in lines]
        self.transcript.setdefault(name, []).extend(lines)


def stable(value, name=None):
    if name in COUNTED and value is not None:
        return "N"
    if isinstance(value, dict):
        return {key: stable(member, key) for key, member in value.items()}
    if isinstance(value, list):
        return [stable(member, name) for member in value]
    return value


def shown(value):
    return json.dumps(stable(value), sort_keys=True, ensure_ascii=False)


def described(message):
    """The lines that tell of a message: one for each member that says something."""
    method, params = message.get("method"), message.get("params") or {}
    item = params.get("item") or {}
    if method not in TOLD or item.get("type") in UNTOLD_ITEMS:
        return
    head = " ".join(filter(None, [method, item.get("type")]))
    yield head
    if "turn" in params:
        params = {name: params["turn"].get(name) for name in ("status", "error")}
    members = item or params
    for name in sorted(members.keys() - {"type", "threadId", "turnId", "id", "itemId"}):
        yield f"  {head} {name}: {shown(stable(members[name], name))}"


def play(program, folder, command):
    """What is told of each call of each scene."""
    folder.mkdir(parents=True, exist_ok=True)
    mock = Mock(command, folder / "requests.log")
    transcript = {}
    with contextlib.closing(mock):
        for scene in SCENES:
            stage = Stage(program, folder, mock)
            with contextlib.closing(stage):
                scene(stage)
            transcript.update(((scene.__name__, name), lines) for name, lines in stage.transcript.items())
    return transcript


def play_both(programs, folder, command):
    """Plays on all programs at once; each has a mock and folders of its own."""
    with concurrent.futures.ThreadPoolExecutor(len(programs)) as pool:
        # Names of one length, as outputs are measured too.
        running = {name: pool.submit(play, program, pathlib.Path(folder).resolve() / f"approvals-{number}", command)
                   for number, (name, program) in enumerate(programs.items())}
        return {name: run.result() for name, run in running.items()}


def differences(theirs, ours):
    """The differing lines that nothing allows, and what is wrong with the allowances."""
    allowance, found = Allowance(), []
    for scene, call in sorted(theirs.keys() | ours.keys()):
        diff = difflib.unified_diff(theirs.get((scene, call), []), ours.get((scene, call), []), lineterm="", n=0)
        found += [f"{scene}, {call}: {line}" for line in diff if line[0] in "+-" and not line.startswith(("+++", "---"))
                  and not allowance.takes(scene, call, line)]
    return [*found, *allowance.faults()]
