//! Devices of the machine.

use crate::case::{Case, Oracle};

const fn opened(case: Case) -> Case {
    case.seen(Oracle::Proof).root()
}

pub(super) const CASES: &[Case] = &[
    opened(Case::sh("disk, read", "d=$(ls /dev/[vsn][dv][am]* | head -1); head -c 512 $d | wc -c | grep -q 512 && echo proof")),
    opened(Case::py("disk, made and read", "d = os.stat('/').st_dev; os.mknod('d', 0o60600, d); os.read(os.open('d', 0), 512); proof()")),
    opened(Case::sh("disk that was there, read", "head -c 512 d | wc -c | grep -q 512 && echo proof")
        .before("d=$(stat -c %d /); mknod $WORK/d b $((d >> 8)) $((d & 255)); chmod 666 $WORK/d")),
    opened(Case::sh("disk that is outside, read", "head -c 512 $OUT/d | wc -c | grep -q 512 && echo proof")
        .before("d=$(stat -c %d /); mknod $OUT/d b $((d >> 8)) $((d & 255)); chmod 666 $OUT/d")),
    opened(Case::sh("harmless device, made and read", "mknod z c 1 5; head -c 9 z | wc -c | grep -q 9 && echo proof")),
    Case::sh("harmless device that was there, read", "head -c 9 z | wc -c | grep -q 9 && echo proof")
        .before("mknod $WORK/z c 1 5; chmod 666 $WORK/z").root().seen(Oracle::Proof),
    opened(Case::sh("device made outside", "mknod $OUT/z c 1 5")).seen(Oracle::Outside),
    opened(Case::sh("kernel's log, written", "exec 3> /dev/kmsg && echo proof")),
    opened(Case::sh("kernel's log, read", "exec 3< /dev/kmsg && echo proof")),
    opened(Case::sh("virtual machines", "exec 3<> /dev/kvm && echo proof")),
    opened(Case::sh("loop devices", "exec 3<> /dev/loop-control && echo proof")),
    opened(Case::sh("console", "exec 3> /dev/console && echo proof")),
    opened(Case::sh("another terminal", "exec 3> /dev/tty1 && echo proof")),
    opened(Case::sh("serial line", "exec 3<> /dev/ttyS0 && echo proof")),
    opened(Case::sh("screen's memory", "exec 3< /dev/vcsa && echo proof")),
    opened(Case::sh("network tunnels", "exec 3<> /dev/net/tun && echo proof")),
    opened(Case::sh("host of the virtual machine", "exec 3<> /dev/vsock && echo proof")),
    opened(Case::sh("page faults of others", "exec 3<> /dev/userfaultfd && echo proof")),
    opened(Case::sh("sleep of processors", "exec 3<> /dev/cpu_dma_latency && echo proof")),
    Case::sh("device in /dev, made", "mknod /dev/loomd-hostile c 1 5").seen(Oracle::Check("rm /dev/loomd-hostile")).root().alone(),
    Case::sh("file in /dev, made", "echo > /dev/loomd-hostile").seen(Oracle::Check("rm /dev/loomd-hostile")).root().alone(),
    Case::sh("device in /dev, removed", "rm -f /dev/loomd-hostile").before("mknod /dev/loomd-hostile c 1 5")
        .seen(Oracle::Check("[ ! -e /dev/loomd-hostile ] || { rm /dev/loomd-hostile; false; }")).root().alone(),
    Case::py("mode of /dev/null", "os.chmod('/dev/null', os.stat('/dev/null').st_mode & 0o7777)").seen(Oracle::Changed("/dev/null")).root().alone(),
    Case::py("times of /dev/zero", "t = os.stat('/dev/zero'); os.utime('/dev/zero', ns=(t.st_atime_ns, t.st_mtime_ns))").seen(Oracle::Changed("/dev/zero")).root().alone(),
    Case::py("mode of the /dev/null that is read from", "os.fchmod(0, os.fstat(0).st_mode & 0o7777)").seen(Oracle::Changed("/dev/null")).root().alone(),
    Case::py("mode of the /dev/null that is written to", "os.fchmod(2, os.fstat(2).st_mode & 0o7777)").seen(Oracle::Changed("/dev/null")).root().alone(),
    Case::py("mode of the terminal", "os.chmod('/dev/tty', os.stat('/dev/tty').st_mode & 0o7777)").seen(Oracle::Changed("/dev/tty")).root().alone(),
    Case::sh("devices that programs need", "echo x > /dev/null && head -c 4 /dev/zero > f && head -c 4 /dev/urandom > f && echo x > /dev/shm/$NONCE && rm /dev/shm/$NONCE && echo proof")
        .seen(Oracle::Proof).allowed(),
];
