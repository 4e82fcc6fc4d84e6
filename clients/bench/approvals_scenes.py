"""The scenes of `compare_approvals.py`: what is done, without what is to be seen."""

import os

ACCEPT, DECLINE, CANCEL = ({"result": {"decision": word}} for word in ("accept", "decline", "cancel"))
SESSION = {"result": {"decision": "acceptForSession"}}
UNKNOWN = {"result": {"decision": "perhaps"}}
ERROR = {"error": {"code": -32000, "message": "no window"}}
SILENT = None
DONE = {"say": "done"}


def granular(value, **more):
    members = ("sandbox_approval", "rules", "skill_approval", "request_permissions", "mcp_elicitations")
    return {"granular": {**dict.fromkeys(members, value), **more}}


POLICIES = {"on-request": "on-request", "never": "never", "untrusted": "untrusted",
            "granular none": granular(False), "granular all": granular(True)}
SANDBOXES = ("read-only", "workspace-write", "danger-full-access")


def run(command, **more):
    return {"call": ["exec_command", {"cmd": command, **more}]}


def escalated(command, **more):
    return run(command, sandbox_permissions="require_escalated", justification="may it?", **more)


def add(path):
    return f"*** Begin Patch\n*** Add File: {path}\n+one\n*** End Patch"


def patch(path):
    return {"custom": ["apply_patch", add(path)]}


def by_shell(path):
    return run(f"apply_patch <<'EOF'\n{add(path)}\nEOF")


def table(stage):
    """Every cell of the decision table, each question answered with yes."""
    stage.start()
    (stage.work / "one.png").write_bytes(b"no image")
    calls = {
        "safe": run("pwd"), "plain": run("echo plain > @WORK/plain && echo made"),
        "write outside": run("echo x > @OUTSIDE/plain"), "write git": run("echo x > .git/config"),
        "dangerous": run("rm -f nothing"), "dangerous sudo": run("sudo rm -rf nothing"),
        "escalated": escalated("echo x > @OUTSIDE/escalated && echo made"),
        "patch inside": patch("inside"), "patch outside": patch("@OUTSIDE/patched"), "patch git": patch(".git/patched"),
        "shell patch inside": by_shell("inside2"), "shell patch outside": by_shell("@OUTSIDE/patched2"),
        "view_image": {"call": ["view_image", {"path": "one.png"}]},
    }
    for sandbox in SANDBOXES:
        for policy, value in POLICIES.items():
            thread = stage.thread(value, sandbox)
            for name, call in calls.items():
                stage.turn(f"{sandbox}, {policy}, {name}", thread, [call, DONE], ACCEPT)


def decisions(stage):
    """Every answer to every question, then the same again and something near it."""
    stage.start()
    amend = {"result": {"decision": {"acceptWithExecpolicyAmendment": {"execpolicy_amendment": ["rm", "-f", "amended"]}}}}
    for name, answer in (("accept", ACCEPT), ("session", SESSION), ("decline", DECLINE), ("cancel", CANCEL),
                         ("error", ERROR), ("unknown", UNKNOWN)):
        thread = stage.thread("on-request")
        for kind, calls in {
            "dangerous": [run("rm -f one"), run("rm -f two")],
            "escalated": [escalated("echo one"), escalated("echo two")],
            "patch": [patch("@OUTSIDE/" + name), patch("@OUTSIDE/other")],
        }.items():
            stage.turn(f"{kind}, {name}", thread, [calls[0], DONE], answer)
            stage.turn(f"{kind}, {name}, again", thread, [calls[0], DONE], DECLINE)
            stage.turn(f"{kind}, {name}, another", thread, [calls[1], DONE], DECLINE)
            stage.turn(f"{kind}, {name}, a turn later", thread, [DONE])
    thread = stage.thread("on-request")
    for name, call in (("amended", run("rm -f amended")), ("the same", run("rm -f amended")),
                       ("longer", run("rm -f amended too")), ("another", run("rm -f different")),
                       ("in a compound", run("rm -f amended && rm -f more"))):
        stage.turn(f"amendment, {name}", thread, [call, DONE], amend if name == "amended" else DECLINE)
    rules = stage.home / "rules" / "default.rules"
    stage.tell("the file", rules.read_text().splitlines() if rules.exists() else ["no file"])
    other = stage.thread("on-request", "read-only")
    stage.turn("amendment, another thread", other, [run("rm -f amended"), DONE], DECLINE)


