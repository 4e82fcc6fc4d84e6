//! The patch language: text → hunks. Pure.
//!
//! A patch is a list of file operations between two marker lines; an update is a
//! list of chunks, each with optional context headers and prefixed lines. Line
//! numbers in errors count from 1 at the `*** Begin Patch` line. Error texts are
//! those of the reference (seen on 0.169.0), because models were trained on them.
//!
//! Deliberately absent: paths are not resolved and files not looked at here.

use thiserror::Error;

const BEGIN: &str = "*** Begin Patch";
const END: &str = "*** End Patch";
const ADD: &str = "*** Add File: ";
const DELETE: &str = "*** Delete File: ";
const UPDATE: &str = "*** Update File: ";
const MOVE: &str = "*** Move to: ";
const ENVIRONMENT: &str = "*** Environment ID: ";
const END_OF_FILE: &str = "*** End of File";

/// A parsed patch. May be empty, which the caller refuses with its own text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Patch {
    /// The file operations in the order they were written.
    pub hunks: Vec<Hunk>,
    /// The environment the patch names, if it names one.
    pub environment: Option<String>,
}

/// One file operation. Paths are as written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Hunk {
    /// Writes a new file, or replaces one.
    Add {
        /// The file.
        path: String,
        /// Its whole content, ending with a newline unless it is empty.
        content: String,
    },
    /// Removes a file.
    Delete {
        /// The file.
        path: String,
    },
    /// Edits a file and possibly moves it.
    Update {
        /// The file.
        path: String,
        /// Where it goes, if it moves.
        move_to: Option<String>,
        /// The edits from top to bottom; at least one.
        chunks: Vec<Chunk>,
    },
}

/// One edit inside a file.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Chunk {
    /// Lines to move to, one after the other, before the edit is sought.
    pub contexts: Vec<String>,
    /// The edit itself.
    pub lines: Vec<ChunkLine>,
    /// Whether the edit is at the end of the file.
    pub at_end: bool,
}

/// A line of an edit, without its prefix and line ending.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ChunkLine {
    /// Stands in the file and stays.
    Context(String),
    /// Stands in the file and goes.
    Remove(String),
    /// Comes new.
    Add(String),
}

/// Why a text is not a patch. Displays as the model reads it.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ParseError {
    /// The frame is wrong.
    #[error("invalid patch: {0}")]
    Frame(String),
    /// A line is wrong.
    #[error("invalid hunk at line {line}, {message}")]
    Hunk {
        /// From 1, the `*** Begin Patch` line.
        line: usize,
        /// What is wrong with it.
        message: String,
    },
}

/// Reads a patch.
///
/// # Errors
/// When the text is not framed by the two markers, or a line is none that may
/// stand where it stands.
pub fn parse(text: &str) -> Result<Patch, ParseError> {
    let lines: Vec<&str> = text.trim().lines().collect();
    let lines = unwrap_heredoc(&lines);
    let body = unframe(lines)?;
    let mut reader = Reader {
        lines: body,
        next: 0,
    };
    let environment = reader
        .peek()
        .and_then(|line| line.trim().strip_prefix(ENVIRONMENT))
        .map(|id| id.trim().to_owned());
    if environment.is_some() {
        reader.next += 1;
    }
    let mut hunks = Vec::new();
    while reader.peek().is_some() {
        hunks.push(reader.hunk()?);
    }
    Ok(Patch { hunks, environment })
}

/// Models sometimes pass the whole heredoc where only its content belongs.
fn unwrap_heredoc<'a, 'b>(lines: &'b [&'a str]) -> &'b [&'a str] {
    let Some((first, rest)) = lines.split_first() else {
        return lines;
    };
    let Some((last, inner)) = rest.split_last() else {
        return lines;
    };
    let opens = matches!(first.trim(), "<<EOF" | "<<'EOF'" | "<<\"EOF\"");
    if opens && last.trim() == "EOF" && inner.len() >= 2 {
        inner
    } else {
        lines
    }
}

fn unframe<'a, 'b>(lines: &'b [&'a str]) -> Result<&'b [&'a str], ParseError> {
    let frame = |what: &str, marker: &str| {
        ParseError::Frame(format!("The {what} line of the patch must be '{marker}'"))
    };
    let Some((first, rest)) = lines.split_first() else {
        return Err(frame("last", END));
    };
    if first.trim() != BEGIN {
        return Err(frame("first", BEGIN));
    }
    match rest.split_last() {
        Some((last, body)) if last.trim() == END => Ok(body),
        Some(_) | None => Err(frame("last", END)),
    }
}

