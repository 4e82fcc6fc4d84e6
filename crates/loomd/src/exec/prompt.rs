//! Where the prompt comes from: the argument, standard input, or both.

use std::io::{self, IsTerminal, Read, Write};

use anyhow::{Context, bail};

/// Bytes of standard input that are taken; the server refuses a prompt well below it.
const STDIN_BYTES_MAX: u64 = 64 * 1024 * 1024;

/// Reads the prompt. Without an argument, or with `-`, it is standard input; with one,
/// what is piped in is put behind it.
///
/// # Errors
/// There is none.
pub(super) fn read(argument: Option<&str>) -> anyhow::Result<String> {
    let stdin = io::stdin();
    match argument {
        Some("-") => from_stdin(stdin.lock()),
        None if stdin.is_terminal() => {
            bail!("no prompt: give it as an argument, or pipe it into standard input")
        }
        None => {
            tell("Reading prompt from stdin...");
            from_stdin(stdin.lock())
        }
        Some(prompt) if stdin.is_terminal() => Ok(prompt.to_owned()),
        Some(prompt) => {
            tell("Reading additional input from stdin...");
            Ok(with_stdin(prompt, &text(stdin.lock())?))
        }
    }
}

/// As [`read`], but what is piped in beside an argument is left alone.
///
/// # Errors
/// There is none.
pub(super) fn read_alone(argument: Option<String>) -> anyhow::Result<String> {
    match argument {
        Some(prompt) if prompt != "-" => Ok(prompt),
        Some(_) | None => read(argument.as_deref()),
    }
}

fn from_stdin(input: impl Read) -> anyhow::Result<String> {
    let prompt = text(input)?;
    if prompt.trim().is_empty() {
        bail!("No prompt provided via stdin.");
    }
    Ok(prompt)
}

/// The form in which the reference gives piped text to the model.
fn with_stdin(prompt: &str, input: &str) -> String {
    if input.trim().is_empty() {
        return prompt.to_owned();
    }
    let end = if input.ends_with('\n') { "" } else { "\n" };
    format!("{prompt}\n\n<stdin>\n{input}{end}</stdin>")
}

fn text(input: impl Read) -> anyhow::Result<String> {
    let mut bytes = Vec::new();
    input
        .take(STDIN_BYTES_MAX)
        .read_to_end(&mut bytes)
        .context("cannot read standard input")?;
    String::from_utf8(bytes).context("standard input is not UTF-8 text")
}

/// Says what is being waited for, as somebody may sit at the other end.
fn tell(text: &str) {
    let _unseen = writeln!(io::stderr(), "{text}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn piped_text_stands_behind_the_prompt() {
        assert_eq!(
            with_stdin("fix", "more text\n"),
            "fix\n\n<stdin>\nmore text\n</stdin>"
        );
        assert_eq!(with_stdin("fix", "more"), "fix\n\n<stdin>\nmore\n</stdin>");
        assert_eq!(with_stdin("fix", " \n"), "fix");
    }

    #[test]
    fn a_blank_prompt_is_refused() {
        let error = from_stdin(&b" \n"[..]).unwrap_err();
        assert_eq!(error.to_string(), "No prompt provided via stdin.");
        assert_eq!(from_stdin(&b"hi\n"[..]).unwrap(), "hi\n");
    }

    #[test]
    fn input_that_is_no_text_is_refused() {
        assert!(from_stdin(&[0xff, 0xfe][..]).is_err());
    }
}
