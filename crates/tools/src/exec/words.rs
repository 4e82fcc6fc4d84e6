//! Splits shell scripts into simple commands, without running a shell. Pure.
//!
//! [`simple_commands`] understands only scripts whose words are literal and gives
//! up on everything else; [`rough_commands`] never gives up and is good enough to
//! look for a dangerous word.

/// A simple command of a script.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Simple {
    /// Its words without their quotes; at least one.
    pub(crate) words: Vec<String>,
}

/// The commands of a script that is made of literal words, quotes and the joints
/// `&&`, `||`, `;`, `|` and newline. `None` for anything that the shell would expand,
/// redirect, group, assign or run in the background.
pub(crate) fn simple_commands(script: &str) -> Option<Vec<Simple>> {
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
            '\'' => splitter.word().push_str(&quoted(&mut chars, '\'', "")?),
            '"' => splitter.word().push_str(&quoted(&mut chars, '"', "$`\\!")?),
            '&' | '$' | '`' | '\\' | '<' | '>' | '(' | ')' | '{' | '}' | '*' | '?' | '[' | '~'
            | '#' => return None,
            '=' if splitter.in_command_name() => return None,
            other => splitter.word().push(other),
        }
    }
    splitter.finish()
}

/// The text up to the closing quote; `None` without one or with a forbidden character.
fn quoted(
    chars: &mut std::iter::Peekable<std::str::Chars<'_>>,
    quote: char,
    forbidden: &str,
) -> Option<String> {
    let mut text = String::new();
    loop {
        match chars.next()? {
            c if c == quote => return Some(text),
            c if forbidden.contains(c) => return None,
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

    fn in_command_name(&self) -> bool {
        self.words.is_empty()
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

/// The commands of any script, roughly: split at everything that may begin another
/// command, quotes and backslashes dropped, nothing expanded. Heredocs, comments and
/// quoted scripts are not understood.
pub(crate) fn rough_commands(script: &str) -> Vec<Vec<String>> {
    let mut commands = vec![Vec::new()];
    let mut word = String::new();
    let mut quote = None;
    let end_word = |word: &mut String, commands: &mut Vec<Vec<String>>| {
        if !word.is_empty() {
            let word = std::mem::take(word);
            if let Some(command) = commands.last_mut() {
                command.push(word);
            }
        }
    };
    for c in script.chars() {
        match (quote, c) {
            (Some(open), c) if c == open => quote = None,
            (Some(_), c) => word.push(c),
            (None, '\'' | '"') => quote = Some(c),
            (None, '\\') => {}
            (None, ';' | '|' | '&' | '\n' | '(' | ')' | '{' | '}' | '`') => {
                end_word(&mut word, &mut commands);
                commands.push(Vec::new());
            }
            (None, c) if c.is_whitespace() => end_word(&mut word, &mut commands),
            (None, c) => word.push(c),
        }
    }
    end_word(&mut word, &mut commands);
    commands.retain(|command| !command.is_empty());
    commands
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
            "cat 'a",
            "cat a &&",
            "; cat a",
            "a && && b",
            "cat a # b",
            "cat \"$x\"",
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
    }

    #[test]
    fn rough_commands_survive_anything() {
        assert_eq!(
            rough_commands("X=1 rm -f \"$HOME/a b\" > /dev/null && echo $(rm -rf x)"),
            [
                vec!["X=1", "rm", "-f", "$HOME/a b", ">", "/dev/null"],
                vec!["echo", "$"],
                vec!["rm", "-rf", "x"],
            ]
        );
        assert_eq!(rough_commands("'"), Vec::<Vec<String>>::new());
    }
}
