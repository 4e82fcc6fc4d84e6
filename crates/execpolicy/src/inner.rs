//! Sees through programs that only run another command: `sudo`, `env`, `xargs`, shells.

use crate::path::base_name;
use crate::rough::rough_commands;
use crate::words::RESERVED;

/// Commands inside commands that are followed.
const LEVELS_MAX: usize = 8;
/// Commands told of one command line.
const COMMANDS_MAX: usize = 4096;

/// Shells whose `-c` takes a script of the language that [`rough_commands`] reads.
pub(crate) const SHELLS: [&str; 7] = ["ash", "bash", "dash", "ksh", "mksh", "sh", "zsh"];

/// A program that runs the command in its arguments.
struct Runner {
    name: &'static str,
    /// Short options that take a value, which may be glued to them.
    short_valued: &'static str,
    /// Long options that take a value as the next argument.
    long_valued: &'static [&'static str],
    /// Arguments before the command that are no options.
    operands: usize,
}

const fn runner(name: &'static str, short_valued: &'static str) -> Runner {
    Runner {
        name,
        short_valued,
        long_valued: &[],
        operands: 0,
    }
}

/// From the manuals of sudo, opendoas, GNU coreutils and findutils, util-linux, bash.
const RUNNERS: [Runner; 17] = [
    runner("builtin", ""),
    runner("busybox", ""),
    runner("command", ""),
    runner("doas", "uC"),
    Runner {
        long_valued: &["--unset", "--chdir", "--argv0"],
        ..runner("env", "uCa")
    },
    runner("exec", "a"),
    Runner {
        long_valued: &["--class", "--classdata", "--pid"],
        ..runner("ionice", "cnpPu")
    },
    Runner {
        long_valued: &["--adjustment"],
        ..runner("nice", "n")
    },
    runner("noglob", ""),
    runner("nohup", ""),
    runner("setsid", ""),
    Runner {
        long_valued: &["--input", "--output", "--error"],
        ..runner("stdbuf", "ioe")
    },
    Runner {
        long_valued: &[
            "--user",
            "--group",
            "--host",
            "--prompt",
            "--close-from",
            "--role",
            "--type",
            "--chdir",
            "--chroot",
            "--other-user",
            "--command-timeout",
        ],
        ..runner("sudo", "ughpCrtTDRU")
    },
    Runner {
        long_valued: &["--format", "--output"],
        ..runner("time", "fo")
    },
    Runner {
        long_valued: &["--kill-after", "--signal"],
        operands: 1,
        ..runner("timeout", "ks")
    },
    runner("toybox", ""),
    Runner {
        long_valued: &[
            "--arg-file",
            "--delimiter",
            "--max-args",
            "--max-chars",
            "--max-lines",
            "--max-procs",
            "--process-slot-var",
        ],
        ..runner("xargs", "adEILnPs")
    },
];

/// `command` as a program sees it (without assignments and words like `then`), followed
/// by the commands that it runs as far as they can be seen.
pub(crate) fn inner_commands(command: &[String]) -> Vec<Vec<String>> {
    let mut found = Vec::new();
    follow(command, 0, &mut found);
    found
}

fn follow(command: &[String], level: usize, found: &mut Vec<Vec<String>>) {
    let words = without_prefix(command);
    let Some((program, args)) = words.split_first() else {
        return;
    };
    if found.len() >= COMMANDS_MAX {
        return;
    }
    found.push(words.to_vec());
    if level >= LEVELS_MAX {
        return;
    }
    if program.contains('$') {
        // A variable or substitution may be empty, or another `sudo`.
        let bare = program.replace('$', "");
        if !bare.is_empty() {
            follow(&[&[bare], args].concat(), level + 1, found);
        }
        return follow(args, level + 1, found);
    }
    let name = base_name(program);
    let script = if SHELLS.contains(&name) || name == "su" {
        script_of(args)
    } else if name == "eval" {
        Some(args.join(" "))
    } else if name == "env" {
        split_string(args)
    } else {
        None
    };
    if let Some(script) = script {
        for command in rough_commands(&script) {
            follow(&command, level + 1, found);
        }
    } else if let Some(runner) = RUNNERS.iter().find(|runner| runner.name == name) {
        follow(after_options(args, runner), level + 1, found);
    }
}

/// The command that a program like `sudo` runs, as far as its arguments name one; nothing
/// for other programs.
pub(crate) fn runs(command: &[String]) -> Option<&[String]> {
    let words = without_prefix(command);
    let Some((program, args)) = words.split_first() else {
        return Some(&[]);
    };
    let name = base_name(program);
    if let Some(runner) = RUNNERS.iter().find(|runner| runner.name == name) {
        return Some(after_options(args, runner));
    }
    (words.len() < command.len()).then_some(words)
}

/// Whether a command is a shell with its script.
pub(crate) fn script_is_given(command: &[String]) -> bool {
    command.split_first().is_some_and(|(program, args)| {
        SHELLS.contains(&base_name(program)) && script_of(args).is_some()
    })
}

