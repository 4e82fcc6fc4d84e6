//! Files of the machine of the server.

use crate::methods::methods;

methods! {
    "fs/readFile" Stable NotYet [];
    "fs/writeFile" Stable NotYet [];
    "fs/createDirectory" Stable NotYet [];
    "fs/getMetadata" Stable NotYet [];
    "fs/readDirectory" Stable NotYet [];
    "fs/remove" Stable NotYet [];
    "fs/copy" Stable NotYet [];
    "fs/watch" Stable NotYet [];
    "fs/unwatch" Stable NotYet [];
}
