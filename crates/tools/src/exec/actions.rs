//! What a command does, told from its text: the `commandActions` of its item. Pure.
//!
//! For display only, so a doubt makes the whole command `unknown` rather than wrong.
//! The table of programs follows what 0.169.0 answers to some two hundred commands.
//! Commands that only shape the output of others (`head`, `wc`, `sort`, …) are left
//! out beside them, and `cd` only moves the folder of what follows.

use std::path::{Path, PathBuf};

use loomd_execpolicy::{Simple, simple_commands};
use loomd_protocol::CommandAction;

use crate::patch::plan::absolute;

/// The actions of `script`, run in `folder`.
pub(crate) fn actions(script: &str, folder: &Path) -> Vec<CommandAction> {
    let unknown = || {
        vec![CommandAction::Unknown {
            command: script.to_owned(),
        }]
    };
    let Some(commands) = simple_commands(script) else {
        return unknown();
    };
    let mut folder = folder.to_owned();
    let mut found = Vec::new();
    let mut shaped_by_sed = false;
    let mut only_cd = true;
    for (index, command) in commands.iter().enumerate() {
        let does = does(command);
        only_cd &= matches!(does, Does::Move(_));
        match does {
            Does::Move(target) => folder = absolute(&folder, target.unwrap_or_default()),
            Does::Shape => shaped_by_sed |= command.words[0] == "sed",
            Does::Nothing => {}
            // Something is said first and done after.
            Does::Say if index == 0 => {}
            Does::Say | Does::Unknown => return unknown(),
            Does::Read(file) => {
                shaped_by_sed |= command.words[0] == "sed" && commands.len() > 1;
                found.push(read(command, &file, &folder));
            }
            Does::List(path) => found.push(CommandAction::ListFiles {
                command: joined(command),
                path: path.as_deref().map(short),
            }),
            Does::Search { query, path } => found.push(CommandAction::Search {
                command: joined(command),
                path: path.as_deref().map(short),
                query,
            }),
        }
    }
    if found.is_empty() && !only_cd {
        return unknown();
    }
    // A range cut out of one file is shown with the cutting.
    if let ([CommandAction::Read { command, .. }], true) = (found.as_mut_slice(), shaped_by_sed) {
        script.clone_into(command);
    }
    found
}

/// What one simple command does.
enum Does {
    /// Changes the folder.
    Move(Option<String>),
    /// Shapes the output of another command.
    Shape,
    /// Has no effect.
    Nothing,
    /// Prints its arguments.
    Say,
    Read(String),
    List(Option<String>),
    Search {
        query: Option<String>,
        path: Option<String>,
    },
    Unknown,
}

fn does(command: &Simple) -> Does {
    let Some((name, args)) = command.words.split_first() else {
        return Does::Unknown;
    };
    match name.as_str() {
        "cd" => Does::Move(operands(args, &[]).pop()),
        "true" => Does::Nothing,
        "echo" => Does::Say,
        "wc" | "tr" | "cut" | "sort" | "uniq" | "tee" | "column" | "yes" | "printf" | "xargs" => {
            Does::Shape
        }
        "cat" | "bat" | "batcat" | "less" | "more" => match operands(args, &[]).as_slice() {
            [file] => Does::Read(file.clone()),
            _ => Does::Unknown,
        },
        "nl" => read_first(operands(args, &["-s", "-w", "-v", "-i", "-b"]), Does::Shape),
        "head" | "tail" => cut(args),
        "sed" => edit(args),
        "awk" => match operands(args, &["-F", "-v", "-f"]).as_slice() {
            files if args.iter().any(|arg| arg == "-f") => read_first(files.to_vec(), Does::Shape),
            [_, file, ..] => Does::Read(file.clone()),
            _ => Does::Shape,
        },
        "ls" | "eza" | "exa" => list(args, &["-I", "-w", "--block-size", "--sort", "-L"]),
        "tree" => list(
            args,
            &["-L", "-P", "-I", "--charset", "--filelimit", "--sort"],
        ),
        "du" => list(
            args,
            &["-d", "--max-depth", "-B", "--block-size", "--exclude"],
        ),
        "find" => find(args),
        "fd" => match operands(args, &["-t", "--type", "-e", "--extension", "-d", "-E"]).as_slice()
        {
            [] => Does::List(None),
            [query, rest @ ..] => Does::Search {
                query: Some(query.clone()),
                path: rest.first().cloned(),
            },
        },
        "rg" | "rga" if args.iter().any(|arg| arg == "--files") => list(args, &RG_VALUES),
        "rg" | "rga" => search(args, &RG_VALUES),
        "grep" | "egrep" | "fgrep" => search(args, &GREP_VALUES),
        "ag" | "ack" | "pt" => search(args, &["-A", "-B", "-C", "-G", "-m", "--ignore"]),
        "git" => match args.split_first() {
            Some((verb, args)) if verb == "grep" => search(args, &GREP_VALUES),
            Some((verb, args)) if verb == "ls-files" => list(args, &["-x", "--exclude"]),
            Some(_) | None => Does::Unknown,
        },
        _ => Does::Unknown,
    }
}

