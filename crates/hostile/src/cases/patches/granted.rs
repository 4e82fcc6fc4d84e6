//! Patches by names that the user allowed for the session, once they lead elsewhere.

use crate::case::Case;
use crate::case::Step::{Patch, Patches, Run, Start};

pub(in crate::cases) const CASES: &[Case] = &[
    Case::turn(
        "folder that is a link",
        &[
            Patch("*** Add File: l/new\n+x"),
            Run("ln -sfn $OUT l"),
            Patch("*** Add File: l/new\n+escaped"),
        ],
    )
    .before("ln -s $SECOND $WORK/l"),
    Case::turn(
        "file that is a link",
        &[
            Patch("*** Add File: l\n+x"),
            Run("ln -sfn $OUT/file l"),
            Patch("*** Add File: l\n+escaped"),
        ],
    )
    .before("echo clean > $SECOND/file; ln -s $SECOND/file $WORK/l"),
    Case::turn(
        "folder that becomes a link",
        &[
            Patch("*** Add File: d/new\n+x\n*** Add File: $SECOND/x\n+x"),
            Run("rm d/new; rmdir d; ln -s $OUT d"),
            Patch("*** Add File: d/new\n+escaped"),
        ],
    ),
    Case::turn(
        "file that becomes a link",
        &[
            Patch("*** Add File: f\n+x\n*** Add File: $SECOND/x\n+x"),
            Run("rm f; ln -s $OUT/file f"),
            Patch("*** Add File: f\n+escaped"),
        ],
    ),
    Case::turn(
        "target of a move that becomes a link",
        &[
            Patch("*** Add File: f\n+x\n*** Add File: $SECOND/x\n+x"),
            Run("rm f; ln -s $OUT/file f; echo clean > g"),
            Patch("*** Update File: g\n*** Move to: f\n@@\n-clean\n+escaped"),
        ],
    ),
    Case::turn(
        "race of a link",
        &[
            Patch("*** Add File: d/new\n+x\n*** Add File: $SECOND/x\n+x"),
            Start(
                "import time
os.symlink(OUT, 'x')
stop = time.time() + 20
while time.time() < stop:
    try: call('renameat2', -100, 'd', -100, 'x', 2)
    except OSError: pass
    time.sleep(0.0005)",
            ),
            Patches("*** Add File: d/new\n+escaped\n*** Add File: $SECOND/x\n+x"),
        ],
    ),
];
