//! Files of the outside under a second name, and pipes with a name.

use crate::case::{Case, Oracle, Roots};

pub(super) const CASES: &[Case] = &[
    Case::sh("hard link that was there, written", "echo escaped > h").before("ln $OUT/file $WORK/h"),
    Case::py("hard link that was there, truncated", "os.truncate('h', 0)").before("ln $OUT/file $WORK/h"),
    Case::sh("hard link that was there, mode", "chmod 777 h").before("ln $OUT/file $WORK/h"),
    Case::py("hard link that was there, attribute", "os.setxattr('h', 'user.x', b'escaped')")
        .before("ln $OUT/file $WORK/h"),
    Case::sh("hard link in a folder below", "echo escaped > a/b/h")
        .before("mkdir -p $WORK/a/b; ln $OUT/file $WORK/a/b/h"),
    Case::sh("hard link in a folder that is renamed", "mv a c; echo escaped > c/b/h")
        .before("mkdir -p $WORK/a/b; ln $OUT/file $WORK/a/b/h"),
    Case::sh("hard link in a folder that was renamed by the command before", "mv a c; echo began")
        .before("mkdir -p $WORK/a/b; ln $OUT/file $WORK/a/b/h")
        .then("echo escaped > c/b/h"),
    Case::sh("hard link, renamed", "mv h i; echo escaped > i").before("ln $OUT/file $WORK/h"),
    Case::sh("hard link to a hard link", "ln h i; echo escaped > i").before("ln $OUT/file $WORK/h"),
    Case::sh("two hard links inside", "echo escaped > i")
        .before("ln $OUT/file $WORK/h; ln $OUT/file $WORK/i"),
    Case::sh("hard link beside the files of another root", "echo escaped > $SECOND/h")
        .before("ln $OUT/file $SECOND/h")
        .roots(Roots::Two),
    Case::sh("many hard links", "echo escaped > m/1/40; echo escaped > m/450f; echo escaped > m/2/deep/7")
        .before("mkdir -p $OUT/many/1 $OUT/many/2/deep; touch $OUT/many/{1..450}f $OUT/many/1/{1..99} $OUT/many/2/deep/{1..99}; cp -al $OUT/many $WORK/m"),
    Case::sh("hard link made inside", "ln $OUT/file h; echo escaped > h"),
    Case::sh("hard link made inside, by the next command", "ln $OUT/file h; echo began")
        .then("echo escaped > h"),
    Case::py(
        "hard link made by a descriptor",
        "fd = os.open(OUT + '/file', os.O_RDONLY)
libc.linkat(-100, f'/proc/self/fd/{fd}'.encode(), -100, b'h', 0x400)
open('h', 'w').write('escaped')",
    ),
    Case::py(
        "hard link made by a descriptor without a path",
        "fd = os.open(OUT + '/file', os.O_RDONLY)
libc.linkat(fd, b'', -100, b'h', 0x1000)
open('h', 'w').write('escaped')",
    ),
    Case::py(
        "hard link made of what is opened as a path",
        "fd = os.open(OUT + '/file', os.O_PATH)
libc.linkat(fd, b'', -100, b'h', 0x1000)
open('h', 'w').write('escaped')",
    ),
    Case::py("hard link between two roots' outside", "os.link(OUT + '/file', E('SECOND') + '/h'); open(E('SECOND') + '/h', 'w').write('escaped')")
        .roots(Roots::Two),
    Case::sh("pipe outside", "echo escaped > $OUT/fifo").before("mkfifo $OUT/fifo").seen(Oracle::Arrived),
    Case::sh("pipe outside, by a link", "ln -s $OUT/fifo p; echo escaped > p")
        .before("mkfifo $OUT/fifo")
        .seen(Oracle::Arrived),
    Case::py("pipe outside, for both ways", "os.write(os.open(OUT + '/fifo', os.O_RDWR), b'escaped')")
        .before("mkfifo $OUT/fifo")
        .seen(Oracle::Arrived),
    Case::py("pipe outside, without waiting", "os.write(os.open(OUT + '/fifo', os.O_WRONLY | os.O_NONBLOCK), b'escaped')")
        .before("mkfifo $OUT/fifo")
        .seen(Oracle::Arrived),
    Case::sh("pipe outside under a second name", "echo escaped > p")
        .before("mkfifo $OUT/fifo; ln $OUT/fifo $WORK/p")
        .seen(Oracle::Arrived),
    Case::sh("root that was not there, made as a link", "ln -s $OUT late; echo began")
        .then("echo escaped > late/file")
        .roots(Roots::Late),
    Case::sh("root exchanged with a link", "mv late gone; ln -s $OUT late; echo began")
        .before("mkdir $WORK/late")
        .then("echo escaped > late/file")
        .roots(Roots::Late),
    Case::sh("folder around a root exchanged with a link", "mv $TMPR/x $TMPR/y; ln -s $OUT $TMPR/x; echo began")
        .before("mkdir $OUT/work; echo > $OUT/work/file")
        .then("cd /; echo escaped > $OUT/work/file")
        .roots(Roots::InTemporary),
];
