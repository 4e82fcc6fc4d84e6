//! Ten thousand calls that mean no good, and commands that behave badly.

use std::fmt::Write as _;

use loomd_events::{ToolEvent, ToolPayload};
use loomd_protocol::CommandExecutionStatus;
use serde_json::json;

use crate::support::{Tools, command, session, shown};

/// Calls that are tried.
const CALLS: u64 = 10_000;
/// Calls that run at a time.
const BATCH: usize = 100;

/// A small generator, so that a failure can be had again by its number.
struct Dice(u64);

impl Dice {
    fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)
    }

    fn roll(&mut self, sides: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 >> 33).unwrap_or(0) % sides
    }

    fn pick<'a>(&mut self, of: &[&'a str]) -> &'a str {
        of[self.roll(of.len())]
    }
}

const NAMES: &[&str] = &[
    "workdir",
    "shell",
    "login",
    "tty",
    "yield_time_ms",
    "max_output_tokens",
    "justification",
    "sandbox_permissions",
    "prefix_rule",
    "session_id",
    "chars",
    "cmd",
    "",
    "\u{0}",
    "__proto__",
];

const VALUES: &[&str] = &[
    "null",
    "true",
    "false",
    "-1",
    "0",
    "1",
    "250",
    "1e400",
    "18446744073709551616",
    "-0.0",
    "99999999999",
    "\"\"",
    "\"x\"",
    "\"\\u0000\"",
    "\"\\ud800\"",
    "\"/no/such\"",
    "\"../../..\"",
    "\"use_default\"",
    "\"require_escalated\"",
    "[]",
    "[\"\"]",
    "{}",
    "[[[[[[[[]]]]]]]]",
    "nan",
    "'x'",
];

