"""Plays scenes of the thread lifecycle with several clients on two servers, and compares what each client sees: the order
of its messages, the status in them, and the texts of refusals. Standard library only; `compare.py` runs it.

A scene is a function of a Stage. Known differences stand in ALLOWED beside the scene's name, with their reason; a line
that is allowed and does not occur any more fails as well, so that the list stays true.
"""

import difflib
import json
import re
import time

import lifecycle

QUIET_SECONDS = 0.5
UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
# what tells of the vendor's services or of the machine, not of threads
NOISE = {"remoteControl/status/changed", "account/rateLimits/updated", "mcpServer/startupStatus/updated", "warning",
         "thread/readState/updated", "deprecationNotice", "item/commandExecution/outputDelta", "configWarning"}


class Client(lifecycle.Socket):
    """A client that keeps what it sees."""

    def __init__(self, name, port, seen):
        self.name, self.seen = name, seen
        super().__init__(port)

    def keep(self, raw):
        message = json.loads(raw)
        if message.get("method") not in NOISE:
            self.seen.append(describe(message))
        return message

    def answer(self, number):
        while True:
            message = self.keep(self.take())
            if message.get("id") == number and "method" not in message:
                return message.get("result") or {}

    def settle(self):
        """Takes what comes until nothing has come for a while."""
        self.socket.settimeout(QUIET_SECONDS)
        try:
            while True:
                self.keep(self.take())
        except TimeoutError:
            pass
        finally:
            self.socket.settimeout(lifecycle.STEP_SECONDS)


def describe(message):
    if "error" in message:
        text = UUID.sub("ID", message["error"]["message"])
        return f"refused {message['error']['code']} {text}"
    if "method" not in message:
        return "answer"
    params = message.get("params") or {}
    status = params.get("status")
    words = [message["method"], params.get("item", {}).get("type"), params.get("item", {}).get("status"),
             status.get("type") if isinstance(status, dict) else status, params.get("turn", {}).get("status")]
    flags = status.get("activeFlags") if isinstance(status, dict) else None
    return " ".join(str(word) for word in [*words, *(flags or [])] if word)


class Stage:
    def __init__(self, server):
        self.server, self.clients, self.seen = server, {}, {}

    def client(self, name):
        if name not in self.clients:
            self.seen.setdefault(name, [])
            self.clients[name] = Client(name, self.server.port, self.seen[name])
            self.clients[name].settle()
            self.seen[name].clear()
        return self.clients[name]

    def leave(self, name):
        self.settle()
        self.clients.pop(name).close()

    def settle(self):
        for client in self.clients.values():
            client.settle()

    def thread(self, name, **more):
        thread = self.client(name).request("thread/start", {"cwd": self.server.work, **more})["thread"]["id"]
        self.settle()
        return thread

    def turn(self, name, thread, script):
        self.client(name).request("turn/start", start(thread, script))
        self.settle()


def start(thread, script):
    return {"threadId": thread, "input": [{"type": "text", "text": "go\n@@ " + json.dumps(script)}]}


SAY = [{"say": "hello there", "deltas": 2}]
SLOW = [{"exec": "sleep 20"}, {"say": "never"}]


def subscriptions(stage):
    thread = stage.thread("a")
    stage.client("b")
    stage.turn("a", thread, SAY)
    stage.client("b").request("thread/resume", {"threadId": thread, "excludeTurns": True})
    stage.settle()
    stage.turn("b", thread, SAY)
    for _ in range(2):
        stage.client("a").request("thread/unsubscribe", {"threadId": thread})
    stage.turn("a", thread, SAY)
    stage.client("b").request("thread/resume", {"threadId": thread})
    stage.leave("b")
    stage.turn("a", thread, SAY)
    for method in ("thread/unsubscribe", "thread/read", "thread/turns/list", "turn/interrupt", "thread/resume"):
        stage.client("a").request(method, {"threadId": "01990000-0000-7000-8000-00000000dead", "turnId": "x"})
        stage.client("a").request(method, {"threadId": "zz", "turnId": "x"})


def unloading(stage):
    thread = stage.thread("a", config={"thread_unload_delay_secs": 1})
    stage.client("b")
    stage.turn("a", thread, SAY)
    stage.client("a").request("thread/unsubscribe", {"threadId": thread})
    time.sleep(2.5)
    stage.settle()
    stage.client("a").request("turn/start", start(thread, SAY))
    stage.client("a").request("thread/read", {"threadId": thread})
    stage.client("a").request("thread/resume", {"threadId": thread, "excludeTurns": True})
    stage.settle()
    stage.turn("a", thread, SAY)


def forking(stage):
    thread = stage.thread("a")
    stage.client("b")
    stage.client("a").request("thread/fork", {"threadId": thread})
    stage.turn("a", thread, SAY)
    stage.client("a").request("thread/fork", {"threadId": thread})
    stage.settle()
    stage.client("a").request("thread/fork", {"threadId": thread, "lastTurnId": "nope"})
    stage.client("a").request("thread/fork", {"threadId": thread, "ephemeral": True})
    fork = stage.client("a").request("thread/fork", {"threadId": thread, "ephemeral": True, "excludeTurns": True})
    stage.settle()
    stage.turn("a", fork["thread"]["id"], SAY)
    for cut in ({"beforeTurnId": "nope"}, {"beforeTurnId": "a", "lastTurnId": "b"}):
        stage.client("a").request("thread/fork", {"threadId": thread, "excludeTurns": True, **cut})
    stage.settle()


