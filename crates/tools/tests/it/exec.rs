//! Commands: answers, items, output, input.

use loomd_events::{ToolEvent, ToolPayload};
use loomd_protocol::{CommandAction, CommandExecutionSource, CommandExecutionStatus};
use serde_json::json;

use crate::support::{Tools, command, fifo, kind, open_gate, session, shown};

#[tokio::test]
async fn a_command_answers_with_its_output_in_arrival_order() {
    let mut tools = Tools::new();
    let call = tools.exec("echo hello; printf err >&2; echo more; exit 3");
    let text = tools.text(&call).await;
    assert_eq!(shown(&text), "3|hello\nerrmore\n");
    assert!(text.contains("\nOriginal token count: 4\n"), "{text}");
    let kinds = tools.kinds();
    assert_eq!(kinds.first(), Some(&"started"));
    assert_eq!(kinds[kinds.len() - 2..], ["completed", "finished"]);
    assert_eq!(tools.deltas(&call), "hello\nerrmore\n");
}

#[tokio::test]
async fn its_item_tells_what_ran_and_how_it_ended() {
    let mut tools = Tools::new();
    let call = tools.exec("cat 'a b' && exit 4");
    tools.write("a b", "x\n");
    let item = tools.completed(&call).await;
    let Some((turn, ToolEvent::ItemStarted(started))) = tools.log.first().cloned() else {
        panic!("an item starts first");
    };
    assert_eq!(&*turn, "turn");
    let cwd = tools.folder.path().display().to_string();
    let began = command(&started);
    assert_eq!(began.command, "/bin/bash -c \"cat 'a b' && exit 4\"");
    assert_eq!(began.cwd, cwd);
    assert_eq!(began.source, CommandExecutionSource::UnifiedExecStartup);
    assert_eq!(began.status, CommandExecutionStatus::InProgress);
    assert!(began.process_id.is_some() && began.exit_code.is_none());
    assert_eq!(
        began.command_actions,
        [CommandAction::Unknown {
            command: "cat 'a b' && exit 4".into()
        }]
    );
    assert!(started.started_at_ms.is_some() && started.completed_at_ms.is_none());

    let done = command(&item);
    assert_eq!(done.process_id, began.process_id);
    assert_eq!(done.status, CommandExecutionStatus::Failed);
    assert_eq!(done.exit_code, Some(4));
    assert_eq!(done.aggregated_output.as_deref(), Some("x\n"));
    assert!(done.duration_ms.is_some());
    assert_eq!(item.started_at_ms, started.started_at_ms);
    assert!(item.completed_at_ms.is_some());
}

#[tokio::test]
async fn silence_is_no_output() {
    let mut tools = Tools::new();
    let call = tools.exec("true");
    let item = tools.completed(&call).await;
    assert_eq!(command(&item).aggregated_output, None);
    assert_eq!(command(&item).status, CommandExecutionStatus::Completed);
}

#[tokio::test]
async fn a_login_shell_is_the_default_and_the_folder_is_relative_to_the_turns() {
    let mut tools = Tools::new();
    std::fs::create_dir(tools.path("sub")).expect("made");
    let call = tools.start(
        "exec_command",
        json!({ "cmd": "shopt -q login_shell && pwd", "workdir": "x/../sub" }),
    );
    let expected = format!("0|{}\n", tools.path("sub").display());
    assert_eq!(shown(&tools.text(&call).await), expected);
    let Some((_, ToolEvent::ItemStarted(item))) = tools.log.first() else {
        panic!("an item starts first");
    };
    assert!(command(item).command.starts_with("/bin/bash -lc "));
}

