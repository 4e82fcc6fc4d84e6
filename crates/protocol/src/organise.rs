//! Order among threads: projects, sections, attachments.

use crate::methods::methods;

methods! {
    "thread/attachment/add" Stable NotYet [thread];
    "thread/attachment/list" Stable NotYet [thread];
    "thread/attachmentOwner/list" Stable NotYet [];
    "thread/attachment/remove" Stable NotYet [thread];
    "thread/section/move" Stable NotYet [thread];
    "project/list" Experimental NotYet [];
    "project/read" Experimental NotYet [];
    "project/create" Experimental NotYet [];
    "project/import" Experimental NotYet [];
    "project/update" Experimental NotYet [];
    "project/move" Experimental NotYet [];
    "project/delete" Experimental NotYet [];
    "threadSection/list" Stable NotYet [];
    "threadSection/create" Stable NotYet [];
    "threadSection/update" Stable NotYet [];
    "threadSection/delete" Stable NotYet [];
}
