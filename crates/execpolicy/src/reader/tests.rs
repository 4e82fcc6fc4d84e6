use proptest::prelude::*;

use super::*;
use crate::rule::{Decision, NetworkProtocol};

/// One line per rule, then the fault.
fn shown(text: &str) -> String {
    let rules = read_rules(text);
    let mut lines: Vec<String> = rules
        .prefix_rules
        .iter()
        .map(|rule| {
            let pattern: Vec<String> = rule.pattern.iter().map(|token| token.0.join("|")).collect();
            let reason = rule
                .justification
                .iter()
                .map(|reason| format!(" ({reason})"));
            format!(
                "{} {}{}",
                rule.decision.as_str(),
                pattern.join("·"),
                reason.collect::<String>()
            )
        })
        .collect();
    lines.extend(rules.fault.map(|fault| fault.to_string()));
    lines.join("\n")
}

/// What 0.169.0 reads, and how.
#[test]
fn reads_what_the_reference_reads() {
    for (text, expected) in [
        ("", ""),
        ("prefix_rule(pattern=[\"a\"])", "allow a"),
        (
            "prefix_rule(pattern=[\"a\"], decision=\"prompt\")",
            "prompt a",
        ),
        (
            "prefix_rule(pattern=['a', ['b', 'c']], decision='forbidden', justification='no')",
            "forbidden a·b|c (no)",
        ),
        (
            "prefix_rule([\"a\"], \"prompt\", [\"a b\"], [\"b\"], \"why\")",
            "prompt a (why)",
        ),
        (
            "prefix_rule(\n  pattern = [\n    \"a\", # one\n    \"b\",\n  ],\n)\n",
            "allow a·b",
        ),
        ("# c\r\nprefix_rule(pattern=[\"a\"]) # d\r\n", "allow a"),
        (
            "prefix_rule(pattern=[\"a\"]); prefix_rule(pattern=[\"b\"])",
            "allow a\nallow b",
        ),
        (
            "G = \"a\"\nL = [G, \"b\"]\nprefix_rule(pattern=[G, L])",
            "allow a·a|b",
        ),
        ("G = 'a'\nG = 'b'\nprefix_rule(pattern=[G])", "allow b"),
        (
            "prefix_rule(pattern=[\"a\" + \"b\"] + [\"c\"])",
            "allow ab·c",
        ),
        ("prefix_rule(pattern=([\"a\"]))", "allow a"),
        ("prefix_rule(pattern=\\\n[\"a\"])", "allow a"),
        (
            "\"\"\"doc\"\"\"\npass\nX = True\nY = None\nZ = 12\nprefix_rule(pattern=[\"a\"])",
            "allow a",
        ),
        ("pattern = ['a']\nprefix_rule(pattern=pattern)", "allow a"),
        (
            "prefix_rule(pattern=['''a\nb''', \"\"\"c\"d\"\"\"])",
            "allow a\nb·c\"d",
        ),
        (
            r#"prefix_rule(pattern=[r"a\n", "\q", "\x41\u00e9\101\t", '\'"'])"#,
            "allow a\\n·\\q·AéA\t·'\"",
        ),
        ("prefix_rule(pattern=[\"a\\\nb\"])", "allow ab"),
        ("prefix_rule(pattern=['a', ''])", "allow a·"),
        (
            "prefix_rule(pattern=['b', 'c d'], match=[\"b 'c d' e\", ['b', 'c d']], not_match=['b c d'])",
            "allow b·c d",
        ),
        ("prefix_rule(pattern=['b'], match=['/bin/b x'])", "allow b"),
        (
            "prefix_rule(pattern=['b'])\nprefix_rule(pattern=['b', 'd'], not_match=['b c'])",
            "allow b\nallow b·d",
        ),
    ] {
        assert_eq!(shown(text), expected, "{text}");
    }
}

