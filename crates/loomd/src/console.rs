//! How text for people is laid out: a narrow gutter of labels, wrapped text, colours
//! where the reader is a terminal.
//!
//! Deliberately absent: cursor movement and redrawing. What is written stays, so it
//! reads the same in a terminal, a file and a log.

use std::io::{self, IsTerminal, Write};

use loomd_config::Environment;

/// Columns of a line of output.
const WIDTH: usize = 80;

/// Columns of the gutter in front of each block.
const GUTTER: usize = 8;

/// A way to set text off.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Paint {
    Bold,
    Dim,
    Red,
    Green,
    Yellow,
    Cyan,
}

impl Paint {
    fn code(self) -> &'static str {
        match self {
            Self::Bold => "1",
            Self::Dim => "2",
            Self::Red => "31",
            Self::Green => "32",
            Self::Yellow => "33",
            Self::Cyan => "36",
        }
    }
}

/// Whether there are colours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Style {
    color: bool,
}

impl Style {
    /// Without colours.
    pub(crate) const PLAIN: Self = Self { color: false };
    /// With colours.
    pub(crate) const COLORED: Self = Self { color: true };

    /// Colours for a terminal that can show them, unless the user wants none
    /// (`NO_COLOR`).
    pub(crate) fn for_stream(stream: &impl IsTerminal, environment: &Environment) -> Self {
        let wanted = environment.var("NO_COLOR").is_none()
            && environment.var("TERM").is_none_or(|term| term != "dumb");
        Self {
            color: wanted && stream.is_terminal(),
        }
    }

    /// `text`, set off.
    pub(crate) fn paint(self, paint: Paint, text: &str) -> String {
        if self.color && !text.is_empty() {
            format!("\u{1b}[{}m{text}\u{1b}[0m", paint.code())
        } else {
            text.to_owned()
        }
    }
}

/// A stream of blocks: each with a label in the gutter and text beside it.
#[derive(Debug)]
pub(crate) struct Console<W> {
    out: W,
    pub(crate) style: Style,
    /// Characters in the current line; 0 at its start.
    column: usize,
    /// White space and the word after it, not written yet: the word may still grow.
    space: usize,
    word: String,
}

impl<W: Write> Console<W> {
    pub(crate) fn new(out: W, style: Style) -> Self {
        Self {
            out,
            style,
            column: 0,
            space: 0,
            word: String::new(),
        }
    }

    /// A line as it is.
    pub(crate) fn line(&mut self, text: &str) -> io::Result<()> {
        self.end_line()?;
        writeln!(self.out, "{}", text.trim_end())?;
        self.out.flush()
    }

    /// Starts a block.
    pub(crate) fn label(&mut self, label: &str, paint: Paint) -> io::Result<()> {
        self.end_line()?;
        let padding = " ".repeat(GUTTER.saturating_sub(label.chars().count() + 1));
        let label = self.style.paint(paint, label);
        write!(self.out, " {label}{padding}")?;
        self.column = GUTTER;
        Ok(())
    }

    /// A line of the block that is kept as it is; what is too long is cut.
    pub(crate) fn kept(&mut self, text: &str, paint: Option<Paint>) -> io::Result<()> {
        if self.column != GUTTER || !self.word.is_empty() {
            self.end_line()?;
            write!(self.out, "{}", " ".repeat(GUTTER))?;
        }
        self.column = 0;
        let text = fit(&printable(text), WIDTH - GUTTER);
        let text = paint.map_or_else(|| text.clone(), |paint| self.style.paint(paint, &text));
        writeln!(self.out, "{}", text.trim_end())
    }

    /// Text of the block, wrapped between words. May come in pieces; the last word of a
    /// piece is written with the next one.
    pub(crate) fn flow(&mut self, text: &str) -> io::Result<()> {
        for character in text.chars() {
            match character {
                '\n' => {
                    self.put_word()?;
                    self.space = 0;
                    self.column = 0;
                    writeln!(self.out)?;
                }
                ' ' | '\t' => {
                    if !self.word.is_empty() {
                        self.put_word()?;
                    }
                    self.space += 1;
                }
                character if character.is_control() => {}
                character => self.word.push(character),
            }
        }
        self.out.flush()
    }

    /// Ends the line, if one has begun.
    pub(crate) fn end_line(&mut self) -> io::Result<()> {
        self.put_word()?;
        self.space = 0;
        if self.column > 0 {
            self.column = 0;
            writeln!(self.out)?;
        }
        self.out.flush()
    }

    fn put_word(&mut self) -> io::Result<()> {
        if self.word.is_empty() {
            return Ok(());
        }
        let length = self.word.chars().count();
        if self.column > GUTTER && self.column + self.space + length > WIDTH {
            writeln!(self.out)?;
            self.column = 0;
        }
        if self.column == 0 {
            write!(self.out, "{}", " ".repeat(GUTTER))?;
            self.column = GUTTER;
        } else {
            write!(self.out, "{}", " ".repeat(self.space))?;
            self.column += self.space;
        }
        write!(self.out, "{}", self.word)?;
        self.column += length;
        self.space = 0;
        self.word.clear();
        Ok(())
    }
}

/// `text` in at most `columns` characters.
pub(crate) fn fit(text: &str, columns: usize) -> String {
    if text.chars().count() <= columns {
        return text.to_owned();
    }
    let kept: String = text.chars().take(columns.saturating_sub(3)).collect();
    format!("{kept}...")
}

/// Without control characters: what a command prints must not steer the terminal.
fn printable(text: &str) -> String {
    text.replace('\t', "    ")
        .chars()
        .filter(|character| !character.is_control())
        .collect()
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use super::*;

    fn shown(write: impl FnOnce(&mut Console<&mut Vec<u8>>) -> io::Result<()>) -> String {
        let mut out = Vec::new();
        let mut console = Console::new(&mut out, Style::PLAIN);
        write(&mut console).unwrap();
        console.end_line().unwrap();
        let text = String::from_utf8(out).unwrap();
        assert!(text.lines().all(|line| line.chars().count() <= WIDTH));
        // The bar keeps the first column, which an expectation would lose.
        text.lines().map(|line| format!("|{line}\n")).collect()
    }

    #[test]
    fn wraps_between_words_wherever_the_pieces_end() {
        let text = "The quick brown fox jumps over the lazy dog, and then it does so again and again.\n\nA second paragraph.";
        let whole = shown(|console| {
            console.label("model", Paint::Bold)?;
            console.flow(text)
        });
        let pieces = shown(|console| {
            console.label("model", Paint::Bold)?;
            for character in text.chars() {
                console.flow(&character.to_string())?;
            }
            Ok(())
        });
        assert_eq!(whole, pieces);
        expect![[r#"
            | model  The quick brown fox jumps over the lazy dog, and then it does so again
            |        and again.
            |
            |        A second paragraph.
        "#]]
        .assert_eq(&whole);
    }

    #[test]
    fn keeps_lines_of_output_and_cuts_what_is_too_long() {
        let text = shown(|console| {
            console.label("run", Paint::Cyan)?;
            console.kept("echo hello", None)?;
            console.kept(&"x".repeat(100), None)?;
            console.kept("\u{1b}[31mred\u{7}", None)
        });
        expect![[r#"
            | run    echo hello
            |        xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx...
            |        [31mred
        "#]]
        .assert_eq(&text);
    }

    #[test]
    fn colours_only_where_they_are_wanted() {
        assert_eq!(Style::PLAIN.paint(Paint::Red, "x"), "x");
        assert_eq!(
            Style::COLORED.paint(Paint::Red, "x"),
            "\u{1b}[31mx\u{1b}[0m"
        );
    }
}
