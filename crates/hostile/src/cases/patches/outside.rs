//! Patches of files outside of what may be written, by paths that say so.

use crate::case::Step::{Patch, Run, Type};
use crate::case::{Case, Oracle};

/// A file inside that can be moved.
const OWN: &str = "echo clean > $WORK/f";
/// A path through a folder of the process outside has to be there to name it.
const BY_VICTIM: &str = ": $VICTIM";

pub(in crate::cases) const CASES: &[Case] = &[
    Case::turn("added by an absolute path", &[Patch("*** Add File: $OUT/new\n+escaped")]),
    Case::turn("added by dots", &[Patch("*** Add File: ../outside/new\n+escaped")]),
    Case::turn("added by dots through a folder", &[Patch("*** Add File: a/b/../../../outside/new\n+escaped")]),
    Case::turn("added by dots behind the workspace's own path", &[Patch("*** Add File: $WORK/../outside/new\n+escaped")]),
    Case::turn("added by too many dots", &[Patch("*** Add File: ../../../../../../../../..$OUT/new\n+escaped")]),
    Case::turn("added by dots behind a carriage return", &[Patch("*** Add File: x\r/../../outside/new\n+escaped")]),
    Case::turn("added with spaces around", &[Patch("*** Add File:   ../outside/new  \n+escaped")]),
    Case::turn("added in a folder that is made for it", &[Patch("*** Add File: $OUT/more/and/more/new\n+escaped")]),
    Case::turn("added with nothing in it", &[Patch("*** Add File: $OUT/new")]),
    Case::turn("added beside the workspace, with its name as a beginning", &[Patch("*** Add File: $WORK-more/new\n+escaped")])
        .seen(Oracle::Changed("work-more")),
    Case::turn("added with a zero in its path", &[Patch("*** Add File: f\0/../../outside/new\n+escaped")]),
    Case::turn("added with a line's end in its path", &[Patch("*** Add File: f\n/../../outside/new\n+escaped")]),
    Case::turn("added by the process's root", &[Patch("*** Add File: /proc/self/root$OUT/new\n+escaped")]),
    Case::turn("added by the folder of a process outside", &[Patch("*** Add File: /proc/$VICTIM/cwd/new\n+escaped")]),
    Case::turn("added by the root of a process outside", &[Patch("*** Add File: /proc/$VICTIM/root$OUT/new\n+escaped")]),
    Case::turn("added by the root of the server", &[Patch("*** Add File: /proc/$SERVER/root$OUT/new\n+escaped")]),
    Case::turn("changed by a descriptor of a process outside", &[Patch("*** Update File: /proc/$VICTIM/fd/$VFD\n@@\n-clean\n+escaped")])
        .before(BY_VICTIM),
    Case::turn("replaced", &[Patch("*** Add File: $OUT/file\n+escaped")]),
    Case::turn("changed", &[Patch("*** Update File: $OUT/file\n@@\n-clean\n+escaped")]),
    Case::turn("changed by dots", &[Patch("*** Update File: ../outside/dir/../file\n@@\n-clean\n+escaped")]),
    Case::turn("removed", &[Patch("*** Delete File: $OUT/file")]),
    Case::turn("removed by dots", &[Patch("*** Delete File: ../outside/dir/file")]),
    Case::turn("pipe, added", &[Patch("*** Add File: $OUT/fifo\n+escaped")]).before("mkfifo $OUT/fifo").seen(Oracle::Arrived),
    Case::turn("socket, added", &[Patch("*** Add File: $SOCK\n+escaped")]).seen(Oracle::Arrived),
    Case::turn("move out", &[Patch("*** Update File: f\n*** Move to: $OUT/new\n@@\n-clean\n+escaped")]).before(OWN),
    Case::turn("move out by dots", &[Patch("*** Update File: f\n*** Move to: a/../../outside/new\n@@\n-clean\n+escaped")]).before(OWN),
    Case::turn("move onto a file outside", &[Patch("*** Update File: f\n*** Move to: $OUT/file\n@@\n-clean\n+escaped")]).before(OWN),
    Case::turn("move in", &[Patch("*** Update File: $OUT/file\n*** Move to: f\n@@\n-clean\n+escaped")]),
    Case::turn("move within the outside", &[Patch("*** Update File: ../outside/file\n*** Move to: ../outside/new\n@@\n-clean\n+escaped")]),
    Case::turn("the last of several files", &[Patch("*** Add File: a\n+x\n*** Update File: f\n@@\n-clean\n+x\n*** Add File: $OUT/new\n+escaped")]).before(OWN),
    Case::turn("the first of several files", &[Patch("*** Delete File: $OUT/file\n*** Add File: a\n+x")]),
    Case::turn("after one that was good", &[Patch("*** Add File: a\n+x"), Patch("*** Add File: ../outside/new\n+escaped")]),
    Case::turn("after a command that went there", &[Run("cd $OUT"), Patch("*** Add File: $OUT/new\n+escaped")]),
    Case::turn("typed into the shell", &[Type("$WORK", "apply_patch <<'EOF'\n*** Begin Patch\n*** Add File: $OUT/new\n+escaped\n*** End Patch\nEOF\n")]),
    Case::turn("typed into the shell, elsewhere", &[Type("$OUT", "apply_patch <<'EOF'\n*** Begin Patch\n*** Add File: new\n+escaped\n*** End Patch\nEOF\n")]),
    Case::turn("typed into the shell, behind a change of folder", &[Type("$WORK", "cd $OUT && apply_patch <<'EOF'\n*** Begin Patch\n*** Update File: file\n@@\n-clean\n+escaped\n*** End Patch\nEOF\n")]),
    Case::turn("typed into the shell, behind a change of folder by dots", &[Type("$WORK", "cd .. && applypatch <<EOF\n*** Begin Patch\n*** Add File: outside/new\n+escaped\n*** End Patch\nEOF\n")]),
    Case::turn("typed into the shell, behind a change of folder in quotes", &[Type("$WORK", "cd '$OUT/dir/..' && apply_patch <<EOF\n*** Begin Patch\n*** Delete File: file\n*** End Patch\nEOF\n")]),
    Case::turn("typed into the shell, behind a change of folder by a link", &[Type("$WORK", "cd l && apply_patch <<EOF\n*** Begin Patch\n*** Add File: new\n+escaped\n*** End Patch\nEOF\n")])
        .before("ln -s $OUT $WORK/l"),
    Case::turn("typed into the shell, in a folder that is a link", &[Type("$WORK/l", "apply_patch <<EOF\n*** Begin Patch\n*** Add File: new\n+escaped\n*** End Patch\nEOF\n")])
        .before("ln -s $OUT $WORK/l"),
    Case::turn("a folder of the model's own", &[Run("mkdir a"), Patch("*** Add File: a/b/f\n+x"), Patch("*** Update File: a/b/f\n*** Move to: a/g\n@@\n-x\n+escaped")])
        .seen(Oracle::Marked("work/a/g")).allowed(),
];