#[tokio::test]
async fn commands_get_the_environment_of_the_reference() {
    let mut tools = Tools::new();
    let got = tools
        .run(
            "env | grep -E '^(CODEX_|TERM=|NO_COLOR|LANG|LC_|COLORTERM|PAGER|G.*_PAGER|A_TOKEN)' \
             | sort",
        )
        .await;
    let thread = "00000000-0000-0000-0000-00000000000";
    assert_eq!(
        got,
        format!(
            "0|A_TOKEN=t\nCODEX_CI=1\nCODEX_SESSION_ID={thread}2\nCODEX_THREAD_ID={thread}1\n\
             CODEX_TOOL_CALL_ID=call_1\nCODEX_VERSION=0.169.0\nCOLORTERM=\nGH_PAGER=cat\n\
             GIT_PAGER=cat\nLANG=C.UTF-8\nLC_ALL=C.UTF-8\nLC_CTYPE=C.UTF-8\nNO_COLOR=1\nPAGER=cat\n\
             TERM=dumb\n"
        )
    );
}

#[tokio::test]
async fn without_a_terminal_input_is_empty_and_the_command_leads_a_session() {
    let mut tools = Tools::new();
    assert_eq!(tools.run("cat; tty; echo eof").await, "0|not a tty\neof\n");
    let ids = "ps -o pid=,pgid=,sid= -p $$ | tr -s ' ' '\\n' | grep . | sort -u | wc -l";
    assert_eq!(tools.run(ids).await.trim(), "0|1");
}

#[tokio::test]
async fn a_signal_is_told_as_a_shell_tells_it() {
    let mut tools = Tools::new();
    assert_eq!(tools.run("kill -9 $$").await, "137|");
}

#[tokio::test]
async fn what_cannot_start_is_told_in_item_and_answer() {
    let mut tools = Tools::new();
    let call = tools.start(
        "exec_command",
        json!({ "cmd": "x", "workdir": "/no/such/folder" }),
    );
    assert_eq!(
        tools.text(&call).await,
        "exec_command failed: CreateProcess { message: \"Rejected(\\\"Failed to create unified exec \
         process: No such file or directory (os error 2)\\\")\" }"
    );
    assert_eq!(tools.kinds(), ["started", "completed", "finished"]);
    let (_, ToolEvent::ItemCompleted(item)) = &tools.log[1] else {
        panic!("an item")
    };
    assert_eq!(command(item).process_id, None);
    assert_eq!(command(item).exit_code, Some(-1));

    let call = tools.start("exec_command", json!({ "cmd": "echo a\u{0}b" }));
    assert!(
        tools
            .text(&call)
            .await
            .contains("nul byte found in provided data")
    );
}

#[tokio::test]
async fn long_output_is_cut_for_the_model_and_whole_in_the_item() {
    let mut tools = Tools::new();
    let call = tools.start(
        "exec_command",
        json!({ "cmd": "seq 1 3000", "login": false, "max_output_tokens": 50 }),
    );
    let item = tools.completed(&call).await;
    let all: String = (1..=3000).map(|n| format!("{n}\n")).collect();
    assert_eq!(command(&item).aggregated_output, Some(all));
    let text = tools.text(&call).await;
    let (head, output) = text.split_once("Output:\n").expect("a head");
    assert!(head.ends_with("\nOriginal token count: 3474\n"), "{head}");
    assert!(
        output.starts_with(
            "Warning: truncated output (original token count: 3474)\nTotal output lines: 3000\n\n1\n2\n"
        ),
        "{output}"
    );
    assert!(
        output.contains("36\n3…3424 tokens truncated…2981\n"),
        "{output}"
    );
}

#[tokio::test]
async fn text_is_whole_across_chunk_borders_and_broken_bytes_are_marked() {
    let mut tools = Tools::new();
    fifo(&tools.path("gate"));
    let call = tools.exec("printf '\\xe2\\x82'; cat gate >/dev/null; printf '\\xac\\xff!'");
    assert_eq!(kind(&tools.next().await.1), "started");
    open_gate(tools.path("gate")).await;
    assert_eq!(shown(&tools.text(&call).await), "0|€\u{FFFD}!");
    assert_eq!(tools.deltas(&call), "€\u{FFFD}!");
}

