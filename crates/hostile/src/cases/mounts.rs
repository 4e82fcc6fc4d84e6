//! Changing what is mounted. All but the last need user 0 where nothing confines.

use crate::case::{Case, Oracle};

const READ_ONLY: &str =
    "mkdir $WORK/m; mount --bind $OUT $WORK/m; mount -o remount,bind,ro $WORK/m";

pub(super) const CASES: &[Case] = &[
    Case::sh("bind the outside", "mkdir m; mount --bind $OUT m; echo escaped > m/file").root(),
    Case::sh("make a mount writable", "mount -o remount,bind,rw m; echo escaped > m/file").before(READ_ONLY).root(),
    Case::sh("make everything writable", "mount -o remount,bind,rw /; mount -o remount,bind,rw $TOP; mount -o remount,rw,bind m; echo escaped > $OUT/file || echo escaped > m/file")
        .before(READ_ONLY).root(),
    Case::py("make a mount writable by the newer call", "call('mount_setattr', -100, 'm', 0, struct.pack('QQQQ', 0, 1, 0, 0), 32); open('m/file', 'w').write('escaped')")
        .before(READ_ONLY).root(),
    Case::py("make all mounts writable by the newer call", "call('mount_setattr', -100, 'm', 0x8000, struct.pack('QQQQ', 0, 1, 0, 0), 32); open('m/file', 'w').write('escaped')")
        .before(READ_ONLY).root(),
    Case::sh("take a protection off", "umount -l .git; echo escaped > .git/config")
        .before("mkdir $WORK/.git; echo clean > $WORK/.git/config; mount --bind $WORK/.git $WORK/.git; mount -o remount,bind,ro $WORK/.git")
        .root().seen(Oracle::Check("umount $WORK/.git 2>/dev/null || :; grep -q escaped $WORK/.git/config")),
    Case::py("copy of a part, moved", "os.mkdir('m'); fd = call('open_tree', -100, OUT, 1); call('move_mount', fd, '', -100, 'm', 4); open('m/file', 'w').write('escaped')").root(),
    Case::py("copy of a part, with other attributes", "fd = call('open_tree_attr', -100, OUT, 1, struct.pack('QQQQ', 0, 1, 0, 0), 32)
os.write(os.open('file', os.O_WRONLY, dir_fd=fd), b'escaped')").root(),
    Case::py("copy of a part, used where it is", "fd = call('open_tree', -100, OUT, 1); os.write(os.open('file', os.O_WRONLY, dir_fd=fd), b'escaped')").root(),
    Case::py("new file system", "fd = call('fsopen', 'tmpfs', 0); call('fsconfig', fd, 6, 0, 0, 0)
m = call('fsmount', fd, 0, 0); call('move_mount', m, '', -100, OUT + '/dir', 4); open(OUT + '/dir/new', 'w').write('escaped')").root(),
    Case::sh("new file system over the outside", "mount -t tmpfs none $OUT/dir; echo escaped > $OUT/dir/new").root(),
    Case::sh("layers over the outside", "mkdir u w; mount -t overlay none -o lowerdir=$OUT,upperdir=u,workdir=w $OUT && echo proof").root().seen(Oracle::Proof),
    Case::sh("new /proc", "mkdir m; mount -t proc none m; [ -e m/sys/kernel ] && echo proof").root().seen(Oracle::Proof),
    Case::sh("new /sys", "mkdir m; mount -t sysfs none m; [ -e m/kernel ] && echo proof").root().seen(Oracle::Proof),
    Case::sh("new /dev", "mkdir m; mount -t devtmpfs none m; [ -e m/null ] && echo proof").root().seen(Oracle::Proof),
    Case::sh("take /proc off", "umount -l $TOP/p && echo proof").before("mkdir $TOP/p; mount -t proc none $TOP/p").root().seen(Oracle::Proof),
    Case::py("other root", "call('chroot', TOP); open('/outside/file', 'w').write('escaped')").root(),
    Case::py("other root and out again", "os.mkdir('j'); fd = os.open('/', 0); call('chroot', 'j'); os.fchdir(fd); open('.' + OUT + '/file', 'w').write('escaped')").root(),
    Case::py("root exchanged", "os.mkdir('m'); call('unshare', 0x20000)
libc.mount(b'none', b'/', None, 0x44000, None); libc.mount(WORK.encode(), WORK.encode(), None, 4096, None)
os.chdir(WORK); call('pivot_root', '.', 'm'); open('/m' + OUT + '/file', 'w').write('escaped')").root(),
    Case::py("file handle, written", "fd = os.open(TOP, 0)
handle = ctypes.create_string_buffer(struct.pack('<Ii', 128, 0) + b'\\0' * 128); mount = ctypes.c_int()
call('name_to_handle_at', -100, OUT + '/file', handle, ctypes.byref(mount), 0)
os.write(call('open_by_handle_at', fd, handle, os.O_WRONLY), b'escaped')").root(),
    Case::py("file handle of the outside from the workspace", "fd = os.open(WORK, 0)
handle = ctypes.create_string_buffer(struct.pack('<Ii', 128, 0) + b'\\0' * 128); mount = ctypes.c_int()
call('name_to_handle_at', -100, OUT + '/file', handle, ctypes.byref(mount), 0)
os.write(call('open_by_handle_at', fd, handle, os.O_WRONLY), b'escaped')").root(),
    Case::sh("file system by a program of one's own", "exec 3<> /dev/fuse && echo proof").seen(Oracle::Proof),
];