const RG_VALUES: [&str; 18] = [
    "-g",
    "--glob",
    "--iglob",
    "-t",
    "--type",
    "-T",
    "--type-not",
    "-A",
    "-B",
    "-C",
    "-m",
    "-f",
    "-j",
    "-M",
    "-d",
    "--max-depth",
    "--sort",
    "--context",
];
const GREP_VALUES: [&str; 10] = [
    "-A",
    "-B",
    "-C",
    "-m",
    "-f",
    "--include",
    "--exclude",
    "--exclude-dir",
    "--color",
    "--context",
];

/// The arguments that are no flags and no values of the flags in `valued`.
fn operands(args: &[String], valued: &[&str]) -> Vec<String> {
    let mut found = Vec::new();
    let mut args = args.iter();
    while let Some(arg) = args.next() {
        if arg == "--" {
            found.extend(args.cloned());
            break;
        }
        if valued.contains(&arg.as_str()) {
            args.next();
        } else if !arg.starts_with('-') || arg == "-" {
            found.push(arg.clone());
        }
    }
    found
}

fn read_first(files: Vec<String>, otherwise: Does) -> Does {
    files.into_iter().next().map_or(otherwise, Does::Read)
}

/// `head` and `tail`: with a file they read it, if only lines are counted.
fn cut(args: &[String]) -> Does {
    let lines = |value: &str| {
        let digits = value.strip_prefix('+').unwrap_or(value);
        !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit())
    };
    let files = operands(args, &["-n", "-c"]);
    if files.is_empty() {
        return Does::Shape;
    }
    let counted = match args {
        [flag, value, ..] if flag == "-n" => lines(value),
        [flag, ..] if flag.starts_with('-') => flag.strip_prefix("-n").is_some_and(lines),
        _ => true,
    };
    if counted {
        read_first(files, Does::Unknown)
    } else {
        Does::Unknown
    }
}

/// `sed`: reads a file if it only prints a range of lines.
fn edit(args: &[String]) -> Does {
    let number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let range = |script: &str| {
        script.strip_suffix('p').is_some_and(|lines| {
            lines
                .split_once(',')
                .map_or_else(|| number(lines), |(from, to)| number(from) && number(to))
        })
    };
    match args {
        [flag, script, files @ ..] if flag == "-n" && range(script) => {
            read_first(operands(files, &[]), Does::Shape)
        }
        _ if operands(args, &[]).len() < 2 => Does::Shape,
        _ => Does::Unknown,
    }
}

fn list(args: &[String], valued: &[&str]) -> Does {
    Does::List(operands(args, valued).into_iter().next())
}

fn search(args: &[String], valued: &[&str]) -> Does {
    let named = args
        .iter()
        .position(|arg| arg == "-e" || arg == "--regexp")
        .and_then(|at| args.get(at + 1));
    let mut valued = valued.to_vec();
    valued.extend(["-e", "--regexp"]);
    let mut operands = operands(args, &valued).into_iter();
    let query = named.cloned().or_else(|| operands.next());
    Does::Search {
        query,
        path: operands.next(),
    }
}

fn find(args: &[String]) -> Does {
    let path = args
        .first()
        .filter(|arg| !arg.starts_with(['-', '!', '(']))
        .cloned();
    let name = args
        .iter()
        .position(|arg| matches!(arg.as_str(), "-name" | "-iname" | "-path" | "-regex"))
        .and_then(|at| args.get(at + 1));
    let acts = ["-exec", "-execdir", "-ok", "-delete", "-fprint"];
    if args.iter().any(|arg| acts.contains(&arg.as_str())) {
        return Does::Unknown;
    }
    match name {
        Some(query) => Does::Search {
            query: Some(query.clone()),
            path,
        },
        None => Does::List(path),
    }
}

fn read(command: &Simple, file: &str, folder: &Path) -> CommandAction {
    let path = absolute(folder, file);
    let name = path
        .file_name()
        .map_or_else(|| file.to_owned(), |name| name.display().to_string());
    CommandAction::Read {
        command: joined(command),
        name,
        path: path.display().to_string(),
    }
}

/// The command with its words quoted again.
fn joined(command: &Simple) -> String {
    let words = command.words.iter().map(String::as_str);
    shlex::try_join(words).unwrap_or_else(|_| command.words.join(" "))
}

