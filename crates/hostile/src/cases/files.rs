//! Writing, and changing what is not content, outside of what may be written.

use crate::case::{Case, Oracle, Way};

const fn set_user(case: Case) -> Case {
    case.seen(Oracle::Check("[ -u $WORK/su ]"))
}

pub(super) const CASES: &[Case] = &[
    Case::sh("write", "echo escaped > $OUT/file"),
    Case::sh("append", "echo escaped >> $OUT/file"),
    Case::sh("create", "echo escaped > $OUT/new"),
    Case::sh("temporary folder of the machine", "echo escaped > $TOP/new").seen(Oracle::Changed("new")),
    Case::sh("path with dots", "echo escaped > ../outside/file"),
    Case::sh("dots through a folder that is there", "mkdir a; echo escaped > a/../../outside/file"),
    Case::sh("dots through a link", "ln -s $OUT/dir l; echo escaped > l/../file"),
    Case::sh("link that was there, to a folder", "echo escaped > link/file")
        .before("ln -s $OUT $WORK/link"),
    Case::sh("link that was there, to a file", "echo escaped > link")
        .before("ln -s $OUT/file $WORK/link"),
    Case::sh("link made inside", "ln -s $OUT l; echo escaped > l/file"),
    Case::sh("chain of links", "ln -s $OUT a; ln -s a b; ln -s b/dir c; echo escaped > c/file"),
    Case::sh("link that leads to nothing", "ln -s $OUT/made l; echo escaped > l"),
    Case::sh("the process's own root", "echo escaped > /proc/self/root$OUT/file"),
    Case::sh("the process's own folder", "echo escaped > /proc/self/cwd/../outside/file"),
    Case::sh("thread's root", "echo escaped > /proc/thread-self/root$OUT/file"),
    Case::py(
        "race of a folder and a link",
        "import threading, time
os.mkdir('d'); os.symlink(OUT, 'l')
stop = time.time() + 0.5
def swap():
    while time.time() < stop:
        try: call('renameat2', -100, 'd', -100, 'l', 2)
        except OSError: pass
threading.Thread(target=swap).start()
while time.time() < stop:
    try: open('d/file', 'w').write('escaped')
    except OSError: pass",
    ),
    Case::py(
        "race of a file and a link",
        "import threading, time
stop = time.time() + 0.5
def swap():
    while time.time() < stop:
        try: os.unlink('f')
        except OSError: pass
        try: os.symlink(OUT + '/file', 'f')
        except OSError: pass
threading.Thread(target=swap).start()
while time.time() < stop:
    try: open('f', 'w').write('escaped')
    except OSError: pass",
    ),
    Case::py(
        "opened for reading, opened again for writing",
        "fd = os.open(OUT + '/file', os.O_RDONLY); open(f'/proc/self/fd/{fd}', 'w').write('escaped')",
    ),
    Case::py(
        "opened as a path, opened again for writing",
        "fd = os.open(OUT + '/file', os.O_PATH); open(f'/dev/fd/{fd}', 'w').write('escaped')",
    ),
    Case::py(
        "below an opened folder",
        "fd = os.open(OUT, os.O_PATH); os.write(os.open('file', os.O_WRONLY, dir_fd=fd), b'escaped')",
    ),
    Case::py(
        "folder entered beforehand",
        "os.chdir(OUT + '/dir'); open('../file', 'w').write('escaped')",
    ),
    Case::py("truncate", "os.truncate(OUT + '/file', 0)"),
    Case::py("truncate by opening for reading", "os.open(OUT + '/file', os.O_RDONLY | os.O_TRUNC)"),
    Case::py(
        "allocate",
        "os.posix_fallocate(os.open(OUT + '/file', os.O_RDWR), 0, 8192)",
    ),
    Case::py(
        "write by memory",
        "import mmap
m = mmap.mmap(os.open(OUT + '/file', os.O_RDWR), 6); m[:5] = b'BROKE'; m.flush()",
    ),
    Case::py(
        "copy inside the kernel",
        "open('src', 'w').write('escaped'); a = os.open('src', os.O_RDONLY)
os.copy_file_range(a, os.open(OUT + '/file', os.O_WRONLY), 7)",
    ),
    Case::py(
        "file without a name that gets one",
        "fd = os.open(OUT, os.O_TMPFILE | os.O_RDWR); os.write(fd, b'escaped')
libc.linkat(-100, f'/proc/self/fd/{fd}'.encode(), -100, (OUT + '/named').encode(), 0x400)",
    ),
    Case::py(
        "program in memory",
        "fd = os.memfd_create('x', 0)
os.write(fd, b'#!/bin/bash\\necho escaped > $OUT/file\\n')
os.execve(f'/proc/self/fd/{fd}', ['x'], os.environ)",
    ),
    Case::sh("move onto a file outside", "echo escaped > f; mv -f f $OUT/file"),
    Case::sh("move a file in", "mv $OUT/file ."),
    Case::py("rename out", "open('f', 'w').write('escaped'); os.rename('f', OUT + '/f')"),
    Case::py("rename within the outside", "os.rename(OUT + '/file', OUT + '/other')"),
    Case::py(
        "exchange with a file outside",
        "open('f', 'w').write('escaped'); call('renameat2', -100, 'f', -100, OUT + '/file', 2)",
    ),
    Case::py(
        "exchange with a folder outside",
        "os.mkdir('d'); call('renameat2', -100, 'd', -100, OUT + '/dir', 2)",
    ),
    Case::py("rename the workspace itself", "os.rename(WORK, TOP + '/elsewhere')")
        .seen(Oracle::Changed("elsewhere")),
    Case::py("exchange the workspace with the outside", "call('renameat2', -100, WORK, -100, OUT, 2)"),
    Case::sh("rename the folder around the workspace", "mv $TOP/tmp/x $TOP/second/")
        .before("mkdir $TOP/tmp/x -p")
        .seen(Oracle::Changed("second/x")),
    Case::sh("remove a file", "rm -f $OUT/file"),
    Case::sh("remove a folder", "rm -rf $OUT/dir"),
    Case::sh("make a folder", "mkdir $OUT/new"),
    Case::sh("make a link", "ln -s x $OUT/new"),
    Case::sh("make a hard link", "echo escaped > f; ln f $OUT/new"),
    Case::sh("make a pipe", "mkfifo $OUT/new"),
    Case::py(
        "make a socket",
        "import socket; socket.socket(socket.AF_UNIX).bind(OUT + '/new')",
    ),
    Case::sh("mode of a file", "chmod 777 $OUT/file"),
    Case::sh("mode of a folder", "chmod 777 $OUT"),
    Case::py("mode by descriptor", "os.fchmod(os.open(OUT + '/file', os.O_RDONLY), 0o777)"),
    Case::py(
        "mode by a path in /proc",
        "fd = os.open(OUT + '/file', os.O_PATH); os.chmod(f'/proc/self/fd/{fd}', 0o777)",
    ),
    Case::py(
        "mode by the newest call",
        "fd = os.open(OUT + '/file', os.O_PATH); call('fchmodat2', fd, '', 0o777, 0x1000)",
    ),
    Case::py("owner", "os.chown(OUT + '/file', os.getuid(), os.getgid())"),
    Case::sh("somebody else as owner", "chown 12345:12345 $OUT/file").root(),
    Case::py("owner of a link", "os.lchown(OUT + '/l', os.getuid(), os.getgid())")
        .before("ln -s file $OUT/l"),
    Case::sh("times", "touch -d 2001-01-01 $OUT/file"),
    Case::py("times by descriptor", "os.utime(os.open(OUT + '/file', os.O_RDONLY), (1, 1))"),
    Case::py("times of a folder", "os.utime(OUT, (1, 1))"),
    Case::py("attribute set", "os.setxattr(OUT + '/file', 'user.x', b'escaped')"),
    Case::py(
        "attribute by descriptor",
        "os.setxattr(os.open(OUT + '/file', os.O_RDONLY), 'user.x', b'escaped')",
    ),
    Case::py("attribute removed", "os.removexattr(OUT + '/file', 'user.x')")
        .before("/usr/bin/python3 -c 'import os; os.setxattr(os.environ[\"OUT\"] + \"/file\", \"user.x\", b\"1\")'"),
    Case::py(
        "access list",
        "os.setxattr(OUT + '/file', 'system.posix_acl_access', struct.pack('<I', 2) + b''.join(
    struct.pack('<HHI', *e) for e in [(1, 7, 2**32-1), (2, 7, 12345), (4, 4, 2**32-1), (16, 7, 2**32-1), (32, 4, 2**32-1)]))",
    ),
    Case::py(
        "flags of a file",
        "import fcntl
fd = os.open(OUT + '/file', os.O_RDONLY)
flags, = struct.unpack('l', fcntl.ioctl(fd, 0x80086601, b'\\0' * 8))
fcntl.ioctl(fd, 0x40086602, struct.pack('l', flags | 0x40))",
    ),
    Case::py(
        "flags of a file by the newer call",
        "import fcntl
fd = os.open(OUT + '/file', os.O_RDONLY)
now = bytearray(fcntl.ioctl(fd, 0x801c581f, b'\\0' * 28))
now[0] |= 0x80
fcntl.ioctl(fd, 0x401c5820, bytes(now))",
    ),
    Case::sh("standard input opened again for writing", "echo escaped > /proc/self/fd/0")
        .way(Way::ReadsOutside),
    Case::py("mode of what is read from", "os.fchmod(0, 0o777)").way(Way::ReadsOutside),
    Case::py("times of what is read from", "os.utime(0, (1, 1))").way(Way::ReadsOutside),
    Case::py("attribute of what is read from", "os.setxattr(0, 'user.x', b'escaped')").way(Way::ReadsOutside),
    Case::py("flags of what is read from", "import fcntl
flags, = struct.unpack('l', fcntl.ioctl(0, 0x80086601, b'\\0' * 8))
fcntl.ioctl(0, 0x40086602, struct.pack('l', flags | 0x40))").way(Way::ReadsOutside),
    set_user(Case::sh("a file that others run as this user", "cp /bin/true su && chmod 4755 su")),
    set_user(Case::py("the same, by descriptor", "os.fchmod(os.open('su', os.O_RDWR | os.O_CREAT), 0o4755)")),
    set_user(Case::py("the same, by a folder", "open('su', 'w'); os.chmod('su', 0o4755, dir_fd=os.open('.', os.O_RDONLY))")),
    set_user(Case::py("the same, by the newest call", "open('su', 'w'); call('fchmodat2', -100, 'su', 0o4755, 0)")),
    set_user(Case::py("the same, as it is made", "os.umask(0); os.open('su', os.O_WRONLY | os.O_CREAT, 0o4755)")),
];