def archiving(stage):
    thread = stage.thread("a")
    stage.client("b")
    stage.turn("a", thread, SAY)
    for method in ("thread/archive", "thread/archive", "thread/resume", "thread/fork", "thread/unarchive",
                   "thread/unarchive", "thread/resume", "thread/delete", "thread/delete", "thread/read"):
        stage.client("a").request(method, {"threadId": thread, "excludeTurns": True})
        stage.settle()


def reverting(stage):
    thread = stage.thread("a")
    stage.client("b")
    stage.turn("a", thread, SAY)
    turn = stage.client("a").request("thread/turns/list", {"threadId": thread}).get("data", [{}])[0].get("id")
    stage.turn("a", thread, SAY)
    stage.client("a").request("thread/revert", {"threadId": thread, "beforeTurnId": turn})
    stage.settle()
    stage.turn("a", thread, SAY)


def ephemeral(stage):
    thread = stage.thread("a", ephemeral=True)
    stage.turn("a", thread, SAY)
    for method, more in (("thread/read", {"includeTurns": True}), ("thread/read", {}), ("thread/turns/list", {}),
                         ("thread/name/set", {"name": "n"}), ("thread/resume", {}), ("thread/archive", {}),
                         ("thread/fork", {}), ("thread/delete", {})):
        stage.client("a").request(method, {"threadId": thread, **more})
        stage.settle()


def without_turns(stage):
    thread = stage.thread("a")
    for method, more in (("thread/read", {}), ("thread/read", {"includeTurns": True}), ("thread/turns/list", {}),
                         ("thread/resume", {}), ("thread/resume", {"excludeTurns": True}),
                         ("thread/items/list", {}), ("thread/unsubscribe", {}), ("thread/delete", {}),
                         ("thread/read", {})):
        stage.client("a").request(method, {"threadId": thread, **more})
        stage.settle()


def bad_requests(stage):
    thread = stage.thread("a")
    stage.turn("a", thread, SAY)
    for method, more in (
            ("thread/name/set", {"name": "  "}), ("thread/inject_items", {"items": []}),
            ("thread/turns/list", {"cursor": "zz"}), ("thread/list", {"cursor": "zz"}),
            ("thread/loaded/list", {"cursor": "zz"}), ("turn/steer", {"input": [], "expectedTurnId": "x"}),
            ("turn/interrupt", {"turnId": "x"})):
        stage.client("a").request(method, {"threadId": thread, **more})
        stage.settle()


def each(stage, thread, requests):
    """One request after the other, each with all that comes of it."""
    for method, more in requests:
        stage.client("a").request(method, {"threadId": thread, **more})
        stage.settle()


def goals(stage):
    thread = stage.thread("a")
    stage.client("b")
    each(stage, thread, [("thread/goal/" + verb, more) for verb, more in (
        ("set", {"objective": " "}), ("set", {"objective": "x" * 4001}), ("set", {"tokenBudget": 0}), ("set", {}),
        ("get", {}), ("clear", {}), ("set", {"objective": "do it", "status": "paused"}), ("get", {}),
        ("set", {"objective": "other"}), ("set", {"status": "complete"}), ("clear", {}), ("clear", {}),
        ("set", {"objective": "go on", "tokenBudget": 150}), ("set", {"status": "active"}),
        ("set", {"status": "paused"}), ("set", {"tokenBudget": 250}), ("set", {"status": "active"}))])
    other = stage.thread("a", ephemeral=True)
    each(stage, other, [("thread/goal/get", {}), ("thread/goal/set", {"objective": "x"})])
    each(stage, "01990000-0000-7000-8000-00000000dead", [("thread/goal/get", {}), ("thread/goal/clear", {})])


def queueing(stage):
    thread = stage.thread("a")
    stage.turn("a", thread, [{"exec": "sleep 9"}, {"say": "x"}])
    add = {name: start(thread, [{"say": name}])["input"] for name in ("one", "two", "three")}
    each(stage, thread, [("thread/queue/add", {"input": text, "clientUserMessageId": name}) for name, text in add.items()])
    ids = [entry["id"] for entry in stage.client("a").request("thread/queue/list", {"threadId": thread})["data"]]
    each(stage, thread, [
        ("thread/queue/list", {"limit": 1, "cursor": "zz"}), ("thread/queue/reorder", {"queuedSubmissionIds": ids[:2]}),
        ("thread/queue/delete", {"queuedSubmissionId": ids[0]}), ("thread/queue/delete", {"queuedSubmissionId": ids[0]}),
        ("thread/queue/start", {"queuedSubmissionId": "nope"}), ("thread/queue/add", {"input": [], "clientUserMessageId": "x"}),
        ("thread/queue/update", {"queuedSubmissionId": "nope", "input": add["one"]})])
    time.sleep(5)
    stage.settle()
    each(stage, thread, [("thread/queue/start", {}), ("thread/queue/list", {})])
    each(stage, "01990000-0000-7000-8000-00000000dead", [("thread/queue/list", {})])


