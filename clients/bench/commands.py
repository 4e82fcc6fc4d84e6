"""Measures what running commands costs: one small one, and one that prints very much. Used by measure.py; standard
library only.
"""

import json
import os
import statistics
import subprocess
import threading
import time

from process import STEP_SECONDS, rss_mb

RUNS = 30
OUTPUT_BYTES = 100 * 1024 * 1024
# Prints as much as a program can, in lines.
FLOOD = f"yes {'y' * 79} | head -c {OUTPUT_BYTES}"
COMPLETED = b'"item/completed"'
COMMAND, MESSAGE = b'"commandExecution"', b'"agentMessage"'


def up_to(server, thread, entries, kind):
    """How long it takes from the start of a turn to the end of an item of a kind, seconds. The start of the item would
    not do: the reference tells it when a short command has ended."""
    begin = time.monotonic()
    server.request("turn/start", {"threadId": thread, "input": [
        {"type": "text", "text": "run\n@@ " + json.dumps(entries)}]})
    while True:
        line = server.take()
        # The head says both, and the end of a command may carry much output.
        if COMPLETED in line[:200] and kind in line[:400]:
            took = time.monotonic() - begin
            server.until("turn/completed")
            return took


def process_itself(home):
    """What the same program takes without any server, seconds."""
    env = {"HOME": str(home), "PATH": os.environ["PATH"]}
    times = []
    for _ in range(RUNS):
        begin = time.monotonic()
        subprocess.run(["/bin/bash", "-lc", "true"], stdin=subprocess.DEVNULL, env=env, check=True)
        times.append(time.monotonic() - begin)
    return statistics.median(times)


def small(bench, home, confined):
    if confined:
        path = home / "config.toml"
        path.write_text(path.read_text().replace('"danger-full-access"', '"workspace-write"'))
    server = bench.server(home)
    server.initialize()
    thread = server.thread()
    own = process_itself(home)
    name = "a command beyond its process, " + ("confined" if confined else "unconfined")
    for run in range(RUNS + 1):
        with_it = up_to(server, thread, [{"exec": "true"}, {"say": "done"}], COMMAND)
        without = up_to(server, thread, [{"say": "done"}], MESSAGE)
        if run:  # the first one warms up
            bench.add(name, (with_it - without - own) * 1e3)
    server.close()


class Peak:
    """The most memory that a process had while this was open, beyond what it began with."""

    def __init__(self, pid):
        self.pid, self.most, self.over = pid, rss_mb(pid), threading.Event()
        self.before = self.most
        self.thread = threading.Thread(target=self.watch, daemon=True)

    def watch(self):
        while not self.over.wait(0.05):
            self.most = max(self.most, rss_mb(self.pid))

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.over.set()
        self.thread.join()
        self.most = max(self.most, rss_mb(self.pid))

    @property
    def growth(self):
        return self.most - self.before


def by_model(server):
    thread = server.thread()
    server.turn(thread, 'warm up\n@@ [{"exec": "true"}, {"say": "done"}]')
    with Peak(server.pid) as peak:
        took = up_to(server, thread, [{"exec": FLOOD, "yield_time_ms": 30_000}, {"say": "done"}], COMMAND)
    return took, peak.growth


def by_client(server, **how):
    """The same by `command/exec`; what is streamed is read and dropped."""
    params = {"command": ["/bin/sh", "-c", FLOOD], "cwd": str(server.work), "timeoutMs": STEP_SECONDS * 1000, **how}
    server.request("command/exec", {"command": ["/bin/true"], "cwd": str(server.work)})
    number, line = server.line("command/exec", params)
    answer = b'"id":%d,' % number
    with Peak(server.pid) as peak:
        begun = time.monotonic()
        server.process.stdin.write(line)
        server.process.stdin.flush()
        while True:
            line = server.take()
            if b'"method"' not in line[:60] and (answer in line[:60] or answer in line[-60:]):
                break
        took = time.monotonic() - begun
    if '"error"' in line[:200].decode(errors="replace"):
        raise SystemExit(f"command/exec: {line[:300]}")
    return took, peak.growth


def much(bench, home):
    ways = {
        "100 MB of a command's output": by_model,
        "100 MB by `command/exec`, kept": by_client,
        "100 MB by `command/exec`, streamed": lambda server: by_client(
            server, processId="flood", streamStdoutStderr=True, disableOutputCap=True),
    }
    for name, way in ways.items():
        server = bench.server(home)
        server.initialize()
        try:
            took, growth = way(server)
            bench.add(name, took)
            bench.add("memory grown by " + name, growth)
        finally:
            server.process.kill()
