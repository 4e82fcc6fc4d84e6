"""What a program decides about commands and patches through the Python SDK, and what becomes of it on disk.

Of the SDK's two layers the lower one lets its caller decide; the upper one hands approvals to a model.
"""

import json
from dataclasses import dataclass

from approvals import RULES, adding, changing, escalated
from bench import expect
from openai_codex import CodexConfig
from openai_codex.client import CodexClient


@dataclass
class Outcome:
    """What came of a turn with one call."""

    method: str | None
    """What was asked, if anything."""
    params: dict
    turn: str
    """How the turn ended."""
    ends: list
    """How its command or patch ended, as the transcript shows it."""
    told: str
    """What the model was told of it; nothing if the turn ended with it."""

    @property
    def did_not_run(self):
        """Nothing but a refusal is shown; a server may end the turn before it has shown that."""
        return self.ends == ["declined"] or (self.turn == "interrupted" and not self.ends)


class AskedPython:
    """One thread that may write its folder alone, and a caller who decides about the rest."""

    COMMAND, PATCH = "item/commandExecution/requestApproval", "item/fileChange/requestApproval"

    def __init__(self, bench):
        self.bench, self.client, self.thread_id = bench, None, None
        self.decision, self.asked, self.turns = None, [], 0
        bench.closers.append(self.close)

    def start(self):
        self.bench.ask_and_confine()
        self.bench.add_rules(RULES)
        program = self.bench.stdio_program("python-sdk-approvals")
        config = CodexConfig(codex_bin=program, cwd=str(self.bench.work), env=self.bench.environment)
        self.client = CodexClient(config, approval_handler=self.decide)
        self.client.start()
        self.client.initialize()
        params = {"cwd": str(self.bench.work), "sandbox": "workspace-write", "approvalPolicy": "on-request"}
        self.thread_id = self.client.thread_start(params).thread.id

    def close(self):
        if self.client:
            self.client.close()
            self.client = None

    def decide(self, method, params):
        """What the SDK calls when the server asks."""
        self.asked.append((method, params))
        return {"decision": self.decision}

    def seen(self):
        return f"asked: {self.asked}"

    def outside(self, name):
        return self.bench.work.parent / name

    def turn(self, entry, decision=None):
        """Runs a turn with one call and answers the one question about it with `decision`; without, none may come."""
        self.asked, self.decision, self.turns = [], decision, self.turns + 1
        script = f"turn {self.turns}\n@@ {json.dumps([entry, {'say': 'it is over'}])}"
        turn_id = self.client.turn_start(self.thread_id, script).turn.id
        turn, items = None, []
        while not turn:
            note = self.client.next_turn_notification(turn_id)
            if note.method == "item/completed":
                items.append(note.payload.item.root)
            elif note.method == "turn/completed":
                turn = note.payload.turn
        self.client.unregister_turn_notifications(turn_id)
        expect(len(self.asked) == (decision is not None), f"with {decision} in mind it was asked {self.asked}")
        ends = [i.status.value for i in items if i.type in ("commandExecution", "fileChange")]
        told = self.bench.model_requests()[-1]["input"][-1].get("output", "")
        method, params = self.asked[0] if self.asked else (None, {})
        return Outcome(method, params, turn.status.value, ends, told)

    def plain(self):
        self.turn({"exec": "echo in > inside.txt; echo out > ../outside.txt"})
        expect((self.bench.work / "inside.txt").read_text() == "in\n", "the command could not write in the project")
        expect(not self.outside("outside.txt").exists(), "the command wrote outside of the project")

    def accept_command(self):
        once = self.turn(escalated("touch ../once.txt", "it must be"), "accept")
        expect(once.method == self.COMMAND and once.params["reason"] == "it must be", f"asked {once}")
        expect(once.ends == ["completed"] and self.outside("once.txt").exists(), f"it did not run: {once}")
        self.turn(escalated("touch ../once.txt", "it must be"), "accept")

    def accept_command_for_session(self):
        wish = escalated("echo x >> ../session.txt", "often")
        self.turn(wish, "acceptForSession")
        again = self.turn(wish)
        expect(again.ends == ["completed"], f"it did not run again: {again}")
        expect(self.outside("session.txt").read_text() == "x\nx\n", "it did not run twice, outside of the project")
        self.turn(escalated("echo y >> ../session.txt", "another"), "decline")

    def decline_command(self):
        declined = self.turn(escalated("touch ../declined.txt", "perhaps"), "decline")
        expect((declined.turn, declined.ends) == ("completed", ["declined"]), f"it ended so: {declined}")
        expect("rejected by user" in declined.told, f"the model was told {declined.told!r}")
        expect(not self.outside("declined.txt").exists(), "the command that was declined ran")

    def cancel_command(self):
        cancelled = self.turn(escalated("touch ../cancelled.txt", "perhaps"), "cancel")
        expect(cancelled.turn == "interrupted" and cancelled.did_not_run, f"it ended so: {cancelled}")
        expect(not cancelled.told, f"the model was told {cancelled.told!r}")
        expect(not self.outside("cancelled.txt").exists(), "the command that was cancelled ran")

    def amend(self):
        decision = {"acceptWithExecpolicyAmendment": {"execpolicy_amendment": ["mkdir"]}}
        kept = self.turn(escalated("mkdir ../kept1", "for good", prefix=["mkdir"]), decision)
        expect(kept.params["proposedExecpolicyAmendment"] == ["mkdir"], f"offered {kept.params}")
        rules = (self.bench.home / "rules/default.rules").read_text()
        expect(rules == 'prefix_rule(pattern=["mkdir"], decision="allow")\n', f"the rules file holds {rules!r}")
        self.turn({"exec": "mkdir ../kept2"})
        expect(self.outside("kept1").is_dir() and self.outside("kept2").is_dir(), "the commands did not both run")

    def rule_asks(self):
        for decision, name, turn in (
            ("accept", "a", "completed"),
            ("decline", "b", "completed"),
            ("cancel", "c", "interrupted"),
        ):
            copied = self.turn({"exec": f"cp inside.txt {name}.txt; cp inside.txt ../{name}.txt"}, decision)
            expect("copies are looked at" in copied.params["reason"], f"asked {copied}")
            expect(copied.turn == turn, f"with {decision} it ended so: {copied}")
            ran = (self.bench.work / f"{name}.txt").exists()
            expect(ran == (decision == "accept"), f"with {decision} the command ran: {ran}")
            expect(not self.outside(f"{name}.txt").exists(), "the command ran outside of the sandbox")
        wish = {"exec": "cp inside.txt session.txt"}
        self.turn(wish, "acceptForSession")
        (self.bench.work / "session.txt").unlink()
        self.turn(wish)
        expect((self.bench.work / "session.txt").exists(), "the command did not run again")

    def accept_patch(self):
        added = self.turn(adding("../added.txt"), "accept")
        expect(added.method == self.PATCH and added.ends == ["completed"], f"it ended so: {added}")
        expect(self.outside("added.txt").read_text() == "new\n", "the patch was not applied")

    def accept_patch_for_session(self):
        self.turn(changing("../added.txt", "new", "newer"), "acceptForSession")
        self.turn(changing("../added.txt", "newer", "newest"))
        expect(self.outside("added.txt").read_text() == "newest\n", "the file that was approved was not changed")

    def refuse_patch(self, decision, turn):
        refused = self.turn(adding(f"../{decision}.txt"), decision)
        expect(refused.turn == turn and refused.did_not_run, f"it ended so: {refused}")
        expect(not self.outside(f"{decision}.txt").exists(), "the patch was applied")

    def steps(self):
        return [
            ("starts a thread that may write its folder alone", self.start),
            ("a plain command runs confined and unasked", self.plain),
            ("accept: a command runs outside of the sandbox, and is asked about again", self.accept_command),
            ("acceptForSession: the same command runs again unasked", self.accept_command_for_session),
            ("decline: a command does not run, and the turn goes on", self.decline_command),
            ("cancel: a command does not run, and the turn ends", self.cancel_command),
            ("amendment: a rule is written, and the next command runs unasked", self.amend),
            ("a rule that asks: each decision about a command that stays confined", self.rule_asks),
            ("accept: a patch is applied outside of the folder", self.accept_patch),
            ("acceptForSession: the same file is patched again unasked", self.accept_patch_for_session),
            ("decline: a patch is not applied, and the turn goes on", lambda: self.refuse_patch("decline", "completed")),
            ("cancel: a patch is not applied, and the turn ends", lambda: self.refuse_patch("cancel", "interrupted")),
        ]
