//! What the model reads of a command. Pure.
//!
//! Format and counting are the reference's (0.169.0): a token is four bytes, and too
//! much text keeps its beginning and its end.

use std::time::Duration;

use super::buffer::HeadTail;

/// Bytes that count as one token.
const TOKEN_BYTES: u64 = 4;

/// How much output the model gets at most.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OutputLimit {
    /// In tokens of four bytes.
    Tokens(usize),
    /// In bytes; what the reference uses for models it does not know.
    Bytes(usize),
}

impl OutputLimit {
    fn bytes(self) -> usize {
        match self {
            Self::Tokens(tokens) => tokens.saturating_mul(TOKEN_BYTES as usize),
            Self::Bytes(bytes) => bytes,
        }
    }

    /// The smaller of this limit and what the call asks for, in tokens.
    #[must_use]
    pub fn at_most(self, tokens: usize) -> Self {
        let asked = Self::Tokens(tokens);
        if asked.bytes() < self.bytes() {
            asked
        } else {
            self
        }
    }
}

/// A command as far as its caller waited.
pub(crate) struct Report<'a> {
    /// Six hex digits.
    pub(crate) chunk_id: &'a str,
    /// How long the caller waited.
    pub(crate) waited: Duration,
    /// What became of the command.
    pub(crate) state: State,
    /// What it printed since the last report.
    pub(crate) output: &'a HeadTail,
    /// How much of it the model gets.
    pub(crate) limit: OutputLimit,
}

/// What became of a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum State {
    /// It ended with this code.
    Exited(i32),
    /// It runs and can be reached by this session id.
    Running(i32),
}

impl Report<'_> {
    /// The text for the model.
    pub(crate) fn render(&self) -> String {
        let state = match self.state {
            State::Exited(code) => format!("Process exited with code {code}"),
            State::Running(id) => format!("Process running with session ID {id}"),
        };
        format!(
            "Chunk ID: {}\nWall time: {:.4} seconds\n{state}\nOriginal token count: {}\nOutput:\n{}",
            self.chunk_id,
            self.waited.as_secs_f64(),
            self.output.total().div_ceil(TOKEN_BYTES),
            limited(self.output, self.limit),
        )
    }
}

impl Report<'_> {
    /// The text for the model about a command that the user gave and that has ended.
    pub(crate) fn render_for_user(&self, script: &str) -> String {
        let code = match self.state {
            State::Exited(code) => code,
            State::Running(_) => -1,
        };
        user_command(script, code, self.waited, &limited(self.output, self.limit))
    }
}

/// What the model reads of a command that the user gave, in a user-role message. The
/// form is the reference's (0.169.0).
fn user_command(script: &str, code: i32, took: Duration, output: &str) -> String {
    format!(
        "<user_shell_command>\n<command>\n{script}\n</command>\n<result>\nExit code: {code}\n\
         Duration: {:.4} seconds\nOutput:\n{output}\n</result>\n</user_shell_command>",
        took.as_secs_f64()
    )
}

/// The text, cut to the limit with a word about what is missing.
fn limited(output: &HeadTail, limit: OutputLimit) -> String {
    let text = output.text();
    let budget = limit.bytes();
    if text.len() <= budget {
        return text;
    }
    let (head, tail) = ends(&text, budget);
    let removed = text.len() - budget;
    let what = match limit {
        OutputLimit::Tokens(_) => {
            format!("{} tokens", (removed as u64).div_ceil(TOKEN_BYTES))
        }
        OutputLimit::Bytes(_) => format!("{removed} chars"),
    };
    let extent = if output.omitted() > 0 {
        output.omission()
    } else {
        format!("Total output lines: {}", text.lines().count())
    };
    format!(
        "Warning: truncated output (original token count: {})\n{extent}\n\n{head}…{what} truncated…{tail}",
        output.total().div_ceil(TOKEN_BYTES),
    )
}

/// The first and the last half of `budget` bytes, less a character that would be cut.
fn ends(text: &str, budget: usize) -> (&str, &str) {
    let head = text.floor_char_boundary(budget / 2);
    let tail = text.ceil_char_boundary(text.len() - (budget - budget / 2));
    (&text[..head], &text[tail..])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rendered(output: &str, state: State, limit: OutputLimit) -> String {
        let mut buffer = HeadTail::new(1024 * 1024);
        buffer.push(output);
        Report {
            chunk_id: "0a1b2c",
            waited: Duration::from_micros(77_449),
            state,
            output: &buffer,
            limit,
        }
        .render()
    }

    #[test]
    fn tells_exit_code_or_session() {
        assert_eq!(
            rendered("hello\nerr", State::Exited(3), OutputLimit::Tokens(100)),
            "Chunk ID: 0a1b2c\nWall time: 0.0774 seconds\nProcess exited with code 3\nOriginal token count: 3\nOutput:\nhello\nerr"
        );
        assert!(
            rendered("", State::Running(46373), OutputLimit::Tokens(1)).ends_with(
                "\nProcess running with session ID 46373\nOriginal token count: 0\nOutput:\n"
            )
        );
    }

    #[track_caller]
    fn output_of(text: &str, limit: OutputLimit, expected: &str) {
        let whole = rendered(text, State::Exited(0), limit);
        let (_, output) = whole.split_once("Output:\n").expect("a head");
        assert_eq!(output, expected);
    }

    #[test]
    fn truncates_in_the_middle_as_the_reference_does() {
        let long = format!("a\nb\nc{}5", "0".repeat(299));
        output_of(
            &long,
            OutputLimit::Tokens(20),
            "Warning: truncated output (original token count: 77)\nTotal output lines: 3\n\na\nb\nc00000000000000000000000000000000000…57 tokens truncated…0000000000000000000000000000000000000005",
        );
        output_of(
            "123456789\n",
            OutputLimit::Tokens(0),
            "Warning: truncated output (original token count: 3)\nTotal output lines: 1\n\n…3 tokens truncated…",
        );
        output_of(
            "abcdefghij",
            OutputLimit::Bytes(4),
            "Warning: truncated output (original token count: 3)\nTotal output lines: 1\n\nab…6 chars truncated…ij",
        );
    }

    #[test]
    fn never_cuts_a_character() {
        output_of(
            "éééééé",
            OutputLimit::Bytes(6),
            "Warning: truncated output (original token count: 3)\nTotal output lines: 1\n\né…6 chars truncated…é",
        );
    }

    #[test]
    fn the_smaller_limit_counts_in_its_own_unit() {
        let unknown = OutputLimit::Bytes(10_000);
        assert_eq!(unknown.at_most(10_000), unknown);
        assert_eq!(unknown.at_most(50), OutputLimit::Tokens(50));
        let known = OutputLimit::Tokens(10_000);
        assert_eq!(known.at_most(20_000), known);
        assert_eq!(known.at_most(usize::MAX), known);
    }
}
