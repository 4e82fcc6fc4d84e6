use proptest::prelude::*;

use super::*;
use crate::command::CommandLine;

fn safe(script: &str) -> bool {
    let argv = ["bash", "-lc", script].map(str::to_owned);
    let line = CommandLine::new(&argv);
    line.commands().iter().all(|command| is_known_safe(command))
}

#[test]
fn reading_is_known_to_be_safe() {
    for script in [
        "ls",
        "ls -la src",
        "/bin/ls",
        "cat 'a b'",
        "cat a | head -n 5 && pwd; whoami || true",
        "cd src && rg -n foo",
        "base64 -d x",
        "find . -name '*.rs' -print",
        "rg --files -g '*.rs'",
        "sed -n 3p",
        "sed -n 3,5p a b",
        "uniq -c",
        "uniq -c a",
        "git status --short",
        "git log --oneline -5",
        "git --no-pager diff HEAD~1 -- src",
        "git show HEAD:src/lib.rs",
        "git branch",
        "git branch -a -vv",
        "git branch --show-current",
        "git branch --list 'x*'",
        "git branch --contains HEAD",
        "git branch --merged=main --sort=-committerdate",
    ] {
        assert!(safe(script), "{script}");
    }
}

#[test]
fn what_acts_is_not() {
    for script in [
        "",
        "touch a",
        "./ls",
        "/tmp/ls",
        "bin/cat a",
        "xargs cat",
        "ls | xargs rm",
        "ls && touch a",
        "sudo ls",
        "env ls",
        "bash -c ls",
        "tee a",
        "sort -o a b",
        "base64 -o out in",
        "base64 -oout in",
        "base64 -Do out",
        "base64 --output=out in",
        "base64 --out out",
        "find . -exec rm {} +",
        "find . -execdir x ';'",
        "find . -ok x ';'",
        "find . -delete",
        "find . -fprint x",
        "find . -fprintf x y",
        "find . -fls x",
        "rg --pre cat x",
        "rg --pre=cat x",
        "rg --hostname-bin=x y",
        "rg -z x",
        "rg -nz x",
        "rg --search-zip x",
        "sed -i 3p a",
        "sed 3p a",
        "sed -n 3p -i a",
        "sed -n 3p a -i",
        "sed -n '3,5w out' a",
        "sed -n '1e id'",
        "sed -n '$p' a",
        "sed -n ,3p a",
        "sed -n 3p,4p a",
        "sed -n -e 3p a",
        "sed -n p a",
        "uniq a b",
        "uniq -- a b",
        "git",
        "git push",
        "git -c core.pager=x status",
        "git -C x status",
        "git --exec-path=x status",
        "git --git-dir=x status",
        "git -p log",
        "git --paginate log",
        "git --config-env=a=b log",
        "git log --output=x",
        "git diff --output x",
        "git diff --outp=x",
        "git diff --ext-diff",
        "git diff --ext",
        "git log --textconv",
        "git log --show-signature",
        "git log --format=%G?",
        "git branch x",
        "git branch -v x",
        "git branch -D x",
        "git branch -m x",
        "git branch --delete --list x",
        "git branch -l x",
        "git branch --edit-description",
        "git branch --set-upstream-to=x",
        "git stash",
        "git grep -O x",
        "git rev-parse HEAD",
        "printf x",
        "date -s x",
    ] {
        assert!(!safe(script), "{script}");
    }
}

/// A literal safe command.
fn command() -> impl Strategy<Value = String> {
    prop::sample::select(vec![
        "ls -la",
        "cat a",
        "git status",
        "head -n 5 'a b'",
        "echo \"x y\"",
        "true",
    ])
    .prop_map(str::to_owned)
}

fn script() -> impl Strategy<Value = String> {
    let joint = prop::sample::select(vec![" && ", " || ", "; ", " | ", "\n"]);
    (command(), prop::collection::vec((joint, command()), 0..4)).prop_map(|(first, rest)| {
        rest.into_iter()
            .fold(first, |script, (joint, next)| script + joint + &next)
    })
}

/// What no safe script may hold, with where it may be put in: before a command, or
/// behind one.
fn poison() -> impl Strategy<Value = (bool, &'static str)> {
    prop::sample::select(vec![
        (false, " > f"),
        (false, ">>f"),
        (false, " 2>&1"),
        (false, " &> f"),
        (false, " < f"),
        (false, " <<E\nE"),
        (false, " <<< x"),
        (false, " >| f"),
        (false, " $(id)"),
        (false, " `id`"),
        (false, " \"$(id)\""),
        (false, " \"`id`\""),
        (false, " $x"),
        (false, " ${x}"),
        (false, " \"$x\""),
        (false, " <(id)"),
        (false, " &"),
        (false, " & id"),
        (false, " *"),
        (false, " ~"),
        (false, " a\\ b"),
        (false, " {a,b}"),
        (false, " [a]"),
        (false, " # x"),
        (true, "X=1 "),
        (true, "X+=1 "),
        (true, "PATH=. "),
        (true, "! "),
        (true, "( "),
        (true, "{ "),
        (true, "if "),
        (true, ">f "),
        (true, "sudo "),
        (true, "exec "),
    ])
}

proptest! {
    #[test]
    fn joined_safe_commands_are_safe(script in script()) {
        prop_assert!(safe(&script));
    }

    #[test]
    fn nothing_that_redirects_expands_assigns_or_goes_to_the_background_is_safe(
        before in script(),
        joint in prop::sample::select(vec![" && ", "; ", " | ", "\n"]),
        middle in command(),
        after in prop::option::of(script()),
        (leads, poison) in poison(),
    ) {
        let middle = if leads { format!("{poison}{middle}") } else { format!("{middle}{poison}") };
        let mut poisoned = before + joint + &middle;
        if let Some(after) = after {
            poisoned = poisoned + "\n" + &after;
        }
        prop_assert!(!safe(&poisoned), "{poisoned}");
    }

    /// Whatever a shell would act on outside of single quotes is seen.
    #[test]
    fn no_character_that_acts_is_overlooked(
        before in "[a-z '-]{0,12}",
        acting in prop::sample::select(vec!['>', '<', '$', '`', '&', '(', ')', '{', '*', '?', '\\']),
        after in "[a-z -]{0,12}",
    ) {
        let open_quotes = before.matches('\'').count() % 2;
        prop_assume!(open_quotes == 0);
        let script = format!("cat {before}{acting}{after}");
        prop_assert!(!safe(&script), "{script}");
    }
}
