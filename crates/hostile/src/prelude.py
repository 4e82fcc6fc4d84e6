# What every Python attempt starts with.
import ctypes, os, struct, sys
E = os.environ.get
WORK, OUT, HIDDEN, TOP = E("WORK"), E("OUT"), E("HIDDEN"), E("TOP")
VICTIM, VADDR = int(E("VICTIM", "0")), int(E("VADDR", "0"))
libc = ctypes.CDLL(None, use_errno=True)
NR = dict(ioctl=16, msync=26, shmget=29, shmat=30, socket=41, clone=56, semget=64, semctl=66, msgget=68, msgsnd=69,
    ptrace=101, syslog=103, iopl=172, pivot_root=155, sethostname=170, setdomainname=171, tgkill=234, ioprio_set=251,
    add_key=248, request_key=249, keyctl=250, unshare=272, perf_event_open=298, fanotify_init=300,
    name_to_handle_at=303, open_by_handle_at=304, setns=308, process_vm_writev=311, kcmp=312, renameat2=316,
    bpf=321, userfaultfd=323, pidfd_send_signal=424, io_uring_setup=425, open_tree=428, move_mount=429,
    fsopen=430, fsconfig=431, fsmount=432, pidfd_open=434, clone3=435, pidfd_getfd=438, mount_setattr=442,
    fchmodat2=452, rt_tgsigqueueinfo=297, rt_sigqueueinfo=129, chroot=161, open_tree_attr=467)
def call(name, *args):
    "A system call by name, or by number; gives what the kernel gives, or raises OSError."
    made = []
    for a in args:
        made.append(ctypes.c_char_p(a.encode()) if isinstance(a, str) else ctypes.c_char_p(a) if isinstance(a, bytes)
                    else ctypes.c_ulong(a & (2**64 - 1)) if isinstance(a, int) else a)
    libc.syscall.restype = ctypes.c_long
    got = libc.syscall(ctypes.c_long(NR[name] if isinstance(name, str) else name), *made)
    if got == -1:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return got
def proof(): print("proof", flush=True)
def capable(): return int([l for l in open("/proc/self/status") if l.startswith("CapEff")][0].split()[1], 16) != 0
def raw(code, arg=0):
    "Runs machine code with one argument, below 4 GiB."
    import mmap
    libc.mmap.restype = ctypes.c_void_p
    at = libc.mmap(None, ctypes.c_size_t(4096), 7, 0x62, -1, ctypes.c_long(0))
    ctypes.memmove(at, code, len(code))
    return ctypes.CFUNCTYPE(ctypes.c_long, ctypes.c_long)(at)(arg)
def low(data):
    "A copy of the bytes below 4 GiB, where 32-bit system calls can reach."
    libc.mmap.restype = ctypes.c_void_p
    at = libc.mmap(None, ctypes.c_size_t(4096), 3, 0x62, -1, ctypes.c_long(0))
    ctypes.memmove(at, data, len(data))
    return at
def int80(nr, b=0, c=0, d=0, si=0):
    "A 32-bit system call."
    p = struct.pack
    got = raw(b"\x53\xb8" + p("<I", nr) + b"\xbb" + p("<I", b) + b"\xb9" + p("<I", c & 0xffffffff) + b"\xba" + p("<I", d)
              + b"\xbe" + p("<I", si) + b"\xcd\x80\x48\x98\x5b\xc3")
    if got < 0:
        raise OSError(-got, os.strerror(-got))
    return got
print("began", flush=True)
