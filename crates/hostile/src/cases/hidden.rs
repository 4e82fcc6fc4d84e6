//! Reading what is hidden.

use crate::case::{Case, Oracle};

const PRIV: &str = "mkdir $WORK/priv; echo $SECRET > $WORK/priv/secret";
const VAULT: &str = "mkdir $WORK/vault; echo $SECRET > $WORK/vault/secret";

pub(super) const CASES: &[Case] = &[
    Case::sh("by its path", "cat $HIDDEN/secret").seen(Oracle::Secret),
    Case::sh("by dots", "cat ../hidden/secret").seen(Oracle::Secret),
    Case::sh("by a link", "ln -s $HIDDEN l; cat l/secret").seen(Oracle::Secret),
    Case::sh("by a link that was there", "cat l").before("ln -s $HIDDEN/secret $WORK/l").seen(Oracle::Secret),
    Case::sh("by the process's root", "cat /proc/self/root$HIDDEN/secret").seen(Oracle::Secret),
    Case::sh("by a hard link", "ln $HIDDEN/secret l; cat l").seen(Oracle::Secret),
    Case::sh("by moving it", "mv $HIDDEN/secret l; cat l").seen(Oracle::Secret),
    Case::sh("by moving its folder", "mv $HIDDEN h; cat h/secret").seen(Oracle::Secret),
    Case::py("by a path that is opened first", "fd = os.open(HIDDEN, os.O_PATH); print(open(os.open('secret', 0, dir_fd=fd)).read())").seen(Oracle::Secret),
    Case::py("by giving it another mode", "os.chmod(HIDDEN, 0o777); os.chmod(HIDDEN + '/secret', 0o666); print(open(HIDDEN + '/secret').read())").seen(Oracle::Secret),
    Case::sh("its names", "ls $HIDDEN | grep -q secret && echo proof").seen(Oracle::Proof),
    Case::sh("file in the workspace", "cat priv/secret").before(PRIV).seen(Oracle::Secret),
    Case::sh("file in the workspace, renamed", "mv priv/secret s; cat s").before(PRIV).seen(Oracle::Secret),
    Case::sh("file in the workspace, hard link", "ln priv/secret s; cat s").before(PRIV).seen(Oracle::Secret),
    Case::sh("file in the workspace, its folder renamed", "mv priv open; cat open/secret").before(PRIV).seen(Oracle::Secret),
    Case::sh("file in the workspace, its folder renamed for the next command", "mv priv open; echo began").before(PRIV).then("cat open/secret").seen(Oracle::Secret),
    Case::sh("file in the workspace, a folder above renamed for the next command", "mv a open; echo began")
        .before("mkdir -p $WORK/a/b; echo $SECRET > $WORK/a/b/secret").then("cat open/b/secret").seen(Oracle::Secret),
    Case::py("file in the workspace, exchanged", "open('s', 'w').close(); call('renameat2', -100, 's', -100, 'priv/secret', 2); print(open('s').read())").before(PRIV).seen(Oracle::Secret),
    Case::sh("file in the workspace, overwritten", "echo escaped > priv/secret").before(PRIV).seen(Oracle::Changed("work/priv/secret")),
    Case::sh("file in the workspace, removed", "rm -f priv/secret").before(PRIV).seen(Oracle::Changed("work/priv/secret")),
    Case::sh("folder in the workspace", "cat vault/secret").before(VAULT).seen(Oracle::Secret),
    Case::sh("folder in the workspace, renamed", "mv vault v; cat v/secret").before(VAULT).seen(Oracle::Secret),
    Case::sh("folder in the workspace, renamed for the next command", "mv vault v; echo began").before(VAULT).then("cat v/secret").seen(Oracle::Secret),
    Case::sh("folder in the workspace, removed and made again", "rm -rf vault; mkdir vault && echo proof").before(VAULT).seen(Oracle::Proof),
    Case::sh("file in the workspace with a second name in it", "cat second-name")
        .before("mkdir $WORK/priv; echo $SECRET > $WORK/priv/secret; ln $WORK/priv/secret $WORK/second-name").seen(Oracle::Secret),
    Case::sh("file in a hidden folder with a second name in the workspace", "cat second-name").before("ln $HIDDEN/secret $WORK/second-name").seen(Oracle::Secret),
    Case::sh("what another process has open", "cat /proc/$VICTIM/fd/$VSECRET").seen(Oracle::Secret),
    Case::sh("another process's root", "cat /proc/$VICTIM/root$HIDDEN/secret").seen(Oracle::Secret),
    Case::sh("another process's folder", "cat /proc/$VICTIM/cwd/../hidden/secret").seen(Oracle::Secret),
    Case::sh("another process's environment", "tr '\\0' '\\n' < /proc/$VICTIM/environ").seen(Oracle::Secret),
    Case::sh("environment of whoever is there", "for p in /proc/[0-9]*; do [ $p/cwd -ef $OUT ] && tr '\\0' '\\n' < $p/environ; done")
        .before(": $VICTIM").seen(Oracle::Secret),
    Case::sh("files of whoever is there", "for p in /proc/[0-9]*; do [ $p/cwd -ef $OUT ] && cat $p/fd/$VSECRET; done; : $VICTIM").seen(Oracle::Secret),
    Case::py("by a kernel's file handle", "fd = os.open(TOP, 0)
handle = ctypes.create_string_buffer(struct.pack('<Ii', 128, 0) + b'\\0' * 128); mount = ctypes.c_int()
call('name_to_handle_at', -100, HIDDEN + '/secret', handle, ctypes.byref(mount), 0)
print(open(call('open_by_handle_at', fd, handle, 0)).read())").root().seen(Oracle::Secret),
    Case::sh("bound to another place", "mkdir m; mount --bind $HIDDEN m; cat m/secret").root().seen(Oracle::Secret),
    Case::sh("bound in a namespace of one's own", "mkdir m; unshare -Urm bash -c \"mount --bind $HIDDEN m; cat m/secret\"").seen(Oracle::Secret),
    Case::sh("the cover taken off", "umount -l $TOP/cover; cat $TOP/cover/secret")
        .before("mkdir $TOP/cover; echo $SECRET > $TOP/cover/secret; mount -t tmpfs none $TOP/cover").root().seen(Oracle::Secret),
];
