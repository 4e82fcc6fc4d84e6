//! Patches of files outside by paths that lead there through links.

use crate::case::Step::{Patch, Patches, Run, Start};
use crate::case::{Case, Oracle, Roots};

const FOLDER: &str = "ln -s $OUT $WORK/l; echo clean > $WORK/f";
const FILE: &str = "ln -s $OUT/file $WORK/l; echo clean > $WORK/f";
const HARD: &str = "ln $OUT/file $WORK/h";

/// Exchanges the folder `d` and a link to the outside as long as patches are tried; keeps
/// a file in the folder and one beside it there.
const SWAP_FOLDERS: &str = "import time
os.mkdir('d'); os.symlink(OUT, 'x')
own = os.open('d', os.O_PATH)
stop = time.time() + 20
while time.time() < stop:
    for place in (own, None):
        with open(os.open('file', os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o644, dir_fd=place), 'w') as f: f.write('clean\\n')
    try: call('renameat2', -100, 'd', -100, 'x', 2)
    except OSError: pass
    time.sleep(0.0002)";

/// Exchanges the file `f` and a link to one outside.
const SWAP_FILES: &str = "import time
open('f', 'w').write('clean\\n'); os.symlink(OUT + '/file', 'x')
stop = time.time() + 20
while time.time() < stop:
    try: call('renameat2', -100, 'f', -100, 'x', 2)
    except OSError: pass
    time.sleep(0.0002)";

/// Makes the file `f` anew as a second name of one outside.
const LINK_FILES: &str = "import time
stop = time.time() + 20
while time.time() < stop:
    for make in (lambda: open('f', 'w').write('clean\\n'), lambda: os.link(OUT + '/file', 'f')):
        try: os.unlink('f')
        except OSError: pass
        try: make()
        except OSError: pass
        time.sleep(0.0002)";