RULES = """prefix_rule(pattern = ["touch"], decision = "allow")
prefix_rule(pattern = ["cp"], decision = "prompt", justification = "copies things")
prefix_rule(pattern = ["mv"], decision = "forbidden", justification = "never moved")
prefix_rule(pattern = ["ln"], decision = "forbidden")
prefix_rule(pattern = ["chmod"], decision = "prompt")
prefix_rule(pattern = ["rm", "-f", "allowed"], decision = "allow")
"""


def rules(stage):
    stage.rules(RULES)
    stage.start()
    calls = {
        "allowed": run("touch @OUTSIDE/touched"), "prompt": run("cp a b"), "forbidden": run("mv a b"),
        "forbidden without words": run("ln a b"), "prompt without words": run("chmod +x nothing"),
        "allowed removal": run("rm -f allowed"),
        "compound allowed": run("touch a && touch b"), "compound half": run("touch @OUTSIDE/c && echo hi"),
        "compound prompt": run("echo hi && cp a b"), "compound forbidden": run("echo hi; mv a b"),
        "escalated allowed": escalated("touch @OUTSIDE/d"), "escalated prompt": escalated("cp a b"),
        "escalated forbidden": escalated("mv a b"),
    }
    for policy, value in {**POLICIES, "granular rules": granular(False, rules=True)}.items():
        thread = stage.thread(value)
        for name, call in calls.items():
            stage.turn(f"{policy}, {name}", thread, [call, DONE], ACCEPT)


def seen_rules(stage):
    """Rules in scripts that are not literal, about files of a name, and that came later."""
    stage.rules(RULES + 'prefix_rule(pattern = ["/usr/bin/mv"], decision = "allow")\n')
    stage.start()
    own = stage.work / "touch"
    own.write_text(f"#!/bin/sh\necho x > {stage.outside}/own && echo made\n")
    own.chmod(0o755)
    thread = stage.thread("never")
    for name, command in {
        "redirection": "mv a b 2>&1", "behind sudo": "sudo mv a b", "loop": "for i in 1; do mv a b; done",
        "substitution": "echo $(mv a b)", "variable": "X=1; mv $X b", "own file": "./touch", "path": "/usr/bin/mv a b",
        "removal behind timeout": "timeout 5 rm -f nothing", "removal behind env": "env rm -f nothing",
    }.items():
        stage.turn(name, thread, [run(command), DONE])
    stage.rules('prefix_rule(pattern = ["seq"], decision = "forbidden")\n')
    stage.turn("a later rule", thread, [run("seq 1"), DONE])
    stage.turn("a later rule, new thread", stage.thread("never"), [run("seq 1"), DONE])


def broken_rules(stage):
    stage.rules(RULES)
    (stage.home / "rules" / "more.rules").write_text("prefix_rule(\n")
    stage.start()
    thread = stage.thread("never")
    for name, call in {"forbidden": run("mv a b"), "allowed": run("touch @OUTSIDE/t")}.items():
        stage.turn(name, thread, [call, DONE])


def proposals(stage):
    """Which prefix is proposed."""
    stage.start()
    policies = {"on-request": "on-request", "untrusted": "untrusted", "granular rules": granular(True, sandbox_approval=False),
                "granular sandbox": granular(True, rules=False)}
    for policy, value in policies.items():
        thread = stage.thread(value)
        for name, call in {
            "its words": escalated("cargo build --release", prefix_rule=["cargo", "build"]),
            "no words": escalated("cargo build --release"), "too broad": escalated("git status -s", prefix_rule=["git"]),
            "other words": escalated("cargo build", prefix_rule=["npm", "run"]), "empty": escalated("true", prefix_rule=[]),
            "compound": escalated("cargo build && cargo test", prefix_rule=["cargo"]),
            "compound, no words": escalated("cargo build && cargo test"),
            "redirection": escalated("cargo build > log", prefix_rule=["cargo", "build"]),
            "removal": run("rm -f a"), "removal, words": run("rm -f a", prefix_rule=["rm"]),
            "removal in a compound": run("echo hi && rm -rf a"), "shell": escalated("bash -c 'echo hi'"),
            "python": escalated("python3 -c 'print(1)'", prefix_rule=["python3", "-c"]),
        }.items():
            stage.turn(f"{policy}, {name}", thread, [call, DONE], DECLINE)


