//! New namespaces, in which one is user 0 again, and old ones of others.

use crate::case::{Case, Oracle};

const fn new(case: Case) -> Case {
    case.seen(Oracle::Proof)
}

pub(super) const CASES: &[Case] = &[
    new(Case::py("user namespace by unshare", "call('unshare', 0x10000000); capable() and proof()").ordinary()),
    new(Case::py("user namespace by unshare, as user 0", "a = os.readlink('/proc/self/ns/user'); call('unshare', 0x10000000); os.readlink('/proc/self/ns/user') != a and proof()")),
    new(Case::py("user namespace with others by unshare", "call('unshare', 0x10000000 | 0x20000 | 0x40000000 | 0x20000000); proof()")),
    new(Case::py("user namespace by clone", "pid = call('clone', 0x10000011, 0, 0, 0, 0)
if pid == 0:
    os.write(1, b'proof\\n'); os._exit(0)
os.waitpid(pid, 0)")),
    new(Case::py("user namespace by clone with more bits", "pid = call('clone', 0x7f0010000011, 0, 0, 0, 0)
if pid == 0:
    os.write(1, b'proof\\n'); os._exit(0)
os.waitpid(pid, 0)")),
    new(Case::py("user namespace by clone3", "pid = call('clone3', struct.pack('QQQQQQQQ', 0x10000000, 0, 0, 0, 17, 0, 0, 0), 64)
if pid == 0:
    os.write(1, b'proof\\n'); os._exit(0)
os.waitpid(pid, 0)")),
    new(Case::sh("user namespace by a program", "unshare -Ur true && echo proof")),
    new(Case::py("mount namespace", "call('unshare', 0x20000); proof()").root()),
    new(Case::py("network namespace", "call('unshare', 0x40000000); proof()").root()),
    new(Case::py("process namespace", "call('unshare', 0x20000000); proof()").root()),
    new(Case::py("namespaces of memory and names", "call('unshare', 0x08000000 | 0x04000000); proof()").root()),
    new(Case::py("control group namespace", "call('unshare', 0x02000000); proof()").root()),
    new(Case::py("time namespace", "call('unshare', 0x80); proof()").root()),
    new(Case::py("mount namespace by clone", "pid = call('clone', 0x20011, 0, 0, 0, 0)
if pid == 0:
    os.write(1, b'proof\\n'); os._exit(0)
os.waitpid(pid, 0)").root()),
    new(Case::py("another's mount namespace", "call('setns', os.open(f'/proc/{VICTIM}/ns/mnt', 0), 0); proof()").root()),
    new(Case::py("another's namespaces by its descriptor", "call('setns', call('pidfd_open', VICTIM, 0), 0x20000); proof()").root()),
    new(Case::py("one's own namespace again", "call('setns', os.open('/proc/self/ns/uts', 0), 0); proof()").root()),
    Case::sh("bind in a namespace of one's own", "mkdir m; unshare -Urm bash -c \"mount --bind $OUT m; echo escaped > m/file\""),
    Case::sh("protection taken off in a namespace of one's own", "unshare -Urm bash -c 'umount -l .git; mount -o remount,bind,rw .git; echo escaped > .git/config'")
        .before("mkdir $WORK/.git; echo clean > $WORK/.git/config").seen(Oracle::Marked("work/.git/config")),
    new(Case::sh("all capabilities by being user 0 again", "unshare -Ur grep -q 'CapEff:.*[1-9a-f]' /proc/self/status && echo proof")),
    new(Case::sh("capabilities of user 0 by starting a program", "grep -q 'CapEff:.*[1-9a-f]' <(exec cat /proc/self/status) && echo proof").root()),
    new(Case::py("other user", "os.setgroups([]); os.setgid(12345); os.setuid(12345); proof()").root()),
    new(Case::py("capability by a file", "os.setxattr('f', 'security.capability', struct.pack('<IIIII', 0x02000001, 0x200000, 0, 0, 0)); proof()").before("touch $WORK/f").root()),
    new(Case::py("promise not to gain privileges taken back", "libc.prctl(39, 0, 0, 0, 0) == 0 and proof()")),
];
