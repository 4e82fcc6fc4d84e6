"""What a person decides about commands and patches in a terminal UI, and what becomes of it on disk.

Nothing is said about sandbox and approvals, neither in the configs of UI and server nor on a command line: in a trusted
project commands may then write the project alone, and what wants to leave it is asked about.
"""

import json
import re

from bench import expect

RULES = 'prefix_rule(pattern=["cp"], decision="prompt", justification="copies are looked at")\n'
"""A rules file that has one command asked about, wherever it runs."""


class Approvals:
    """The steps of a person who is asked. Each turn has a name, by which its texts are found on the screen."""

    def __init__(self, tui):
        self.tui, self.bench = tui, tui.bench

    @property
    def screen(self):
        return self.tui.terminal

    def outside(self, name):
        """A file beside the project, which the model names `../NAME`."""
        return self.bench.work.parent / name

    def prompt(self, name, *entries):
        self.screen.type_line(f"{name}\n@@ {json.dumps([*entries, {'say': f'{name} is over'}])}")

    def ended(self, name):
        """Waits for the turn's last message."""
        self.screen.wait_for(rf"^• {name} is over$")

    def ended_early(self, name, sign):
        """Waits until the turn was interrupted, and sees that it did not go on.

        Older UIs draw over what was above the question: that may be the prompt, or the sign of what was decided.
        """
        self.screen.wait_for(rf"(?:^› {name}|{wrapped(sign)})[\s\S]*Conversation interrupted")
        expect(not self.screen.count(rf"^• {name} is over"), "the turn went on")

    def asked_to_run(self, command, reason):
        self.screen.wait_for(r"Would you like to run the following command\?")
        self.screen.wait_for(rf"Reason: [\s\S]*{wrapped(reason)}")
        self.screen.wait_for(rf"^ +\$ {wrapped(command)}")
        self.screen.wait_for(r"^› 1\. Yes, proceed")

    def asked_to_edit(self):
        self.screen.wait_for(r"Would you like to make the following edits\?")
        self.screen.wait_for(r"^› 1\. Yes, proceed")

    def start(self):
        self.bench.ask_and_confine()
        self.bench.add_rules(RULES)
        self.tui.start()

    def plain(self):
        self.prompt("plain", {"exec": "echo in > inside.txt; echo out > ../outside.txt"})
        self.ended("plain")
        expect((self.bench.work / "inside.txt").read_text() == "in\n", "the command could not write in the project")
        expect(not self.outside("outside.txt").exists(), "the command wrote outside of the project")

    def accept_command(self):
        self.prompt("once", escalated("touch ../once.txt", "it must be"))
        self.asked_to_run("touch ../once.txt", "it must be")
        expect(not self.outside("once.txt").exists(), "the command ran before the answer")
        self.tui.keep("a command that is asked about")
        self.screen.send("y")
        self.ended("once")
        self.screen.wait_for(r"You approved codex to run touch \.\./once\.txt this time")
        expect(self.outside("once.txt").exists(), "the command that was approved did not run outside of the project")

    def amend(self):
        """“Don't ask again” writes a rule, and the next such command runs outside of the sandbox, unasked."""
        self.prompt("kept", escalated("mkdir ../kept1", "for good", prefix=["mkdir"]))
        self.asked_to_run("mkdir ../kept1", "for good")
        self.screen.wait_for(r"2\. Yes, and don't ask again for commands that start with `mkdir`")
        self.screen.send("p")
        self.ended("kept")
        expect(self.outside("kept1").is_dir(), "the command did not run")
        rules = (self.bench.home / "rules/default.rules").read_text()
        expect(rules == 'prefix_rule(pattern=["mkdir"], decision="allow")\n', f"the rules file holds {rules!r}")
        self.prompt("unasked", {"exec": "mkdir ../kept2"})
        self.ended("unasked")
        expect(self.outside("kept2").is_dir(), "the command that a rule allows did not run outside of the project")

    def cancel_command(self):
        self.prompt("never", escalated("touch ../never.txt", "perhaps"))
        self.asked_to_run("touch ../never.txt", "perhaps")
        self.screen.send("\x1b")
        self.ended_early("never", "You canceled the request to run touch ../never.txt")
        expect(not self.outside("never.txt").exists(), "the command that was cancelled ran")

    def rule_asks(self):
        """What a rule has asked about is asked each time, and runs confined."""
        self.prompt("copy", {"exec": "cp inside.txt copy.txt; cp inside.txt ../copy.txt"})
        self.asked_to_run("cp inside.txt copy.txt", "copies are looked at")
        expect(not self.screen.count(r"don't ask again"), "a rule that allows is offered, which could not count")
        self.screen.send("y")
        self.ended("copy")
        expect((self.bench.work / "copy.txt").exists(), "the command that was approved did not run")
        expect(not self.outside("copy.txt").exists(), "the command ran outside of the sandbox")
        self.prompt("again", {"exec": "cp inside.txt again.txt"})
        self.asked_to_run("cp inside.txt again.txt", "copies are looked at")
        self.screen.send("\x1b")
        self.ended_early("again", "You canceled the request to run cp inside.txt again.txt")
        expect(not (self.bench.work / "again.txt").exists(), "the command that was cancelled ran")

    def accept_patch(self):
        self.prompt("add", adding("../added.txt"))
        self.asked_to_edit()
        expect(not self.outside("added.txt").exists(), "the patch was applied before the answer")
        self.tui.keep("a patch that is asked about")
        self.screen.send("y")
        self.ended("add")
        expect(self.outside("added.txt").read_text() == "new\n", "the patch that was approved was not applied")

    def accept_patch_for_session(self):
        """The same file is not asked about again; approving once did not do that."""
        self.prompt("change", changing("../added.txt", "new", "newer"))
        self.asked_to_edit()
        self.screen.send("a")
        self.ended("change")
        expect(self.outside("added.txt").read_text() == "newer\n", "the patch that was approved was not applied")
        self.prompt("more", changing("../added.txt", "newer", "newest"))
        self.ended("more")
        expect(self.outside("added.txt").read_text() == "newest\n", "the file that was approved was not changed")

    def cancel_patch(self):
        self.prompt("other", adding("../other.txt"))
        self.asked_to_edit()
        self.screen.send("\x1b")
        self.ended_early("other", "Added ../other.txt")
        expect(not self.outside("other.txt").exists(), "the patch that was cancelled was applied")

    def steps(self):
        return [
            ("starts a thread in the sandbox that is its default", self.start),
            ("a plain command runs confined and unasked", self.plain),
            ("yes: a command runs outside of the sandbox, this once", self.accept_command),
            ("don't ask again: a rule is written, and the next command runs unasked", self.amend),
            ("cancel: a command does not run, and the turn ends", self.cancel_command),
            ("a rule that asks: asked each time, yes runs confined, cancel does not run", self.rule_asks),
            ("yes: a patch is applied outside of the project", self.accept_patch),
            ("yes for these files: they are patched again unasked", self.accept_patch_for_session),
            ("cancel: a patch is not applied, and the turn ends", self.cancel_patch),
        ]


def wrapped(text):
    """The pattern of a text that may go over several lines of a screen."""
    return r"\s+".join(re.escape(word) for word in text.split())


def escalated(command, reason, prefix=None):
    """The model wants to run a command outside of the sandbox, and perhaps to have what begins so allowed for good."""
    arguments = {"cmd": command, "sandbox_permissions": "require_escalated", "justification": reason}
    if prefix:
        arguments["prefix_rule"] = prefix
    return {"call": ["exec_command", arguments]}


def adding(path):
    return {"patch": f"*** Begin Patch\n*** Add File: {path}\n+new\n*** End Patch"}


def changing(path, old, new):
    return {"patch": f"*** Begin Patch\n*** Update File: {path}\n@@\n-{old}\n+{new}\n*** End Patch"}