#[tokio::test]
async fn a_flood_is_bounded_in_item_and_deltas() {
    let mut tools = Tools::with_room(4);
    let call = tools.exec("yes 0123456789 | head -c 30000000; echo; echo end");
    let item = tools.completed(&call).await;
    let output = command(&item).aggregated_output.clone().expect("output");
    assert!(output.len() < 1_100_000, "{}", output.len());
    assert!(output.starts_with("0123456789\n") && output.ends_with("\nend\n"));
    assert!(output.contains("\n... 28951429 bytes omitted ...\n"));
    let deltas = tools
        .log
        .iter()
        .filter(|(_, event)| kind(event) == "delta")
        .count();
    assert!(deltas <= 10_000, "{deltas}");
    let text = tools.text(&call).await;
    assert!(text.contains("\nOriginal token count: 7500002\n"));
    assert!(text.contains("\n... 28951429 bytes omitted ...\n\n"));
    assert!(text.len() < 45_000, "{}", text.len());
}

#[tokio::test]
async fn a_long_command_yields_and_completes_later_with_its_own_turn() {
    let mut tools = Tools::new();
    fifo(&tools.path("gate"));
    let call = tools.start(
        "exec_command",
        json!({ "cmd": "echo one; cat gate; echo two; exit 7", "login": false, "yield_time_ms": 250 }),
    );
    let text = tools.text(&call).await;
    let id = session(&text);
    assert!((1_000..100_000).contains(&id));
    assert!(!tools.kinds().contains(&"completed"));
    open_gate(tools.path("gate")).await;
    let item = tools.completed(&call).await;
    assert_eq!(command(&item).exit_code, Some(7));
    assert_eq!(
        command(&item).aggregated_output.as_deref(),
        Some("one\ngo\ntwo\n")
    );
    assert_eq!(&*tools.log.last().expect("an event").0, "turn");

    // The first look at the ended command gets the rest, the next one nothing.
    let look = tools.start("write_stdin", json!({ "session_id": id }));
    let rest = shown(&tools.text(&look).await);
    let seen = shown(&text).replace("running|", "");
    assert_eq!(
        format!("{seen}{}", rest.replace("7|", "")),
        "one\ngo\ntwo\n"
    );
    let again = tools.start("write_stdin", json!({ "session_id": id }));
    assert_eq!(
        tools.text(&again).await,
        format!("write_stdin failed: Unknown process id {id}")
    );
}

#[tokio::test]
async fn typing_into_a_terminal_shows_as_interactions() {
    let mut tools = Tools::new();
    let call = tools.start(
        "exec_command",
        json!({ "cmd": "stty size; read x; echo got $x", "login": false, "tty": true, "yield_time_ms": 250 }),
    );
    let text = tools.text(&call).await;
    let arguments = json!({
        "session_id": session(&text),
        "chars": "hello\n",
        "yield_time_ms": 30_000,
    })
    .to_string();
    let typed = tools.start_in("later", "write_stdin", ToolPayload::Function { arguments });
    let answer = shown(&tools.text(&typed).await);
    let printed = tools.deltas(&call);
    assert!(printed.contains("24 80\r\n"), "{printed}");
    assert!(printed.ends_with("got hello\r\n"), "{printed}");
    assert!(
        answer.starts_with("0|") && answer.ends_with("got hello\r\n"),
        "{answer}"
    );
    let kinds = tools.kinds();
    let at = kinds
        .iter()
        .position(|kind| *kind == "interaction")
        .expect("an interaction");
    assert_eq!(kinds[at..], ["interaction", "completed", "finished"]);
    assert_eq!(
        tools.log[at],
        (
            "later".into(),
            ToolEvent::TerminalInteraction {
                item_id: call,
                process_id: session(&text).to_string(),
                stdin: "hello\n".into()
            }
        )
    );
    assert_eq!(&*tools.log[at + 1].0, "turn");
}

