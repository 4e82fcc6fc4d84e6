//! Descriptors that were open when the command was started.

use crate::case::{Case, Oracle};

pub(super) const CASES: &[Case] = &[
    Case::py(
        "file, written",
        "os.pwrite(int(E('FD_FILE')), b'escaped', 0)",
    ),
    Case::py("file, truncated", "os.ftruncate(int(E('FD_FILE')), 0)"),
    Case::py("file, mode", "os.fchmod(int(E('FD_FILE')), 0o777)"),
    Case::py(
        "folder, file below",
        "os.write(os.open('file', os.O_WRONLY, dir_fd=int(E('FD_DIR'))), b'escaped')",
    ),
    Case::py(
        "folder, file removed",
        "os.unlink('file', dir_fd=int(E('FD_DIR')))",
    ),
    Case::py("folder, mode", "os.fchmod(int(E('FD_DIR')), 0o777)"),
    Case::py(
        "folder, mode of a file below",
        "os.chmod('file', 0o777, dir_fd=int(E('FD_DIR')))",
    ),
    Case::py(
        "folder, entered",
        "os.fchdir(int(E('FD_DIR'))); open('../outside/file', 'w').write('escaped')",
    ),
    Case::py(
        "secret, read",
        "print(os.pread(int(E('FD_SECRET')), 99, 0).decode())",
    )
    .seen(Oracle::Secret),
    Case::py(
        "folder, secret beside it",
        "print(open(os.open('../hidden/secret', 0, dir_fd=int(E('FD_DIR')))).read())",
    )
    .seen(Oracle::Secret),
    Case::py(
        "socket, sent to",
        "os.write(int(E('FD_SOCKET')), b'escaped')",
    )
    .seen(Oracle::Arrived),
    Case::sh(
        "hard link of a file",
        "ln -L /proc/self/fd/$FD_FILE h; echo escaped > h",
    ),
    Case::py(
        "anything above the standard streams",
        "for fd in range(3, 1024):
    try: os.fstat(fd); proof()
    except OSError: pass  # FD_FILE and others",
    )
    .seen(Oracle::Proof),
    Case::sh(
        "what the first process holds",
        "echo escaped > /proc/$PPID/fd/$FD_FILE",
    ),
];
