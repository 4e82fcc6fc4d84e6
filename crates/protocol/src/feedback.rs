//! Feedback.

use crate::methods::methods;

methods! {
    "feedback/upload" Stable VendorOnly [];
    "feedback/save" Stable NotYet [];
}
