use proptest::prelude::*;

use super::*;
use crate::reader::{read_rules, render_string};

fn rules(text: &str) -> Rules {
    Rules::assemble(
        [(Path::new("/home/rules/a.rules"), &read_rules(text))],
        Vec::new(),
    )
}

fn line(script: &str) -> CommandLine {
    CommandLine::new(&["/bin/bash", "-lc", script].map(str::to_owned))
}

fn judged(rules: &Rules, script: &str) -> String {
    match rules.judge(&line(script)).ruling {
        Ruling::Forbidden(cause) => cause.refusal("X"),
        Ruling::Prompt(cause) => cause.question("X"),
        Ruling::Allowed => "allowed".to_owned(),
        Ruling::Open => "open".to_owned(),
    }
}

/// What 0.169.0 answers.
#[test]
fn the_most_severe_rule_of_all_commands_counts() {
    let rules = rules(
        "prefix_rule(pattern=['no'], decision='forbidden', justification='J')\n\
         prefix_rule(pattern=['bare'], decision='forbidden')\n\
         prefix_rule(pattern=['h', 'x y', ['k', 'l']], decision='forbidden')\n\
         prefix_rule(pattern=['ask'], decision='prompt', justification='please')\n\
         prefix_rule(pattern=['ask', 'b'], decision='prompt', justification='A2')\n\
         prefix_rule(pattern=['ask', 'b'], decision='prompt', justification='A3')\n\
         prefix_rule(pattern=['quiet'], decision='prompt')\n\
         prefix_rule(pattern=['touch'], decision='allow')\n",
    );
    for (script, expected) in [
        ("no a", "`X` rejected: J"),
        ("true && no", "`X` rejected: J"),
        ("true | no", "`X` rejected: J"),
        ("touch a\nno", "`X` rejected: J"),
        ("ask && no", "`X` rejected: J"),
        ("/usr/bin/no", "`X` rejected: J"),
        ("./no", "`X` rejected: J"),
        ("no 'a b' \"\"", "`X` rejected: J"),
        (
            "bare x",
            "`X` rejected: policy forbids commands starting with `bare`",
        ),
        (
            "no && bare",
            "`X` rejected: policy forbids commands starting with `bare`",
        ),
        ("bare && no", "`X` rejected: J"),
        (
            "h 'x y' l m",
            "`X` rejected: policy forbids commands starting with `h 'x y' l`",
        ),
        ("ask", "`X` requires approval: please"),
        ("ask c && ask b", "`X` requires approval: A3"),
        ("ask b && ask c", "`X` requires approval: A3"),
        ("touch a && quiet", "`X` requires approval by policy"),
        ("touch a", "allowed"),
        ("touch a && touch b", "allowed"),
        ("/usr/bin/touch a", "allowed"),
        ("touch a && ls", "open"),
        ("touch a > b", "open"),
        ("touch $x", "open"),
        ("X=1 touch a", "open"),
        ("touch a &", "open"),
        ("nothing", "open"),
        ("echo no", "open"),
        ("cat <<E\nno\nE", "open"),
        ("h", "open"),
    ] {
        assert_eq!(judged(&rules, script), expected, "{script}");
    }
}

/// 0.169.0 runs these: it takes only literal scripts apart.
#[test]
fn what_restricts_counts_wherever_it_is_seen() {
    let rules = rules("prefix_rule(pattern=['no', 'x'], decision='forbidden', justification='J')");
    for script in [
        "no x > f",
        "no x 2>&1 | tail",
        "no x $HOME",
        "X=1 no x",
        "no x &",
        "(no x)",
        "{ no x; }",
        "echo $(no x)",
        "if true; then no x; fi",
        "for i in 1 2; do no x; done",
        "! no x",
        "time no x",
        "sudo no x",
        "env A=1 no x",
        "bash -c 'no x'",
        "xargs no x",
        "no x # c",
        "no x <<E\nE",
    ] {
        assert_eq!(judged(&rules, script), "`X` rejected: J", "{script}");
    }
}

#[test]
fn a_path_stands_for_the_name_of_its_program() {
    let rules = rules(
        "prefix_rule(pattern=['touch'], decision='allow')\n\
         prefix_rule(pattern=['mkdir'], decision='allow')\n\
         host_executable(name='mkdir', paths=['/opt/mkdir'])\n\
         prefix_rule(pattern=['no'], decision='forbidden', justification='J')\n\
         host_executable(name='no', paths=['/opt/no'])\n",
    );
    for (script, expected) in [
        ("/usr/bin/touch a", "allowed"),
        // The reference allows these two: any file of that name would leave the sandbox.
        ("./touch a", "open"),
        ("/tmp/touch a", "open"),
        ("mkdir a", "allowed"),
        ("/opt/mkdir a", "allowed"),
        ("/bin/mkdir a", "open"),
        ("no", "`X` rejected: J"),
        ("/opt/no", "`X` rejected: J"),
        ("/bin/no", "open"),
        // It may be the listed one.
        ("./no", "`X` rejected: J"),
    ] {
        assert_eq!(judged(&rules, script), expected, "{script}");
    }
}