/// The part of a path that tells most: its last component, not counting those that
/// every project has.
fn short(path: &str) -> String {
    const COMMON: [&str; 4] = ["build", "dist", "node_modules", "src"];
    let parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).collect();
    parts
        .iter()
        .rev()
        .find(|part| !COMMON.contains(part))
        .or(parts.last())
        .map_or_else(
            || PathBuf::from(path).display().to_string(),
            |part| (*part).to_owned(),
        )
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One line per action: kind, command, then what it is about.
    fn shown(script: &str) -> String {
        let lines: Vec<String> = actions(script, Path::new("/w"))
            .into_iter()
            .map(|action| match action {
                CommandAction::Read {
                    command,
                    name,
                    path,
                } => format!("read {command} | {name} {path}"),
                CommandAction::ListFiles { command, path } => {
                    format!("list {command} | {}", path.unwrap_or("-".into()))
                }
                CommandAction::Search {
                    command,
                    path,
                    query,
                } => format!(
                    "search {command} | {} in {}",
                    query.unwrap_or("-".into()),
                    path.unwrap_or("-".into())
                ),
                CommandAction::Unknown { command } => {
                    assert_eq!(command, script, "unknown is always the whole script");
                    "unknown".to_owned()
                }
            })
            .collect();
        lines.join("; ")
    }

    /// What 0.169.0 answers, in the form of [`shown`].
    #[test]
    fn reads_lists_and_searches_are_told_as_the_reference_tells_them() {
        for (script, expected) in [
            ("cat a.txt", "read cat a.txt | a.txt /w/a.txt"),
            ("cat -- -x", "read cat -- -x | -x /w/-x"),
            ("cat \"a b\"", "read cat 'a b' | a b /w/a b"),
            ("cat ../x", "read cat ../x | x /x"),
            ("head -n 5 a.txt", "read head -n 5 a.txt | a.txt /w/a.txt"),
            ("tail -n +10 a", "read tail -n +10 a | a /w/a"),
            ("head -n5 f", "read head -n5 f | f /w/f"),
            ("sed -n 1,3p x", "read sed -n '1,3p' x | x /w/x"),
            ("sed -n 5p f", "read sed -n 5p f | f /w/f"),
            ("nl -ba f", "read nl -ba f | f /w/f"),
            ("awk '{print}' f", "read awk '{print}' f | f /w/f"),
            ("awk -f x y", "read awk -f x y | y /w/y"),
            ("nl f | sed -n 1,2p", "read nl f | sed -n 1,2p | f /w/f"),
            ("cat a | sed -n 1,2p", "read cat a | sed -n 1,2p | a /w/a"),
            ("cat a.txt | head -5", "read cat a.txt | a.txt /w/a.txt"),
            ("cd sub && cat a", "read cat a | a /w/sub/a"),
            ("cd .. && cat c", "read cat c | c /c"),
            (
                "cat a ; cd x ; cat b",
                "read cat a | a /w/a; read cat b | b /w/x/b",
            ),
            ("wc -l a && cat a", "read cat a | a /w/a"),
            ("echo x && cat a", "read cat a | a /w/a"),
            ("ls", "list ls | -"),
            ("ls src/", "list ls src/ | src"),
            ("ls packages/app/src", "list ls packages/app/src | app"),
            ("ls a b", "list ls a b | a"),
            ("cd sub && ls", "list ls | -"),
            ("tree -L 2 src", "list tree -L 2 src | src"),
            ("find .", "list find . | ."),
            ("rg --files src", "list rg --files src | src"),
            ("rg --files -g '*.rs'", "list rg --files -g '*.rs' | -"),
            ("fd -e rs", "list fd -e rs | -"),
            ("git ls-files", "list git ls-files | -"),
            ("find . -type f | head", "list find . -type f | ."),
            (
                "find . -name '*.rs'",
                "search find . -name '*.rs' | *.rs in .",
            ),
            ("fd foo src", "search fd foo src | foo in src"),
            ("rg -n foo src", "search rg -n foo src | foo in src"),
            ("rg -A 3 foo src", "search rg -A 3 foo src | foo in src"),
            (
                "rg foo -g '*.rs' src",
                "search rg foo -g '*.rs' src | foo in src",
            ),
            ("rg -e foo src", "search rg -e foo src | foo in src"),
            ("rg", "search rg | - in -"),
            ("grep -rn foo .", "search grep -rn foo . | foo in ."),
            ("grep foo a/b.txt", "search grep foo a/b.txt | foo in b.txt"),
            ("git grep foo", "search git grep foo | foo in -"),
            ("ls | grep foo", "list ls | -; search grep foo | foo in -"),
            (
                "find . -name zzz | xargs rm -f",
                "search find . -name zzz | zzz in .",
            ),
            ("cat a\n\nls\n", "read cat a | a /w/a; list ls | -"),
        ] {
            assert_eq!(shown(script), expected, "{script}");
        }
    }

    #[test]
    fn doubt_makes_the_whole_command_unknown() {
        for script in [
            "cat",
            "cat a b",
            "cat > f",
            "cat $HOME/x",
            "cat *.txt",
            "head -5 a.txt",
            "tail -f a",
            "head -c 10 f",
            "head -n 5",
            "sed -i s/a/b/ x",
            "sed -n 1,3p",
            "sed -ne 1,3p f",
            "wc -l f",
            "echo hi",
            "true",
            "pwd && ls",
            "cat a && echo done",
            "printf x | cat",
            "echo x | wc -l",
            "yes | head",
            "cat a | jq .",
            "git status",
            "bash -lc 'cat a'",
            "find . -type f -exec cat {} \\;",
            "python3 x.py",
            "",
            "ls 2>&1",
            "less a b",
        ] {
            assert_eq!(shown(script), "unknown", "{script}");
        }
        assert_eq!(shown("cd sub"), "");
    }
}
