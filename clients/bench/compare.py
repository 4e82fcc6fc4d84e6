"""Plays the same scenario on two servers and compares what a client sees: the order of messages, and the members and
types of each. Standard library only. Known differences stand in ALLOWED with their reason; see docs/differences.md.
"""

import argparse
import difflib
import json
import pathlib
import shutil
import subprocess
import sys

import compare_approvals
import compare_lifecycle
from measure import CONFIG, Server

# what is left out of the comparison: a pattern of the line, why
ALLOWED = {
    "interrupted commandExecution item/completed": "loomd ends the command with the turn; the reference leaves it running",
    "environments": "lists do not tell the environment of threads that are not loaded",
    "readStates": "kept in memory only, so lists do not carry them",
    "aggregatedOutput:null": "follows from the interrupted command's item",
    "cwd": "order of environments",
}


class Recorder(Server):
    """A server whose every message is kept, requests and answers in order."""

    def __init__(self, program, home, work):
        # A user's own shell profile takes its time and may print.
        super().__init__(program, home, work, HOME=str(home))
        self.seen = []

    def take(self):
        line = super().take()
        self.seen.append(json.loads(line))
        return line

    def attempt(self, method, params):
        try:
            return self.request(method, params)
        except SystemExit as error:
            self.seen.append({"refused": method, "text": str(error)})
            return None

    def note(self, method, wanted=lambda params: True):
        while True:
            message = json.loads(self.take())
            if message.get("method") == method and wanted(message["params"]):
                return message["params"]


def play(server):
    server.initialize()
    thread = server.thread()
    prompt = "one\n@@ " + json.dumps([
        {"think": "hm", "exec": "echo hi > made; echo done", "deltas": 2},
        {"patch": "*** Begin Patch\n*** Add File: n.txt\n+one\n*** End Patch"},
        {"say": "all done here", "deltas": 3}])
    server.turn(thread, prompt)
    server.request("turn/start", {"threadId": thread, "clientUserMessageId": "mine", "input": [
        {"type": "text", "text": 'two\n@@ [{"exec": "sleep 30"}, {"say": "never"}]'}]})
    begun = server.note("item/started", lambda params: params["item"]["type"] == "commandExecution")
    server.request("turn/interrupt", {"threadId": thread, "turnId": begun["turnId"]})
    server.note("turn/completed")
    server.seen.append({"mark": "interrupted"})
    server.turn(thread, 'three\n@@ [{"error": [400, {"error": {"message": "no"}}]}]')
    for method, params in [
        ("thread/read", {"threadId": thread, "includeTurns": True}),
        ("thread/turns/list", {"threadId": thread}),
        ("thread/unsubscribe", {"threadId": thread}),
        ("thread/unsubscribe", {"threadId": thread}),
        ("thread/resume", {"threadId": thread, "excludeTurns": True}),
        ("thread/name/set", {"threadId": thread, "name": " a name "}),
        ("thread/list", {}), ("thread/loaded/list", {}),
        ("thread/archive", {"threadId": thread}), ("thread/resume", {"threadId": thread}),
        ("thread/unarchive", {"threadId": thread}),
        ("turn/start", {"threadId": thread, "input": []}), ("turn/steer", {"threadId": thread, "input": []}),
        ("thread/read", {"threadId": "zz"}), ("thread/list", {"cursor": "zz"}), ("no/such", {}),
    ]:
        server.attempt(method, params)
    server.close()
    return server.seen


def name_of(message):
    if "mark" in message:
        return None
    if "refused" in message:
        return "refused " + message["text"].split(", expected one of")[0]
    if "method" in message:
        params = message.get("params") or {}
        extra = [params.get("item", {}).get("type"), (params.get("status") or {}).get("type")
                 if isinstance(params.get("status"), dict) else None, params.get("turn", {}).get("status")]
        return " ".join([message["method"], *filter(None, extra)])
    return "answer"