#[test]
fn faults_say_where_they_are_and_what_was_expected() {
    for (text, expected) in [
        (
            "prefix_rule(pattern=[\"a\"",
            "1:25: expected `,` or `]`, found the end of the file",
        ),
        (
            "prefix_rule(pattern=[\"a)\n",
            "1:22: expected \" before the end of the line, the string goes on",
        ),
        (
            "prefix_rule(pattern=['''a\n",
            "1:22: expected ''' at the end of the string",
        ),
        (
            "foo()",
            "1:1: expected one of prefix_rule, network_rule, host_executable, found `foo`",
        ),
        (
            "\n  prefix_rule(pattern=['a'])",
            "2:3: expected a statement at the start of the line, found blanks before it",
        ),
        (
            "prefix_rule(pattern=[])",
            "1:21: expected at least one word in `pattern`",
        ),
        (
            "prefix_rule(pattern=['a', []])",
            "1:27: expected at least one alternative",
        ),
        (
            "prefix_rule(pattern=['a', [['b']]])",
            "1:28: expected a string for an alternative, found a list",
        ),
        (
            "prefix_rule(pattern='a b')",
            "1:21: expected a list of words for `pattern`, found a string",
        ),
        (
            "prefix_rule(pattern=['a', 1])",
            "1:27: expected a string for a word of the pattern, or a list of them, found a number",
        ),
        (
            "prefix_rule(decision='allow')",
            "1:1: expected the argument `pattern` of `prefix_rule`",
        ),
        (
            "prefix_rule(pattern=['a'], decision='ask')",
            "1:37: expected allow, prompt or forbidden, found \"ask\"",
        ),
        (
            "prefix_rule(pattern=['a'], decision='deny')",
            "1:37: expected allow, prompt or forbidden, found \"deny\"",
        ),
        (
            "prefix_rule(pattern=['a'], decision=None)",
            "1:37: expected a string for `decision`, found None",
        ),
        (
            "prefix_rule(pattern=['a'], pattern=['b'])",
            "1:28: expected each argument once, found `pattern` again",
        ),
        (
            "prefix_rule(['a'], pattern=['b'])",
            "1:20: expected each argument once, found `pattern` again",
        ),
        (
            "prefix_rule(pattern=['a'], 'allow')",
            "1:28: expected a named argument, since line 1 has one before it",
        ),
        (
            "prefix_rule(['a'], 'allow', [], [], 'x', 'y')",
            "1:42: expected at most 5 arguments of `prefix_rule`",
        ),
        (
            "prefix_rule(pattern=['a'], foo=1)",
            "1:28: expected an argument of `prefix_rule` (pattern, decision, match, not_match, justification), found `foo`",
        ),
        (
            "prefix_rule(pattern=['a'], justification=' ')",
            "1:42: expected a reason in `justification`, found none",
        ),
        (
            "prefix_rule(pattern=['a' 'b'])",
            "1:26: expected `,` or `]`, found a string",
        ),
        (
            "prefix_rule(pattern=[A])",
            "1:22: expected a value, found the name `A`, which is not defined",
        ),
        (
            "prefix_rule(pattern=['a'] + 'b')",
            "1:27: expected two strings or two lists around `+`, found a list and a string",
        ),
        (
            "prefix_rule(pattern=[f'a'])",
            "1:22: expected a plain string, found one of kind `f`",
        ),
        (
            "prefix_rule(pattern=['\\xZ'])",
            "1:23: expected 2 hexadecimal digits in the escape",
        ),
        (
            "prefix_rule(pattern=['\\ud800'])",
            "1:23: expected the number of a character in the escape, found one that is none",
        ),
        (
            "prefix_rule(pattern=['a']),",
            "1:27: expected the end of the statement, found `,`",
        ),
        (
            "prefix_rule\n(pattern=['a'])",
            "1:12: expected `(` after `prefix_rule`, found the end of the statement",
        ),
        (
            "prefix_rule = 1",
            "1:13: expected `(` after `prefix_rule`, found `=`",
        ),
        (
            "for x in ['a']:\n    prefix_rule(pattern=[x])",
            "1:1: expected a rule or a constant, found `for`, which rules files cannot use here",
        ),
        (
            "[prefix_rule(pattern=['a'])]",
            "1:1: expected a rule or a constant, found `[`",
        ),
        (
            "é",
            "1:1: expected a rule, found 'é', which has no meaning in a rules file",
        ),
        ("x = 1 \\ 2", "1:7: expected a line end after `\\`"),
        (
            "prefix_rule(pattern=['b'], match=[''])",
            "1:35: expected at least one word in an example",
        ),
        (
            "prefix_rule(pattern=['b'], match=[1])",
            "1:35: expected a string for an example, or a list of its words, found a number",
        ),
        (
            "prefix_rule(pattern=['b'], match=['b \\'c'])",
            "1:35: expected a command line as an example, found \"b 'c\"",
        ),
        (
            "host_executable(name='a', paths=['bin/a'])",
            "1:34: expected an absolute path that ends in \"a\", found \"bin/a\"",
        ),
        (
            "host_executable(name='a', paths=['/bin/b'])",
            "1:34: expected an absolute path that ends in \"a\", found \"/bin/b\"",
        ),
        (
            "host_executable(name='x/a', paths=[])",
            "1:22: expected the name of a program without a folder, found \"x/a\"",
        ),
        (
            "network_rule(host='*.a.com', protocol='https', decision='allow')",
            "1:19: expected one host, without `*`, found \"*.a.com\"",
        ),
        (
            "network_rule(host='a.com', protocol='ftp', decision='allow')",
            "1:37: expected http, https, socks5_tcp or socks5_udp, found \"ftp\"",
        ),
    ] {
        assert_eq!(shown(text), expected, "{text}");
    }
}

