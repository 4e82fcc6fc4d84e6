//! The words of a rules file.

use crate::error::{Fault, Position, Span};

/// A word and where it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Lexeme {
    pub(super) token: Token,
    pub(super) span: Span,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Token {
    /// An identifier or keyword.
    Name(String),
    /// A string, its escapes resolved.
    Text(String),
    /// A whole number. Nothing takes one, so its value is not kept.
    Number,
    /// One of `( ) [ ] , = +`.
    Symbol(char),
    /// The end of a statement.
    End,
    /// The end of the file.
    Eof,
}

impl std::fmt::Display for Token {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Name(name) => write!(f, "`{name}`"),
            Self::Text(_) => f.write_str("a string"),
            Self::Number => f.write_str("a number"),
            Self::Symbol(c) => write!(f, "`{c}`"),
            Self::End => f.write_str("the end of the statement"),
            Self::Eof => f.write_str("the end of the file"),
        }
    }
}

pub(super) struct Lexer<'a> {
    rest: &'a str,
    at: Position,
    /// Open brackets: line ends inside them do not count.
    open: usize,
    /// Whether nothing of the line was read yet.
    line_start: bool,
}

impl<'a> Lexer<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        Self {
            rest: text.strip_prefix('\u{feff}').unwrap_or(text),
            at: Position { line: 1, column: 1 },
            open: 0,
            line_start: true,
        }
    }

    fn peek(&self) -> Option<char> {
        self.rest.chars().next()
    }

    fn bump(&mut self) -> Option<char> {
        let c = self.peek()?;
        self.rest = &self.rest[c.len_utf8()..];
        if c == '\n' {
            self.at = Position {
                line: self.at.line + 1,
                column: 1,
            };
        } else {
            self.at.column += 1;
        }
        Some(c)
    }

    fn eat(&mut self, text: &str) -> bool {
        let found = self.rest.starts_with(text);
        if found {
            for _ in text.chars() {
                self.bump();
            }
        }
        found
    }

    fn since(&self, start: Position) -> Span {
        Span {
            start,
            end: self.at,
        }
    }

    fn fault(&self, start: Position, message: impl Into<String>) -> Fault {
        Fault {
            span: self.since(start),
            message: message.into(),
        }
    }

    /// The next word.
    pub(super) fn next(&mut self) -> Result<Lexeme, Fault> {
        self.skip_blanks()?;
        let start = self.at;
        let fresh = std::mem::take(&mut self.line_start);
        let token = match self.peek() {
            None => Token::Eof,
            Some('\n' | ';') => {
                self.line_start = self.bump() == Some('\n');
                Token::End
            }
            Some(_) if fresh && start.column > 1 && self.open == 0 => {
                return Err(self.fault(
                    start,
                    "expected a statement at the start of the line, found blanks before it",
                ));
            }
            Some('"' | '\'') => Token::Text(self.text(start, false)?),
            Some(c) if c.is_ascii_digit() => {
                self.word();
                Token::Number
            }
            Some(c) if c == '_' || c.is_ascii_alphabetic() => {
                let word = self.word();
                match (word.as_str(), self.peek()) {
                    ("r" | "R", Some('"' | '\'')) => Token::Text(self.text(start, true)?),
                    ("f" | "b" | "rb" | "br", Some('"' | '\'')) => {
                        return Err(self.fault(
                            start,
                            format!("expected a plain string, found one of kind `{word}`"),
                        ));
                    }
                    _ => Token::Name(word),
                }
            }
            Some(c @ ('(' | '[')) => {
                self.bump();
                self.open += 1;
                Token::Symbol(c)
            }
            Some(c @ (')' | ']')) => {
                self.bump();
                self.open = self.open.saturating_sub(1);
                Token::Symbol(c)
            }
            Some(c @ (',' | '=' | '+')) => {
                self.bump();
                Token::Symbol(c)
            }
            Some(c) => {
                self.bump();
                return Err(self.fault(
                    start,
                    format!("expected a rule, found {c:?}, which has no meaning in a rules file"),
                ));
            }
        };
        Ok(Lexeme {
            token,
            span: self.since(start),
        })
    }

    /// Skips blanks, comments, joined lines and, inside brackets, line ends.
    fn skip_blanks(&mut self) -> Result<(), Fault> {
        loop {
            match self.peek() {
                Some(' ' | '\t' | '\r') => {
                    self.bump();
                }
                Some('\n') if self.open > 0 => {
                    self.bump();
                }
                Some('#') => {
                    while self.peek().is_some_and(|c| c != '\n') {
                        self.bump();
                    }
                }
                Some('\\') => {
                    let start = self.at;
                    if !(self.eat("\\\n") || self.eat("\\\r\n")) {
                        self.bump();
                        return Err(self.fault(start, "expected a line end after `\\`"));
                    }
                }
                Some(_) | None => return Ok(()),
            }
        }
    }

    fn word(&mut self) -> String {
        let mut word = String::new();
        while let Some(c) = self.peek() {
            if c != '_' && !c.is_ascii_alphanumeric() {
                break;
            }
            word.push(c);
            self.bump();
        }
        word
    }

    /// A string from its opening quote on.
    fn text(&mut self, start: Position, raw: bool) -> Result<String, Fault> {
        let quote = if self.eat("\"\"\"") {
            "\"\"\""
        } else if self.eat("'''") {
            "'''"
        } else if self.eat("\"") {
            "\""
        } else {
            self.eat("'");
            "'"
        };
        let mut text = String::new();
        loop {
            if self.eat(quote) {
                return Ok(text);
            }
            let at = self.at;
            match self.bump() {
                None => {
                    let message = format!("expected {quote} at the end of the string");
                    return Err(self.fault(start, message));
                }
                Some('\n') if quote.len() == 1 => {
                    let message =
                        format!("expected {quote} before the end of the line, the string goes on");
                    return Err(Fault {
                        span: Span { start, end: at },
                        message,
                    });
                }
                Some('\r') if self.peek() == Some('\n') => {}
                Some('\\') if raw => {
                    text.push('\\');
                    text.extend(self.bump());
                }
                Some('\\') => self.escape(at, &mut text)?,
                Some(c) => text.push(c),
            }
        }
    }

    /// What follows a backslash. Unknown escapes stay as they are, as in the reference.
    fn escape(&mut self, start: Position, text: &mut String) -> Result<(), Fault> {
        let Some(c) = self.bump() else { return Ok(()) };
        match c {
            '\n' => {}
            '\r' if self.eat("\n") => {}
            '\\' | '\'' | '"' => text.push(c),
            'n' => text.push('\n'),
            'r' => text.push('\r'),
            't' => text.push('\t'),
            'a' => text.push('\u{7}'),
            'b' => text.push('\u{8}'),
            'f' => text.push('\u{c}'),
            'v' => text.push('\u{b}'),
            '0'..='7' => {
                let mut code = c.to_digit(8).unwrap_or_default();
                for _ in 0..2 {
                    let Some(digit) = self.peek().and_then(|c| c.to_digit(8)) else {
                        break;
                    };
                    self.bump();
                    code = code * 8 + digit;
                }
                text.extend(char::from_u32(code));
            }
            'x' => text.push(self.code(start, 2)?),
            'u' => text.push(self.code(start, 4)?),
            'U' => text.push(self.code(start, 8)?),
            other => {
                text.push('\\');
                text.push(other);
            }
        }
        Ok(())
    }

    fn code(&mut self, start: Position, digits: usize) -> Result<char, Fault> {
        let mut code = 0u32;
        for _ in 0..digits {
            let Some(digit) = self.peek().and_then(|c| c.to_digit(16)) else {
                let message = format!("expected {digits} hexadecimal digits in the escape");
                return Err(self.fault(start, message));
            };
            self.bump();
            code = code.wrapping_mul(16) | digit;
        }
        char::from_u32(code).ok_or_else(|| {
            self.fault(
                start,
                "expected the number of a character in the escape, found one that is none",
            )
        })
    }
}
