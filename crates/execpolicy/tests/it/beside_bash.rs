//! Generated scripts are run by bash with programs that do not exist; what bash would
//! have run is compared with what was told before.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use loomd_execpolicy::{CommandLine, RuleStore, Ruling, simple_commands};
use proptest::prelude::*;
use proptest::test_runner::RngSeed;

/// Runs per test; a run takes a few milliseconds. Thirty-five thousand
/// found nothing more.
const RUNS: u32 = 300;
/// The programs of the scripts. None of them exists.
const PROGRAMS: [&str; 3] = ["qa", "qb", "qc"];

/// Notes every command that is not found, with its words, and prints something, so that
/// no substitution is empty.
const PRELUDE: &str = "exec 9>>ran\n\
    command_not_found_handle() { local IFS=$'\\037'; printf '%s\\037\\036' \"$*\" >&9; printf z; }\n";

/// The commands that bash runs for `script`, in the order of their beginnings.
fn ran(folder: &Path, script: &str) -> Vec<Vec<String>> {
    let prelude = folder.join("prelude");
    fs::write(&prelude, PRELUDE).expect("the folder is ours");
    let work = folder.join("work");
    fs::create_dir_all(&work).expect("the folder is ours");
    fs::write(work.join("ran"), "").expect("the folder is ours");
    let status = Command::new("/bin/bash")
        .args(["--noprofile", "--norc", "-c", script])
        .env_clear()
        .env("BASH_ENV", &prelude)
        .env("PATH", "/nonexistent")
        .env("HOME", "/nonexistent")
        .current_dir(&work)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    status.expect("bash runs");
    let text = fs::read_to_string(work.join("ran")).expect("the folder is ours");
    text.split_terminator('\u{1e}')
        .map(|command| {
            command
                .split_terminator('\u{1f}')
                .map(str::to_owned)
                .collect()
        })
        .collect()
}

fn pieces(of: &'static [&'static str]) -> impl Strategy<Value = String> {
    prop::collection::vec(prop::sample::select(of), 1..24).prop_map(|pieces| pieces.concat())
}

/// Pieces whose scripts are often literal.
const PLAIN: [&str; 27] = [
    "qa ",
    "qb ",
    "qc",
    "qa 'x y'",
    "qb \"x y\"",
    " -f",
    " && ",
    "; ",
    " | ",
    "\n",
    "\t",
    "'",
    "\"",
    "''",
    "\\",
    "=",
    "x=1 ",
    "~",
    "#",
    "\"a\\.b\"",
    "!",
    "if ",
    "fi",
    "{",
    "}",
    "é",
    "&",
];

/// Pieces of everything else.
const WILD: [&str; 42] = [
    "qa ",
    "qb ",
    "qc ",
    " x",
    " && ",
    "; ",
    " | ",
    "\n",
    " & ",
    "(",
    ")",
    "{ ",
    "; }",
    "$(",
    "`",
    "\"",
    "'",
    "\\",
    " > f ",
    " 2>&1 ",
    " &> f ",
    " < /dev/null",
    "<<E\n",
    "<<'E'\n",
    "\nE\n",
    "<<< x ",
    "if qa; then ",
    "; fi",
    "else ",
    "! ",
    "time ",
    "X=1 ",
    "# ",
    "\\\n",
    "$X",
    " *",
    "for i in 1 2; do ",
    "; done",
    "\"$(qb)\"",
    " $(qc x) ",
    "<(qa)",
    " $'qa' ",
];

/// A store whose only rule forbids `program`.
fn forbidding(folder: &Path, program: &str) -> RuleStore {
    let home = folder.join(program);
    fs::create_dir_all(home.join("rules")).expect("the folder is ours");
    let rule = format!("prefix_rule(pattern=['{program}'], decision='forbidden')");
    fs::write(home.join("rules/a.rules"), rule).expect("the folder is ours");
    RuleStore::new(&home)
}

proptest! {
    // The same scripts each time: a new one that evades is for who looks for it, not for
    // who changes something else.
    #![proptest_config(ProptestConfig {
        cases: RUNS,
        rng_seed: RngSeed::Fixed(1),
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    /// What loosens believes the literal splitter, so it must tell exactly what runs.
    #[test]
    fn bash_runs_exactly_the_commands_of_a_literal_script(script in pieces(&PLAIN)) {
        if let Some(commands) = simple_commands(&script) {
            let folder = tempfile::tempdir().expect("the folder is ours");
            let mut ran = ran(folder.path(), &script);
            let mut told: Vec<Vec<String>> = commands
                .into_iter()
                .map(|command| command.words)
                .collect();
            // The parts of a pipe begin in any order.
            ran.sort();
            told.sort();
            prop_assert_eq!(ran, told);
        }
    }

    #[test]
    fn what_bash_runs_was_seen(script in pieces(&WILD)) {
        let folder = tempfile::tempdir().expect("the folder is ours");
        let argv = ["/bin/bash", "-lc", &script].map(str::to_owned);
        let line = CommandLine::new(&argv);
        let ran = ran(folder.path(), &script);
        for program in PROGRAMS {
            if ran.iter().any(|words| words[0] == program) {
                let ruling = forbidding(folder.path(), program).rules(&[]).judge(&line).ruling;
                prop_assert!(matches!(ruling, Ruling::Forbidden(_)), "{program} ran");
            }
        }
    }
}
