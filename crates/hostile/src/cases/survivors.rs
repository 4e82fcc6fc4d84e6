//! Processes that want to be there after their command.

use crate::case::{Case, Oracle, Way};

const fn left(case: Case) -> Case {
    case.seen(Oracle::Survivors)
}

pub(super) const CASES: &[Case] = &[
    left(Case::sh(
        "session of its own",
        "setsid sleep 60 >/dev/null & sleep 0.05",
    )),
    left(Case::sh(
        "nohup",
        "nohup sleep 60 >/dev/null & disown; sleep 0.05",
    )),
    left(Case::sh("plain background", "sleep 60 >/dev/null &")),
    left(Case::sh(
        "forked twice",
        "(setsid sh -c 'sleep 60 & exec sleep 60' >/dev/null &) ; sleep 0.05",
    )),
    left(Case::sh(
        "that holds the output",
        "setsid sleep 60 & sleep 0.05",
    )),
    left(Case::sh(
        "halted",
        "setsid sleep 60 >/dev/null & sleep 0.05; kill -STOP $!; sleep 0.02",
    )),
    left(Case::py(
        "that ignores every signal",
        "import signal, time
for s in range(1, 64):
    try: signal.signal(s, signal.SIG_IGN)
    except (OSError, ValueError): pass
if os.fork() == 0:
    os.setsid(); os.close(1); time.sleep(60)",
    )),
    left(Case::py(
        "daemon",
        "if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        for fd in range(3): os.close(fd)
        os.chdir('/'); os.execv('/bin/sleep', ['sleep', '60'])
    os._exit(0)
os.wait()",
    )),
    left(Case::py(
        "many",
        "for n in range(60):
    if os.fork() == 0:
        os.setsid(); os.closerange(0, 3); os.execv('/bin/sleep', ['sleep', '60'])",
    )),
    left(Case::py(
        "that start each other",
        "import time
if os.fork() == 0:
    os.setsid(); os.closerange(0, 3)
    for n in range(10):
        if os.fork(): os._exit(0)
        time.sleep(0.002)
    time.sleep(60)",
    )),
    left(
        Case::py(
            "that start many others, killed",
            "import time
for n in range(7):
    if os.fork() == 0: os.setsid()
print('ready', flush=True); time.sleep(60)",
        )
        .way(Way::Killed),
    ),
    left(
        Case::sh(
            "killed",
            "setsid sleep 60 & (setsid sleep 60 &) ; echo ready; sleep 60",
        )
        .way(Way::Killed),
    ),
    left(
        Case::py(
            "killed while ignoring every signal",
            "import signal, time
for s in range(1, 64):
    try: signal.signal(s, signal.SIG_IGN)
    except (OSError, ValueError): pass
if os.fork() == 0: os.setsid(); time.sleep(60)
print('ready', flush=True); time.sleep(60)",
        )
        .way(Way::Killed),
    ),
    left(
        Case::py(
            "killed while output floods",
            "if os.fork() == 0:
    os.setsid()
    while True: os.write(1, b'x' * 65536)
print('ready', flush=True)
while True: os.write(1, b'y' * 65536)",
        )
        .way(Way::Killed),
    ),
    left(
        Case::py(
            "killed with the first process's promise taken back",
            "import time
libc.ptrace.restype = ctypes.c_long
libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]
parent = os.getppid()
if os.fork() == 0:
    os.setsid()
    if parent == 1:
        regs = (ctypes.c_ulonglong * 27)()
        if libc.ptrace(16, 1, None, None) == 0:
            os.waitpid(1, 0x40000000)
            libc.ptrace(12, 1, None, ctypes.addressof(regs))
            # Back to the instruction of the call it waits in, which becomes another.
            regs[16] -= 2; regs[10] = 157; regs[14] = 1; regs[13] = 0; regs[15] = 2**64 - 1
            libc.ptrace(13, 1, None, ctypes.addressof(regs))
            libc.ptrace(9, 1, None, None); os.waitpid(1, 0x40000000)
            libc.ptrace(17, 1, None, None)
    print('ready', flush=True); time.sleep(60)
time.sleep(60)",
        )
        .way(Way::Killed),
    ),
    left(
        Case::py(
            "killed while the first process is traced",
            "import time
if os.getppid() == 1: libc.ptrace(16, 1, 0, 0)
if os.fork() == 0: os.setsid(); time.sleep(60)
print('ready', flush=True); time.sleep(60)",
        )
        .way(Way::Killed),
    ),
];
