//! Files of the machine as clients of the server use them: reading and changing them,
//! watching them, finding them by a few letters of their names.
//!
//! Invariants
//! - Functions that are not `async` wait for a disk; callers run them on the pool for that.
//! - Nothing here holds on to a descriptor or a thread after the call, watch or search
//!   that needed it.
//! - What could grow with the size of a tree has a named limit.
//!
//! Deliberately absent: clients, connections' queues, the wire. There is no sandbox: what the
//! process may do is allowed.

mod copy;
mod error;
mod normal;
mod read;
pub mod search;
mod tree;
pub mod watch;
mod write;

pub use copy::copy;
pub use error::{FileError, FileResult};
pub use normal::normal;
pub use read::{READ_BYTES_MAX, Reading};
pub use tree::{
    Entry, LISTING_BYTES_MAX, Metadata, create_directory, list_directory, metadata, remove,
};
pub use write::write;
