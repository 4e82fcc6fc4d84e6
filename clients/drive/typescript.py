"""Drives the official TypeScript SDK through typescript.mjs; what the model was asked is checked here."""

import json
import subprocess
import sys
import threading
from pathlib import Path
from queue import Empty, Queue

from bench import HERE, STEP_SECONDS, Bench, Failure, expect, wait_until

SLEEP = "sleep\x00271.828\x00"
"""The command line of the command that is running when a turn is aborted, as Linux keeps it."""


class TypeScriptSdk:
    def __init__(self, bench):
        self.bench, self.thread_id = bench, None
        sdk = bench.cache / "typescript/node_modules/@openai/codex-sdk"
        command = ["node", str(HERE / "typescript.mjs"), str(sdk), bench.stdio_program("typescript-sdk"), str(bench.work)]
        self.node = bench.spawn(command, "node", stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.answers = Queue()
        threading.Thread(target=self.read, daemon=True).start()

    def read(self):
        for line in self.node.stdout:
            self.answers.put(json.loads(line))

    def step(self, name):
        """Has node do one step and fails with its error."""
        self.node.stdin.write(name + "\n")
        self.node.stdin.flush()
        try:
            answer = self.answers.get(timeout=STEP_SECONDS)
        except Empty:
            raise Failure(f"the SDK did not finish {name} in {STEP_SECONDS} s") from None
        if "error" in answer:
            raise Failure(answer["error"])
        self.thread_id = answer["thread"]

    def abort(self):
        """The SDK ends the program by SIGTERM, and the program must end its command."""
        self.step("abort")
        wait_until(lambda: not running(SLEEP), "the command of the aborted turn is still running")

    def output_schema(self):
        self.step("outputSchema")
        text = self.bench.model_requests()[-1].get("text") or {}
        schema = text.get("format", {}).get("schema", {})
        expect(schema.get("required") == ["city", "people"], f"the model was not given the schema: {text}")

    def resume(self):
        self.step("resume")
        history = json.dumps(self.bench.model_requests()[-1]["input"])
        for earlier in ("first answer", "the greeting is written"):
            expect(earlier in history, f"the model was not given “{earlier}”: {history[-2000:]}")


def running(command_line):
    """Whether a process with this command line is alive; only known where there is /proc."""
    for file in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if file.read_text() == command_line:
                return True
        except (OSError, UnicodeDecodeError):
            continue
    return False


def main():
    with Bench("typescript") as bench:
        sdk = TypeScriptSdk(bench)
        bench.play(
            [
                ("run() answers and counts tokens", lambda: sdk.step("run")),
                ("runStreamed() shows a command and the answer", lambda: sdk.step("streamCommand")),
                ("abort ends the turn and its command", sdk.abort),
                ("resumes the thread by its id", sdk.resume),
                ("an output schema reaches the model", sdk.output_schema),
                ("a workspace-write thread writes its folder and nothing else", lambda: sdk.step("workspaceWrite")),
            ]
        )
    return bench.failed


if __name__ == "__main__":
    sys.exit(1 if main() else 0)
