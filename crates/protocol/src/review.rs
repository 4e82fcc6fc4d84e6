//! Reviews.

use crate::methods::methods;

methods! {
    "review/start" Stable NotYet [thread];
}
