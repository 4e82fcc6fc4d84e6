"""Measures app servers beside each other, in one run on one machine. Standard library only.

Processor time is read from /proc/PID/schedstat of every thread (nanoseconds) plus what ended threads left in
/proc/PID/stat, so that a figure is not rounded to clock ticks. The mock model is a process of its own and does not count.
"""

import argparse
import datetime
import json
import os
import pathlib
import queue
import shutil
import statistics
import subprocess
import sys
import threading
import time
import uuid

import commands
import lifecycle
from process import STEP_SECONDS, cpu_seconds, rss_mb

DELTAS = 20_000
STORED = 10_000
BURST = 5_000

CONFIG = """model = "mock-model"
model_provider = "mock"
approval_policy = "never"
sandbox_mode = "danger-full-access"
[model_providers.mock]
name = "mock"
base_url = "http://127.0.0.1:{port}/v1"
wire_api = "responses"
"""


class Server:
    """One server process on stdio."""

    def __init__(self, program, home, work, **variables):
        env = {k: v for k, v in os.environ.items() if not k.startswith(("CODEX_", "OPENAI_", "LOOMD_"))}
        # Commands run in a login shell; nobody's own start-up files are measured.
        env.update(HOME=str(home), SHELL="/bin/bash")
        env.update(variables, CODEX_HOME=str(home), LOOMD_HOME=str(home))
        self.work, self.count, self.inbox = work, 0, queue.Queue()
        self.process = subprocess.Popen(
            [program, "app-server"], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL, env=env, cwd=work)
        self.pid = self.process.pid
        threading.Thread(target=self.read, daemon=True).start()

    def read(self):
        for line in self.process.stdout:
            self.inbox.put(line)
        self.inbox.put(None)

    def line(self, method, params):
        self.count += 1
        return self.count, (json.dumps({"id": self.count, "method": method, "params": params}) + "\n").encode()

    def take(self):
        line = self.inbox.get(timeout=STEP_SECONDS)
        if line is None:
            raise SystemExit("a server ended in the middle of a measurement")
        return line

    def request(self, method, params):
        number, line = self.line(method, params)
        self.process.stdin.write(line)
        self.process.stdin.flush()
        while True:
            answer = json.loads(self.take())
            if answer.get("id") == number and "method" not in answer:
                if "error" in answer:
                    raise SystemExit(f"{method}: {answer['error']}")
                return answer["result"]

    def until(self, method):
        """Passes over messages up to one of a method; cheap, since deltas are many."""
        mark = json.dumps(method).encode()
        while mark not in self.take()[:200]:
            pass

    def initialize(self):
        self.request("initialize", {"clientInfo": {"name": "bench", "version": "1"},
                                    "capabilities": {"experimentalApi": True}})

    def thread(self):
        return self.request("thread/start", {"cwd": str(self.work)})["thread"]["id"]

    def turn(self, thread, text):
        self.request("turn/start", {"threadId": thread, "input": [{"type": "text", "text": text}]})
        self.until("turn/completed")

    def close(self):
        self.process.stdin.close()
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()


def fill(home, count):
    """Writes small valid rollouts, as a home that was used for long has them."""
    start = datetime.datetime(2026, 1, 1)
    for n in range(count):
        at = start + datetime.timedelta(minutes=30 * n)
        thread = str(uuid.UUID(int=(0x0190_0000_0000_7000_8000 << 48) | n))
        stamp = at.strftime("%Y-%m-%dT%H:%M:%S.000Z")
        folder = home / "sessions" / at.strftime("%Y/%m/%d")
        folder.mkdir(parents=True, exist_ok=True)
        meta = {"id": thread, "timestamp": stamp, "cwd": "/tmp", "originator": "bench",
                "cli_version": "0.169.0", "source": "vscode", "model_provider": "mock"}
        lines = [("session_meta", meta), ("event_msg", {"type": "user_message", "message": f"prompt {n}"}),
                 ("event_msg", {"type": "agent_message", "message": "answer"})]
        path = folder / f"rollout-{at.strftime('%Y-%m-%dT%H-%M-%S')}-{thread}.jsonl"
        path.write_text("".join(json.dumps({"timestamp": stamp, "type": kind, "payload": payload}) + "\n"
                                for kind, payload in lines))


