//! Processes run for a client, unsandboxed and without waiting.

use crate::methods::methods;

methods! {
    "process/spawn" Experimental NotYet [];
    "process/writeStdin" Experimental NotYet [];
    "process/kill" Experimental NotYet [];
    "process/resizePty" Experimental NotYet [];
}
