//! Statements and values of a rules file.

use std::collections::BTreeMap;

use super::FileRules;
use super::builtin::{self, Call, FUNCTIONS};
use super::lexer::{Lexeme, Lexer, Token};
use crate::error::{Fault, Span};

/// How deep lists and brackets may be nested.
const DEPTH_MAX: usize = 32;
/// Bytes that the values of one file may take: constants that are added to themselves
/// must not fill the memory.
const VALUE_BYTES_MAX: usize = 8 * 1024 * 1024;
/// Words of Starlark that begin what is not understood here.
const UNSUPPORTED: [&str; 10] = [
    "assert", "class", "def", "for", "if", "import", "lambda", "load", "return", "while",
];

/// A value and where it was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Value {
    pub(super) kind: Kind,
    pub(super) span: Span,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Kind {
    Text(String),
    List(Vec<Value>),
    Number,
    Truth,
    None,
}

impl Kind {
    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::Text(_) => "a string",
            Self::List(_) => "a list",
            Self::Number => "a number",
            Self::Truth => "a truth value",
            Self::None => "None",
        }
    }

    fn bytes(&self) -> usize {
        match self {
            Self::Text(text) => text.len(),
            Self::List(values) => values.iter().map(|value| 64 + value.kind.bytes()).sum(),
            Self::Number | Self::Truth | Self::None => 0,
        }
    }
}

/// Reads all of `text` into `rules`.
pub(super) fn run(text: &str, rules: &mut FileRules) -> Result<(), Fault> {
    let mut lexer = Lexer::new(text);
    let current = lexer.next()?;
    let mut parser = Parser {
        lexer,
        current,
        constants: BTreeMap::new(),
        depth: 0,
        bytes: 0,
    };
    let mut examples = Vec::new();
    while parser.current.token != Token::Eof {
        if parser.current.token == Token::End {
            parser.advance()?;
            continue;
        }
        let call = parser.statement()?;
        if !matches!(parser.current.token, Token::End | Token::Eof) {
            return Err(parser.unexpected("the end of the statement"));
        }
        if let Some(call) = call {
            builtin::run(call, rules, &mut examples)?;
        }
    }
    builtin::check_examples(rules, &examples)
}

struct Parser<'a> {
    lexer: Lexer<'a>,
    current: Lexeme,
    constants: BTreeMap<String, Value>,
    depth: usize,
    /// What the values took so far.
    bytes: usize,
}