struct Reader<'a, 'b> {
    /// The lines between the markers.
    lines: &'b [&'a str],
    /// Index of the next line to read.
    next: usize,
}

impl<'a> Reader<'a, '_> {
    fn peek(&self) -> Option<&'a str> {
        self.lines.get(self.next).copied()
    }

    /// The number that errors give the line at `index`.
    fn number(index: usize) -> usize {
        index + 2
    }

    fn error(index: usize, message: impl Into<String>) -> ParseError {
        ParseError::Hunk {
            line: Self::number(index),
            message: message.into(),
        }
    }

    fn hunk(&mut self) -> Result<Hunk, ParseError> {
        let start = self.next;
        let header = self.peek().unwrap_or_default().trim();
        self.next += 1;
        if let Some(path) = header.strip_prefix(ADD) {
            return Ok(self.added(path));
        }
        if let Some(path) = header.strip_prefix(DELETE) {
            return Ok(Hunk::Delete {
                path: path.to_owned(),
            });
        }
        if let Some(path) = header.strip_prefix(UPDATE) {
            return self.updated(start, path);
        }
        Err(Self::error(
            start,
            format!(
                "'{header}' is not a valid hunk header. Valid hunk headers: '*** Add File: \
                 {{path}}', '*** Delete File: {{path}}', '*** Update File: {{path}}'"
            ),
        ))
    }

    fn added(&mut self, path: &str) -> Hunk {
        let mut content = String::new();
        while let Some(line) = self.peek().and_then(|line| line.strip_prefix('+')) {
            content.push_str(line);
            content.push('\n');
            self.next += 1;
        }
        Hunk::Add {
            path: path.to_owned(),
            content,
        }
    }

    fn updated(&mut self, start: usize, path: &str) -> Result<Hunk, ParseError> {
        let move_to = self
            .peek()
            .and_then(|line| line.trim().strip_prefix(MOVE))
            .map(str::to_owned);
        if move_to.is_some() {
            self.next += 1;
        }
        let mut chunks = Vec::new();
        while let Some(line) = self.peek() {
            if line.starts_with('*') && line.trim() != END_OF_FILE {
                break;
            }
            chunks.push(self.chunk(chunks.is_empty())?);
        }
        if chunks.is_empty() {
            return Err(Self::error(
                start,
                format!("Update file hunk for path '{path}' is empty"),
            ));
        }
        Ok(Hunk::Update {
            path: path.to_owned(),
            move_to,
            chunks,
        })
    }

    /// Reads one chunk. Only the first of a file may do without a header.
    fn chunk(&mut self, first: bool) -> Result<Chunk, ParseError> {
        let mut chunk = Chunk::default();
        let start = self.next;
        while let Some(header) = self.peek().and_then(chunk_header) {
            if !header.is_empty() {
                chunk.contexts.push(header.to_owned());
            }
            self.next += 1;
        }
        if self.next == start && !first {
            let line = self.peek().unwrap_or_default();
            return Err(Self::error(
                start,
                format!("Expected update hunk to start with a @@ context marker, got: '{line}'"),
            ));
        }
        while let Some(line) = self.peek() {
            if line.trim_end() == END_OF_FILE && !chunk.lines.is_empty() {
                self.next += 1;
                chunk.at_end = true;
                return Ok(chunk);
            }
            let Some(line) = chunk_line(line) else { break };
            chunk.lines.push(line);
            self.next += 1;
        }
        if !chunk.lines.is_empty() {
            return Ok(chunk);
        }
        Err(match self.peek() {
            Some(line) if line.trim_end() != END_OF_FILE && !line.starts_with("***") => {
                Self::error(
                    self.next,
                    format!(
                        "Unexpected line found in update hunk: '{line}'. Every line should start \
                         with ' ' (context line), '+' (added line), or '-' (removed line)"
                    ),
                )
            }
            Some(_) | None => Self::error(self.next, "Update hunk does not contain any lines"),
        })
    }
}

/// The text behind `@@`, empty for a bare marker; `None` for any other line.
fn chunk_header(line: &str) -> Option<&str> {
    let line = line.trim_end();
    if line.trim_start() == "@@" {
        return Some("");
    }
    line.strip_prefix("@@ ")
}