pub(in crate::cases) const CASES: &[Case] = &[
    Case::turn("folder, added", &[Patch("*** Add File: l/new\n+escaped")]).before(FOLDER),
    Case::turn(
        "folder, added in a folder that is made for it",
        &[Patch("*** Add File: l/more/new\n+escaped")],
    )
    .before(FOLDER),
    Case::turn(
        "folder, changed",
        &[Patch("*** Update File: l/file\n@@\n-clean\n+escaped")],
    )
    .before(FOLDER),
    Case::turn("folder, removed", &[Patch("*** Delete File: l/dir/file")]).before(FOLDER),
    Case::turn(
        "folder, moved out",
        &[Patch(
            "*** Update File: f\n*** Move to: l/new\n@@\n-clean\n+escaped",
        )],
    )
    .before(FOLDER),
    Case::turn(
        "folder, moved in",
        &[Patch(
            "*** Update File: l/file\n*** Move to: g\n@@\n-clean\n+escaped",
        )],
    )
    .before(FOLDER),
    Case::turn(
        "file, changed",
        &[Patch("*** Update File: l\n@@\n-clean\n+escaped")],
    )
    .before(FILE),
    Case::turn("file, replaced", &[Patch("*** Add File: l\n+escaped")]).before(FILE),
    Case::turn(
        "file, moved onto",
        &[Patch(
            "*** Update File: f\n*** Move to: l\n@@\n-clean\n+escaped",
        )],
    )
    .before(FILE),
    Case::turn(
        "file that is not there, added",
        &[Patch("*** Add File: l\n+escaped")],
    )
    .before("ln -s $OUT/new $WORK/l"),
    Case::turn(
        "folder that is not there, added",
        &[Patch("*** Add File: l/new\n+escaped")],
    )
    .before("ln -s $OUT/more $WORK/l"),
    Case::turn("chain, added", &[Patch("*** Add File: c/new\n+escaped")])
        .before("cd $WORK; ln -s $OUT a; ln -s a b; ln -s b/dir c"),
    Case::turn("relative, added", &[Patch("*** Add File: l/new\n+escaped")])
        .before("ln -s ../outside $WORK/l"),
    Case::turn(
        "to the process's root, added",
        &[Patch("*** Add File: l$OUT/new\n+escaped")],
    )
    .before("ln -s /proc/self/root $WORK/l"),
    Case::turn(
        "to the process's folder, added",
        &[Patch("*** Add File: l/outside/new\n+escaped")],
    )
    .before("ln -s /proc/self/cwd/$WORK/.. $WORK/l"),
    Case::turn(
        "to the folder of a process outside, added",
        &[Patch("*** Add File: l/new\n+escaped")],
    )
    .before("ln -s /proc/$VICTIM/cwd $WORK/l"),
    Case::turn(
        "folder, made by a command, added",
        &[Run("ln -s $OUT l"), Patch("*** Add File: l/new\n+escaped")],
    ),
    Case::turn(
        "folder, made by a command, removed",
        &[Run("ln -s $OUT l"), Patch("*** Delete File: l/file")],
    ),
    Case::turn(
        "file, made by a command, changed",
        &[
            Run("ln -s $OUT/file l"),
            Patch("*** Update File: l\n@@\n-clean\n+escaped"),
        ],
    ),
    Case::turn(
        "file, made by a command, moved onto",
        &[
            Run("echo clean > f; ln -s $OUT/file l"),
            Patch("*** Update File: f\n*** Move to: l\n@@\n-clean\n+escaped"),
        ],
    ),
    Case::turn(
        "folder that was patched before, made a link",
        &[
            Patch("*** Add File: d/f\n+x"),
            Run("rm d/f; rmdir d; ln -s $OUT d"),
            Patch("*** Add File: d/new\n+escaped"),
        ],
    ),
    Case::turn(
        "file that was patched before, made a link",
        &[
            Patch("*** Add File: f\n+clean"),
            Run("rm f; ln -s $OUT/file f"),
            Patch("*** Update File: f\n@@\n-clean\n+escaped"),
        ],
    ),
    Case::turn(
        "second root made a link",
        &[
            Run("mkdir late; rmdir late; ln -s $OUT late"),
            Patch("*** Add File: late/new\n+escaped"),
        ],
    )
    .roots(Roots::Late),
    Case::turn(
        "second name, changed",
        &[Patch("*** Update File: h\n@@\n-clean\n+escaped")],
    )
    .before(HARD),
    Case::turn(
        "second name, replaced",
        &[Patch("*** Add File: h\n+escaped")],
    )
    .before(HARD),
    Case::turn(
        "second name, moved onto",
        &[Patch(
            "*** Update File: f\n*** Move to: h\n@@\n-clean\n+escaped",
        )],
    )
    .before("ln $OUT/file $WORK/h; echo clean > $WORK/f"),
    Case::turn(
        "second name in a folder, changed",
        &[Patch("*** Update File: a/b/h\n@@\n-clean\n+escaped")],
    )
    .before("mkdir -p $WORK/a/b; ln $OUT/file $WORK/a/b/h"),
    Case::turn(
        "second name, renamed by a command, changed",
        &[
            Run("mv a c"),
            Patch("*** Update File: c/h\n@@\n-clean\n+escaped"),
        ],
    )
    .before("mkdir $WORK/a; ln $OUT/file $WORK/a/h"),
    Case::turn(
        "second name, made by a command, changed",
        &[
            Run("ln $OUT/file h"),
            Patch("*** Update File: h\n@@\n-clean\n+escaped"),
        ],
    ),
    Case::turn("pipe outside, added", &[Patch("*** Add File: l\n+escaped")])
        .before("mkfifo $OUT/fifo; ln -s $OUT/fifo $WORK/l")
        .seen(Oracle::Arrived),
    Case::turn(
        "race, added in a folder",
        &[
            Start(SWAP_FOLDERS),
            Patches("*** Add File: d/new\n+escaped"),
        ],
    ),
    Case::turn(
        "race, added in a folder that is made for it",
        &[
            Start(SWAP_FOLDERS),
            Patches("*** Add File: d/e/new\n+escaped"),
        ],
    ),
    Case::turn(
        "race, replaced",
        &[Start(SWAP_FILES), Patches("*** Add File: f\n+escaped")],
    ),
    Case::turn(
        "race, removed",
        &[Start(SWAP_FOLDERS), Patches("*** Delete File: d/file")],
    ),
    Case::turn(
        "race, moved out",
        &[
            Start(SWAP_FOLDERS),
            Patches("*** Update File: file\n*** Move to: d/new\n@@\n-clean\n+escaped"),
        ],
    ),
    Case::turn(
        "race, second name",
        &[Start(LINK_FILES), Patches("*** Add File: f\n+escaped")],
    ),
];
