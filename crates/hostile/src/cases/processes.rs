//! Other processes: their files, their memory, their limits.

use crate::case::{Case, Oracle};

pub(super) const CASES: &[Case] = &[
    Case::sh("its root", "echo escaped > /proc/$VICTIM/root$OUT/file"),
    Case::sh("its folder", "echo escaped > /proc/$VICTIM/cwd/file"),
    Case::sh("a file it has open", "echo escaped > /proc/$VICTIM/fd/$VFD"),
    Case::sh("a file that anybody has open", "for f in /proc/[0-9]*/fd/$VFD; do [ $f -ef $OUT/file ] && echo escaped > $f; done # VICTIM"),
    Case::sh("anybody's folder", "for p in /proc/[0-9]*; do [ $p/cwd -ef $OUT ] && echo escaped > $p/cwd/file; done; : $VICTIM"),
    Case::py("memory by /proc", "m = open(f'/proc/{VICTIM}/mem', 'r+b', 0); m.seek(VADDR); m.write(b'escaped')").seen(Oracle::Victim),
    Case::py("memory by a call", "b = ctypes.create_string_buffer(b'escaped', 7)
call('process_vm_writev', VICTIM, struct.pack('QQ', ctypes.addressof(b), 7), 1, struct.pack('QQ', VADDR, 7), 1, 0)").seen(Oracle::Victim),
    Case::py("memory by tracing", "import time
call('ptrace', 16, VICTIM, 0, 0); os.waitpid(VICTIM, 0x40000000); call('ptrace', 4, VICTIM, VADDR, 0x61); call('ptrace', 17, VICTIM, 0, 0)").seen(Oracle::Victim),
    Case::py("tracing without stopping", "call('ptrace', 0x4206, VICTIM, 0, 0); proof()").seen(Oracle::Proof),
    Case::py("file taken by a call", "os.write(call('pidfd_getfd', call('pidfd_open', VICTIM, 0), int(E('VFD')), 0), b'escaped')"),
    Case::py("secret taken by a call", "print(open(call('pidfd_getfd', call('pidfd_open', VICTIM, 0), int(E('VSECRET')), 0)).read())").seen(Oracle::Secret),
    Case::py("chance to be killed for memory", "open(f'/proc/{VICTIM}/oom_score_adj', 'w').write('500')").seen(Oracle::Victim),
    Case::py("limits", "import resource; resource.prlimit(VICTIM, resource.RLIMIT_CORE, (0, 0))").seen(Oracle::Victim),
    Case::py("priority", "os.setpriority(os.PRIO_PROCESS, VICTIM, 5)").seen(Oracle::Victim),
    Case::py("priority of its group", "os.setpriority(os.PRIO_PGRP, VICTIM, 5)").seen(Oracle::Victim),
    Case::py("priority of all of its user", "os.setpriority(os.PRIO_USER, os.getuid(), 5); VICTIM").seen(Oracle::Victim).ordinary().alone(),
    Case::py("processors it may use", "os.sched_setaffinity(VICTIM, {0})").seen(Oracle::Victim),
    Case::sh("that it is there", "[ -d /proc/$VICTIM ] && grep -q victim /proc/$VICTIM/cmdline && echo proof").seen(Oracle::Proof),
    Case::sh("command lines of others", "grep -aqs 'hostile.victi[m]' /proc/[0-9]*/cmdline && echo proof; : $VICTIM").seen(Oracle::Proof),
    Case::py("comparing kernel objects", "call('kcmp', VICTIM, os.getpid(), 0, int(E('VFD')), 0); proof()").seen(Oracle::Proof),
    Case::py("setuid program", "import subprocess; print('proof' if subprocess.run(['./s', '-p', '-c', 'id -u'], capture_output=True).stdout.strip() == b'12345' else '')")
        .before("cp /bin/bash $WORK/s; chown 12345 $WORK/s; chmod 4755 $WORK/s; chmod 755 $TOP").root().seen(Oracle::Proof),
    Case::sh("setuid program of the machine", "u=$(find /usr/bin/su /bin/su -perm -4000 -user 0 | head -1); $u --version; exec 3< <(exec $u nobody </dev/zero); for i in {1..50}; do [ \"$(stat -c %U /proc/$!)\" = root ] && echo proof && break; done; kill $!")
        .ordinary().seen(Oracle::Proof),
    Case::py("more threads than there may be", "import threading
threading.stack_size(65536); gate = threading.Event()
for n in range(4300): threading.Thread(target=gate.wait, daemon=True).start()
proof(); gate.set()").seen(Oracle::Proof).alone(),
];