fn chunk_line(line: &str) -> Option<ChunkLine> {
    let mut chars = line.chars();
    match chars.next() {
        None => Some(ChunkLine::Context(String::new())),
        Some(' ') => Some(ChunkLine::Context(chars.as_str().to_owned())),
        Some('+') => Some(ChunkLine::Add(chars.as_str().to_owned())),
        Some('-') => Some(ChunkLine::Remove(chars.as_str().to_owned())),
        Some(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(body: &str) -> String {
        parse(&format!("*** Begin Patch\n{body}\n*** End Patch"))
            .expect_err("the patch is wrong")
            .to_string()
    }

    fn hunks(body: &str) -> Vec<Hunk> {
        parse(&format!("*** Begin Patch\n{body}\n*** End Patch"))
            .expect("the patch is right")
            .hunks
    }

    #[test]
    fn reads_every_operation_in_order() {
        let got = hunks(
            "*** Add File: a\n+one\n+\n*** Delete File: b\n*** Update File: c\n*** Move to: d\n@@ fn x\n ctx\n-old\n+new\n*** End of File",
        );
        assert_eq!(
            got,
            vec![
                Hunk::Add {
                    path: "a".into(),
                    content: "one\n\n".into()
                },
                Hunk::Delete { path: "b".into() },
                Hunk::Update {
                    path: "c".into(),
                    move_to: Some("d".into()),
                    chunks: vec![Chunk {
                        contexts: vec!["fn x".into()],
                        lines: vec![
                            ChunkLine::Context("ctx".into()),
                            ChunkLine::Remove("old".into()),
                            ChunkLine::Add("new".into()),
                        ],
                        at_end: true,
                    }],
                },
            ]
        );
    }

    #[test]
    fn the_first_chunk_may_lack_its_header_and_headers_may_narrow() {
        let got = hunks("*** Update File: c\n-a\n+b\n@@ class X\n@@ fn y\n c");
        let Hunk::Update { chunks, .. } = &got[0] else {
            panic!("an update")
        };
        assert_eq!(chunks[0].contexts, Vec::<String>::new());
        assert_eq!(chunks[1].contexts, ["class X", "fn y"]);
    }

    #[test]
    fn tolerates_blanks_around_markers_and_a_heredoc_around_the_patch() {
        let wrapped =
            "<<'EOF'\n  *** Begin Patch \n  *** Add File: a  \n+x\n *** End Patch\nEOF\n\n";
        assert_eq!(
            parse(wrapped).map(|patch| patch.hunks),
            Ok(vec![Hunk::Add {
                path: "a".into(),
                content: "x\n".into()
            }])
        );
        let named = "*** Begin Patch\n*** Environment ID: box\n*** Delete File: a\n*** End Patch";
        assert_eq!(
            parse(named).map(|patch| patch.environment),
            Ok(Some("box".into()))
        );
    }

    #[test]
    fn an_added_file_may_be_empty() {
        assert_eq!(
            hunks("*** Add File: q0"),
            [Hunk::Add {
                path: "q0".into(),
                content: String::new()
            }]
        );
    }

    #[test]
    fn frame_errors_are_the_reference_s() {
        let text = |patch: &str| parse(patch).expect_err("no patch").to_string();
        let last = "invalid patch: The last line of the patch must be '*** End Patch'";
        assert_eq!(text(""), last);
        assert_eq!(text("*** Begin Patch\n*** Add File: q\n+x"), last);
        assert_eq!(
            text("hello"),
            "invalid patch: The first line of the patch must be '*** Begin Patch'"
        );
    }

    #[test]
    fn hunk_errors_name_the_line_as_the_reference_does() {
        assert_eq!(
            error("*** Frobnicate: zz.txt"),
            "invalid hunk at line 2, '*** Frobnicate: zz.txt' is not a valid hunk header. Valid hunk headers: '*** Add File: {path}', '*** Delete File: {path}', '*** Update File: {path}'"
        );
        assert_eq!(
            error("*** Add File: q\n+x\nbad"),
            "invalid hunk at line 4, 'bad' is not a valid hunk header. Valid hunk headers: '*** Add File: {path}', '*** Delete File: {path}', '*** Update File: {path}'"
        );
        assert_eq!(
            error("*** Update File: a.txt"),
            "invalid hunk at line 2, Update file hunk for path 'a.txt' is empty"
        );
        assert_eq!(
            error("*** Update File: a.txt\n@@\n*bad"),
            "invalid hunk at line 4, Unexpected line found in update hunk: '*bad'. Every line should start with ' ' (context line), '+' (added line), or '-' (removed line)"
        );
        assert_eq!(
            error("*** Update File: r\n@@\n 1\n2"),
            "invalid hunk at line 5, Expected update hunk to start with a @@ context marker, got: '2'"
        );
        assert_eq!(
            error("*** Update File: a\n@@"),
            "invalid hunk at line 4, Update hunk does not contain any lines"
        );
        assert_eq!(
            error("*** Update File: a\n@@\n*** End of File"),
            "invalid hunk at line 4, Update hunk does not contain any lines"
        );
    }
}
