//! Applies the chunks of an update to a file's text. Pure.
//!
//! Context lines keep the file's own text, also where they matched tolerantly. New
//! lines get the line ending that the file's first line has. The result ends with a
//! line ending unless it is empty.

use thiserror::Error;

use super::parse::{Chunk, ChunkLine};
use super::seek::seek;

/// Why an update does not fit the file. The path is added by the caller.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Mismatch {
    /// A line behind `@@` is not there.
    #[error("no line '{0}'")]
    Context(String),
    /// Context and removed lines of a chunk are not there; joined by newlines.
    #[error("no lines\n{0}")]
    Lines(String),
}

/// The text of the file after all chunks.
///
/// # Errors
/// When a context or the old lines of a chunk are not found after the previous chunk.
pub fn apply(original: &str, chunks: &[Chunk]) -> Result<String, Mismatch> {
    let file = Text::read(original);
    let mut out = String::with_capacity(original.len());
    let mut copied = 0;
    for (at, chunk) in placed(&file, chunks)? {
        file.copy(copied..at, &mut out);
        copied = at;
        for line in chunk {
            match line {
                ChunkLine::Context(_) => {
                    file.copy(copied..copied + 1, &mut out);
                    copied += 1;
                }
                ChunkLine::Remove(_) => copied += 1,
                ChunkLine::Add(text) => {
                    out.push_str(text);
                    out.push_str(file.ending);
                }
            }
        }
    }
    file.copy(copied..file.lines.len(), &mut out);
    Ok(out)
}

/// The place of each chunk in the file, from top to bottom, and the lines of it
/// that count.
fn placed<'a>(
    file: &Text<'_>,
    chunks: &'a [Chunk],
) -> Result<Vec<(usize, &'a [ChunkLine])>, Mismatch> {
    let mut places = Vec::with_capacity(chunks.len());
    let mut appended = Vec::new();
    let mut next = 0;
    for chunk in chunks {
        for context in &chunk.contexts {
            next = seek(&file.lines, &[context.as_str()], next, false)
                .ok_or_else(|| Mismatch::Context(context.clone()))?
                + 1;
        }
        let (at, lines) = find(file, chunk, next)?;
        let taken = old_lines(lines).len();
        if taken == 0 {
            appended.push((at, lines));
        } else {
            next = at + taken;
            places.push((at, lines));
        }
    }
    places.append(&mut appended);
    Ok(places)
}

fn find<'a>(
    file: &Text<'_>,
    chunk: &'a Chunk,
    from: usize,
) -> Result<(usize, &'a [ChunkLine]), Mismatch> {
    let place = |lines: &[ChunkLine]| {
        let old = old_lines(lines);
        if old.is_empty() {
            // What only inserts goes to the end of the file, as in the reference.
            return Some(file.lines.len());
        }
        seek(&file.lines, &old, from, chunk.at_end)
    };
    let whole = chunk.lines.as_slice();
    if let Some(at) = place(whole) {
        return Ok((at, whole));
    }
    // An empty line at the end of a chunk often stands for the final newline.
    let shorter = match whole.split_last() {
        Some((ChunkLine::Context(last) | ChunkLine::Remove(last), rest)) if last.is_empty() => {
            place(rest).map(|at| (at, rest))
        }
        Some(_) | None => None,
    };
    shorter.ok_or_else(|| Mismatch::Lines(old_lines(whole).join("\n")))
}

fn old_lines(lines: &[ChunkLine]) -> Vec<&str> {
    lines
        .iter()
        .filter_map(|line| match line {
            ChunkLine::Context(text) | ChunkLine::Remove(text) => Some(text.as_str()),
            ChunkLine::Add(_) => None,
        })
        .collect()
}

/// A file as lines and their endings.
struct Text<'a> {
    /// Each line without its ending.
    lines: Vec<&'a str>,
    /// Each line with its ending, which the last one may lack.
    whole: Vec<&'a str>,
    /// The ending of new lines.
    ending: &'static str,
}