#[tokio::test]
async fn control_c_interrupts_with_and_without_a_terminal() {
    let mut tools = Tools::new();
    for tty in [true, false] {
        let call = tools.start(
            "exec_command",
            json!({ "cmd": "cat /dev/zero >/dev/null", "login": false, "tty": tty, "yield_time_ms": 250 }),
        );
        let id = session(&tools.text(&call).await);
        let stop = tools.start(
            "write_stdin",
            json!({ "session_id": id, "chars": "\u{3}", "yield_time_ms": 30_000 }),
        );
        let answer = shown(&tools.text(&stop).await);
        assert!(answer.starts_with("130|"), "{answer}");
    }
}

#[tokio::test]
async fn a_command_without_a_terminal_takes_no_input() {
    let mut tools = Tools::new();
    fifo(&tools.path("gate"));
    let call = tools.start(
        "exec_command",
        json!({ "cmd": "cat gate", "login": false, "yield_time_ms": 250 }),
    );
    let id = session(&tools.text(&call).await);
    for chars in ["hello\n", "\u{3}\u{3}"] {
        let typed = tools.start("write_stdin", json!({ "session_id": id, "chars": chars }));
        assert_eq!(
            tools.text(&typed).await,
            "write_stdin failed: stdin is closed for this session; rerun exec_command with tty=true to keep stdin open"
        );
    }
    open_gate(tools.path("gate")).await;
    tools.completed(&call).await;
}

#[tokio::test]
async fn more_input_than_a_program_will_read_is_refused_and_blocks_nothing() {
    let mut tools = Tools::new();
    let call = tools.start(
        "exec_command",
        json!({ "cmd": "stty raw -echo; echo ready; kill -STOP $$", "login": false, "tty": true, "yield_time_ms": 250 }),
    );
    let id = session(&tools.text(&call).await);
    let flood = "x".repeat(900_000);
    let first = tools.start("write_stdin", json!({ "session_id": id, "chars": flood }));
    assert!(shown(&tools.text(&first).await).starts_with("running|"));
    let second = tools.start("write_stdin", json!({ "session_id": id, "chars": flood }));
    let text = tools.text(&second).await;
    assert!(
        text.starts_with("write_stdin failed: the program has not read "),
        "{text}"
    );
    assert!(tools.toolbox.terminate(&id.to_string()));
    tools.completed(&call).await;
}

#[tokio::test]
async fn calls_of_one_response_run_side_by_side() {
    let mut tools = Tools::new();
    fifo(&tools.path("gate"));
    // Neither can end without the other.
    let reads = tools.exec("cat gate");
    let writes = tools.exec("echo there > gate");
    let mut outputs = vec![tools.next_answer().await, tools.next_answer().await];
    outputs.sort();
    assert_eq!(
        outputs,
        [(reads, "0|there\n".to_owned()), (writes, "0|".to_owned())]
    );
}

#[tokio::test]
async fn the_policy_never_refuses_escalation_and_forced_removal() {
    let mut tools = Tools::new();
    let call = tools.start(
        "exec_command",
        json!({ "cmd": "echo x", "sandbox_permissions": "require_escalated", "justification": "x" }),
    );
    assert_eq!(
        tools.text(&call).await,
        "approval policy is Never; reject command — you cannot ask for escalated permissions if the approval policy is Never"
    );
    let call = tools.start("exec_command", json!({ "cmd": "rm -rf nothing" }));
    assert_eq!(
        tools.text(&call).await,
        "exec_command failed: CreateProcess { message: \"Rejected(\\\"`/bin/bash -lc 'rm -rf nothing'` rejected: rm -f style commands are not permitted. Use a safer approach\\\")\" }"
    );
    assert_eq!(tools.kinds(), ["finished", "finished"]);
}

#[tokio::test]
async fn bad_arguments_are_answered_and_make_no_item() {
    let mut tools = Tools::new();
    let call = tools.start("exec_command", json!({ "command": "nope" }));
    assert_eq!(
        tools.text(&call).await,
        "failed to parse function arguments: missing field `cmd` at line 1 column 18"
    );
    let call = tools.start("write_stdin", json!({ "session_id": 99 }));
    assert_eq!(
        tools.text(&call).await,
        "write_stdin failed: Unknown process id 99"
    );
    assert_eq!(tools.kinds(), ["finished", "finished"]);
}
