//! Patches of what is protected in folders that may be written.

use crate::case::Step::{Patch, Patches, Run, Start, Type};
use crate::case::{Case, Oracle, Roots};

const GIT: &str = "mkdir -p $WORK/.git/hooks; echo clean > $WORK/.git/config; echo clean > $WORK/.git/HEAD; echo clean > $WORK/f";
const NESTED: &str = "mkdir -p $WORK/a/b/.git $WORK/a/b/.codex; echo clean > $WORK/a/b/.git/config; echo clean > $WORK/a/b/.codex/config.toml";
const TOP_GIT: Oracle = Oracle::Changed("work/.git");
const IN_HOME: Oracle = Oracle::Marked("work/home/rules/default.rules");

/// Exchanges the folder `d` and the repository.
const SWAP: &str = "import time
os.mkdir('d')
os.symlink('.git', 'x')
stop = time.time() + 20
while time.time() < stop:
    try: call('renameat2', -100, 'd', -100, 'x', 2)
    except OSError: pass
    time.sleep(0.0002)";

pub(in crate::cases) const CASES: &[Case] = &[
    Case::turn(".git, made", &[Patch("*** Add File: .git/config\n+escaped")]).seen(TOP_GIT),
    Case::turn(".git, made a file", &[Patch("*** Add File: .git\n+gitdir: escaped")]).seen(Oracle::Marked("work/.git")),
    Case::turn(".codex, made", &[Patch("*** Add File: .codex/config.toml\n+escaped")]).seen(Oracle::Changed("work/.codex")),
    Case::turn(".agents, made", &[Patch("*** Add File: .agents/x\n+escaped")]).seen(Oracle::Changed("work/.agents")),
    Case::turn(".aws, made", &[Patch("*** Add File: .aws/credentials\n+escaped")]).seen(Oracle::Changed("work/.aws")),
    Case::turn(".git, changed", &[Patch("*** Update File: .git/config\n@@\n-clean\n+escaped")]).before(GIT).seen(TOP_GIT),
    Case::turn(".git, replaced", &[Patch("*** Add File: .git/config\n+escaped")]).before(GIT).seen(TOP_GIT),
    Case::turn(".git, added", &[Patch("*** Add File: .git/hooks/post-checkout\n+escaped")]).before(GIT).seen(TOP_GIT),
    Case::turn(".git, removed", &[Patch("*** Delete File: .git/HEAD")]).before(GIT).seen(TOP_GIT),
    Case::turn(".git, moved into", &[Patch("*** Update File: f\n*** Move to: .git/config\n@@\n-clean\n+escaped")]).before(GIT).seen(TOP_GIT),
    Case::turn(".git, moved out of", &[Patch("*** Update File: .git/config\n*** Move to: g\n@@\n-clean\n+escaped")]).before(GIT).seen(TOP_GIT),
    Case::turn(".git, by dots", &[Patch("*** Update File: ./a/.././/.git/./config\n@@\n-clean\n+escaped")]).before(GIT).seen(TOP_GIT),
    Case::turn(".git, by an absolute path", &[Patch("*** Update File: $WORK/.git/config\n@@\n-clean\n+escaped")]).before(GIT).seen(TOP_GIT),
    Case::turn(".git, by the process's root", &[Patch("*** Update File: /proc/self/root$WORK/.git/config\n@@\n-clean\n+escaped")]).before(GIT).seen(TOP_GIT),
    Case::turn(".git, by the server's root", &[Patch("*** Update File: /proc/$SERVER/root$WORK/.git/config\n@@\n-clean\n+escaped")]).before(GIT).seen(TOP_GIT),
    Case::turn(".git, typed in it", &[Type("$WORK", "cd .git && apply_patch <<EOF\n*** Begin Patch\n*** Add File: config\n+escaped\n*** End Patch\nEOF\n")]).before(GIT).seen(TOP_GIT),
    Case::turn(".git, typed with it as folder", &[Type("$WORK/.git", "apply_patch <<EOF\n*** Begin Patch\n*** Add File: config\n+escaped\n*** End Patch\nEOF\n")]).before(GIT).seen(TOP_GIT),
    Case::turn(".git, by a link", &[Patch("*** Update File: l/config\n@@\n-clean\n+escaped")])
        .before("mkdir $WORK/.git; echo clean > $WORK/.git/config; ln -s .git $WORK/l").seen(TOP_GIT),
    Case::turn(".git, by a link that a command made", &[Run("ln -s .git/config l"), Patch("*** Update File: l\n@@\n-clean\n+escaped")]).before(GIT).seen(TOP_GIT),
    Case::turn(".git, by a second name", &[Patch("*** Update File: c\n@@\n-clean\n+escaped")])
        .before("mkdir $WORK/.git; echo clean > $WORK/.git/config; ln $WORK/.git/config $WORK/c").seen(TOP_GIT),
    Case::turn(".git that is a link, its target", &[Patch("*** Update File: repo/config\n@@\n-clean\n+escaped")])
        .before("mkdir $WORK/repo; echo clean > $WORK/repo/config; ln -s repo $WORK/.git").seen(Oracle::Marked("work/repo/config")),
    Case::turn(".git that is a file, itself", &[Patch("*** Update File: .git\n@@\n-gitdir: repo\n+gitdir: escaped")])
        .before("mkdir $WORK/repo; echo 'gitdir: repo' > $WORK/.git").seen(TOP_GIT),
    Case::turn(".git that is a file, removed", &[Patch("*** Delete File: .git")])
        .before("mkdir $WORK/repo; echo 'gitdir: repo' > $WORK/.git").seen(TOP_GIT),
    Case::turn(".git that is a file, what it leads to", &[Patch("*** Update File: repo/config\n@@\n-clean\n+escaped")])
        .before("mkdir $WORK/repo; echo clean > $WORK/repo/config; echo 'gitdir: repo' > $WORK/.git").seen(Oracle::Marked("work/repo/config")),
    Case::turn(".git that is a file, what it leads to, added", &[Patch("*** Add File: r/s/repo/hooks/x\n+escaped")])
        .before("mkdir -p $WORK/r/s/repo; echo 'gitdir: r/s/repo' > $WORK/.git").seen(Oracle::Marked("work/r/s/repo/hooks/x")),
    Case::turn(".git that is a file below the top, what it leads to", &[Patch("*** Update File: repo/config\n@@\n-clean\n+escaped")])
        .before("mkdir $WORK/repo $WORK/sub; echo clean > $WORK/repo/config; echo 'gitdir: ../repo' > $WORK/sub/.git").seen(Oracle::Marked("work/repo/config")),
    Case::turn(".git below the top", &[Patch("*** Update File: a/b/.git/config\n@@\n-clean\n+escaped")]).before(NESTED).seen(Oracle::Marked("work/a/b/.git/config")),
    Case::turn(".codex below the top", &[Patch("*** Update File: a/b/.codex/config.toml\n@@\n-clean\n+escaped")]).before(NESTED).seen(Oracle::Marked("work/a/b/.codex/config.toml")),
    Case::turn(".git below the top, added", &[Patch("*** Add File: a/b/.git/hooks/x\n+escaped")]).before(NESTED).seen(Oracle::Marked("work/a/b/.git/hooks/x")),
    Case::turn(".git below the top, its folder renamed", &[Run("mv a c"), Patch("*** Add File: c/b/.git/hooks/x\n+escaped")]).before(NESTED).seen(Oracle::Marked("work/c/b/.git/hooks/x")),
    Case::turn(".git of a second root", &[Patch("*** Update File: $SECOND/.git/config\n@@\n-clean\n+escaped")])
        .before("mkdir $SECOND/.git; echo clean > $SECOND/.git/config").roots(Roots::Two).seen(Oracle::Marked("second/.git/config")),
    Case::turn(".git of a second root, made", &[Patch("*** Add File: $SECOND/.git/config\n+escaped")]).roots(Roots::Two).seen(Oracle::Changed("second/.git")),
    Case::turn(".git, race", &[Start(SWAP), Patches("*** Add File: d/escaped\n+escaped")]).before(GIT).seen(TOP_GIT),
    Case::turn(".git with capitals, which is another folder", &[Patch("*** Add File: .GIT/config\n+escaped")]).seen(Oracle::Marked("work/.GIT/config")).allowed(),
    Case::turn("home outside, rules", &[Patch("*** Add File: $TOP/home/rules/default.rules\n+# escaped")])
        .home("home").seen(Oracle::Marked("home/rules/default.rules")),
    Case::turn("home outside, configuration", &[Patch("*** Update File: ../home/config.toml\n@@\n-model = \"offline\"\n+# escaped")])
        .home("home").seen(Oracle::Marked("home/config.toml")),
    Case::turn("home outside, moved into", &[Patch("*** Update File: f\n*** Move to: ../home/rules/default.rules\n@@\n-clean\n+# escaped")])
        .before("echo clean > $WORK/f").home("home").seen(Oracle::Marked("home/rules/default.rules")),
    Case::turn("home in the workspace, rules", &[Patch("*** Add File: home/rules/default.rules\n+# escaped")])
        .home("work/home").seen(IN_HOME),
    Case::turn("home in the workspace, rules changed", &[Patch("*** Update File: home/rules/default.rules\n@@\n-# clean\n+# escaped")])
        .before("mkdir -p $WORK/home/rules; echo '# clean' > $WORK/home/rules/default.rules").home("work/home").seen(IN_HOME),
    Case::turn("home in the workspace, configuration", &[Patch("*** Update File: home/config.toml\n@@\n-model = \"offline\"\n+# escaped")])
        .home("work/home").seen(Oracle::Marked("work/home/config.toml")),
    Case::turn("home in the workspace, configuration removed", &[Patch("*** Delete File: home/config.toml")])
        .home("work/home").seen(Oracle::Check("[ ! -e $WORK/home/config.toml ]")),
    Case::turn("home in the workspace, by a link", &[Run("ln -s home l"), Patch("*** Add File: l/rules/default.rules\n+# escaped")])
        .home("work/home").seen(IN_HOME),
    Case::turn("home in the workspace, by the process's root", &[Patch("*** Add File: /proc/self/root$WORK/home/rules/default.rules\n+# escaped")])
        .home("work/home").seen(IN_HOME),
    Case::turn("home in the workspace, moved into", &[Patch("*** Update File: f\n*** Move to: home/rules/default.rules\n@@\n-clean\n+# escaped")])
        .before("echo clean > $WORK/f").home("work/home").seen(IN_HOME),
    Case::turn("home in the workspace, renamed", &[Run("mv home old; mkdir -p home/rules"), Patch("*** Add File: home/rules/default.rules\n+# escaped")])
        .home("work/home").seen(IN_HOME),
    Case::turn("home deep in the workspace, a folder above renamed", &[Run("mv a b; mkdir -p a/home/rules"), Patch("*** Add File: a/home/rules/default.rules\n+# escaped")])
        .home("work/a/home").seen(Oracle::Marked("work/a/home/rules/default.rules")),
    Case::turn("home in the workspace, typed in it", &[Type("$WORK", "cd home && apply_patch <<EOF\n*** Begin Patch\n*** Add File: rules/default.rules\n+# escaped\n*** End Patch\nEOF\n")])
        .home("work/home").seen(IN_HOME),
    Case::turn("home in a second root, rules", &[Patch("*** Add File: $SECOND/home/rules/default.rules\n+# escaped")])
        .home("second/home").roots(Roots::Two).seen(Oracle::Marked("second/home/rules/default.rules")),
];
