//! What is remembered between threads.

use crate::methods::methods;

methods! {
    "thread/memoryMode/set" Experimental NotYet [thread];
    "thread/memory/read" Experimental NotYet [thread];
    "memory/status" Experimental NotYet [];
    "memory/reset" Experimental NotYet [no_params];
    "rollout/compress" Experimental NotYet [no_params];
}