#[test]
fn an_example_that_is_not_true_is_a_fault_and_named() {
    assert_eq!(
        shown("prefix_rule(pattern=['a', 'b'],\n  match=['a b', 'a c d'])"),
        "allow a·b\n2:17: expected the rule to match its example `a c d`"
    );
    assert_eq!(
        shown("prefix_rule(pattern=['a', 'b'], not_match=[['a', 'b', 'c d']])"),
        "allow a·b\n1:44: expected the rule not to match its counterexample `a b 'c d'`"
    );
    assert_eq!(
        shown("prefix_rule(pattern=['a'])\nprefix_rule(pattern=['b'], match=['a'])"),
        "allow a\nallow b\n2:35: expected the rule to match its example `a`"
    );
}

#[test]
fn the_rules_before_a_fault_are_kept() {
    assert_eq!(
        shown("prefix_rule(pattern=['a'], decision='forbidden')\noops("),
        "forbidden a\n2:1: expected one of prefix_rule, network_rule, host_executable, found `oops`"
    );
}

#[test]
fn reads_rules_for_connections() {
    let text = "network_rule(host='A.com.', protocol='https', decision='allow')\n\
                network_rule('[::1]:80', 'http', 'deny', 'no')\n\
                network_rule('a.com:443', 'http-connect', 'prompt')\n\
                network_rule('fe80::1', 'socks5_udp', 'forbidden')";
    let rules = read_rules(text);
    assert_eq!(rules.fault, None);
    let shown: Vec<_> = rules
        .network_rules
        .iter()
        .map(|rule| (rule.host.as_str(), rule.protocol, rule.decision))
        .collect();
    assert_eq!(
        shown,
        [
            ("a.com", NetworkProtocol::Https, Decision::Allow),
            ("::1", NetworkProtocol::Http, Decision::Forbidden),
            ("a.com", NetworkProtocol::Https, Decision::Prompt),
            ("fe80::1", NetworkProtocol::Socks5Udp, Decision::Forbidden),
        ]
    );
}

#[test]
fn values_that_grow_or_nest_without_end_are_faults() {
    let doubling = format!("X = ['{}']\n{}", "a".repeat(1000), "X = X + X\n".repeat(64));
    assert!(shown(&doubling).contains("expected values of at most"));
    let nested = format!("X = {}", "[".repeat(100_000));
    assert!(shown(&nested).contains("brackets in one another"));
    let parens = format!("X = {}", "(".repeat(100_000));
    assert!(shown(&parens).contains("brackets in one another"));
    let boxed = format!("X = ['a']\n{}", "X = [X]\n".repeat(100_000));
    assert!(shown(&boxed).contains("expected values of at most"));
}

#[test]
fn amendments_are_written_in_the_words_of_the_reference() {
    let prefix = ["printf", "tab\tnl\nbs\\x \u{1} é 😀 \u{2028} \"q\""].map(str::to_owned);
    assert_eq!(
        render_allow(&prefix),
        "prefix_rule(pattern=[\"printf\", \"tab\\tnl\\nbs\\\\x \\u0001 é 😀 \u{2028} \\\"q\\\"\"], \
         decision=\"allow\")"
    );
}

/// Pieces that make texts which get past the first word.
fn piece() -> impl Strategy<Value = String> {
    prop_oneof![
        prop::sample::select(vec![
            "prefix_rule(",
            "network_rule(",
            "host_executable(",
            "pattern=",
            "decision=",
            "match=",
            "not_match=",
            "justification=",
            "host=",
            "name=",
            "paths=",
            "[",
            "]",
            "(",
            ")",
            ",",
            "=",
            "+",
            "\n",
            ";",
            "\"a\"",
            "'b c'",
            "\"\"\"",
            "'",
            "\"",
            "\\",
            "\"allow\"",
            "# x",
            "True",
            "X",
            "X = ",
            "12",
            "\t",
            " ",
            "\r\n",
            "r'",
            "f\"",
            "\\u",
            "\u{feff}",
        ])
        .prop_map(str::to_owned),
        any::<char>().prop_map(String::from),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(10_000))]

    #[test]
    fn never_panics_and_points_into_the_text(pieces in prop::collection::vec(piece(), 0..24)) {
        let text = pieces.concat();
        let lines = text.split('\n').count();
        if let Some(fault) = read_rules(&text).fault {
            prop_assert!(fault.span.start <= fault.span.end);
            prop_assert!(fault.span.start.line >= 1 && fault.span.end.line <= lines);
        }
    }
}

proptest! {
    #[test]
    fn what_is_written_reads_back(prefix in prop::collection::vec(any::<String>(), 1..5)) {
        let rules = read_rules(&render_allow(&prefix));
        prop_assert_eq!(rules.fault, None);
        prop_assert_eq!(rules.prefix_rules.len(), 1);
        let read: Vec<&String> = rules.prefix_rules[0].pattern.iter().flat_map(|token| &token.0).collect();
        prop_assert_eq!(read, prefix.iter().collect::<Vec<_>>());
        prop_assert!(!render_allow(&prefix).contains('\n'), "one line");
    }
}
