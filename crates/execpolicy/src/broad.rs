//! Prefixes that are too broad to be offered as ones to allow.

use crate::inner::{runs, script_is_given};
use crate::path::base_name;

/// Programs that do whatever their arguments say, so that a prefix of them needs more
/// than options to mean something. 0.169.0 refuses the bare names of the usual shells
/// and interpreters, `git`, `sudo`, `env`, `rm`, and those with `-c` or `-e`; the rest
/// is added here, and so are paths of all of them and versions (`python3.12`).
#[rustfmt::skip]
const WIDE: [&str; 102] = [
    ".", "ash", "awk", "bash", "bun", "bunx", "bwrap", "chroot", "cmd", "csh", "dash", "dd",
    "deno", "docker", "elixir", "elvish", "emacs", "entr", "erl", "eval", "expect", "fd", "find",
    "fish", "flock", "gawk", "gdb", "ghci", "git", "groovy", "guile", "iex", "ipython", "irb",
    "java", "jshell", "julia", "kotlin", "ksh", "kubectl", "lldb", "ltrace", "lua", "luajit",
    "mawk", "mksh", "nawk", "node", "nodejs", "npm", "npx", "nsenter", "nu", "ocaml", "osascript",
    "parallel", "perl", "php", "pipx", "pkexec", "pnpm", "podman", "poetry", "powershell", "pwsh",
    "py", "pypy", "python", "pythonw", "pyw", "r", "racket", "rm", "rscript", "ruby", "runuser",
    "sbcl", "scala", "screen", "script", "sh", "source", "ssh", "strace", "su", "swift",
    "systemd-run", "taskset", "tclsh", "tcsh", "tmux", "ts-node", "tsx", "unshare", "uv", "uvx",
    "vim", "watch", "wish", "xonsh", "yarn", "zsh",
];

/// Programs and what makes them run anything.
const RUNS: [(&str, &[&str]); 11] = [
    ("bun", &["run", "x"]),
    ("cargo", &["run"]),
    ("deno", &["eval", "run", "task"]),
    ("docker", &["exec", "run"]),
    ("go", &["run"]),
    ("npm", &["exec", "run", "run-script", "x"]),
    ("pipx", &["run"]),
    ("pnpm", &["dlx", "exec", "run"]),
    ("poetry", &["run"]),
    ("uv", &["run", "tool"]),
    ("yarn", &["dlx", "exec", "run"]),
];

/// Whether allowing the commands that begin with `prefix` would allow too much: an empty
/// prefix, or one that says nothing but which interpreter, shell or runner it is.
pub fn is_too_broad(prefix: &[String]) -> bool {
    if script_is_given(prefix) {
        return false;
    }
    let Some((program, args)) = prefix.split_first() else {
        return true;
    };
    if let Some(command) = runs(prefix) {
        return is_too_broad(command);
    }
    let name = plain_name(program);
    let mut said = args.iter().filter(|arg| !arg.starts_with('-'));
    let Some(first) = said.next() else {
        return WIDE.contains(&name.as_str());
    };
    if name == "git" && matches!(args, [flag, _] if flag == "-C" || flag == "-c") {
        return true;
    }
    let runs_any = RUNS
        .iter()
        .any(|(known, verbs)| *known == name && verbs.contains(&first.as_str()));
    runs_any && said.next().is_none()
}

/// The name of a program without its folder, version and `.exe`, in lower case.
fn plain_name(program: &str) -> String {
    let name = base_name(program).to_ascii_lowercase();
    let name = name.strip_suffix(".exe").unwrap_or(&name);
    let plain = name.trim_end_matches(|c: char| c.is_ascii_digit() || c == '.' || c == '-');
    if plain.is_empty() { name } else { plain }.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn broad(prefix: &str) -> bool {
        is_too_broad(&shlex::split(prefix).expect("a well-formed prefix"))
    }

    /// What 0.169.0 does not offer.
    #[test]
    fn what_the_reference_refuses_is_refused() {
        for prefix in [
            "",
            "bash",
            "sh",
            "zsh",
            "dash",
            "fish",
            "ksh",
            "/bin/bash",
            "/bin/sh",
            "/bin/zsh",
            "python",
            "python3",
            "pypy",
            "pypy3",
            "py",
            "pyw",
            "node",
            "nodejs",
            "deno",
            "bun",
            "ruby",
            "perl",
            "php",
            "lua",
            "Rscript",
            "julia",
            "git",
            "sudo",
            "env",
            "pwsh",
            "powershell",
            "powershell.exe",
            "cmd",
            "cmd.exe",
            "osascript",
            "rm",
            "bash -lc",
            "bash -c",
            "sh -c",
            "sh -lc",
            "zsh -lc",
            "zsh -c",
            "/bin/bash -lc",
            "python3 -c",
            "python3 -",
            "node -e",
            "perl -e",
            "ruby -e",
            "php -r",
            "lua -e",
            "pwsh -c",
            "pwsh -Command",
            "npm run",
        ] {
            assert!(broad(prefix), "{prefix}");
        }
    }

    /// What 0.169.0 offers all the same.
    #[test]
    fn what_says_no_more_is_refused_as_well() {
        for prefix in [
            "/usr/bin/bash",
            "/usr/bin/python3",
            "python3.12",
            "/usr/bin/env",
            "csh",
            "awk",
            "bash -x",
            "bash -lic",
            "python3 -m",
            "git -C",
            "git -C x",
            "git -c x",
            "sudo -n",
            "env -i",
            "env X=1",
            "rm -rf",
            "sudo bash",
            "sudo -u root env python3",
            "xargs",
            "xargs rm",
            "timeout 5",
            "nohup",
            "nice -n 5",
            "command",
            "exec",
            "eval",
            "npx",
            "npm",
            "uv run",
            "ssh",
            "busybox sh",
            "sudo git",
            ".",
            "find",
            "X=1",
        ] {
            assert!(broad(prefix), "{prefix}");
        }
    }

    #[test]
    fn what_says_something_is_offered() {
        for prefix in [
            "ls",
            "touch",
            "touch a",
            "cargo",
            "cargo test",
            "make",
            "cp",
            "curl",
            "git push",
            "git status",
            "git -C x push",
            "rm x",
            "rm -rf x",
            "sudo ls",
            "env ls",
            "bash x.sh",
            "bash -c 'touch a'",
            "/bin/bash -lc 'mkdir $x && git'",
            "python3 x.py",
            "python3 -m pytest",
            "node x",
            "npm run build",
            "npm test",
            "xargs ls",
            "timeout 5 touch a",
            "find . -name x",
            "ssh host ls",
            "./x.sh",
            "7z",
            "g++",
        ] {
            assert!(!broad(prefix), "{prefix}");
        }
    }
}
