//! Questions to the model beside a thread's own turns.

use crate::methods::methods;

methods! {
    "thread/sample" Experimental NotYet [thread];
    "thread/sample/cancel" Experimental NotYet [];
    "thread/prediction/request" Experimental VendorOnly [thread];
    "thread/prepareApprovedPlan" Experimental NotYet [thread];
}