def parameters(stage):
    """The parameters of `exec_command` that say something of the sandbox, and tools of other times."""
    stage.start()
    for policy in ("on-request", "never"):
        thread = stage.thread(policy)
        words = {
            "additional": run("echo a", sandbox_permissions="with_additional_permissions"),
            "additional, given": run("echo a", sandbox_permissions="with_additional_permissions", justification="why",
                                     additional_permissions={"network": {"enabled": True}}),
            "additional, files": run("echo a", sandbox_permissions="with_additional_permissions", justification="why",
                                     additional_permissions={"file_system": {"write": ["@OUTSIDE"]}}),
            "only given": run("echo a", additional_permissions={"network": {"enabled": True}}),
            "unknown": run("echo a", sandbox_permissions="bogus"), "null": run("echo a", sandbox_permissions=None),
            "default": run("echo a", sandbox_permissions="use_default", justification="why"),
            "no justification": run("echo a", sandbox_permissions="require_escalated"),
            "bad prefix": run("echo a", prefix_rule="echo"), "bad justification": run("echo a", justification=3),
            "folder": escalated("pwd", workdir="@OUTSIDE"), "no folder": run("pwd", workdir="@OUTSIDE/none"),
            "terminal": run("echo a", tty=True), "shell": run("echo a", shell="sh", login=False),
            "shell tool": {"call": ["shell", {"command": ["echo", "a"]}]},
            "shell_command tool": {"call": ["shell_command", {"command": "echo a"}]},
            "local_shell function": {"call": ["local_shell", {"command": ["echo", "a"]}]},
            "container.exec": {"call": ["container.exec", {"cmd": ["echo", "a"]}]},
            "apply_patch function": {"call": ["apply_patch", {"input": add("@OUTSIDE/f")}]},
            "unknown custom": {"custom": ["exec_command", "echo a"]},
            "local_shell item": {"raw": [{"type": "local_shell_call", "call_id": "call_m0", "status": "completed", "action": {
                "type": "exec", "command": ["echo", "a"], "env": {}}}]},
        }
        for name, call in words.items():
            stage.turn(f"{policy}, {name}", thread, [call, DONE], DECLINE)


def patches(stage):
    """Patches that fail, in part too, and several at once."""
    stage.start()
    (stage.work / "there").write_text("one\n")
    (stage.work / "locked").mkdir()
    thread = stage.thread("on-request")
    update = "*** Begin Patch\n*** Update File: {}\n@@\n-{}\n+two\n*** End Patch"
    both = f"*** Begin Patch\n*** Add File: in\n+one\n*** Add File: @OUTSIDE/out\n+one\n*** End Patch"
    for name, text in {
        "update": update.format("there", "one"), "does not fit": update.format("there", "none"),
        "no such file": update.format("@OUTSIDE/none", "none"), "in and out": both, "below a file": add("there/below"),
        "protected below": add("sub/.git/config"), "home": add(str(stage.home) + "/rules/default.rules"),
        "tmp": add("@TMP"),
        "delete outside": "*** Begin Patch\n*** Delete File: @OUTSIDE/out\n*** End Patch",
        "new folder outside": add("@OUTSIDE/new/f"), "empty": "*** Begin Patch\n*** End Patch", "proc": add("/proc/none/x"),
    }.items():
        stage.turn(name, thread, [{"custom": ["apply_patch", text]}, DONE], ACCEPT)
        stage.turn(name + ", by the shell", thread, [run(f"apply_patch <<'EOF'\n{text}\nEOF"), DONE], ACCEPT)
    half = "*** Begin Patch\n*** Add File: first\n+one\n*** Add File: there/below\n+one\n*** End Patch"
    stage.turn("half", stage.thread("never"), [{"custom": ["apply_patch", half]}, DONE])
    stage.tell("half", ["first file: " + ("there" if (stage.work / "first").exists() else "not there")])
    never = stage.thread("never", "read-only")
    stage.turn("read-only", never, [patch("new"), DONE])
    session = stage.thread("untrusted")
    stage.turn("session", session, [patch("s1"), DONE], SESSION)
    stage.turn("session, the same", session, [patch("s1"), DONE], DECLINE)
    stage.turn("session, another", session, [patch("s2"), DONE], DECLINE)


