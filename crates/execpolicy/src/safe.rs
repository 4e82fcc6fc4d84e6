//! Commands that are known to change nothing, whatever their arguments are about.
//!
//! A command that is not known is not said to be dangerous: it only is not known. So in
//! doubt a form is left out.

mod git;

use crate::path::{base_name, is_of_the_system};

/// Programs that only read and print, with any arguments.
const READERS: [&str; 25] = [
    "cat", "cd", "cut", "echo", "expr", "false", "grep", "head", "id", "ls", "nl", "numfmt",
    "paste", "pwd", "rev", "seq", "stat", "tac", "tail", "tr", "true", "uname", "wc", "which",
    "whoami",
];

/// Options of `find` that run something or write.
const FIND_ACTS: [&str; 9] = [
    "-delete", "-exec", "-execdir", "-fls", "-fprint", "-fprint0", "-fprintf", "-ok", "-okdir",
];

/// Whether a simple command (its words, taken literally) only reads and prints. Its
/// program must be named bare or by the path of a program of the system.
///
/// The caller must have it from a script without redirections, assignments and
/// expansions: see [`CommandLine`](crate::CommandLine).
pub fn is_known_safe(command: &[String]) -> bool {
    let Some((program, args)) = command.split_first() else {
        return false;
    };
    if program.contains('/') && !is_of_the_system(program) {
        return false;
    }
    match base_name(program) {
        name if READERS.contains(&name) => true,
        "base64" => !args.iter().any(|arg| writes_base64(arg)),
        "find" => !args.iter().any(|arg| FIND_ACTS.contains(&arg.as_str())),
        "git" => git::is_known_safe(args),
        "rg" => !args.iter().any(|arg| runs_from_rg(arg)),
        "sed" => prints_lines(args),
        "uniq" => has_one_operand_at_most(args),
        _ => false,
    }
}

/// `-o FILE` of the macOS `base64`, also glued or among other letters.
fn writes_base64(arg: &str) -> bool {
    if arg.starts_with("--") {
        return arg.starts_with("--o");
    }
    arg.starts_with('-') && arg.contains('o')
}

/// `--pre`, `--hostname-bin` and `-z` make ripgrep run other programs.
fn runs_from_rg(arg: &str) -> bool {
    if arg.starts_with("--") {
        return ["--pre", "--hostname-bin", "--search-zip"]
            .iter()
            .any(|option| arg.starts_with(option));
    }
    arg.starts_with('-') && arg.contains('z')
}

/// `sed -n 3p`, `sed -n 3,5p`, with files or without.
fn prints_lines(args: &[String]) -> bool {
    let number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    match args {
        [flag, script, files @ ..] if flag == "-n" => {
            script.strip_suffix('p').is_some_and(|lines| {
                lines
                    .split_once(',')
                    .map_or_else(|| number(lines), |(from, to)| number(from) && number(to))
            }) && files.iter().all(|file| !file.starts_with('-'))
        }
        _ => false,
    }
}

/// The second operand of `uniq` is a file that it writes.
fn has_one_operand_at_most(args: &[String]) -> bool {
    args.iter()
        .filter(|arg| *arg == "-" || !arg.starts_with('-'))
        .count()
        <= 1
        && !args.iter().any(|arg| arg == "--")
}

#[cfg(test)]
mod tests;
