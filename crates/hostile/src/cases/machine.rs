//! Settings and services of the kernel.

use crate::case::{Case, Oracle};

const fn opened(case: Case) -> Case {
    case.seen(Oracle::Proof).root()
}

pub(super) const CASES: &[Case] = &[
    opened(Case::sh("host name by a file", "cat /proc/sys/kernel/hostname > h; cat h > /proc/sys/kernel/hostname && echo proof")),
    opened(Case::sh("host name by a call", "hostname $(hostname) && echo proof")),
    opened(Case::py("domain name by a call", "call('setdomainname', '(none)', 6); proof()")),
    opened(Case::sh("program for crashes", "exec 3>> /proc/sys/kernel/core_pattern && echo proof")),
    opened(Case::sh("program for modules", "exec 3>> /proc/sys/kernel/modprobe && echo proof")),
    opened(Case::sh("settings of memory", "cat /proc/sys/vm/swappiness > s; cat s > /proc/sys/vm/swappiness && echo proof")),
    opened(Case::sh("settings of the network", "exec 3>> /proc/sys/net/ipv4/ip_forward && echo proof").online()),
    opened(Case::sh("number of processes", "cat /proc/sys/kernel/pid_max > s; cat s > /proc/sys/kernel/pid_max && echo proof")),
    opened(Case::sh("by another name of /proc", "exec 3>> /proc/self/root/proc/sys/kernel/core_pattern && echo proof")),
    opened(Case::sh("emergency keys", "exec 3> /proc/sysrq-trigger && echo proof")),
    opened(Case::sh("interrupts", "exec 3>> /proc/irq/default_smp_affinity && echo proof")),
    opened(Case::sh("kinds of programs", "exec 3> /proc/sys/fs/binfmt_misc/register && echo proof")),
    opened(Case::sh("caches", "exec 3>> /proc/sys/vm/drop_caches && echo proof")),
    opened(Case::sh("settings in /sys", "exec 3>> /sys/kernel/mm/transparent_hugepage/enabled && echo proof")),
    opened(Case::sh("events of devices", "exec 3>> /sys/class/mem/null/uevent && echo proof")),
    opened(Case::sh("settings of disks", "exec 3>> $(ls /sys/block/*/queue/read_ahead_kb | head -1) && echo proof")),
    opened(Case::sh("settings of modules", "exec 3>> $(find /sys/module/*/parameters -perm -200 -type f | head -1) && echo proof")),
    opened(Case::sh("power", "exec 3>> /sys/power/state && echo proof")),
    Case::sh("control groups, made", "mkdir $(ls -d /sys/fs/cgroup/{unified,memory,.} | head -1)/$NONCE").root()
        .seen(Oracle::Check("find /sys/fs/cgroup -depth -maxdepth 2 -name $NONCE -print -exec rmdir {} ';' | grep hostile")),
    opened(Case::sh("control groups, left", "exec 3>> $(ls /sys/fs/cgroup/{unified,memory,.}/cgroup.procs | head -1) && echo proof")),
    opened(Case::py("kernel's log", "call('syslog', 3, ctypes.create_string_buffer(64), 64); proof()")),
    opened(Case::py("ports of the processor", "call('iopl', 3); proof()")),
    Case::py("programs in the kernel", "call('bpf', 0, struct.pack('IIII', 2, 4, 4, 1) + b'\\0' * 112, 128); proof()").seen(Oracle::Proof).root(),
    Case::py("counting events", "call('perf_event_open', struct.pack('IIQQQQQ', 1, 112, 0, 0, 0, 0, 0x21) + b'\\0' * 64, 0, -1, -1, 0); proof()").seen(Oracle::Proof),
    Case::py("counting events of others", "call('perf_event_open', struct.pack('IIQQQQQ', 1, 112, 0, 0, 0, 0, 0x21) + b'\\0' * 64, VICTIM, -1, -1, 0); proof()").seen(Oracle::Proof),
    Case::py("page faults", "call('userfaultfd', 1); proof()").seen(Oracle::Proof),
    opened(Case::py("watching all files", "call('fanotify_init', 0, 0); proof()")),
    Case::py("calls in a ring", "call('io_uring_setup', 8, ctypes.create_string_buffer(120)); proof()").seen(Oracle::Proof),
    Case::py(
        "file written by a ring",
        "import mmap
p = ctypes.create_string_buffer(120)
fd = call('io_uring_setup', 8, p)
f = struct.unpack_from('<30I', p)
sq = mmap.mmap(fd, f[16] + 4 * f[0], offset=0); sqes = mmap.mmap(fd, 64 * f[0], offset=0x10000000)
def submit(op, d, off, addr, length, flags):
    sqes[:64] = struct.pack('<BBHiQQII', op, 0, 0, d, off, addr, length, flags) + b'\\0' * 32
    tail, = struct.unpack_from('<I', sq, f[11]); struct.pack_into('<I', sq, f[16], 0); struct.pack_into('<I', sq, f[11], tail + 1)
    call(426, fd, 1, 1, 1, 0, 0)
path = ctypes.create_string_buffer((OUT + '/new').encode())
submit(18, -100, 0, ctypes.addressof(path), 0o644, os.O_CREAT | os.O_WRONLY)",
    ),
    Case::py("x32 call", "call(0x40000000 + 39); proof()").seen(Oracle::Proof),
    Case::py("32-bit call, file made", "int80(39, low(OUT.encode() + b'/new\\0'), 0o755)"),
    Case::py("32-bit call, namespace", "int80(310, 0x10000000); proof()").seen(Oracle::Proof),
    Case::py("32-bit call, ring", "int80(425, 8, low(b'\\0' * 120)); proof()").seen(Oracle::Proof),
];
