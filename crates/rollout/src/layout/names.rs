//! Thread names: `session_index.jsonl`, shared with the reference.
//!
//! One line per renaming, the last line of a thread wins, nothing is ever
//! rewritten. The reference guards its appends with `session_index.jsonl.lock`
//! (seen on 0.169.0), and so does this.

use std::collections::HashMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufReader, Write};
use std::path::Path;

use loomd_base::ThreadId;
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result, io_error};
use crate::line::{Lines, Next};
use crate::lock;
use crate::time::rfc3339_ms;

const INDEX: &str = "session_index.jsonl";
const INDEX_LOCK: &str = "session_index.jsonl.lock";

/// Bytes of a line of the index; longer lines are skipped.
pub const NAME_LINE_BYTES_MAX: usize = 64 * 1024;

#[derive(Serialize)]
struct NewName<'a> {
    id: ThreadId,
    thread_name: &'a str,
    updated_at: String,
}

#[derive(Deserialize)]
struct KnownName {
    id: ThreadId,
    thread_name: String,
}

/// Records a thread's new name. `at_ms` is now, Unix milliseconds.
///
/// # Errors
/// When the file cannot be written, or another process holds its lock for longer
/// than [`crate::lock::WAIT_MAX`].
pub fn append_name(home: &Path, thread: ThreadId, name: &str, at_ms: i64) -> Result<()> {
    let path = home.join(INDEX);
    fs::create_dir_all(home).map_err(io_error("create", home))?;
    let _guard = lock::wait_for(&home.join(INDEX_LOCK))?;
    let line = NewName {
        id: thread,
        thread_name: name,
        updated_at: rfc3339_ms(at_ms),
    };
    let mut bytes = serde_json::to_vec(&line).expect("plain structs of strings always serialise");
    bytes.push(b'\n');
    let mut file = OpenOptions::new()
        .create(true)
        .append(true)
        .open(&path)
        .map_err(io_error("open", &path))?;
    file.write_all(&bytes).map_err(io_error("write to", &path))
}

/// All names: the last line of each thread. Malformed and overlong lines are skipped.
///
/// # Errors
/// When the file is there and cannot be read.
pub fn read_names(home: &Path) -> Result<HashMap<ThreadId, String>> {
    let path = home.join(INDEX);
    let file = match File::open(&path) {
        Ok(file) => file,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(HashMap::new()),
        Err(source) => {
            return Err(Error::Io {
                action: "open",
                path,
                source,
            });
        }
    };
    let mut names = HashMap::new();
    let mut lines = Lines::new(BufReader::new(file), NAME_LINE_BYTES_MAX);
    loop {
        match lines.next_line().map_err(io_error("read", &path))? {
            Next::End => return Ok(names),
            Next::TooLong { .. } => {}
            Next::Line { bytes, .. } => {
                if let Ok(known) = serde_json::from_slice::<KnownName>(bytes) {
                    names.insert(known.id, known.thread_name);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: &str = "01a20591-c7df-7c90-85fa-162b8fa0bd59";

    #[test]
    fn the_last_name_of_a_thread_wins() {
        let home = tempfile::tempdir().unwrap();
        let thread: ThreadId = A.parse().unwrap();
        assert!(read_names(home.path()).unwrap().is_empty());
        append_name(home.path(), thread, "first", 1).unwrap();
        fs::OpenOptions::new()
            .append(true)
            .open(home.path().join(INDEX))
            .unwrap()
            .write_all(b"not json\n{\"id\":\"nobody\"}\n\n")
            .unwrap();
        append_name(home.path(), thread, "second \"quoted\"", 1_795_389_433_810).unwrap();
        let names = read_names(home.path()).unwrap();
        assert_eq!(names.len(), 1);
        assert_eq!(names[&thread], "second \"quoted\"");
        let text = fs::read_to_string(home.path().join(INDEX)).unwrap();
        assert!(text.ends_with(
            "{\"id\":\"01a20591-c7df-7c90-85fa-162b8fa0bd59\",\"thread_name\":\"second \\\"quoted\\\"\",\
             \"updated_at\":\"2026-11-22T23:17:13.810Z\"}\n"
        ));
    }
}