impl<'a> Text<'a> {
    fn read(text: &'a str) -> Self {
        let whole: Vec<&str> = text.split_inclusive('\n').collect();
        let lines = whole.iter().map(|line| bare(line)).collect();
        let ending = if whole.first().is_some_and(|line| line.ends_with("\r\n")) {
            "\r\n"
        } else {
            "\n"
        };
        Self {
            lines,
            whole,
            ending,
        }
    }

    fn copy(&self, range: std::ops::Range<usize>, out: &mut String) {
        for line in self.whole.get(range).unwrap_or_default() {
            out.push_str(line);
            if !line.ends_with('\n') {
                out.push_str(self.ending);
            }
        }
    }
}

fn bare(line: &str) -> &str {
    let line = line.strip_suffix('\n').unwrap_or(line);
    line.strip_suffix('\r').unwrap_or(line)
}

#[cfg(test)]
mod tests {
    use super::super::parse::{Hunk, parse};
    use super::*;

    fn patched(file: &str, body: &str) -> Result<String, Mismatch> {
        let patch = format!("*** Begin Patch\n*** Update File: f\n{body}\n*** End Patch");
        let hunks = parse(&patch).expect("the patch parses").hunks;
        let Hunk::Update { chunks, .. } = &hunks[0] else {
            panic!("an update")
        };
        apply(file, chunks)
    }

    #[track_caller]
    fn check(file: &str, body: &str, expected: &str) {
        assert_eq!(patched(file, body).as_deref(), Ok(expected));
    }

    #[test]
    fn chunks_are_sought_one_below_the_other() {
        check("x\ny\nx\ny\n", "@@\n-x\n+X1\n@@\n-x\n+X2", "X1\ny\nX2\ny\n");
    }

    #[test]
    fn a_context_header_moves_below_its_line_and_headers_narrow() {
        let file = "a\nx\nb\nx\nc\nx\n";
        check(file, "@@ b\n-x\n+X", "a\nx\nb\nX\nc\nx\n");
        check(file, "@@ b\n@@ c\n-x\n+X", "a\nx\nb\nx\nc\nX\n");
        assert_eq!(
            patched(file, "@@ nope\n-x"),
            Err(Mismatch::Context("nope".into()))
        );
    }

    #[test]
    fn pure_insertions_go_to_the_end() {
        check("a\nb\n", "@@ a\n+c", "a\nb\nc\n");
        check("", "@@\n+x", "x\n");
        check("a\nb", "@@\n+c", "a\nb\nc\n");
        check("a\nb\n", "@@\n+c\n@@\n-a\n+A", "A\nb\nc\n");
    }

    #[test]
    fn the_result_ends_with_a_newline_unless_it_is_empty() {
        check("a\nb", "@@\n-a\n+A", "A\nb\n");
        check("a\n", "@@\n-a", "");
    }

    #[test]
    fn context_keeps_the_file_s_text_and_new_lines_take_its_ending() {
        check("a “b”\n  c \n", "@@\n-a \"b\"\n+z\n c", "z\n  c \n");
        check("one\r\ntwo\r\n", "@@\n one\n-two\n+TWO", "one\r\nTWO\r\n");
        check(
            "one\ntwo\r\nthree\r\n",
            "@@\n-two\n+TWO\n three\n+X",
            "one\nTWO\nthree\r\nX\n",
        );
    }

    #[test]
    fn an_empty_last_line_may_stand_for_the_final_newline() {
        check("a\nb\n", "@@\n-a\n+A\n b\n", "A\nb\n");
        check("a\n", "@@\n", "a\n");
    }

    #[test]
    fn missing_lines_are_quoted_as_they_were_sought() {
        assert_eq!(
            patched("1\n2\n", "@@\n 1\n-2\n 3"),
            Err(Mismatch::Lines("1\n2\n3".into()))
        );
    }

    #[test]
    fn end_of_file_picks_the_last_place() {
        check(
            "x\ny\nx\ny\n",
            "@@\n x\n-y\n+Y\n*** End of File",
            "x\ny\nx\nY\n",
        );
    }
}