class Bench:
    def __init__(self, options, name, program):
        self.options, self.name, self.program, self.figures = options, name, os.path.abspath(program), {}
        # The reference takes a thousand times as long for some of it.
        self.loaded, self.fan_out_deltas = (1000, 20_000) if name == "loomd" else (50, 500)
        self.folder = pathlib.Path(options.folder).resolve() / name
        shutil.rmtree(self.folder, ignore_errors=True)

    def home(self, name, stored=0):
        home = self.folder / name
        (home / "work").mkdir(parents=True)
        (home / "config.toml").write_text(CONFIG.format(port=self.options.port))
        fill(home, stored)
        return home

    def add(self, name, value):
        self.figures.setdefault(name, []).append(value)

    def server(self, home):
        return Server(self.program, home, home / "work")

    def start_up(self, suffix, home):
        for _ in range(self.options.runs):
            begin = time.monotonic()
            server = self.server(home)
            server.initialize()
            self.add("wall to `initialize`" + suffix, (time.monotonic() - begin) * 1e3)
            self.add("CPU to `initialize`" + suffix, cpu_seconds(server.pid) * 1e3)
            time.sleep(0.3)
            if not suffix:
                self.add("memory after it", rss_mb(server.pid))
            server.close()

    def threads_and_turns(self, home):
        server = self.server(home)
        server.initialize()
        server.thread()
        before, memory = cpu_seconds(server.pid), rss_mb(server.pid)
        for _ in range(100):
            server.thread()
        self.add("CPU of a thread/start", (cpu_seconds(server.pid) - before) * 1e3 / 100)
        self.add("memory of a fresh thread", (rss_mb(server.pid) - memory) * 1024 / 100)
        thread = server.thread()
        server.turn(thread, "warm up")
        for _ in range(30):
            before, begin = cpu_seconds(server.pid), time.monotonic()
            server.turn(thread, 'hello\n@@ [{"say": "hi"}]')
            self.add("wall of an empty turn, the mock's time included", (time.monotonic() - begin) * 1e3)
            time.sleep(0.02)  # what a server does behind the last message counts as well
            self.add("CPU of an empty turn", (cpu_seconds(server.pid) - before) * 1e3)
        before, begin = cpu_seconds(server.pid), time.monotonic()
        script = [{"say": "word " * DELTAS, "deltas": DELTAS}]
        server.turn(thread, "stream\n@@ " + json.dumps(script))
        self.add("CPU of a streamed delta", (cpu_seconds(server.pid) - before) * 1e6 / DELTAS)
        self.add("streamed deltas a second", DELTAS / (time.monotonic() - begin))
        server.close()

    def burst(self, home):
        server = self.server(home)
        server.initialize()
        lines = [server.line("thread/loaded/list", {}) for _ in range(BURST)]
        begin = time.monotonic()
        writer = threading.Thread(target=lambda: (server.process.stdin.write(b"".join(l for _, l in lines)),
                                                  server.process.stdin.flush()), daemon=True)
        writer.start()
        open_requests = {number for number, _ in lines}
        try:
            while open_requests:
                line = server.inbox.get(timeout=5)
                if line is None:
                    break
                open_requests.discard(json.loads(line).get("id"))
        except queue.Empty:
            pass
        self.add("unanswered of a burst of 5,000", len(open_requests))
        if not open_requests:
            self.add("time of that burst", (time.monotonic() - begin) * 1e3)
        server.process.kill()

    def lists(self, home):
        server = self.server(home)
        server.initialize()
        begin = time.monotonic()
        server.request("thread/list", {})
        self.add("first thread/list with 10,000 threads", (time.monotonic() - begin) * 1e3)
        for _ in range(10):
            begin = time.monotonic()
            server.request("thread/list", {})
            self.add("next thread/list with 10,000 threads", (time.monotonic() - begin) * 1e3)
        server.close()

    def socket_server(self, home):
        return lifecycle.SocketServer(self.program, home, home / "work")

    def write_long_rollout(self, turns=1000):
        """A thread of so many turns, made by this server; its rollout serves all that are measured."""
        home = self.home("long-made")
        server = self.server(home)
        server.initialize()
        thread = server.thread()
        for number in range(turns):
            server.turn(thread, f'turn {number}\n@@ [{{"say": "an answer of a few words"}}]')
        server.close()
        return next((home / "sessions").rglob("rollout-*.jsonl"))

    def attempt(self, measurement, name):
        try:
            measurement(self, self.home(name))
        except (SystemExit, queue.Empty) as error:
            # What the reference does not do leaves its column empty; loomd must do it.
            if self.name == "loomd":
                raise
            print(f"the reference, {name}: {error!r}", file=sys.stderr)

    def run(self):
        self.start_up("", self.home("fresh"))
        self.threads_and_turns(self.home("turns"))
        self.burst(self.home("burst"))
        stored = self.home("stored", STORED)
        self.start_up(" with 10,000 threads", stored)
        self.lists(stored)
        lifecycle.all_pages(self, stored)
        for measurement in (lifecycle.idle_threads, lifecycle.fan_out, lifecycle.stalled_reader, lifecycle.long_thread):
            self.attempt(measurement, measurement.__name__)
        for name, measurement in (
                ("command", lambda bench, home: commands.small(bench, home, confined=False)),
                ("confined", lambda bench, home: commands.small(bench, home, confined=True)),
                ("much-output", commands.much)):
            self.attempt(measurement, name)
        binary = pathlib.Path(self.program).resolve()
        self.add("program", binary.stat().st_size / 2**20)
        return {name: statistics.median(values) for name, values in self.figures.items()}


