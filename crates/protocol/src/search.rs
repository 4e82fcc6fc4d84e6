//! Searching threads and files.

use crate::methods::methods;

methods! {
    "thread/search" Experimental NotYet [];
    "thread/searchOccurrences" Experimental NotYet [thread];
    "fuzzyFileSearch" Stable NotYet [];
    "fuzzyFileSearch/sessionStart" Experimental NotYet [];
    "fuzzyFileSearch/sessionUpdate" Experimental NotYet [];
    "fuzzyFileSearch/sessionStop" Experimental NotYet [];
}