#[test]
fn a_script_that_is_not_literal_is_one_command() {
    let rules = rules(
        "prefix_rule(pattern=['/bin/bash', '-lc', 'mkdir $x'], decision='allow')\n\
         prefix_rule(pattern=['bash'], decision='prompt', justification='B')",
    );
    for script in ["ls $x", "ls > f", "bash x.sh", "sudo bash", "mkdir $x"] {
        assert_eq!(
            judged(&rules, script),
            "`X` requires approval: B",
            "{script}"
        );
    }
    assert_eq!(judged(&rules, "ls"), "open");
    let rules = rules_of_a_whole_script();
    assert_eq!(judged(&rules, "mkdir $x"), "allowed");
    assert_eq!(judged(&rules, "mkdir $x y"), "open");
}

fn rules_of_a_whole_script() -> Rules {
    rules("prefix_rule(pattern=['/bin/bash', '-lc', 'mkdir $x'], decision='allow')")
}

#[test]
fn a_fault_anywhere_allows_nothing_and_forbids_all_the_same() {
    let good = read_rules(
        "prefix_rule(pattern=['touch'])\n\
         prefix_rule(pattern=['no'], decision='forbidden', justification='J')\n\
         host_executable(name='no', paths=['/opt/no'])\n\
         network_rule('a.com', 'https', 'allow')",
    );
    let broken = read_rules(
        "prefix_rule(pattern=['ask'], decision='prompt', justification='Q')\n\
         prefix_rule(pattern=['mkdir'])\noops(",
    );
    let files = [
        (Path::new("/r/a.rules"), &good),
        (Path::new("/r/b.rules"), &broken),
    ];
    let rules = Rules::assemble(files, Vec::new());
    assert_eq!(
        rules.errors()[0].to_string(),
        "/r/b.rules:3:1: expected one of prefix_rule, network_rule, host_executable, found `oops`"
    );
    for (script, expected) in [
        ("touch a", "open"),
        ("mkdir a", "open"),
        ("no", "`X` rejected: J"),
        ("/bin/no", "`X` rejected: J"),
        ("ask", "`X` requires approval: Q"),
    ] {
        assert_eq!(judged(&rules, script), expected, "{script}");
    }
    assert!(rules.network().is_empty());
}

#[test]
fn the_cause_names_its_rule() {
    let rules = rules("\nprefix_rule(pattern=['no', ['a', 'b']], decision='forbidden')");
    let Ruling::Forbidden(cause) = rules.judge(&line("/bin/no b c")).ruling else {
        panic!("it is forbidden");
    };
    assert_eq!(cause.prefix, ["no", "b"]);
    assert_eq!(cause.place.path, Path::new("/home/rules/a.rules"));
    assert_eq!(cause.place.position, Position { line: 2, column: 1 });
}

fn proposed(rules: &Rules, script: &str, wanted: &str, asked: Asked) -> String {
    let wanted = shlex::split(wanted).expect("well formed");
    let wanted = (!wanted.is_empty()).then_some(wanted);
    rules
        .judge(&line(script))
        .proposal(wanted.as_deref(), asked)
        .map_or("-".to_owned(), |prefix| prefix.join("·"))
}

/// What 0.169.0 proposes for a command that wants out of the sandbox.
#[test]
fn proposals_for_escalations() {
    let none = Rules::default();
    let touch =
        rules("prefix_rule(pattern=['touch'])\nprefix_rule(pattern=['ask'], decision='prompt')");
    for (rules, script, wanted, expected) in [
        (&none, "touch a", "", "touch·a"),
        (&none, "touch a b", "touch", "touch"),
        (&none, "touch a b", "touch a", "touch·a"),
        (&none, "touch a b", "rm", "touch·a·b"),
        (&none, "touch a b", "touch a b c", "touch·a·b"),
        (&none, "touch a && touch b", "", "touch·a"),
        (&none, "touch a && touch b", "touch", "touch"),
        (&none, "touch a && ls", "touch", "touch·a"),
        (&none, "ls && touch z", "", "ls"),
        (&none, "touch $x", "touch", "/bin/bash·-lc·touch $x"),
        (&none, "touch a > b", "", "/bin/bash·-lc·touch a > b"),
        (&none, "X=1 touch a", "", "/bin/bash·-lc·X=1 touch a"),
        (&none, "sh -c 'touch a'", "", "sh·-c·touch a"),
        (&none, "bash x y", "bash", "bash·x·y"),
        (&none, "python3 x.py y", "python3 x.py", "python3·x.py"),
        (&none, "npm run x", "npm run", "npm·run·x"),
        (&touch, "touch a && ls", "", "ls"),
        (&touch, "touch a", "", "-"),
        (&touch, "ask", "ask", "-"),
        (&touch, "ask && ls", "ls", "-"),
        // The reference proposes the bare program: its argv is all there is.
        (&none, "bash", "", "-"),
        (&none, "git", "", "-"),
        (&none, "env", "", "-"),
    ] {
        assert_eq!(
            proposed(rules, script, wanted, Asked::ForAll),
            expected,
            "{script}"
        );
    }
}