impl Parser<'_> {
    fn advance(&mut self) -> Result<Lexeme, Fault> {
        let next = self.lexer.next()?;
        Ok(std::mem::replace(&mut self.current, next))
    }

    fn unexpected(&self, expected: &str) -> Fault {
        Fault {
            span: self.current.span,
            message: format!("expected {expected}, found {}", self.current.token),
        }
    }

    fn is_symbol(&self, symbol: char) -> bool {
        self.current.token == Token::Symbol(symbol)
    }

    fn eat_symbol(&mut self, symbol: char) -> Result<bool, Fault> {
        let found = self.is_symbol(symbol);
        if found {
            self.advance()?;
        }
        Ok(found)
    }

    /// One statement: a call, which is returned, a constant, `pass` or a lone string.
    fn statement(&mut self) -> Result<Option<Call>, Fault> {
        let Token::Name(name) = self.current.token.clone() else {
            if matches!(self.current.token, Token::Text(_)) {
                self.value()?;
                return Ok(None);
            }
            return Err(self.unexpected("a rule or a constant"));
        };
        let span = self.current.span;
        if UNSUPPORTED.contains(&name.as_str()) {
            return Err(Fault {
                span,
                message: format!(
                    "expected a rule or a constant, found `{name}`, which rules files cannot use here"
                ),
            });
        }
        self.advance()?;
        if name == "pass" {
            return Ok(None);
        }
        if self.is_symbol('(') {
            return self.call(name, span).map(Some);
        }
        if FUNCTIONS.contains(&name.as_str()) || !self.is_symbol('=') {
            return Err(self.unexpected(&format!("`(` after `{name}`")));
        }
        self.advance()?;
        let value = self.value()?;
        self.constants.insert(name, value);
        Ok(None)
    }

    fn call(&mut self, name: String, span: Span) -> Result<Call, Fault> {
        if !FUNCTIONS.contains(&name.as_str()) {
            return Err(Fault {
                span,
                message: format!("expected one of {}, found `{name}`", FUNCTIONS.join(", ")),
            });
        }
        self.advance()?;
        let mut call = Call {
            name,
            span,
            positional: Vec::new(),
            named: Vec::new(),
        };
        while !self.is_symbol(')') {
            self.argument(&mut call)?;
            if !self.is_symbol(')') && !self.eat_symbol(',')? {
                return Err(self.unexpected("`,` or `)`"));
            }
        }
        call.span.end = self.current.span.end;
        self.advance()?;
        Ok(call)
    }

    fn argument(&mut self, call: &mut Call) -> Result<(), Fault> {
        let value = match &self.current.token {
            Token::Name(name) if !self.constants.contains_key(name) && !is_constant(name) => {
                let name = name.clone();
                let span = self.advance()?.span;
                if !self.eat_symbol('=')? {
                    return Err(undefined(&name, span));
                }
                let value = self.value()?;
                return call.name_argument(name, span, value);
            }
            Token::Name(name) => {
                // A constant may have the name of an argument.
                let name = name.clone();
                let lexeme = self.advance()?;
                if self.eat_symbol('=')? {
                    let value = self.value()?;
                    return call.name_argument(name, lexeme.span, value);
                }
                let first = self.named_value(&name, lexeme.span)?;
                self.sum(first)?
            }
            Token::Text(_) | Token::Number | Token::Symbol(_) | Token::End | Token::Eof => {
                self.value()?
            }
        };
        if let Some((_, span, _)) = call.named.first() {
            return Err(Fault {
                span: value.span,
                message: format!(
                    "expected a named argument, since line {} has one before it",
                    span.start.line
                ),
            });
        }
        call.positional.push(value);
        Ok(())
    }

    /// A value: parts joined by `+`.
    fn value(&mut self) -> Result<Value, Fault> {
        let first = self.part()?;
        self.sum(first)
    }

    fn sum(&mut self, mut sum: Value) -> Result<Value, Fault> {
        while self.is_symbol('+') {
            let plus = self.advance()?.span;
            let part = self.part()?;
            match (&mut sum.kind, part.kind) {
                (Kind::Text(text), Kind::Text(more)) => text.push_str(&more),
                (Kind::List(list), Kind::List(more)) => list.extend(more),
                (left, right) => {
                    return Err(Fault {
                        span: plus,
                        message: format!(
                            "expected two strings or two lists around `+`, found {} and {}",
                            left.name(),
                            right.name()
                        ),
                    });
                }
            }
            sum.span.end = part.span.end;
            self.spend(&sum)?;
        }
        Ok(sum)
    }

    fn part(&mut self) -> Result<Value, Fault> {
        self.depth += 1;
        if self.depth > DEPTH_MAX {
            return Err(Fault {
                span: self.current.span,
                message: format!("expected at most {DEPTH_MAX} brackets in one another"),
            });
        }
        let start = self.current.span;
        let value = match self.current.token.clone() {
            Token::Text(text) => self.single(Kind::Text(text))?,
            Token::Number => self.single(Kind::Number)?,
            Token::Name(name) => {
                self.advance()?;
                self.named_value(&name, start)?
            }
            Token::Symbol('(') => {
                self.advance()?;
                let value = self.value()?;
                if !self.eat_symbol(')')? {
                    return Err(self.unexpected("`)`"));
                }
                value
            }
            Token::Symbol('[') => {
                self.advance()?;
                self.list(start)?
            }
            Token::Symbol(_) | Token::End | Token::Eof => {
                return Err(self.unexpected("a string or a list"));
            }
        };
        self.depth -= 1;
        Ok(value)
    }

    fn single(&mut self, kind: Kind) -> Result<Value, Fault> {
        let span = self.advance()?.span;
        Ok(Value { kind, span })
    }

    /// The rest of a list after its bracket.
    fn list(&mut self, start: Span) -> Result<Value, Fault> {
        let mut values = Vec::new();
        while !self.is_symbol(']') {
            values.push(self.value()?);
            if !self.is_symbol(']') && !self.eat_symbol(',')? {
                return Err(self.unexpected("`,` or `]`"));
            }
        }
        let end = self.current.span.end;
        self.advance()?;
        Ok(Value {
            kind: Kind::List(values),
            span: Span {
                start: start.start,
                end,
            },
        })
    }

    fn named_value(&mut self, name: &str, span: Span) -> Result<Value, Fault> {
        let kind = match name {
            "True" | "False" => Kind::Truth,
            "None" => Kind::None,
            _ => match self.constants.get(name) {
                Some(value) => value.kind.clone(),
                None => return Err(undefined(name, span)),
            },
        };
        let value = Value { kind, span };
        self.spend(&value)?;
        Ok(value)
    }

    fn spend(&mut self, value: &Value) -> Result<(), Fault> {
        self.bytes = self.bytes.saturating_add(value.kind.bytes());
        if self.bytes > VALUE_BYTES_MAX {
            return Err(Fault {
                span: value.span,
                message: format!("expected values of at most {VALUE_BYTES_MAX} bytes in all"),
            });
        }
        Ok(())
    }
}

fn is_constant(name: &str) -> bool {
    matches!(name, "True" | "False" | "None")
}

fn undefined(name: &str, span: Span) -> Fault {
    Fault {
        span,
        message: format!("expected a value, found the name `{name}`, which is not defined"),
    }
}