/// Arguments of a call, which are seldom good.
fn arguments(dice: &mut Dice) -> String {
    let mut text = "{".to_owned();
    match dice.roll(8) {
        0 => text.push_str(r#""cmd":":","#),
        1 => text.push_str(r#""cmd":"\u0000","#),
        2 => text.push_str(r#""session_id":4711,"#),
        _ => {}
    }
    for _ in 0..dice.roll(5) {
        let name = json!(dice.pick(NAMES));
        let _ = write!(text, "{name}:{},", dice.pick(VALUES));
    }
    match dice.roll(6) {
        0 => {}
        1 => text.push_str(&"[".repeat(10_000)),
        _ => {
            text.pop();
            text.push('}');
        }
    }
    if dice.roll(10) == 0 {
        let end = dice.roll(text.len() + 1);
        text.truncate(text.floor_char_boundary(end));
    }
    text
}

#[tokio::test]
async fn ten_thousand_bad_calls_are_each_answered_and_leave_nothing() {
    let mut tools = Tools::new();
    let mut ran = 0;
    for first in (0..CALLS).step_by(BATCH) {
        let mut open = 0;
        for seed in first..first + BATCH as u64 {
            let mut dice = Dice::new(seed);
            let name = dice.pick(&[
                "exec_command",
                "exec_command",
                "write_stdin",
                "exec",
                "\u{0}",
            ]);
            let arguments = arguments(&mut dice);
            let payload = match dice.roll(10) {
                0 => ToolPayload::Custom { input: arguments },
                _ => ToolPayload::Function { arguments },
            };
            tools.start_in("turn", name, payload);
            open += 1;
        }
        while open > 0 {
            if let (_, ToolEvent::Finished(output)) = tools.next().await {
                let text = output.output.as_str().expect("a text");
                ran += usize::from(text.contains("Process exited with code 0"));
                assert!(!text.is_empty());
                open -= 1;
            }
        }
        // Every item that began has ended.
        let count = |kind: &str| tools.kinds().iter().filter(|of| **of == kind).count();
        assert_eq!(count("started"), count("completed"));
        tools.log.clear();
    }
    assert!(ran > 20, "{ran} of them were good enough to run");
    assert!(tools.toolbox.background_terminals().is_empty());
    assert_eq!(tools.run("echo alive").await, "0|alive\n");
}

#[tokio::test]
async fn a_script_that_no_system_takes_is_a_failed_item() {
    let mut tools = Tools::new();
    let call = tools.exec(&format!(": {}", "x".repeat(1024 * 1024)));
    let item = tools.completed(&call).await;
    assert_eq!(command(&item).status, CommandExecutionStatus::Failed);
    assert_eq!(command(&item).exit_code, Some(-1));
    let text = tools.text(&call).await;
    assert!(text.contains("Argument list too long"), "{text}");
}

#[tokio::test]
async fn what_closes_its_output_early_is_waited_for() {
    let mut tools = Tools::new();
    let got = tools
        .run("echo before; exec >&- 2>&-; sleep 0.2; echo lost; exit 7")
        .await;
    assert_eq!(got, "7|before\n");
}

#[tokio::test]
async fn a_cut_character_and_a_flood_of_escapes_are_text() {
    let mut tools = Tools::new();
    assert_eq!(tools.run(r"printf 'a\xe2\x82'").await, "0|a\u{fffd}");
    let flood = r"for i in {1..2000}; do printf '\033[2J\033]0;t\a\033[%dm\r' $i; done; printf end";
    for tty in [false, true] {
        let call = tools.start(
            "exec_command",
            json!({"cmd": flood, "login": false, "tty": tty}),
        );
        let got = shown(&tools.text(&call).await);
        assert!(got.starts_with("0|") && got.ends_with("end"), "{tty}");
    }
}

/// Prints so many lines of 1,000 bytes with a word before and behind.
fn much(lines: usize) -> String {
    let line = "y".repeat(999);
    format!("echo first; yes {line} | head -n {lines}; echo last")
}

#[tokio::test]
async fn much_output_keeps_its_head_and_its_tail() {
    const LINES: usize = 10_000;
    const KEPT_MAX: usize = 1024 * 1024;
    for tty in [false, true] {
        // A client that is slow does not change what is kept.
        let mut tools = Tools::with_room(1);
        let call = tools.start(
            "exec_command",
            json!({"cmd": much(LINES), "login": false, "tty": tty, "yield_time_ms": 30_000}),
        );
        let item = tools.completed(&call).await;
        let kept = command(&item).aggregated_output.clone().expect("output");
        let end = if tty { "\r\n" } else { "\n" };
        assert!(kept.len() <= KEPT_MAX + 200, "{}", kept.len());
        assert!(kept.starts_with(&format!("first{end}yyy")));
        assert!(kept.ends_with(&format!("yyy{end}last{end}")));
        let text = tools.text(&call).await;
        let (_, output) = text.split_once("Output:\n").expect("a head");
        assert!(text.len() < 42_000, "{}", text.len());
        assert!(output.contains(&format!("first{end}yyy")), "the head");
        assert!(output.ends_with(&format!("yyy{end}last{end}")), "the tail");
        let bytes = LINES * (999 + end.len()) + "first".len() + "last".len() + 2 * end.len();
        let tokens = format!("Original token count: {}\n", bytes.div_ceil(4));
        assert!(text.contains(&tokens), "{tokens} {}", &text[..200]);
    }
}

#[tokio::test]
async fn no_call_waits_less_than_a_quarter_of_a_second() {
    let mut tools = Tools::new();
    let waited = |text: &str| -> f64 {
        let (_, rest) = text
            .split_once("Wall time: ")
            .unwrap_or_else(|| panic!("no time: {text}"));
        let (seconds, _) = rest.split_once(' ').expect("a unit");
        seconds.parse().expect("seconds")
    };
    let started = tools.start(
        "exec_command",
        json!({"cmd": "sleep infinity", "login": false, "tty": true, "yield_time_ms": 0}),
    );
    let text = tools.text(&started).await;
    assert!((0.25..5.0).contains(&waited(&text)), "{text}");
    let id = session(&text);
    let call = tools.start(
        "write_stdin",
        json!({"session_id": id, "chars": "x", "yield_time_ms": 1}),
    );
    let text = tools.text(&call).await;
    assert!((0.25..5.0).contains(&waited(&text)), "{text}");
    assert!(tools.toolbox.terminate(&id.to_string()));
    tools.completed(&started).await;
}