/// Without what may stand before the program.
fn without_prefix(command: &[String]) -> &[String] {
    let starts = command.iter().position(|word| {
        let word = word.as_str();
        !(RESERVED.contains(&word) || matches!(word, "{" | "}") || is_assignment(word))
    });
    starts.map_or(&[], |at| &command[at..])
}

fn is_assignment(word: &str) -> bool {
    word.split_once('=').is_some_and(|(name, _)| {
        let name = name.strip_suffix('+').unwrap_or(name);
        let mut bytes = name.bytes();
        bytes
            .next()
            .is_some_and(|byte| byte.is_ascii_alphabetic() || byte == b'_')
            && bytes.all(|byte| byte.is_ascii_alphanumeric() || b"_[]".contains(&byte))
    })
}

/// The script that a shell is started with: what follows the option with a `c`.
fn script_of(args: &[String]) -> Option<String> {
    let at = args
        .iter()
        .position(|arg| arg.starts_with('-') && !arg.starts_with("--") && arg.contains('c'))?;
    args[at + 1..]
        .iter()
        .find(|arg| !arg.starts_with('-'))
        .cloned()
}

/// The command line that `env -S` takes apart.
fn split_string(args: &[String]) -> Option<String> {
    let at = args.iter().position(|arg| {
        arg.starts_with("-S") || arg.starts_with("--split-string") || arg == "-vS"
    })?;
    let glued = args[at]
        .strip_prefix("--split-string=")
        .or_else(|| args[at].strip_prefix("-S"))
        .unwrap_or_default();
    let rest = &args[at + 1..];
    Some([&[glued.to_owned()], rest].concat().join(" "))
}

/// The arguments from the command on.
fn after_options<'a>(mut args: &'a [String], runner: &Runner) -> &'a [String] {
    while let Some((arg, rest)) = args.split_first() {
        if arg == "--" {
            args = rest;
            break;
        }
        let Some(letters) = arg.strip_prefix('-') else {
            break;
        };
        // `command -v` and `-V` name a program and do not run it.
        if runner.name == "command" && letters.contains(['v', 'V']) {
            return &[];
        }
        args = rest;
        let value_follows = if letters.starts_with('-') {
            runner.long_valued.contains(&arg.as_str())
        } else {
            // The value is glued to the first letter that takes one, or it follows the last.
            letters
                .find(|letter| runner.short_valued.contains(letter))
                .is_some_and(|at| at + 1 == letters.len())
        };
        if value_follows {
            args = args.get(1..).unwrap_or_default();
        }
    }
    let mut operands = runner.operands;
    while operands > 0 && args.first().is_some_and(|arg| !is_assignment(arg)) {
        args = &args[1..];
        operands -= 1;
    }
    args
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The innermost command that is seen.
    fn innermost(script: &str) -> String {
        let command = shlex::split(script).expect("a well-formed command");
        inner_commands(&command)
            .pop()
            .map(|words| words.join(" "))
            .unwrap_or_default()
    }

    #[test]
    fn sees_the_command_that_others_run() {
        for script in [
            "z a",
            "X=1 Y=2 z a",
            "then z a",
            "{ z a",
            "! z a",
            "sudo z a",
            "sudo -n z a",
            "sudo -u root z a",
            "sudo -nu root z a",
            "sudo -uroot z a",
            "sudo --user root z a",
            "sudo --user=root X=1 z a",
            "sudo -- z a",
            "sudo sudo z a",
            "'$SUDO' z a",
            "/usr/bin/sudo z a",
            "doas -u root z a",
            "env z a",
            "env -i X=1 z a",
            "env -u HOME z a",
            "env -S 'z a'",
            "env '-Sz a'",
            "command z a",
            "command -p z a",
            "nohup z a",
            "exec -a name z a",
            "time -p z a",
            "nice -n 5 z a",
            "nice -5 z a",
            "ionice -c 3 z a",
            "timeout 5 z a",
            "timeout -k 1 -s KILL 5 z a",
            "stdbuf -oL z a",
            "setsid -w z a",
            "xargs z a",
            "xargs -0 -n1 -P 4 z a",
            "xargs -I{} z a",
            "xargs -I {} z a",
            "busybox z a",
            "bash -c 'z a'",
            "bash -lc 'true && z a'",
            "sh -e -c 'z a' name",
            "su root -c 'z a'",
            "eval z a",
            "eval 'z a'",
            "sudo env X=1 nohup bash -c 'timeout 5 z a'",
        ] {
            assert_eq!(innermost(script), "z a", "{script}");
        }
    }

    #[test]
    fn what_is_only_named_is_not_run() {
        for (script, expected) in [
            ("echo sudo z a", "echo sudo z a"),
            ("command -v z", "command -v z"),
            ("bash z a", "bash z a"),
            ("env", "env"),
            ("sudo -n", "sudo -n"),
            ("X=1", ""),
            ("", ""),
        ] {
            assert_eq!(innermost(script), expected, "{script}");
        }
    }

    #[test]
    fn endless_wrapping_ends() {
        let command: Vec<String> = std::iter::repeat_n("sudo".to_owned(), 10_000).collect();
        assert_eq!(inner_commands(&command).len(), LEVELS_MAX + 1);
    }
}
