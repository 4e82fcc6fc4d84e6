//! The sandbox of another operating system; here only its refusals.

use crate::methods::methods;

methods! {
    "windowsSandbox/setupStart" Stable NotYet [];
    "windowsSandbox/readiness" Stable NotYet [no_params];
}
