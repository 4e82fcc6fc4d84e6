"""What every driver shares: the run folder, the mock model, the server, and the report of checks.

A driver names its steps in order and hands them to `play`. A step passes when its function returns and fails when it
raises; the steps after a failed one count as failed too, since each builds on the one before. Every line of output
begins with `ok` or `FAILED`, which is all that `cargo xtask clients` reads.
"""

import argparse
import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
import traceback
from pathlib import Path

from wire import SocketProxy

STEP_SECONDS = 20
"""How long a step waits for the one thing it looks for."""

RUN_SECONDS = 90
"""How long a whole driver may take; many times what it needs."""

START_SECONDS = 20
"""How long the mock model or the server may take to say where it listens."""

END_SECONDS = 3
"""How long a process may take to end on SIGTERM before it is killed."""

HERE = Path(__file__).resolve().parent

POLICIES = """\
approval_policy = "never"
sandbox_mode = "danger-full-access"
"""
"""The settings of a server whose commands just run."""

CONFIG = """\
model = "mock-model"
model_provider = "mock"
{policies}check_for_update_on_startup = false

[model_providers.mock]
name = "mock"
base_url = "http://127.0.0.1:{port}/v1"
wire_api = "responses"

[analytics]
enabled = false

[projects.{work}]
trust_level = "trusted"
"""


class Failure(Exception):
    """A check that did not hold; its text is what the report shows."""


def expect(condition, text):
    """Fails the step with `text` unless `condition` holds."""
    if not condition:
        raise Failure(text)


def wait_until(condition, text, seconds=STEP_SECONDS):
    """Waits for `condition()` to become true and returns its value."""
    end = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise Failure(f"{text} (waited {seconds} s)")
        time.sleep(0.05)


def give_up(number, _frame):
    """Ends the running step, and with it the driver, when it takes too long or is told to end."""
    raise Failure(f"the driver was ended by {signal.Signals(number).name} (it may take {RUN_SECONDS} s)")