def shell_commands(stage):
    thread = stage.thread("a")
    stage.client("b")
    each(stage, thread, [("thread/shellCommand", more) for more in (
        {"command": " "}, {"command": "echo hi; exit 3"}, {"command": "true"}, {"command": "ls", "timeoutMs": -1})])
    stage.turn("a", thread, [{"exec": "sleep 2"}, {"say": "x"}])
    each(stage, thread, [("thread/shellCommand", {"command": "echo joins"})])
    time.sleep(2)
    stage.settle()
    each(stage, "01990000-0000-7000-8000-00000000dead", [("thread/shellCommand", {"command": "ls"})])


def metadata(stage):
    thread = stage.thread("a")
    stage.turn("a", thread, SAY)
    updates = ({}, {"gitInfo": {}}, {"gitInfo": {"sha": " "}}, {"gitInfo": {"branch": ""}}, {"gitInfo": {"sha": "abc"}},
               {"projectId": "x"}, {"projectId": ""})
    each(stage, thread, [("thread/metadata/update", more) for more in updates])
    each(stage, thread, [("thread/memoryMode/set", {"mode": mode}) for mode in ("disabled", "enabled", "polluted")])
    each(stage, thread, [("thread/memory/read", {}), ("thread/archive", {}), ("thread/metadata/update", updates[4])])
    for unknown in ("01990000-0000-7000-8000-00000000dead", "zz"):
        each(stage, unknown, [("thread/metadata/update", updates[4]), ("thread/memoryMode/set", {"mode": "disabled"}),
                              ("thread/memory/read", {})])


def reading(stage):
    thread = stage.thread("a")
    stage.turn("a", thread, SAY)
    turn = stage.client("a").request("thread/turns/list", {"threadId": thread})["data"][0]["id"]
    each(stage, thread, [
        ("thread/items/read", {"turnId": turn, "itemIds": []}), ("thread/items/read", {"turnId": turn, "itemIds": ["x"]}),
        ("thread/items/read", {"turnId": turn, "itemIds": ["x"] * 101}),
        ("thread/items/list", {"cursor": {"type": "item", "itemId": "x"}}),
        ("thread/items/list", {"turnId": turn, "cursor": {"type": "item", "itemId": "x"}}),
        ("thread/timeline/list", {"cursor": "zz"}), ("thread/timeline/list", {}),
        ("thread/search", {"searchTerm": " "}), ("thread/search", {"searchTerm": "x", "cursor": "zz"}),
        ("thread/search", {"searchTerm": "x", "sortKey": "bad"}), ("thread/searchOccurrences", {"searchTerm": " "}),
        ("thread/searchOccurrences", {"searchTerm": "x", "cursor": "zz"})])
    each(stage, "01990000-0000-7000-8000-00000000dead", [
        ("thread/items/read", {"turnId": "x", "itemIds": ["x"]}), ("thread/timeline/list", {}),
        ("thread/searchOccurrences", {"searchTerm": "x"})])


# What is not built has no scene; it comes with the methods.
SCENES = [subscriptions, unloading, forking, archiving, reverting, ephemeral, without_turns, bad_requests, goals, queueing,
          shell_commands, metadata, reading]

# scene: the differing lines that are meant, and why
ALLOWED = {
    ("queueing", "a"): {
        "-thread/queue/changed": "the reference tells once more of a change that it told of, some time after it",
    },
}


def play(program, home):
    """What each client of each scene sees."""
    transcript = {}
    for scene in SCENES:
        server = lifecycle.SocketServer(program, home, home / "work", HOME=str(home))
        stage = Stage(server)
        try:
            scene(stage)
            stage.settle()
        finally:
            for client in stage.clients.values():
                client.close()
            server.close()
        for name, seen in stage.seen.items():
            transcript[scene.__name__, name] = list(seen)
    return transcript


def told_once(seen):
    """The reference sometimes tells a status twice when it deletes a thread; loomd must not."""
    return [line for at, line in enumerate(seen)
            if not (line.startswith("thread/status/changed") and at and seen[at - 1] == line)]


def differences(theirs, ours):
    found = []
    for key, seen in theirs.items():
        scene, client = key
        seen = told_once(seen)
        diff = [line for line in difflib.unified_diff(seen, ours[key], lineterm="", n=0)
                if line[0] in "+-" and not line.startswith(("+++", "---"))]
        # The reference answers from another task than it tells from, so an answer comes a line earlier or later from run
        # to run. Where loomd's own answers stand is for its tests.
        for _ in range(min(diff.count("-answer"), diff.count("+answer"))):
            diff.remove("-answer")
            diff.remove("+answer")
        allowed = list(ALLOWED.get(key, {}))
        for line in diff:
            if line in allowed:
                allowed.remove(line)
            else:
                found.append(f"{scene}, client {client}: {line}")
        found += [f"{scene}, client {client}: allowed but not seen: {line}" for line in allowed]
    return found
