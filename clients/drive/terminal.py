"""A terminal for programs that draw: a PTY, the keys typed into it, and the screen as text."""

import os
import re
import signal
import time

import pexpect
import pyte

from bench import STEP_SECONDS, Failure

ROWS, COLUMNS = 60, 110
"""Tall enough that a short thread needs no scrolling."""


class AnsweringScreen(pyte.Screen):
    """A screen that answers what programs ask of their terminal (cursor position, device attributes)."""

    def __init__(self, answer):
        super().__init__(COLUMNS, ROWS)
        self.write_process_input = answer


class Terminal:
    """One program in its own PTY."""

    def __init__(self, command, env, cwd):
        self.child = pexpect.spawn(
            command[0], command[1:], env=env, cwd=str(cwd), dimensions=(ROWS, COLUMNS), timeout=None
        )
        self.child.delaybeforesend = None
        self.screen = AnsweringScreen(lambda data: self.child.send(data))
        self.stream = pyte.ByteStream(self.screen)

    def pump(self, seconds=0.1):
        """Takes in what the program draws for `seconds`; false when the program has ended."""
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            try:
                self.stream.feed(self.child.read_nonblocking(1 << 16, timeout=left))
            except pexpect.TIMEOUT:
                return True
            except pexpect.EOF:
                return False
        return True

    def text(self):
        """The screen, without trailing blanks."""
        return "\n".join(line.rstrip() for line in self.screen.display).rstrip()

    def count(self, pattern):
        """How often the regular expression stands on the screen now."""
        return len(re.findall(pattern, self.text(), re.MULTILINE))

    def wait_for(self, pattern, times=1, seconds=STEP_SECONDS):
        """Waits until the regular expression stands on the screen so many times and returns the last match."""
        end = time.monotonic() + seconds
        while True:
            alive = self.pump()
            found = list(re.finditer(pattern, self.text(), re.MULTILINE))
            if len(found) >= times:
                return found[-1]
            if not alive:
                raise Failure(f"the program ended before its screen showed {pattern!r}")
            if time.monotonic() > end:
                raise Failure(f"the screen never showed {pattern!r} (waited {seconds} s)")

    def send(self, keys):
        self.child.send(keys)

    def type_line(self, text):
        """Types a prompt as a paste, then Enter once the program has taken it in."""
        self.send("\x1b[200~" + text + "\x1b[201~")
        self.pump(0.5)
        self.send("\r")

    def close(self):
        """Ends the program and whatever it left in its session."""
        if self.child.isalive():
            self.child.kill(signal.SIGTERM)
            self.pump(1)
        try:
            os.killpg(self.child.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        self.child.close(force=True)
