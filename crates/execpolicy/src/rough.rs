//! Splits any script into the simple commands that can be seen in it. Never gives up.
//!
//! Nothing is expanded, so a command that only exists at run time is not found, and in
//! rare places (arithmetic, patterns of `case`) words are told that are no commands. It
//! is good enough for what may only tighten: forbidding and asking.

use std::iter::Peekable;
use std::str::Chars;

/// How deep substitutions and groups are followed; beyond it their text stays words.
const DEPTH_MAX: usize = 24;

/// The commands of `script`, those of substitutions and groups among them: words without
/// their quotes, redirections left out. Comments and the text of heredocs are no
/// commands; the substitutions in a heredoc are. Assignments and words like `then` stay
/// in front of the command that they stand before.
pub fn rough_commands(script: &str) -> Vec<Vec<String>> {
    let mut reader = Reader::new(script, 0);
    reader.commands(None);
    reader.found
}

struct Reader<'a> {
    chars: Peekable<Chars<'a>>,
    found: Vec<Vec<String>>,
    /// Heredocs whose text begins after this line.
    heredocs: Vec<Heredoc>,
    depth: usize,
}

struct Heredoc {
    end: String,
    /// Whether leading tabs of a line do not count (`<<-`).
    tabs: bool,
    /// Whether the shell expands its text.
    expands: bool,
}

/// The command that is being read.
#[derive(Default)]
struct Command {
    words: Vec<String>,
    word: Option<String>,
    /// Whether the word has quotes.
    quoted: bool,
    next: Role,
}

/// What the next word is for.
#[derive(Default)]
enum Role {
    #[default]
    Word,
    /// The file or text of a redirection.
    Target,
    /// The end of a heredoc.
    HeredocEnd { tabs: bool },
}

impl Command {
    fn push(&mut self, c: char) {
        self.word.get_or_insert_default().push(c);
    }

    fn end_word(&mut self, heredocs: &mut Vec<Heredoc>) {
        let Some(word) = self.word.take() else { return };
        let quoted = std::mem::take(&mut self.quoted);
        match std::mem::take(&mut self.next) {
            Role::Word => self.words.push(word),
            Role::Target => {}
            Role::HeredocEnd { tabs } => heredocs.push(Heredoc {
                end: word,
                tabs,
                expands: !quoted,
            }),
        }
    }
}

impl<'a> Reader<'a> {
    fn new(text: &'a str, depth: usize) -> Self {
        Self {
            chars: text.chars().peekable(),
            found: Vec::new(),
            heredocs: Vec::new(),
            depth,
        }
    }

    /// Reads commands up to `end`, which is consumed, or the end of the script.
    fn commands(&mut self, end: Option<char>) {
        let mut command = Command::default();
        while let Some(c) = self.chars.next() {
            match c {
                _ if end == Some(c) => break,
                '\\' => match self.chars.next() {
                    // The line goes on.
                    Some('\n') | None => {}
                    Some(escaped) => {
                        command.push(escaped);
                        command.quoted = true;
                    }
                },
                '\'' => self.single_quoted(&mut command),
                '"' => self.double_quoted(&mut command),
                '$' if self.chars.next_if_eq(&'(').is_some() => {
                    command.push('$');
                    self.nested(')');
                }
                // `$'…'` and `$"…"` are ways to quote; their rare escapes are not resolved.
                '$' if matches!(self.chars.peek(), Some('\'' | '"')) => {}
                '`' => {
                    command.push('$');
                    self.backticks();
                }
                '<' | '>' => self.redirection(c, &mut command),
                '&' if self.chars.peek() == Some(&'>') => {}
                '(' => {
                    self.end_command(&mut command);
                    self.nested(')');
                }
                ')' | ';' | '|' | '&' => self.end_command(&mut command),
                '\n' => {
                    self.end_command(&mut command);
                    self.heredoc_texts();
                }
                '#' if command.word.is_none() => {
                    while self.chars.next_if(|c| *c != '\n').is_some() {}
                }
                c if c.is_whitespace() => command.end_word(&mut self.heredocs),
                c => command.push(c),
            }
        }
        self.end_command(&mut command);
    }

    fn end_command(&mut self, command: &mut Command) {
        command.end_word(&mut self.heredocs);
        command.next = Role::Word;
        let words = std::mem::take(&mut command.words);
        if !words.is_empty() {
            self.found.push(words);
        }
    }

    /// Reads the commands between backticks. The shell looks for the second one first,
    /// whatever quotes are between.
    fn backticks(&mut self) {
        let mut text = String::new();
        while let Some(c) = self.chars.next() {
            match c {
                '`' => break,
                '\\' => {
                    let escaped = self.chars.next_if(|c| matches!(c, '`' | '\\' | '$'));
                    text.push(escaped.unwrap_or('\\'));
                }
                c => text.push(c),
            }
        }
        if self.depth < DEPTH_MAX {
            let mut reader = Reader::new(&text, self.depth + 1);
            reader.commands(None);
            self.found.append(&mut reader.found);
        }
    }

    /// Reads the commands of a substitution or group.
    fn nested(&mut self, end: char) {
        if self.depth < DEPTH_MAX {
            self.depth += 1;
            self.commands(Some(end));
            self.depth -= 1;
        }
    }

    fn single_quoted(&mut self, command: &mut Command) {
        command.quoted = true;
        command.word.get_or_insert_default();
        for c in self.chars.by_ref().take_while(|c| *c != '\'') {
            command.push(c);
        }
    }