class Bench:
    """One driver's surroundings; use it as a context, its end ends every process it started."""

    def __init__(self, client):
        parser = argparse.ArgumentParser()
        parser.add_argument("--server", required=True, help="the program to test")
        parser.add_argument("--mock", required=True, help="command line of the mock model")
        parser.add_argument("--cache", required=True, help="folder of the installed clients")
        parser.add_argument("--run", required=True, help="folder for what this run writes")
        parser.add_argument("--wire", help="folder for transcripts")
        parser.add_argument("--record", help="file to append screens to")
        args = parser.parse_args()
        self.client = client
        self.server_program = str(Path(args.server).resolve())
        self.mock_command = shlex.split(args.mock)
        self.cache = Path(args.cache).resolve()
        self.run = Path(args.run).resolve()
        self.wire = Path(args.wire).resolve() if args.wire else None
        self.record = Path(args.record).resolve() if args.record else None
        self.home, self.user = self.run / "home", self.run / "user"
        self.work = self.user / "work"
        self.processes, self.socket_folders, self.closers = [], [], []
        self.environment = self.closed_environment()
        self.failed = 0

    def __enter__(self):
        signal.signal(signal.SIGTERM, give_up)
        signal.signal(signal.SIGALRM, give_up)
        signal.alarm(RUN_SECONDS)
        for folder in (self.home, self.work):
            folder.mkdir(parents=True, exist_ok=True)
        if self.wire:
            self.wire.mkdir(parents=True, exist_ok=True)
        mock = self.spawn([*self.mock_command, "--log", str(self.run / "model.jsonl")], "mock", stdout=subprocess.PIPE)
        port = read_line(mock.stdout, lambda line: line.strip().isdigit() and int(line), "the mock model's port")
        config = CONFIG.format(policies=POLICIES, port=port, work=json.dumps(str(self.work)))
        (self.home / "config.toml").write_text(config)
        return self

    def __exit__(self, *_):
        signal.alarm(0)
        for close in self.closers:
            close()
        for process in reversed(self.processes):
            end_process(process)
        for folder in self.socket_folders:
            shutil.rmtree(folder, ignore_errors=True)

    def closed_environment(self):
        """The environment of clients and servers: a home of their own, and no way out of this machine.

        Requests to anywhere but the loopback go to a proxy that does not exist, so they fail at once.
        """
        kept = {k: v for k, v in os.environ.items() if k in ("PATH", "LANG", "TMPDIR", "LOOMD_CLIENTS_RUN")}
        nowhere = "http://127.0.0.1:9"
        return kept | {
            "HOME": str(self.user),
            "CODEX_HOME": str(self.home),
            "TERM": "xterm-256color",
            "HTTP_PROXY": nowhere,
            "HTTPS_PROXY": nowhere,
            "ALL_PROXY": nowhere,
            "NO_PROXY": "127.0.0.1,localhost",
        }

    def ask_and_confine(self):
        """Takes the policies out of the server's config, so that its defaults and its clients decide."""
        config = self.home / "config.toml"
        config.write_text(config.read_text().replace(POLICIES, ""))

    def add_rules(self, text):
        """Gives the server a rules file beside the one that it writes itself."""
        folder = self.home / "rules"
        folder.mkdir(exist_ok=True)
        (folder / "ask.rules").write_text(text)

    def spawn(self, command, name, **options):
        """Starts a process that ends with the bench; its stderr goes to NAME.stderr in the run folder."""
        options.setdefault("stdin", subprocess.DEVNULL)
        options.setdefault("stdout", subprocess.DEVNULL)
        options.setdefault("stderr", open(self.run / f"{name}.stderr", "ab"))
        process = subprocess.Popen(
            command, env=self.environment, cwd=self.work, start_new_session=True, text=True, **options
        )
        self.processes.append(process)
        return process

    def serve_ws(self, transcript):
        """Starts the server on a free port and returns the address for clients."""
        command = [self.server_program, "app-server", "--listen", "ws://127.0.0.1:0"]
        server = self.spawn(command, "server", stderr=subprocess.PIPE)
        port = int(read_line(server.stderr, lambda line: re.search(r"ws://127\.0\.0\.1:(\d+)", line), "the server's banner")[1])
        if self.wire:
            port = SocketProxy(("127.0.0.1", port), self.wire / f"{transcript}.jsonl").port
        return f"ws://127.0.0.1:{port}"

    def serve_unix(self, transcript):
        """Starts the server on a Unix socket in a short private folder and returns the address for clients."""
        folder = Path(tempfile.mkdtemp(prefix="loomd-"))
        self.socket_folders.append(folder)
        path = folder / "app.sock"
        server = self.spawn([self.server_program, "app-server", "--listen", f"unix://{path}"], "server-unix")
        wait_until(lambda: path.exists() or server.poll() is not None, f"no socket at {path}", START_SECONDS)
        expect(path.exists(), f"the server ended with code {server.poll()} and made no socket")
        if self.wire:
            target, path = str(path), folder / "wire.sock"
            SocketProxy(target, self.wire / f"{transcript}.jsonl", listen=str(path))
        return f"unix://{path}"

    def stdio_program(self, transcript):
        """The program an SDK is told to start: the server itself, or the recording proxy in front of it."""
        if not self.wire:
            return self.server_program
        script = self.run / f"{transcript}.sh"
        words = [sys.executable, str(HERE / "wire.py"), str(self.wire / f"{transcript}.jsonl"), "--", self.server_program]
        script.write_text(f'#!/bin/sh\nexec {shlex.join(words)} "$@"\n')
        script.chmod(0o755)
        return str(script)

    def model_requests(self):
        """The bodies of the model requests so far, oldest first."""
        lines = (self.run / "model.jsonl").read_text().splitlines()
        requests = [json.loads(line) for line in lines]
        return [r["body"] for r in requests if r["path"].endswith("/responses")]

    def play(self, steps, evidence=lambda: ""):
        """Runs (name, function) pairs in order and reports each; `evidence()` is shown below a failure."""
        broken = None
        for name, function in steps:
            if broken:
                self.report(False, name, f"not reached: “{broken}” failed")
                continue
            try:
                function()
            except Exception as error:
                broken = name
                cause = str(error) if isinstance(error, Failure) else traceback.format_exc()
                self.report(False, name, f"{cause}\n{evidence()}\n{self.server_log()}")
            else:
                self.report(True, name)

    def report(self, passed, step, detail=""):
        if passed:
            print(f"ok {self.client}: {step}", flush=True)
            return
        self.failed += 1
        indented = "".join(f"    {line}\n" for line in detail.rstrip().splitlines())
        print(f"FAILED {self.client}: {step}\n{indented}", end="", flush=True)

    def server_log(self):
        """The end of what the servers wrote to stderr."""
        text = "".join(p.read_text(errors="replace") for p in sorted(self.run.glob("server*.stderr")))
        return "server's stderr:\n" + text[-2000:] if text.strip() else ""


def read_line(stream, match, what):
    """Reads lines until `match(line)` is truthy and returns that; a thread drains the rest."""
    found, ready = [], threading.Event()

    def drain():
        for line in stream:
            if not found and (value := match(line)):
                found.append(value)
                ready.set()
        ready.set()

    threading.Thread(target=drain, daemon=True).start()
    expect(ready.wait(START_SECONDS), f"never saw {what} (waited {START_SECONDS} s)")
    expect(found, f"the program ended and never printed {what}")
    return found[0]


def end_process(process):
    """Ends a process that leads its own session, by SIGTERM and then by SIGKILL to its group."""
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(END_SECONDS)
        except subprocess.TimeoutExpired:
            pass
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass
    process.wait()
