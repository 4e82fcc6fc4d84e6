//! Turns that wait for their thread.

use crate::methods::methods;

methods! {
    "thread/queue/add" Experimental NotYet [thread];
    "thread/queue/list" Experimental NotYet [thread];
    "thread/queue/update" Experimental NotYet [thread];
    "thread/queue/delete" Experimental NotYet [thread];
    "thread/queue/reorder" Experimental NotYet [thread];
    "thread/queue/start" Experimental NotYet [thread];
}
