//! Splits scripts whose words are literal into simple commands, and gives up on all
//! others. What may loosen (an allowing rule, a command known to be safe) relies on this
//! splitter; what may only tighten uses [`rough_commands`](crate::rough_commands).

use std::iter::Peekable;
use std::str::Chars;

/// A simple command of a script.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Simple {
    /// Its words without their quotes; at least one.
    pub words: Vec<String>,
}

/// The commands of a script that is made of literal words, quotes and the joints
/// `&&`, `||`, `;`, `|` and newline. `None` for anything that the shell would expand,
/// redirect, group, assign, branch on or run in the background.
pub fn simple_commands(script: &str) -> Option<Vec<Simple>> {
    let mut splitter = Splitter::default();
    let mut chars = script.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            ' ' | '\t' => splitter.end_word(),
            '\n' => splitter.end_line()?,
            ';' => splitter.end_command(Joint::Then)?,
            '|' if chars.next_if_eq(&'|').is_some() => splitter.end_command(Joint::Needs)?,
            '|' => splitter.end_command(Joint::Needs)?,
            '&' if chars.next_if_eq(&'&').is_some() => splitter.end_command(Joint::Needs)?,
            '\'' => splitter.word().push_str(&single_quoted(&mut chars)?),
            '"' => splitter.word().push_str(&double_quoted(&mut chars)?),
            // `~` stands for a folder at the start of a word or of what is assigned.
            '~' if splitter.word_ends_with(|last| !matches!(last, '=' | ':')) => {
                splitter.word().push(c);
            }
            '&' | '$' | '`' | '\\' | '<' | '>' | '(' | ')' | '{' | '}' | '*' | '?' | '[' | '~'
            | '#' => return None,
            '=' if splitter.in_command_name() => return None,
            other => splitter.word().push(other),
        }
    }
    splitter.finish()
}

/// The text up to the closing quote; `None` without one.
fn single_quoted(chars: &mut Peekable<Chars<'_>>) -> Option<String> {
    let mut text = String::new();
    loop {
        match chars.next()? {
            '\'' => return Some(text),
            c => text.push(c),
        }
    }
}

/// The text up to the closing quote; `None` without one, and where the shell would expand
/// a part of it. A backslash stays before everything that it does not escape there.
fn double_quoted(chars: &mut Peekable<Chars<'_>>) -> Option<String> {
    let mut text = String::new();
    loop {
        match chars.next()? {
            '"' => return Some(text),
            '$' | '`' => return None,
            '\\' if matches!(chars.peek()?, '$' | '`' | '"' | '\\' | '\n') => return None,
            c => text.push(c),
        }
    }
}

/// What joins a command to the next one.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Joint {
    /// The script may end after it.
    Then,
    /// Another command must follow.
    Needs,
}

/// Words that begin a compound command where they are the first one (POSIX shell, bash
/// and zsh). `time` is left out: it takes a simple command and changes nothing about it.
pub(crate) const RESERVED: [&str; 21] = [
    "!",
    "case",
    "coproc",
    "do",
    "done",
    "elif",
    "else",
    "end",
    "esac",
    "fi",
    "for",
    "foreach",
    "function",
    "if",
    "in",
    "nocorrect",
    "repeat",
    "select",
    "then",
    "until",
    "while",
];

#[derive(Default)]
struct Splitter {
    done: Vec<Simple>,
    words: Vec<String>,
    word: Option<String>,
    /// Whether the last joint asks for another command.
    needs: bool,
}

impl Splitter {
    fn word(&mut self) -> &mut String {
        self.word.get_or_insert_default()
    }

    fn word_ends_with(&self, wanted: impl Fn(char) -> bool) -> bool {
        let word = self.word.as_deref().unwrap_or_default();
        word.chars().next_back().is_some_and(wanted)
    }

    /// Whether an assignment may stand here: nothing but `time` comes before it.
    fn in_command_name(&self) -> bool {
        self.words.iter().all(|word| word == "time" || word == "-p")
    }

    fn end_word(&mut self) {
        self.words.extend(self.word.take());
    }

    fn end_command(&mut self, joint: Joint) -> Option<()> {
        self.end_word();
        if self.words.is_empty() {
            return None;
        }
        let words = std::mem::take(&mut self.words);
        if RESERVED.contains(&words[0].as_str()) {
            return None;
        }
        self.done.push(Simple { words });
        self.needs = joint == Joint::Needs;
        Some(())
    }

    fn end_line(&mut self) -> Option<()> {
        self.end_word();
        if self.words.is_empty() {
            return Some(());
        }
        self.end_command(Joint::Then)
    }

    fn finish(mut self) -> Option<Vec<Simple>> {
        self.end_line()?;
        (!self.needs && !self.done.is_empty()).then_some(self.done)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn split(script: &str) -> Option<Vec<Vec<String>>> {
        Some(
            simple_commands(script)?
                .into_iter()
                .map(|command| command.words)
                .collect(),
        )
    }

    #[test]
    fn splits_literal_scripts() {
        let got = split("cat 'a b' | head -n 5 && ls;\n\nrg \"x|y\" src\n").expect("literal");
        let shown: Vec<String> = got.iter().map(|words| words.join("·")).collect();
        assert_eq!(shown, ["cat·a b", "head·-n·5", "ls", "rg·x|y·src"]);
        let got = split(r#"rg "a\.b!" x; git diff HEAD~1"#).expect("literal");
        assert_eq!(
            got,
            [vec!["rg", r"a\.b!", "x"], vec!["git", "diff", "HEAD~1"]]
        );
    }

    #[test]
    fn gives_up_on_what_only_a_shell_understands() {
        for script in [
            "cat $x",
            "cat a > b",
            "cat a &",
            "(cat a)",
            "X=1 cat a",
            "cat *",
            "cat ~/x",
            "cat a=~/x",
            "cat a:~/x",
            "cat ''~x",
            "cat 'a",
            "cat a &&",
            "; cat a",
            "a && && b",
            "cat a # b",
            "cat \"$x\"",
            "cat \"`x`\"",
            r#"cat "a\"b""#,
            r#"cat "a\$b""#,
            r#"cat "a\"#,
            "cat \"a\\\nb\"",
            "if true; then cat a; fi",
            "! cat a",
            "for x in a b; do cat a; done",
            "",
            "\n",
        ] {
            assert_eq!(split(script), None, "{script}");
        }
    }

    #[test]
    fn an_equals_sign_is_an_assignment_only_in_the_first_word() {
        assert!(split("ls --color=auto").is_some());
        assert_eq!(split("A=b ls"), None);
        assert_eq!(split("time -p A=b ls"), None);
    }
}
