//! Signals to the outside, and typing into the terminal.

use crate::case::{Case, Oracle, Way};

pub(super) const CASES: &[Case] = &[
    Case::sh("to a process", "kill -USR1 $VICTIM").seen(Oracle::Victim),
    Case::sh("end of a process", "kill -KILL $VICTIM").seen(Oracle::Victim),
    Case::sh("halt of a process", "kill -STOP $VICTIM; sleep 0.05").seen(Oracle::Victim),
    Case::sh("to a process group", "kill -USR1 -- -$VICTIM").seen(Oracle::Victim),
    Case::sh("to the own process group", "trap : USR1; kill -USR1 0; : $VICTIM").seen(Oracle::Victim),
    Case::py("to everybody", "import signal; os.kill(-1, signal.SIGURG); VICTIM").seen(Oracle::Victim).ordinary().alone(),
    Case::py("to a thread", "call('tgkill', VICTIM, VICTIM, 10)").seen(Oracle::Victim),
    Case::py("with a value", "call('rt_sigqueueinfo', VICTIM, 10, struct.pack('iii', 10, 0, -1) + b'\\0' * 116)").seen(Oracle::Victim),
    Case::py("by a descriptor", "call('pidfd_send_signal', call('pidfd_open', VICTIM, 0), 10, 0, 0)").seen(Oracle::Victim),
    Case::py("by what is ready to read", "import fcntl
r, w = os.pipe(); fcntl.fcntl(r, fcntl.F_SETSIG, 10); fcntl.fcntl(r, fcntl.F_SETOWN, VICTIM)
fcntl.fcntl(r, fcntl.F_SETFL, os.O_ASYNC | os.O_NONBLOCK); os.write(w, b'x')").seen(Oracle::Victim),
    Case::py("by what is ready to read, to a group", "import fcntl
r, w = os.pipe(); fcntl.fcntl(r, fcntl.F_SETSIG, 10); fcntl.fcntl(r, fcntl.F_SETOWN, -VICTIM)
fcntl.fcntl(r, fcntl.F_SETFL, os.O_ASYNC | os.O_NONBLOCK); os.write(w, b'x')").seen(Oracle::Victim),
    Case::py("by the standard output", "import fcntl
fcntl.fcntl(1, fcntl.F_SETSIG, 10); fcntl.fcntl(1, fcntl.F_SETOWN, VICTIM); fcntl.fcntl(1, fcntl.F_SETFL, os.O_ASYNC | os.O_WRONLY)
import time
for i in range(20): print('x' * 60000, flush=True); time.sleep(0.005)").seen(Oracle::Victim),
    Case::sh("to the server", "kill -USR2 $SERVER").seen(Oracle::Server).alone(),
    Case::sh("to the parent", "kill -USR2 $PPID; sleep 0.05").seen(Oracle::Server).alone(),
    Case::py("to the parent's parent", "p = os.fork()
if p == 0:
    g = [l for l in open(f'/proc/{os.getppid()}/status') if l.startswith('PPid')][0].split()[1]; os.kill(int(g), 12); os._exit(0)
os.waitpid(p, 0)").seen(Oracle::Server).alone(),
    Case::py("typed into the terminal", "import fcntl
for c in b'escaped\\n': fcntl.ioctl(0, 0x5412, bytes([c]))").way(Way::Terminal).seen(Oracle::Typed),
    Case::py("typed into the terminal by its name", "import fcntl
fd = os.open('/dev/tty', os.O_RDWR)
for c in b'escaped\\n': fcntl.ioctl(fd, 0x5412, bytes([c]))").way(Way::Terminal).seen(Oracle::Typed),
    Case::py("typed with a request that has more bits", "libc.syscall.restype = ctypes.c_long
for c in b'escaped\\n': call('ioctl', 0, 0x7700005412, bytes([c]))").way(Way::Terminal).seen(Oracle::Typed),
    Case::py("pasted into a console", "import fcntl
fd = os.open('/dev/tty0', os.O_RDWR); fcntl.ioctl(fd, 0x541C, bytes([12]) + b'\\0' * 8); proof()").root().seen(Oracle::Proof),
];