def denied(stage):
    """What the sandbox holds back, as the model reads it."""
    stage.start()
    (stage.outside / "there").write_text("secret\n")
    for sandbox in SANDBOXES[:2]:
        thread = stage.thread("on-request", sandbox)
        for name, command in {
            "write": "echo x > @OUTSIDE/x", "append": "echo x >> @OUTSIDE/there", "remove": "rm @OUTSIDE/there",
            "make": "mkdir @OUTSIDE/d", "read": "cat @OUTSIDE/there", "hostname": "cat /proc/sys/kernel/ostype",
            "git": "mkdir .git/hooks", "codex": "mkdir .codex", "agents": "touch .agents/x", "aws": "touch .aws/x",
            "names": "ls -A", "socket": "python3 -c 'import socket; socket.socket()' 2>&1 | tail -1",
            "connect": "python3 -c 'import socket; socket.create_connection((\"127.0.0.1\", 9))' 2>&1 | tail -1",
            "unix": "python3 -c 'import socket; socket.socket(socket.AF_UNIX).connect(\"/x\")' 2>&1 | tail -1",
            "pair": "python3 -c 'import socket; a, b = socket.socketpair(); print(a.fileno() >= 0)'",
            "tmp": "echo x > @TMP && rm @TMP && echo made",
            "null": "echo x > /dev/null && echo fine",
            "shm": "echo x > /dev/shm/x", "privileges": "grep -E 'NoNewPrivs' /proc/self/status",
            "mount": "mount -t tmpfs x /mnt",
            "exit": "exit 7", "signal": "kill -9 $$", "not found": "no-such-program", "stderr": "echo err >&2",
            "own pid": "test $$ -lt 100 && echo small", "home": f"echo x > {stage.home}/x",
        }.items():
            stage.turn(f"{sandbox}, {name}", thread, [run(command), DONE])


def variable(stage):
    """By what a command sees that it has no network."""
    stage.start()
    show = "echo [$CODEX_SANDBOX_NETWORK_DISABLED] [$CODEX_SANDBOX]"
    for name, policy in {
        "network": {"type": "workspaceWrite", "networkAccess": True}, "workspace": {"type": "workspaceWrite"},
        "external": {"type": "externalSandbox"},
        "external with network": {"type": "externalSandbox", "networkAccess": "enabled"},
        "full access": {"type": "dangerFullAccess"},
    }.items():
        thread = stage.thread("on-request")
        stage.ask(name, "thread/settings/update", {"threadId": thread, "sandboxPolicy": policy})
        stage.turn(name, thread, [run(show), DONE])
        stage.turn(name + ", escalated", thread, [escalated(show), DONE], ACCEPT)


def walls(stage):
    """What a confined command could reach by ways around a read-only mount."""
    stage.start()
    (stage.work / "sub" / ".git").mkdir(parents=True)
    (stage.work / "linked").mkdir()
    (stage.work / "real").mkdir()
    (stage.work / "linked" / ".git").symlink_to("../real")
    (stage.outside / "file").write_text("old\n")
    os.link(stage.outside / "file", stage.work / "second")
    os.mkfifo(stage.outside / "pipe")
    thread = stage.thread("on-request")
    system = "import ctypes; print(ctypes.CDLL(None).syscall({}) >= 0)"
    for name, command in {
        "nested": "echo x > sub/.git/config && echo made", "hard link": "echo new > second && echo made",
        "pipe": "echo x 1<> @OUTSIDE/pipe && echo made",
        # The name that it has, so that nothing changes.
        "proc": "cat /proc/sys/kernel/hostname > /proc/sys/kernel/hostname && echo made",
        "keyring": f"python3 -c '{system.format('250, 0, -3, 0')}'", "ring": f"python3 -c '{system.format('425, 0, 0')}'",
    }.items():
        stage.turn(name, thread, [run(command), DONE])
    stage.turn("linked folder", stage.thread("on-request", cwd=str(stage.work / "linked")), [run("echo ran"), DONE])
    home = {"type": "workspaceWrite", "writableRoots": [str(stage.home)]}
    stage.ask("home as a root", "command/exec", {
        "command": ["bash", "-c", f"echo x > {stage.home}/x; echo $?"], "cwd": "@WORK", "sandboxPolicy": home})


def terminals(stage):
    """Commands that outlive their calls, in the sandbox."""
    stage.start()
    for sandbox in SANDBOXES:
        thread = stage.thread("on-request", sandbox)
        slow = {"yield_time_ms": 300}
        stage.turn(f"{sandbox}, in the background", thread, [run("sleep 1.5; echo x > @OUTSIDE/late", **slow), DONE])
        stage.settle(2.5)
        stage.turn(f"{sandbox}, terminal", thread, [run("echo began; sleep 1", tty=True, **slow), DONE])
        stage.settle(1.5)
        stage.turn(f"{sandbox}, to be ended", thread, [run("echo began; sleep 30", **slow), DONE])
        stage.ask(f"{sandbox}, list", "thread/backgroundTerminals/list", {"threadId": thread})
        stage.ask(f"{sandbox}, clean", "thread/backgroundTerminals/clean", {"threadId": thread}, 1.5)
        stage.turn(f"{sandbox}, asked", thread, [escalated("sleep 5", **slow), DONE], ACCEPT)
        stage.ask(f"{sandbox}, asked, clean", "thread/backgroundTerminals/clean", {"threadId": thread}, 1.5)


