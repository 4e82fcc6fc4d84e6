//! Commands run for a client, without a thread.

use crate::methods::methods;

methods! {
    "command/exec" Stable NotYet [] gated "permissionProfile";
    "command/exec/write" Stable NotYet [];
    "command/exec/terminate" Stable NotYet [];
    "command/exec/resize" Stable NotYet [];
}
