//! Forms of `git` that only read.

/// Options before the subcommand that change nothing about what it does.
const GLOBAL: [&str; 3] = ["--no-pager", "-P", "--no-optional-locks"];

/// Options that write a file or run a program; git takes every unambiguous beginning of
/// a long one, hence the short forms.
const ACTS: [&str; 4] = ["--ext", "--out", "--show-sig", "--textc"];

/// Options with which `git branch` lists, whatever else there is.
const BRANCH_LISTS: [&str; 6] = [
    "--contains",
    "--list",
    "--merged",
    "--no-contains",
    "--no-merged",
    "--points-at",
];

/// Other options of a listing `git branch`.
const BRANCH_SHAPES: [&str; 13] = [
    "--all",
    "--color",
    "--column",
    "--ignore-case",
    "--no-color",
    "--no-column",
    "--remotes",
    "--show-current",
    "--verbose",
    "-a",
    "-r",
    "-v",
    "-vv",
];

/// Whether `git` with these arguments only reads.
pub(super) fn is_known_safe(args: &[String]) -> bool {
    let Some(at) = args.iter().position(|arg| !GLOBAL.contains(&arg.as_str())) else {
        return false;
    };
    let (verb, args) = (&args[at], &args[at + 1..]);
    match verb.as_str() {
        "diff" | "log" | "show" | "status" => !args.iter().any(|arg| acts(arg)),
        "branch" => lists_branches(args),
        _ => false,
    }
}

/// `%G` in a format checks signatures, for which git runs another program.
fn acts(arg: &str) -> bool {
    ACTS.iter().any(|option| arg.starts_with(option)) || arg.contains("%G")
}

fn lists_branches(args: &[String]) -> bool {
    let mut lists = false;
    let mut operands = false;
    for arg in args {
        let name = arg.split('=').next().unwrap_or_default();
        if BRANCH_LISTS.contains(&name) {
            lists = true;
        } else if !arg.starts_with('-') {
            operands = true;
        } else if !(BRANCH_SHAPES.contains(&name) || arg.starts_with("--sort=")) {
            return false;
        }
    }
    // Without an option that lists, an operand is a branch to be made.
    lists || !operands
}