    fn double_quoted(&mut self, command: &mut Command) {
        command.quoted = true;
        command.word.get_or_insert_default();
        while let Some(c) = self.chars.next() {
            match c {
                '"' => return,
                '\\' => match self.chars.next() {
                    Some('\n') | None => {}
                    Some(c @ ('"' | '\\' | '$' | '`')) => command.push(c),
                    Some(c) => {
                        command.push('\\');
                        command.push(c);
                    }
                },
                '$' if self.chars.next_if_eq(&'(').is_some() => {
                    command.push('$');
                    self.nested(')');
                }
                '`' => {
                    command.push('$');
                    self.backticks();
                }
                c => command.push(c),
            }
        }
    }

    /// Reads what follows the `<` or `>` of a redirection, up to its target.
    fn redirection(&mut self, first: char, command: &mut Command) {
        if self.chars.next_if_eq(&'(').is_some() {
            // The name of a pipe takes the place of the command in its word.
            command.push('$');
            return self.nested(')');
        }
        // `2>` names a file descriptor; it is no word of the command.
        let digits = |word: &String| word.bytes().all(|byte| byte.is_ascii_digit());
        if !command.quoted && command.word.as_ref().is_some_and(digits) {
            command.word = None;
        }
        command.end_word(&mut self.heredocs);
        command.next = Role::Target;
        if first == '<' && self.chars.next_if_eq(&'<').is_some() {
            if self.chars.next_if_eq(&'<').is_some() {
                return;
            }
            let tabs = self.chars.next_if_eq(&'-').is_some();
            command.next = Role::HeredocEnd { tabs };
            return;
        }
        while self
            .chars
            .next_if(|c| matches!(c, '<' | '>' | '&' | '|'))
            .is_some()
        {}
    }

    /// Skips the texts of the heredocs of the line that just ended.
    fn heredoc_texts(&mut self) {
        for heredoc in std::mem::take(&mut self.heredocs) {
            let mut text = String::new();
            loop {
                let mut line = String::new();
                let mut ended = false;
                for c in self.chars.by_ref() {
                    ended = c == '\n';
                    if ended {
                        break;
                    }
                    line.push(c);
                }
                let shown = if heredoc.tabs {
                    line.trim_start_matches('\t')
                } else {
                    &line
                };
                if shown == heredoc.end {
                    break;
                }
                text.push_str(&line);
                text.push('\n');
                if !ended {
                    break;
                }
            }
            if heredoc.expands && self.depth < DEPTH_MAX {
                self.found.extend(substitutions(&text, self.depth + 1));
            }
        }
    }
}

/// The commands that the shell runs while it expands the text of a heredoc.
fn substitutions(text: &str, depth: usize) -> Vec<Vec<String>> {
    let mut reader = Reader::new(text, depth);
    while let Some(c) = reader.chars.next() {
        match c {
            '\\' => {
                reader.chars.next();
            }
            '`' => reader.backticks(),
            '$' if reader.chars.next_if_eq(&'(').is_some() => reader.nested(')'),
            _ => {}
        }
    }
    reader.found
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn shown(script: &str) -> String {
        let commands: Vec<String> = rough_commands(script)
            .iter()
            .map(|words| words.join("·"))
            .collect();
        commands.join(" / ")
    }

    #[test]
    fn finds_commands_wherever_a_shell_runs_them() {
        for (script, expected) in [
            ("a b", "a·b"),
            ("a 'b c' \"d e\" f\\ g", "a·b c·d e·f g"),
            ("a && b || c; d | e & f\ng", "a / b / c / d / e / f / g"),
            ("a > x 2>&1 < y", "a"),
            ("a 2>x b >>y c &> z d", "a·b·c·d"),
            ("a >| x", "a"),
            ("> x a", "a"),
            ("a 12 > x", "a·12"),
            ("a x2>y", "a·x2"),
            ("X=1 a", "X=1·a"),
            ("(a b)", "a·b"),
            ("{ a; }", "{·a / }"),
            ("if a; then b; fi", "if·a / then·b / fi"),
            ("a $(b c) d", "b·c / a·$·d"),
            ("a \"x $(b 'c d') y\"", "b·c d / a·x $ y"),
            ("a `b c`", "b·c / a·$"),
            ("a `b \\`c\\` d'`e", "c / b·$·d / a·$e"),
            ("a <(b) >(c)", "b / c / a·$·$"),
            ("a $(b $(c) `d`)", "c / d / b·$·$ / a·$"),
            ("a $HOME \"$x\" *.rs", "a·$HOME·$x·*.rs"),
            ("a # b; c\nd", "a / d"),
            ("a#b", "a#b"),
            ("# it's\nd", "d"),
            ("a \\\n b", "a·b"),
            ("\\rm -f", "rm·-f"),
            ("a <<E\nb c\nE\nd", "a / d"),
            ("a <<'E' > x\n$(b)\nE\nd", "a / d"),
            ("a <<E\n$(b)`c` \\$(d)\nE", "a / b / c"),
            ("a <<-E\n\tb\n\tE\nd", "a / d"),
            ("a <<E && b\nc\nE", "a / b"),
            ("a <<E <<F\nb\nE\nc\nF\nd", "a / d"),
            ("a <<< b", "a"),
            ("case x in y) a b;; esac", "case·x·in·y / a·b / esac"),
            ("a ''", "a·"),
            ("$'a' $\"b c\"", "a·b c"),
            ("find . \\( -name x \\)", "find·.·(·-name·x·)"),
            ("a 'b", "a·b"),
            ("'", ""),
            ("a $(b", "b / a·$"),
        ] {
            assert_eq!(shown(script), expected, "{script}");
        }
    }

    #[test]
    fn deep_nesting_ends() {
        for open in ["$(", "(", "`", "\"$(", "<("] {
            rough_commands(&open.repeat(100_000));
        }
    }

    proptest! {
        #[test]
        fn survives_anything(script in "[a-c'\"$`()<>|&;#\\\\ \n\tE=-]{0,80}") {
            rough_commands(&script);
        }
    }
}
