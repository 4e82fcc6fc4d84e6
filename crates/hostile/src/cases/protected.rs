//! What is protected in folders that may be written.

use crate::case::{Case, Oracle, Roots, Way};

/// A repository at the top.
const GIT: &str =
    "mkdir -p $WORK/.git/hooks; echo clean > $WORK/.git/config; touch $WORK/.git/HEAD";
/// One of each kind below the top.
const NESTED: &str = "mkdir -p $WORK/a/b/.git $WORK/a/b/.codex; echo clean > $WORK/a/b/.git/config; echo clean > $WORK/a/b/.codex/config.toml";
/// A folder that the policy itself keeps read-only.
const KEPT: &str = "mkdir -p $WORK/kept/folder; echo clean > $WORK/kept/folder/file";
const TOP_GIT: Oracle = Oracle::Changed("work/.git");

pub(super) const CASES: &[Case] = &[
    Case::sh("write .git", "echo escaped > .git/config").before(GIT).seen(TOP_GIT),
    Case::sh("write .codex", "echo escaped > .codex/config.toml")
        .before("mkdir $WORK/.codex")
        .seen(Oracle::Changed("work/.codex")),
    Case::sh("write .agents", "echo escaped > .agents/x")
        .before("mkdir $WORK/.agents")
        .seen(Oracle::Changed("work/.agents")),
    Case::sh("write .aws", "echo escaped > .aws/credentials")
        .before("mkdir $WORK/.aws")
        .seen(Oracle::Changed("work/.aws")),
    Case::sh("make .git", "mkdir .git; mkdir .git/hooks; echo escaped > .git/config").seen(TOP_GIT),
    Case::sh("make .codex", "mkdir .codex; echo escaped > .codex/config.toml").seen(Oracle::Changed("work/.codex")),
    Case::sh("make .agents", "mkdir .agents; echo escaped > .agents/x").seen(Oracle::Changed("work/.agents")),
    Case::sh("make .aws", "mkdir .aws; echo escaped > .aws/x").seen(Oracle::Changed("work/.aws")),
    Case::sh("make .git a file", "rmdir .git; echo 'gitdir: escaped' > .git").seen(TOP_GIT),
    Case::sh("make .git a link", "mkdir e; rmdir .git; ln -sT e .git").seen(TOP_GIT),
    Case::sh("rename onto .git", "mkdir e; echo escaped > e/config; rmdir .git; mv -T e .git").seen(TOP_GIT),
    Case::sh("mode of what is not there", "mkdir .git; chmod 777 .git; echo escaped > .git/config").seen(Oracle::Marked("work/.git/config")),
    Case::sh("rename .git", "mv .git g").before(GIT).seen(TOP_GIT),
    Case::sh("remove .git", "rm -rf .git").before(GIT).seen(TOP_GIT),
    Case::py("exchange .git", "os.mkdir('e'); call('renameat2', -100, 'e', -100, '.git', 2)").before(GIT).seen(TOP_GIT),
    Case::py("rename .git and leave a whiteout", "call('renameat2', -100, '.git', -100, 'g', 4)").before(GIT).seen(TOP_GIT).root(),
    Case::sh("mode of .git", "chmod 777 .git .git/config").before(GIT).seen(TOP_GIT),
    Case::py("attribute of .git", "os.setxattr('.git/config', 'user.x', b'1')").before(GIT).seen(TOP_GIT),
    Case::sh("hard link to a file in .git", "ln .git/config c; echo escaped > c").before(GIT).seen(TOP_GIT),
    Case::sh("hard link to a file in .git that was there", "echo escaped > c")
        .before("mkdir $WORK/.git; echo clean > $WORK/.git/config; ln $WORK/.git/config $WORK/c")
        .seen(TOP_GIT),
    Case::sh("link to .git", "ln -s .git g; echo escaped > g/config").before(GIT).seen(TOP_GIT),
    Case::sh("path in /proc to .git", "echo escaped > /proc/self/cwd/.git/config").before(GIT).seen(TOP_GIT),
    Case::py("below .git as an opened folder", "fd = os.open('.git', os.O_PATH); os.write(os.open('config', os.O_WRONLY, dir_fd=fd), b'escaped')")
        .before(GIT).seen(TOP_GIT),
    Case::py("file in .git opened for reading, opened again", "fd = os.open('.git/config', 0); open(f'/proc/self/fd/{fd}', 'w').write('escaped')")
        .before(GIT).seen(TOP_GIT),
    Case::sh("write .git below the top", "echo escaped > a/b/.git/config").before(NESTED).seen(Oracle::Marked("work/a/b/.git/config")),
    Case::sh("write .codex below the top", "echo escaped > a/b/.codex/config.toml").before(NESTED).seen(Oracle::Marked("work/a/b/.codex/config.toml")),
    Case::sh("exchange .git below the top", "mv a/b/.git a/b/g; mkdir a/b/.git; echo escaped > a/b/.git/config").before(NESTED).seen(Oracle::Marked("work/a/b/.git/config")),
    Case::sh("exchange the folder around .git", "mv a/b a/c; mkdir -p a/b/.git; echo escaped > a/b/.git/config").before(NESTED).seen(Oracle::Marked("work/a/b/.git/config")),
    Case::sh("exchange the folder above that", "mv a c; mkdir -p a/b/.git; echo escaped > a/b/.git/config").before(NESTED).seen(Oracle::Marked("work/a/b/.git/config")),
    Case::sh("move .git by its folder, write it there", "mv a c; echo escaped > c/b/.git/config").before(NESTED).seen(Oracle::Marked("work/c/b/.git/config")),
    Case::sh("move .git by its folder, write it there later", "mv a c; echo began").before(NESTED)
        .then("echo escaped > c/b/.git/config").seen(Oracle::Marked("work/c/b/.git/config")),
    Case::sh("folder that a .git file names", "echo escaped > repo/config")
        .before("mkdir $WORK/repo; echo clean > $WORK/repo/config; echo 'gitdir: repo' > $WORK/.git")
        .seen(Oracle::Marked("work/repo/config")),
    Case::sh("folder that a .git file names, by the folder around it", "mv r s; mkdir -p r/repo; echo escaped > r/repo/config")
        .before("mkdir -p $WORK/r/repo; echo clean > $WORK/r/repo/config; echo 'gitdir: r/repo' > $WORK/.git")
        .seen(Oracle::Marked("work/r/repo/config")),
    Case::sh("folder that a .git file names and that is not there", "mkdir -p r/repo; echo escaped > r/repo/config")
        .before("echo 'gitdir: r/repo' > $WORK/.git")
        .seen(Oracle::Marked("work/r/repo/config")),
    Case::sh("folder that a .git file below the top names", "echo escaped > repo/config")
        .before("mkdir -p $WORK/repo $WORK/sub; echo clean > $WORK/repo/config; echo 'gitdir: ../repo' > $WORK/sub/.git")
        .seen(Oracle::Marked("work/repo/config")),
    Case::sh(".git file written", "echo 'gitdir: escaped' > .git")
        .before("mkdir $WORK/repo; echo 'gitdir: repo' > $WORK/.git").seen(TOP_GIT),
    Case::sh(".git that is a link, written", "echo escaped > .git/config")
        .before("mkdir $WORK/repo; echo clean > $WORK/repo/config; ln -s repo $WORK/.git")
        .seen(Oracle::Marked("work/repo/config")),
    Case::sh(".git that is a link, exchanged", "mkdir e; rm .git; ln -s e .git")
        .before("mkdir $WORK/repo; ln -s repo $WORK/.git").seen(TOP_GIT),
    Case::sh(".git that is a link, by the folder around its target", "mv r/s r/t; mkdir -p r/s/repo; echo escaped > r/s/repo/config")
        .before("mkdir -p $WORK/r/s/repo; echo clean > $WORK/r/s/repo/config; ln -s r/s/repo $WORK/.git")
        .seen(Oracle::Marked("work/r/s/repo/config")),
    Case::sh(".git that is a link to nothing", "mkdir -p r/repo; echo escaped > r/repo/config")
        .before("mkdir $WORK/r; ln -s r/repo $WORK/.git")
        .seen(Oracle::Marked("work/.git/config")),
    Case::sh(".git that is a link to another link", "rm r/l; mkdir r/e; ln -s e r/l; echo escaped > r/e/config")
        .before("mkdir -p $WORK/r/repo; ln -s repo $WORK/r/l; ln -s r/l $WORK/.git")
        .seen(Oracle::Marked("work/.git/config")),
    Case::sh(".git below the top that is a link", "echo escaped > sub/.git/config")
        .before("mkdir -p $WORK/repo $WORK/sub; echo clean > $WORK/repo/config; ln -s ../repo $WORK/sub/.git")
        .seen(Oracle::Marked("work/repo/config")),
    Case::sh(".git of a second root", "echo escaped > $SECOND/.git/config")
        .before("mkdir $SECOND/.git; echo clean > $SECOND/.git/config").roots(Roots::Two)
        .seen(Oracle::Marked("second/.git/config")),
    Case::sh(".git moved to a second root", "mv .git $SECOND/g").before(GIT).roots(Roots::Two).seen(TOP_GIT),
    Case::sh(".git by the folder for temporary files around it", "echo escaped > $TMPR/x/work/.git/config")
        .before(GIT).roots(Roots::InTemporary).seen(Oracle::Marked("tmp/x/work/.git/config")),
    Case::sh(".git that is not there, by the folder around it", "mkdir $TMPR/x/work/.git; echo escaped > $TMPR/x/work/.git/config")
        .roots(Roots::InTemporary).seen(Oracle::Marked("tmp/x/work/.git/config")),
    Case::sh("folder around the workspace exchanged", "mv $TMPR/x $TMPR/y; mkdir -p $TMPR/x/work/.git; echo escaped > $TMPR/x/work/.git/config")
        .before(GIT).roots(Roots::InTemporary).seen(Oracle::Marked("tmp/x/work/.git/config")),
    Case::sh("workspace exchanged", "mv $WORK $TMPR/x/old; mkdir -p $WORK/.git; echo escaped > $WORK/.git/config")
        .before(GIT).roots(Roots::InTemporary).seen(Oracle::Marked("tmp/x/work/.git/config")),
    Case::sh(".git of the folder for temporary files", "mkdir $TMPR/.git; echo escaped > $TMPR/.git/config")
        .roots(Roots::InTemporary).seen(Oracle::Changed("tmp/.git")),
    Case::sh(".git made while another server's command ends", "for i in {1..60}; do rmdir .git; mkdir .git && echo escaped > .git/config && break; sleep 0.01; done")
        .way(Way::Beside).seen(Oracle::Marked("work/.git/config")),
    Case::sh(".git made by a command after one that was killed", "echo ready; sleep 20")
        .then("rmdir .git; mkdir .git; echo escaped > .git/config").way(Way::Killed).seen(Oracle::Marked("work/.git/config")),
    Case::py("file without a name put into .git", "fd = os.open('.', os.O_TMPFILE | os.O_RDWR); os.write(fd, b'escaped')
libc.linkat(-100, f'/proc/self/fd/{fd}'.encode(), -100, b'.git/escaped', 0x400)").before(GIT).seen(TOP_GIT),
    Case::sh("folder that stays read-only", "echo escaped > kept/folder/file").before(KEPT).seen(Oracle::Marked("work/kept/folder/file")),
    Case::sh("folder that stays read-only, exchanged", "mv kept/folder old; mkdir kept/folder; echo escaped > kept/folder/file").before(KEPT).seen(Oracle::Marked("work/kept/folder/file")),
    Case::sh("folder that stays read-only, by the folder around it", "mv kept old; mkdir -p kept/folder; echo escaped > kept/folder/file").before(KEPT).seen(Oracle::Marked("work/kept/folder/file")),
    Case::sh("folder that stays read-only, moved for the next command", "mv kept old; echo began").before(KEPT).then("echo escaped > old/folder/file").seen(Oracle::Marked("work/old/folder/file")),
    Case::sh("folder around .git exchanged with a link", "mv a/b a/c; mkdir e; ln -s ../e a/b; mkdir e/.git; echo escaped > e/.git/config").before(NESTED).seen(Oracle::Marked("work/a/b/.git/config")),
    Case::sh("file beside .git below the top", "mv a/b/f a/b/g && echo escaped >> a/b/g && mv a/b/g a/h && mv a/h h").before("mkdir -p $WORK/a/b/.git; echo clean > $WORK/a/b/f")
        .seen(Oracle::Marked("work/h")).allowed(),
    Case::sh("git itself", "git init -q; git config core.fsmonitor escaped").seen(Oracle::Marked("work/.git/config")),
    Case::sh("a .git of one's own", "mkdir -p new/.git; echo escaped > new/.git/config")
        .seen(Oracle::Marked("work/new/.git/config")).allowed(),
    Case::sh("a folder of one's own", "mkdir -p new/x && mv new old && echo escaped > old/x/f && chmod 755 old/x/f")
        .seen(Oracle::Marked("work/old/x/f")).allowed(),
];
