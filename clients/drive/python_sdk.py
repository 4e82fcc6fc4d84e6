"""Drives the official Python SDK: the server is the program it starts, spoken to over stdio."""

import os
import sys
import time
from collections import Counter

from bench import STEP_SECONDS, Bench, Failure, expect
from openai_codex import ApprovalMode, Codex, CodexConfig, Sandbox
from python_approvals import AskedPython


class PythonSdk:
    def __init__(self, bench):
        self.bench = bench
        self.codex = self.thread = None
        self.seen = []
        bench.closers.append(self.close)

    def open(self):
        program = self.bench.stdio_program("python-sdk")
        self.codex = Codex(CodexConfig(codex_bin=program, cwd=str(self.bench.work), env=self.bench.environment))

    def close(self):
        if self.codex:
            self.codex.close()
            self.codex = None

    def notifications(self):
        return f"notifications seen: {[n.method for n in self.seen][-40:]}"

    def start(self):
        self.open()
        info = self.codex.metadata.serverInfo
        expect(info and info.name and info.version, f"no name and version in {info!r}")
        self.thread = self.codex.thread_start(
            cwd=str(self.bench.work), sandbox=Sandbox.full_access, approval_mode=ApprovalMode.deny_all
        )
        expect(self.thread.id, "the thread has no id")

    def stream(self, turn, until=None):
        """Collects a turn's notifications; stops at the first one for which `until` is true."""
        self.seen = []
        end = time.monotonic() + STEP_SECONDS
        for notification in turn.stream():
            self.seen.append(notification)
            if until and until(notification):
                break
            if time.monotonic() > end:
                raise Failure(f"the turn did not end in {STEP_SECONDS} s")
        return Counter(n.method for n in self.seen)

    def turn_with_command(self):
        turn = self.thread.turn(
            'write a greeting\n@@ [{"exec": "echo hello > python.txt"}, {"say": "the greeting is written", "deltas": 5}]'
        )
        counts = self.stream(turn)
        expect(counts["turn/started"] == counts["turn/completed"] == 1, f"not one start and one end: {counts}")
        expect(counts["item/agentMessage/delta"] >= 5, f"the answer did not stream: {counts}")
        text = "".join(n.payload.delta for n in self.seen if n.method == "item/agentMessage/delta")
        expect(text == "the greeting is written", f"the deltas make {text!r}")
        items = [n.payload.item.root for n in self.seen if n.method == "item/completed"]
        commands = [i for i in items if i.type == "commandExecution"]
        expect(len(commands) == 1 and commands[0].exit_code == 0, f"not one successful command: {items}")
        expect(items[-1].type == "agentMessage" and items[-1].text == text, f"the last item is {items[-1]!r}")
        expect((self.bench.work / "python.txt").read_text() == "hello\n", "the command did not write python.txt")

    def run_collects_result(self):
        result = self.thread.run('again\n@@ [{"think": "hm", "say": "second answer", "tokens": [200, 40, 60, 10]}]')
        expect(result.final_response == "second answer", f"the final response is {result.final_response!r}")
        expect(result.status.value == "completed", f"the status is {result.status}")
        expect(result.usage.last.total_tokens == 260, f"the usage of the last request is {result.usage.last!r}")

    def interrupt(self):
        turn = self.thread.turn('count slowly\n@@ [{"say": "one two three four five six", "deltas": 20, "delay_ms": 2000}]')
        self.stream(turn, until=lambda n: n.method == "item/agentMessage/delta")
        turn.interrupt()
        # A handle streams once; the state of the turn is read from the thread.
        turns = self.thread.read(include_turns=True).thread.turns
        expect(turns[-1].status.value == "interrupted", f"the interrupted turn's status is {turns[-1].status}")

    def list(self):
        ids = [t.id for t in self.codex.thread_list(limit=20).data]
        expect(self.thread.id in ids, f"{self.thread.id} is not among {ids}")

    def resume(self):
        self.close()
        self.open()
        self.thread = self.codex.thread_resume(self.thread.id)
        turns = self.thread.read(include_turns=True).thread.turns
        answers = [i.root.text for t in turns for i in t.items if i.root.type == "agentMessage"]
        expect(answers[:2] == ["the greeting is written", "second answer"], f"the history holds {answers}")
        result = self.thread.run('once more\n@@ [{"say": "welcome back"}]')
        expect(result.final_response == "welcome back", f"the final response is {result.final_response!r}")


def main():
    with Bench("python") as bench:
        # The SDK adds the given environment to its own, so its own must be closed as well.
        os.environ.clear()
        os.environ.update(bench.environment)
        sdk = PythonSdk(bench)
        bench.play(
            [
                ("starts a thread over stdio", sdk.start),
                ("runs a command and streams the answer", sdk.turn_with_command),
                ("run() collects answer and token usage", sdk.run_collects_result),
                ("interrupts a running turn", sdk.interrupt),
                ("lists the thread", sdk.list),
                ("resumes the thread in a new server process", sdk.resume),
            ],
            sdk.notifications,
        )
        sdk.close()
        asked = AskedPython(bench)
        bench.play(asked.steps(), asked.seen)
    return bench.failed


if __name__ == "__main__":
    sys.exit(1 if main() else 0)
