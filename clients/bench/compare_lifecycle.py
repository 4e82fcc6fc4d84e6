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


# What is not built has no scene; it comes with the methods.
SCENES = [subscriptions, unloading, forking, archiving, reverting, ephemeral, without_turns, bad_requests]

# scene: the differing lines that are meant, and why
ALLOWED = {}


def play(program, home):
    """What each client of each scene sees."""
    transcript = {}
    for scene in SCENES:
        server = lifecycle.SocketServer(program, home, home / "work")
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


def differences(theirs, ours):
    found = []
    for key, seen in theirs.items():
        scene, client = key
        diff = [line for line in difflib.unified_diff(seen, ours[key], lineterm="", n=0)
                if line[0] in "+-" and not line.startswith(("+++", "---"))]
        allowed = list(ALLOWED.get(key, {}))
        for line in diff:
            if line in allowed:
                allowed.remove(line)
            else:
                found.append(f"{scene}, client {client}: {line}")
        found += [f"{scene}, client {client}: allowed but not seen: {line}" for line in allowed]
    return found
