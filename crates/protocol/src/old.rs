//! Methods that no schema of 0.169 lists: some are answered all the same, some are
//! gone.

use crate::methods::methods;

methods! {
    "getConversationSummary" WireOnly NotYet [];
    "gitDiffToRemote" WireOnly NotYet [];
    "getAuthStatus" WireOnly NotYet [];
    "thread/rollback" Removed0131 NotYet [thread];
    "thread/turns/items/list" Removed0131 NotYet [thread];
}
