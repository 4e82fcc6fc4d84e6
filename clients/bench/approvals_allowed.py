"""What `compare_approvals.py` knows to differ: the scene, a pattern of its calls, one of the differing lines, and the row of
docs/differences.md that gives the reason. A row that is not there fails, as does an entry that nothing needs any more.
"""

import pathlib
import re
from typing import NamedTuple

DIFFERENCES = pathlib.Path(__file__).resolve().parents[2] / "docs" / "differences.md"

CONFINED = "(read-only|workspace-write)"
COMMAND_ITEM = r"\+ *item/(started|completed) commandExecution.*"
ENDED_ITEM = r"\+ *item/completed (commandExecution|fileChange).*"
ANY = ".*"

UNTOLD = "A command that the sandbox held back, as an item"
RETRIED = "A command that the sandbox held back, after it was asked about"
REFUSED = "The refusal to leave the sandbox under `granular`, as the model reads it"
INTERRUPT = "Interrupt or `cancel` while an approval is open"
MORE_INSIDE = "`sandbox_permissions: with_additional_permissions`"
OTHER_FORM = "A tool called in another form than it has"
FAILED_PATCH = "A patch that fails while its files are written"
ALLOWED_PATCH = "A patch outside that the user allowed"
NESTED = "Protected folders (`.git`, `.codex`, `.agents`, `.aws`) below the top of a workspace"
NO_PROGRAM = "`command/exec` of a program that is not there, in a sandbox"
OWN_FOLDER = "`command/exec` under a writing sandbox"
HARD_LINK = "A file in the workspace that also has a name outside (hard link)"
PIPES = "Named pipes outside"
PROC = "`/proc` in the sandbox"
KEYRINGS = "Kernel keyrings in the sandbox"
LINKED = "A protected folder that is a symbolic link"
HOME = "The server's home folder"
SEEN_RULES = "Rules that forbid or ask"
OWN_FILE = "A rule that allows a bare name"
PATH_RULE = "A rule that allows a path, and one that forbids its name"
REMOVALS = "`rm -f` and its like"
RELOADED = "Rules files, when they are read"
BROKEN = "A rules file that is broken"
VARIABLE = "`CODEX_SANDBOX_NETWORK_DISABLED` outside of the sandbox"
ENDED = "Exit code of a background terminal that is ended"
OS_PID = "`osPid` of background terminals"


class Entry(NamedTuple):
    scene: str
    calls: str
    lines: str
    row: str
    # The reference differs from itself from run to run, so that the entry is not always needed.
    sometimes: bool = False


ALLOWED = [
    Entry("table", f"{CONFINED}, (on-request|never|granular none), (plain|write outside|write git)", COMMAND_ITEM, UNTOLD),
    Entry("table", f"{CONFINED}, (untrusted|granular all), (plain|write outside|write git)", ANY, RETRIED),
    Entry("table", ".*, granular none, escalated", r"[+-]model reads .*[Gg]ranular.*", REFUSED),
    Entry("rules", "(on-request|never|granular none|granular rules), compound half", COMMAND_ITEM, UNTOLD),
    Entry("rules", "(untrusted|granular all), compound half", ANY, RETRIED),
    Entry("rules", "granular (none|rules), escalated .*", r"[+-]model reads .*[Gg]ranular.*", REFUSED),
    Entry("seen_rules", "redirection|behind sudo|loop|substitution|variable", ANY, SEEN_RULES),
    Entry("seen_rules", "own file", ANY, OWN_FILE),
    Entry("seen_rules", "path", ANY, PATH_RULE),
    Entry("seen_rules", "removal behind timeout", ANY, REMOVALS),
    Entry("seen_rules", "a later rule", ANY, RELOADED),
    Entry("broken_rules", "forbidden", ANY, BROKEN),
    Entry("broken_rules", "allowed", COMMAND_ITEM, UNTOLD),
    Entry("proposals", "granular rules, .*", r"[+-]model reads .*[Gg]ranular.*", REFUSED),
    Entry("denied", f"{CONFINED}, (write|append|remove|make|git|codex|agents|aws|tmp|shm|mount|home)", COMMAND_ITEM, UNTOLD),
    Entry("decisions", "patch, cancel", ENDED_ITEM, INTERRUPT),
    Entry("interrupts", "command|patch|escalated", ENDED_ITEM, INTERRUPT),
    Entry("parameters", "on-request, (additional.*|only given)", r"[+-]model reads .*additional permissions are disabled.*",
          MORE_INSIDE),
    Entry("parameters", ".*, (apply_patch function|unknown custom)", ANY, OTHER_FORM),
    Entry("patches", "(below a file|proc|half)(, by the shell)?", ANY, FAILED_PATCH),
    Entry("patches", "protected below(, by the shell)?", ANY, NESTED),
    Entry("patches", "(home|new folder outside)(, by the shell)?", ANY, ALLOWED_PATCH),
    Entry("variable", "workspace, escalated", ANY, VARIABLE),
    Entry("walls", "nested", ANY, NESTED),
    Entry("walls", "hard link", ANY, HARD_LINK),
    Entry("walls", "pipe", ANY, PIPES),
    Entry("walls", "proc", ANY, PROC),
    Entry("walls", "keyring", ANY, KEYRINGS),
    Entry("walls", "linked folder", ANY, LINKED),
    Entry("walls", "home as a root", ANY, HOME),
    Entry("terminals", ".*, list", r".*osPid.*", OS_PID),
    Entry("terminals", ".*, clean", r"[+-] *item/completed commandExecution exitCode: .*", ENDED, sometimes=True),
    Entry("one_off", "confined no such", ANY, NO_PROGRAM),
    Entry("one_off", "another folder, .*", ANY, OWN_FOLDER),
]


def rows():
    """The first cells of all tables."""
    return {line.split("|")[1].strip() for line in DIFFERENCES.read_text().splitlines() if line.startswith("| ")}


class Allowance:
    """Sorts out the lines that are meant, and keeps what was needed for it."""

    def __init__(self):
        self.needed = set()

    def takes(self, scene, call, line):
        for entry in ALLOWED:
            if entry.scene == scene and re.fullmatch(entry.calls, call) and re.fullmatch(entry.lines, line, re.DOTALL):
                self.needed.add(entry)
                return True
        return False

    def faults(self):
        known = rows()
        for entry in ALLOWED:
            if entry.row not in known:
                yield f"{entry.scene}: docs/differences.md has no row {entry.row!r}"
            if entry not in self.needed and not entry.sometimes:
                yield f"{entry.scene}, {entry.calls}: allowed but not seen: {entry.lines}"