#[test]
fn proposals_for_removals() {
    let none = Rules::default();
    for (script, wanted, expected) in [
        ("rm -rf x", "", "rm·-rf·x"),
        ("rm -rf x", "rm", "rm·-rf·x"),
        ("rm -rf x && ls", "rm -rf x", "rm·-rf·x"),
        ("ls && rm -rf x", "", "rm·-rf·x"),
        ("rm -rf x > y", "", "/bin/bash·-lc·rm -rf x > y"),
    ] {
        assert_eq!(
            proposed(&none, script, wanted, Asked::ForRemovals),
            expected,
            "{script}"
        );
    }
    let allowed = rules("prefix_rule(pattern=['rm'])");
    assert!(!allowed.judge(&line("rm -rf x && ls")).forces_removal());
    assert!(allowed.judge(&line("rm -rf x > y")).forces_removal());
    assert!(none.judge(&line("rm -rf x > y")).forces_removal());
    assert!(none.judge(&line("ls && cat a")).is_known_safe());
    assert!(!none.judge(&line("ls > a")).is_known_safe());
}

fn word() -> impl Strategy<Value = String> {
    prop::sample::select(vec!["a", "b", "c", "/bin/a", "./a", "/x/b", "bash", "sudo"])
        .prop_map(str::to_owned)
}

/// One line of a rules file.
fn rule(decision: &'static str) -> impl Strategy<Value = String> {
    prop::collection::vec(prop::collection::vec(word(), 1..3), 1..4).prop_map(move |pattern| {
        let tokens: Vec<String> = pattern
            .iter()
            .map(|words| {
                let words: Vec<String> = words.iter().map(|word| render_string(word)).collect();
                format!("[{}]", words.join(", "))
            })
            .collect();
        format!(
            "prefix_rule([{}], {})\n",
            tokens.join(", "),
            render_string(decision)
        )
    })
}

fn some_rules() -> impl Strategy<Value = String> {
    let any_rule = prop_oneof![rule("allow"), rule("prompt"), rule("forbidden")];
    prop::collection::vec(any_rule, 0..6).prop_map(|lines| lines.concat())
}

fn script() -> impl Strategy<Value = String> {
    let joint = prop::sample::select(vec![" && ", "; ", " | ", " > ", " & ", " $(", "\n"]);
    prop::collection::vec((word(), word(), joint), 1..5).prop_map(|parts| {
        parts
            .iter()
            .map(|(first, second, joint)| format!("{first} {second}{joint}"))
            .collect()
    })
}

fn severity(ruling: &Ruling) -> u8 {
    match ruling {
        Ruling::Allowed | Ruling::Open => 0,
        Ruling::Prompt(_) => 1,
        Ruling::Forbidden(_) => 2,
    }
}

proptest! {
    #[test]
    fn a_rule_that_allows_never_loosens_what_restricts(
        text in some_rules(),
        more in rule("allow"),
        first in any::<bool>(),
        script in script(),
    ) {
        let before = rules(&text).judge(&line(&script)).ruling;
        let with = if first { format!("{more}{text}") } else { format!("{text}{more}") };
        let after = rules(&with).judge(&line(&script)).ruling;
        prop_assert_eq!(severity(&after), severity(&before));
    }

    #[test]
    fn a_rule_that_restricts_never_loosens(text in some_rules(), more in rule("forbidden"), script in script()) {
        let before = rules(&text).judge(&line(&script)).ruling;
        let after = rules(&format!("{text}{more}")).judge(&line(&script)).ruling;
        prop_assert!(severity(&after) >= severity(&before));
    }

    #[test]
    fn allowed_means_that_each_command_is_allowed_alone(text in some_rules(), script in script()) {
        let rules = rules(&text);
        let line = line(&script);
        if rules.judge(&line).ruling == Ruling::Allowed {
            for command in line.commands() {
                prop_assert_eq!(rules.judge(&CommandLine::new(command)).ruling, Ruling::Allowed);
            }
        }
    }
}