def interrupts(stage):
    """Turns that end while a question is open."""
    stage.start()
    for name, call in {"command": run("rm -f x"), "patch": patch("@OUTSIDE/p"), "escalated": escalated("echo a")}.items():
        thread = stage.thread("on-request")

        def interrupt(turn):
            stage.client.until(f"item/{'fileChange' if name == 'patch' else 'commandExecution'}/requestApproval")
            answer = stage.client.request("turn/interrupt", {"threadId": thread, "turnId": turn})
            stage.tell(name, [str(answer.get("result", answer.get("error")))])
        stage.turn(name, thread, [call, DONE], SILENT, meanwhile=interrupt)
        stage.turn(name + ", later", thread, [DONE])
    thread = stage.thread("on-request")
    stage.turn("two at once", thread, [{"calls": [run("rm -f x"), run("rm -f y")]}, DONE], ACCEPT, DECLINE, ordered=False)


POLICY = {
    "read": {"type": "readOnly"}, "write": {"type": "workspaceWrite"},
    "roots": {"type": "workspaceWrite", "writableRoots": ["@OUTSIDE"]},
    "network": {"type": "readOnly", "networkAccess": True}, "full": {"type": "dangerFullAccess"},
    "external": {"type": "externalSandbox"}, "unknown": {"type": "bogus"}, "none": None,
    "relative root": {"type": "workspaceWrite", "writableRoots": ["relative"]},
}


def one_off(stage):
    """`command/exec` and `process/*`."""
    stage.start()
    for name, policy in POLICY.items():
        for what, script in {"variable": "echo [$CODEX_SANDBOX_NETWORK_DISABLED]", "outside": "echo x > @OUTSIDE/x; echo $?",
                             "inside": "echo x > @WORK/x; echo $?"}.items():
            stage.ask(f"{name}, {what}", "command/exec", {
                "command": ["bash", "-c", script], "cwd": "@WORK", "sandboxPolicy": policy})
    for name, params in {
        "empty": {"command": []}, "no such": {"command": ["no-such-program"]},
        "time": {"command": ["sleep", "5"], "timeoutMs": 200},
        "exit": {"command": ["bash", "-c", "exit 3"]}, "bad folder": {"command": ["true"], "cwd": "@OUTSIDE/none"},
        "environment": {"command": ["bash", "-c", "echo $A"], "env": {"A": "b"}},
        "confined no such": {"command": ["no-such-program"], "sandboxPolicy": {"type": "readOnly"}},
        "confined time": {"command": ["sleep", "5"], "timeoutMs": 300, "sandboxPolicy": {"type": "readOnly"}},
        "confined signal": {"command": ["bash", "-c", "kill -9 $$"], "sandboxPolicy": {"type": "readOnly"}},
        "profile and policy": {"command": ["true"], "sandboxPolicy": {"type": "readOnly"}, "permissionProfile": ":read-only"},
        "profile": {"command": ["bash", "-c", "echo x > @OUTSIDE/x; echo $?"], "permissionProfile": ":read-only"},
        "stream without id": {"command": ["true"], "streamStdoutStderr": True},
        "another folder, itself": {"command": ["bash", "-c", "echo x > x; echo $?"], "cwd": "@OUTSIDE",
                                   "sandboxPolicy": POLICY["write"]},
        "another folder, the server's": {"command": ["bash", "-c", "echo x > @WORK/x; echo $?"], "cwd": "@OUTSIDE",
                                         "sandboxPolicy": POLICY["write"]},
    }.items():
        stage.ask(name, "command/exec", params)
    for name, params in {
        "spawn": {"command": ["bash", "-c", "echo hi; exit 4"], "processHandle": "p1", "cwd": "@WORK"},
        "spawn, no such": {"command": ["no-such-program"], "processHandle": "p2", "cwd": "@WORK"},
        "spawn, empty": {"command": [], "processHandle": "p3", "cwd": "@WORK"},
        "spawn, policy": {"command": ["bash", "-c", "echo x > @OUTSIDE/y; echo $?"], "processHandle": "p4", "cwd": "@WORK",
                          "sandboxPolicy": {"type": "readOnly"}},
        "spawn, no handle": {"command": ["true"], "cwd": "@WORK"},
    }.items():
        stage.ask(name, "process/spawn", params, 0.6)
    stage.ask("kill unknown", "process/kill", {"processHandle": "zz"})
    stage.ask("write unknown", "process/writeStdin", {"processHandle": "zz", "deltaBase64": ""})


SCENES = [table, decisions, rules, seen_rules, broken_rules, proposals, parameters, patches, denied, variable, walls,
          terminals, interrupts, one_off]