def lines(seen):
    """The order of messages; deltas of command output are as the pipe's timing had them, so they are left out."""
    interrupted = False
    for message in seen:
        interrupted |= "mark" in message
        name = name_of(message)
        if name is None or "outputDelta" in name:
            continue
        if name == "item/completed commandExecution" and message["params"]["item"]["status"] == "failed":
            continue  # see ALLOWED
        yield name


def shape(value, path=""):
    if isinstance(value, dict):
        return set().union(*(shape(v, f"{path}.{k}") for k, v in value.items())) or {path + "{}"}
    if isinstance(value, list):
        return set().union(*(shape(v, path + "[]") for v in value)) or set()
    kind = {type(None): "null", bool: "bool", int: "number", float: "number", str: "text"}[type(value)]
    return {f"{path}:{kind}"}


def shapes(seen):
    found = {}
    for message in seen:
        name = name_of(message)
        if name and not name.startswith(("answer", "refused")):
            found.setdefault(name.split()[0], set()).update(shape(message.get("params")))
    return found


def main():
    parser = argparse.ArgumentParser()
    for name in ("server", "reference", "mock", "folder"):
        parser.add_argument("--" + name, required=True)
    options = parser.parse_args()
    mock = subprocess.Popen(options.mock.split(), stdout=subprocess.PIPE, text=True)
    runs, scenes = {}, {}
    try:
        port = int(mock.stdout.readline())
        for name, program in (("reference", options.reference), ("loomd", options.server)):
            home = pathlib.Path(options.folder).resolve() / f"compare-{name}"
            shutil.rmtree(home, ignore_errors=True)
            (home / "work").mkdir(parents=True)
            (home / "config.toml").write_text(CONFIG.format(port=port))
            program = str(pathlib.Path(program).resolve())
            seen = play(Recorder(program, home, home / "work"))
            scenes[name] = compare_lifecycle.play(program, home)
            text = json.dumps(seen)
            for message in seen:  # ids differ from run to run
                if "refused" in message:
                    for part in text.split('"'):
                        if len(part) == 36 and part.count("-") == 4:
                            message["text"] = message["text"].replace(part, "ID")
            runs[name] = seen
        programs = {name: str(pathlib.Path(program).resolve())
                    for name, program in (("reference", options.reference), ("loomd", options.server))}
        approvals = compare_approvals.play_both(programs, options.folder, options.mock)
    finally:
        mock.kill()
    theirs, ours = runs["reference"], runs["loomd"]
    differences = [line for line in difflib.unified_diff(list(lines(theirs)), list(lines(ours)),
                                                         "reference", "loomd", lineterm="", n=1)]
    left, right = shapes(theirs), shapes(ours)
    for name in sorted(left.keys() & right.keys()):
        for sign, paths in (("-", left[name] - right[name]), ("+", right[name] - left[name])):
            differences += [f"{sign}{name} {path}" for path in sorted(paths)
                            if not any(word in path for word in ALLOWED)]
    differences += compare_lifecycle.differences(scenes["reference"], scenes["loomd"])
    differences += compare_approvals.differences(approvals["reference"], approvals["loomd"])
    print("\n".join(differences) or "no difference")
    print(f"{len(theirs)} messages of the reference, {len(ours)} of loomd compared")
    told = {name: sum(map(len, transcript.values())) for name, transcript in scenes.items()}
    print(f"{len(compare_lifecycle.SCENES)} scenes of the thread lifecycle: "
          f"{told['reference']} messages of the reference, {told['loomd']} of loomd compared")
    calls = {name: len(transcript) for name, transcript in approvals.items()}
    print(f"{len(compare_approvals.SCENES)} scenes of approvals and sandboxes: {calls['reference']} calls of the reference, "
          f"{calls['loomd']} of loomd compared")
    sys.exit(1 if differences else 0)


if __name__ == "__main__":
    main()