class AtLeast(int):
    """A target that is to be reached, of a figure of which more is better."""


# name: unit, decimals, loomd's target
ROWS = {
    "CPU to `initialize`": ("ms", 1, 10), "CPU to `initialize` with 10,000 threads": ("ms", 1, 10),
    "wall to `initialize`": ("ms", 1, None), "wall to `initialize` with 10,000 threads": ("ms", 1, None),
    "memory after it": ("MB", 1, 14), "program": ("MiB", 1, 25),
    "CPU of a thread/start": ("ms", 2, 1), "memory of a fresh thread": ("KB", 0, None),
    "CPU of an empty turn": ("ms", 2, 4), "wall of an empty turn, the mock's time included": ("ms", 1, None),
    "CPU of a streamed delta": ("us", 1, 6), "streamed deltas a second": ("/s", 0, None),
    "unanswered of a burst of 5,000": ("", 0, 0), "time of that burst": ("ms", 0, None),
    "first thread/list with 10,000 threads": ("ms", 1, None), "next thread/list with 10,000 threads": ("ms", 2, 4),
    "all pages of thread/list with 10,000 threads": ("ms", 0, 1000),
    "memory of a loaded idle thread": ("KB", 1, 20), "descriptors held by one": ("", 2, 0),
    "OS threads held by one": ("", 2, 0), "memory kept after they were opened and left": ("%", 1, 10),
    "deltas a second to each of 100 subscribers": ("/s", 0, AtLeast(3000)),
    "CPU of a further delivery": ("us", 2, 1), "deltas lost or doubled of those": ("", 0, 0),
    "most memory a stalled reader cost": ("MB", 1, None),
    "resume of a loaded thread, newest page": ("ms", 2, 2), "resume of it with all 1,000 turns": ("ms", 1, 40),
    "the newest page in a storm of resumes": ("ms", 2, 2),
    "a command beyond its process, unconfined": ("ms", 1, None), "a command beyond its process, confined": ("ms", 1, None),
    "100 MB of a command's output": ("s", 2, None), "memory grown by 100 MB of a command's output": ("MB", 1, 30),
    "100 MB by `command/exec`, kept": ("s", 2, None), "memory grown by 100 MB by `command/exec`, kept": ("MB", 1, 30),
    "100 MB by `command/exec`, streamed": ("s", 2, None),
    "memory grown by 100 MB by `command/exec`, streamed": ("MB", 1, 30),
}


def shown(value, unit, decimals):
    return "-" if value is None else f"{value:,.{decimals}f} {unit}".strip()


def table(loomd, reference):
    print(f"| {'what':<50} | {'loomd':>12} | {'reference':>12} | {'ratio':>7} | {'target':>8} |      |")
    print(f"| {'-' * 50} | {'-' * 11}: | {'-' * 11}: | {'-' * 6}: | {'-' * 7}: | ---- |")
    missed = 0
    for name, (unit, decimals, target) in ROWS.items():
        ours, theirs = loomd.get(name), reference.get(name)
        ratio = f"{theirs / ours:.1f}x" if ours and theirs is not None else ""
        if "a second" in name:
            ratio = f"{ours / theirs:.1f}x" if ours and theirs else ""
        more = isinstance(target, AtLeast)
        verdict = "" if target is None or ours is None else "ok" if (ours >= target if more else ours <= target) else "MISS"
        missed += verdict == "MISS"
        limit = "" if target is None else f"{'>=' if more else '<='} {int(target)}"
        print(f"| {name:<50} | {shown(ours, unit, decimals):>12} | {shown(theirs, unit, decimals):>12} | {ratio:>7} "
              f"| {limit:>8} | {verdict:<4} |")
    print(f"\nMedians. A ratio above 1 is in loomd's favour. {missed} target(s) missed.")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--server", required=True)
    parser.add_argument("--reference")
    parser.add_argument("--mock", required=True)
    parser.add_argument("--folder", required=True)
    parser.add_argument("--runs", type=int, default=5)
    options = parser.parse_args()
    mock = subprocess.Popen(options.mock.split(), stdout=subprocess.PIPE, text=True)
    try:
        options.port = int(mock.stdout.readline())
        ours = Bench(options, "loomd", options.server)
        options.long_rollout = ours.write_long_rollout()
        loomd = ours.run()
        reference = Bench(options, "reference", options.reference).run() if options.reference else {}
    finally:
        mock.kill()
    table(loomd, reference)


if __name__ == "__main__":
    main()
