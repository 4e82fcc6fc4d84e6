"""Drives the official terminal UI 0.169 against a server over WebSocket and over a Unix socket.

The UI has a home folder of its own, so whatever it knows of threads came over the wire.
"""

import json
import re
import sys

from approvals import Approvals
from bench import POLICIES, Bench, expect, wait_until
from terminal import Terminal

FIRST, LAST = "alpha beta gamma delta", "epsilon zeta eta theta"
STREAMED = json.dumps({"say": f"{FIRST}\n\n{LAST}", "deltas": 10, "delay_ms": 250})
"""An answer of two paragraphs that streams in about three seconds; older UIs show a line only when it is whole."""

STATUS_LINE = r"mock-model\b.* · ~/work"
"""What stands at the bottom once the UI has its thread: the model, which only the server's config names, and the folder."""

CLIENT_CONFIG = """\
check_for_update_on_startup = false
{policies}
[analytics]
enabled = false

[projects."{work}"]
trust_level = "trusted"
"""


class Tui:
    """One terminal UI and the steps a person takes in it."""

    def __init__(self, bench, folder, serve, prompt_mark, config="", policies=POLICIES):
        """`serve` starts a server and returns its address; `prompt_mark` is what an empty prompt line looks like.

        `config` and `policies` are lines of the UI's own config.
        """
        self.bench, self.serve, self.prompt_mark = bench, serve, prompt_mark
        self.address = self.terminal = self.thread_id = None
        bench.closers.append(self.close)
        self.program = str(bench.cache / folder / "node_modules/.bin/codex")
        self.home = bench.run / "client-home"
        self.home.mkdir(exist_ok=True)
        (self.home / "config.toml").write_text(config + CLIENT_CONFIG.format(work=bench.work, policies=policies))

    def open(self, *arguments):
        """Starts the UI and waits until it takes prompts."""
        self.close()
        environment = self.bench.environment | {"CODEX_HOME": str(self.home)}
        command = [self.program, *arguments, "--remote", self.address]
        self.terminal = Terminal(command, environment, self.bench.work)
        self.terminal.wait_for(self.prompt_mark)
        self.terminal.wait_for(STATUS_LINE)

    def close(self):
        if self.terminal:
            self.terminal.close()
            self.terminal = None

    def screen(self):
        return "the screen:\n" + self.terminal.text() if self.terminal else "no terminal is open"

    def keep(self, title):
        """Appends the screen, without its runs of blank lines, to the file of `--record`."""
        if self.bench.record:
            with open(self.bench.record, "a", encoding="utf-8") as file:
                rule = "─" * 20
                text = re.sub(r"\n{3,}", "\n\n", self.terminal.text())
                file.write(f"{rule} {self.bench.client}: {title} {rule}\n{text}\n\n")

    def start(self):
        self.address = self.serve()
        self.open()

    def turn_with_command(self):
        """A prompt whose turn writes a file by a command and then streams its answer."""
        path = self.bench.work / "greeting.txt"
        path.unlink(missing_ok=True)
        self.terminal.type_line(f'write a greeting\n@@ [{{"exec": "echo hello > {path.name}"}}, {STREAMED}]')
        self.terminal.wait_for(rf"^• {FIRST}$")
        whole = rf"^  {LAST}$"
        expect(not self.terminal.count(whole), "the answer came whole instead of streaming")
        expect(self.terminal.count(r"^• Ran echo hello"), "the screen does not show the command that ran")
        self.keep("an answer while it streams")
        self.terminal.wait_for(whole)
        wait_until(lambda: path.is_file() and path.read_text() == "hello\n", f"the command did not write {path.name}")
        self.keep("a turn with a command")

    def interrupt(self, key, word):
        """Starts a turn that would take a minute and ends it by `key` while its answer streams."""
        interrupted = r"Conversation interrupted"
        before = self.terminal.count(interrupted)
        answer = "\n\n".join(f"{word}{n}" for n in range(10))
        slow = json.dumps({"say": answer, "deltas": 5, "delay_ms": 10_000})
        self.terminal.type_line(f"count slowly\n@@ [{slow}]")
        self.terminal.wait_for(rf"^• {word}0")
        self.terminal.send(key)
        self.terminal.wait_for(interrupted, times=before + 1)
        expect(not self.terminal.count(rf"^  {word}9"), "the turn ended by itself")
        self.keep(f"a turn interrupted by {word}")

    def turn_after_interrupt(self):
        """The thread goes on after an interrupt."""
        self.terminal.type_line('go on\n@@ [{"say": "still here"}]')
        self.terminal.wait_for(r"^• still here$")

    def picker_shows_thread(self):
        self.terminal.type_line("/resume")
        self.terminal.wait_for(r"Resume a previous session")
        self.terminal.wait_for(r"write a greeting")
        self.keep("the /resume picker")
        self.terminal.send("\x1b")
        self.terminal.wait_for(self.prompt_mark)

    def quit(self):
        """Leaves by Ctrl-C; the UI then says how to come back, which names the thread."""
        for _ in range(2):
            self.terminal.send("\x03")
            self.terminal.pump(0.5)
        self.thread_id = self.terminal.wait_for(r"resume ([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})")[1]

    def resume_shows_history(self):
        self.open("resume", self.thread_id)
        self.terminal.wait_for(rf"^  {LAST}$")
        self.terminal.wait_for(r"^• still here$")
        self.keep("codex resume ID")

    def turn_after_resume(self):
        self.terminal.type_line('once more\n@@ [{"say": "welcome back"}]')
        self.terminal.wait_for(r"^• welcome back$")


def main():
    with Bench("tui") as bench:
        mark = r"^› Ask Codex to do anything"
        tui = Tui(bench, "tui", lambda: bench.serve_ws("tui-0.169-ws"), mark)
        bench.play(
            [
                ("starts a new thread over ws://", tui.start),
                ("runs a command and streams the answer", tui.turn_with_command),
                ("Esc interrupts a running turn", lambda: tui.interrupt("\x1b", "Esc")),
                ("Ctrl-C interrupts a running turn", lambda: tui.interrupt("\x03", "Ctrl-C")),
                ("takes the next prompt after an interrupt", tui.turn_after_interrupt),
                ("the /resume picker shows the thread", tui.picker_shows_thread),
                ("leaves and names the thread", tui.quit),
                ("codex resume ID shows the history", tui.resume_shows_history),
                ("runs a turn in the resumed thread", tui.turn_after_resume),
            ],
            tui.screen,
        )
        tui.close()
        tui = Tui(bench, "tui", lambda: bench.serve_unix("tui-0.169-unix"), mark)
        bench.play(
            [
                ("starts a new thread over unix://", tui.start),
                ("runs a command and streams the answer over unix://", tui.turn_with_command),
            ],
            tui.screen,
        )
        tui.close()
        tui = Tui(bench, "tui", lambda: bench.serve_ws("tui-0.169-approvals"), mark, policies="")
        bench.play(Approvals(tui).steps(), tui.screen)
    return bench.failed


if __name__ == "__main__":
    sys.exit(1 if main() else 0)
