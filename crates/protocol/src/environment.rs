//! Places where commands run that are not this machine.

use crate::methods::methods;

methods! {
    "environment/add" Experimental NotYet [];
    "environment/info" Experimental NotYet [];
    "environment/status" Experimental NotYet [];
}
