//! Interruptions, ends and what they leave behind: no process, no zombie, no answer.

use std::time::Duration;

use loomd_events::ToolEvent;
use loomd_protocol::CommandExecutionStatus;
use loomd_tools::SHUTDOWN_TIME_MAX;
use serde_json::json;

use crate::support::{Tools, all_end, command, fifo, is_alive, kind, session, shown, unreaped};

/// Starts a command that prints its process id and those of a child, and waits.
/// Gives the call and the ids.
async fn waiting(tools: &mut Tools, prelude: &str) -> (String, Vec<u32>) {
    let call = tools.exec(&format!(
        "{prelude} sleep infinity & echo $$ $!; sleep infinity"
    ));
    loop {
        let _ = tools.next().await;
        let printed = tools.deltas(&call);
        if printed.ends_with('\n') {
            let ids = printed
                .split_whitespace()
                .map(|id| id.parse().expect("an id"))
                .collect();
            return (call, ids);
        }
    }
}

#[tokio::test]
async fn an_interruption_ends_what_the_model_waits_for_and_answers_nothing() {
    let mut tools = Tools::new();
    let (call, ids) = waiting(&mut tools, "").await;
    assert!(ids.iter().all(|pid| is_alive(*pid)));
    tools.toolbox.cancel_turn("turn");
    let item = tools.completed(&call).await;
    let done = command(&item);
    assert_eq!(done.status, CommandExecutionStatus::Failed);
    assert_eq!(done.exit_code, Some(-1));
    assert_eq!(
        done.aggregated_output,
        Some(format!("{} {}\n", ids[0], ids[1]))
    );
    assert!(all_end(&ids));
    // The next call is answered, so nothing of the cancelled one can still come.
    assert_eq!(tools.run("echo next").await, "0|next\n");
    let finished = tools.kinds().iter().filter(|k| **k == "finished").count();
    assert_eq!(finished, 1);
}

#[tokio::test]
async fn what_ignores_the_request_to_end_is_killed() {
    let mut tools = Tools::new();
    let (call, ids) = waiting(&mut tools, "trap '' TERM INT HUP;").await;
    tools.toolbox.cancel_turn("turn");
    tools.completed(&call).await;
    assert!(all_end(&ids));
}

#[tokio::test]
async fn an_interruption_leaves_background_commands_and_other_turns_alone() {
    let mut tools = Tools::new();
    fifo(&tools.path("gate"));
    let call = tools.start(
        "exec_command",
        json!({ "cmd": "echo bg; cat gate", "login": false, "yield_time_ms": 250 }),
    );
    let id = session(&tools.text(&call).await);
    tools.toolbox.cancel_turn("turn");
    let listed = tools.toolbox.background_terminals();
    assert_eq!(listed.len(), 1);
    assert_eq!(listed[0].process_id, id.to_string());
    assert_eq!(listed[0].item_id, call);
    assert_eq!(listed[0].command, "echo bg; cat gate");
    assert_eq!(listed[0].cwd, tools.folder.path());
    assert!(is_alive(listed[0].os_pid));

    assert!(!tools.toolbox.terminate("1"));
    assert!(!tools.toolbox.terminate("x"));
    assert!(tools.toolbox.terminate(&id.to_string()));
    assert!(!tools.toolbox.terminate(&id.to_string()));
    let item = tools.completed(&call).await;
    assert_eq!(command(&item).exit_code, Some(-1));
    assert!(all_end(&[listed[0].os_pid]));
    let look = tools.start("write_stdin", json!({ "session_id": id }));
    assert_eq!(
        tools.text(&look).await,
        format!("write_stdin failed: Unknown process id {id}")
    );
}

#[tokio::test]
async fn a_cancelled_look_takes_no_output_away() {
    let mut tools = Tools::new();
    fifo(&tools.path("gate"));
    let call = tools.start(
        "exec_command",
        json!({ "cmd": "cat gate; echo rest", "login": false, "yield_time_ms": 250 }),
    );
    let id = session(&tools.text(&call).await);
    let _cancelled = tools.start("write_stdin", json!({ "session_id": id }));
    tools.toolbox.cancel_turn("turn");
    crate::support::open_gate(tools.path("gate")).await;
    tools.completed(&call).await;
    let look = tools.start("write_stdin", json!({ "session_id": id }));
    assert_eq!(shown(&tools.text(&look).await), "0|go\nrest\n");
}

#[tokio::test]
async fn a_child_left_in_the_background_ends_with_its_command() {
    let mut tools = Tools::new();
    let got = tools
        .run("sleep infinity & echo $!; echo parent done")
        .await;
    let (pid, rest) = got
        .strip_prefix("0|")
        .and_then(|got| got.split_once('\n'))
        .expect("an id");
    assert_eq!(rest, "parent done\n");
    assert!(all_end(&[pid.parse().expect("an id")]));
}

#[tokio::test]
async fn a_child_in_a_session_of_its_own_does_not_hold_the_answer_up() {
    let mut tools = Tools::new();
    fifo(&tools.path("gate"));
    let got = tools
        .run(
            "setsid sh -c 'echo > gate; exec sleep infinity' & cat gate > /dev/null; echo $!; \
             echo parent done",
        )
        .await;
    let (pid, rest) = got
        .strip_prefix("0|")
        .and_then(|got| got.split_once('\n'))
        .expect("an id");
    assert_eq!(rest, "parent done\n");
    let pid: u32 = pid.parse().expect("an id");
    assert!(is_alive(pid));
    tools.toolbox.shutdown().await;
    assert!(all_end(&[pid]));
}

#[tokio::test]
async fn shutdown_ends_and_reaps_everything_without_a_reader() {
    let mut tools = Tools::with_room(1);
    let stubborn = tools.start(
        "exec_command",
        json!({ "cmd": "trap '' TERM; echo $$; yes", "login": false }),
    );
    let _ = tools.next().await;
    let (_, ToolEvent::OutputDelta { item_id, delta }) = tools.next().await else {
        panic!("output");
    };
    assert_eq!(item_id, stubborn);
    let pid = delta.lines().next().and_then(|pid| pid.parse().ok());
    let begun = tokio::time::Instant::now();
    tools.toolbox.shutdown().await;
    assert!(begun.elapsed() < SHUTDOWN_TIME_MAX + Duration::from_secs(1));
    assert_eq!(unreaped(&[pid.expect("an id")]), Vec::<u32>::new());
    // Nothing starts any more, and shutting down twice is no harm.
    tools.exec("echo never");
    tools.toolbox.shutdown().await;
    drop(tools.toolbox);
    while let Some((_, event)) = tools.events.recv().await {
        assert_ne!(kind(&event), "finished");
        assert_ne!(kind(&event), "completed");
    }
}

#[tokio::test]
async fn dropping_the_toolbox_kills_what_it_started() {
    let mut tools = Tools::new();
    let (_, ids) = waiting(&mut tools, "trap '' TERM;").await;
    let Tools {
        toolbox,
        mut events,
        ..
    } = tools;
    drop(toolbox);
    // The channel closes when the last task of the toolbox ended.
    while events.recv().await.is_some() {}
    assert!(all_end(&ids));
}

#[test]
fn a_runtime_that_ends_takes_its_commands_with_it() {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .expect("a runtime");
    let (tools, ids) = runtime.block_on(async {
        let mut tools = Tools::new();
        let (_, ids) = waiting(&mut tools, "trap '' TERM;").await;
        (tools, ids)
    });
    drop(runtime);
    assert!(all_end(&ids));
    drop(tools);
}

#[tokio::test]
async fn the_oldest_command_goes_when_there_are_too_many() {
    let mut tools = Tools::new();
    let mut first = None;
    let calls: Vec<String> = (0..64)
        .map(|_| {
            tools.start(
                "exec_command",
                json!({ "cmd": "sleep infinity", "login": false, "yield_time_ms": 250 }),
            )
        })
        .collect();
    let mut answered = 0;
    while answered < calls.len() {
        if let (_, ToolEvent::Finished(_)) = tools.next().await {
            answered += 1;
        }
    }
    assert_eq!(tools.toolbox.background_terminals().len(), 64);
    let one_more = tools.start(
        "exec_command",
        json!({ "cmd": "sleep infinity", "login": false, "yield_time_ms": 250 }),
    );
    let mut told = false;
    while first.is_none() || !told {
        match tools.next().await.1 {
            ToolEvent::ItemCompleted(item) => first = Some(item),
            ToolEvent::Finished(output) => told = output.call_id == one_more,
            ToolEvent::ItemStarted(_)
            | ToolEvent::OutputDelta { .. }
            | ToolEvent::TerminalInteraction { .. }
            | ToolEvent::Plan { .. }
            | ToolEvent::Ask(_)
            | ToolEvent::TurnCancelled
            | ToolEvent::TurnDiff { .. } => {}
        }
    }
    let first = first.expect("one went");
    assert_eq!(first.id, calls[0], "the oldest");
    assert_eq!(tools.toolbox.background_terminals().len(), 64);
    tools.toolbox.clean();
    assert!(tools.toolbox.background_terminals().is_empty());
    tools.toolbox.shutdown().await;
}

#[tokio::test]
async fn many_short_commands_leave_no_zombie() {
    let mut tools = Tools::new();
    let calls: Vec<String> = (0..50).map(|_| tools.exec("echo $$")).collect();
    let mut pids = Vec::new();
    while pids.len() < calls.len() {
        if let (_, ToolEvent::Finished(output)) = tools.next().await {
            let text = output.output.as_str().expect("a text").trim_end();
            let (_, pid) = text.rsplit_once('\n').expect("an id");
            pids.push(pid.parse().expect("an id"));
        }
    }
    assert_eq!(unreaped(&pids), Vec::<u32>::new());
}

#[tokio::test]
async fn jobs_of_a_shell_with_job_control_end_with_it() {
    let mut tools = Tools::new();
    let call = tools.start(
        "exec_command",
        json!({
            "cmd": "set -m; sleep infinity & echo $!; sleep infinity",
            "login": false,
            "tty": true,
            "yield_time_ms": 250,
        }),
    );
    tools.text(&call).await;
    while !tools.deltas(&call).ends_with('\n') {
        let _ = tools.next().await;
    }
    let job: u32 = tools.deltas(&call).trim().parse().expect("an id");
    assert!(is_alive(job));
    tools.toolbox.clean();
    tools.completed(&call).await;
    assert!(all_end(&[job]));
}

/// Names the pipe through which [`plays_a_server`] tells what it started.
const SERVER_PIPE: &str = "LOOMD_TEST_SERVER_PIPE";

/// Not a test of its own: the process that the next test kills.
#[tokio::test]
async fn plays_a_server() {
    let Some(pipe) = std::env::var_os(SERVER_PIPE) else {
        return;
    };
    let mut tools = Tools::new();
    let (_, ids) = waiting(&mut tools, "trap '' TERM HUP;").await;
    let ids: Vec<String> = ids.iter().map(u32::to_string).collect();
    std::fs::write(pipe, ids.join(" ")).expect("told");
    while tools.events.recv().await.is_some() {}
}

#[test]
fn a_server_that_is_killed_takes_its_commands_with_it() {
    let folder = tempfile::tempdir().expect("a folder");
    let pipe = folder.path().join("pipe");
    fifo(&pipe);
    let mut server = std::process::Command::new(std::env::current_exe().expect("this program"))
        .args(["--exact", "life::plays_a_server"])
        .env(SERVER_PIPE, &pipe)
        .stdout(std::process::Stdio::null())
        .spawn()
        .expect("started");
    let ids: Vec<u32> = std::fs::read_to_string(pipe)
        .expect("told")
        .split(' ')
        .map(|id| id.parse().expect("an id"))
        .collect();
    assert!(ids.iter().all(|pid| is_alive(*pid)));
    server.kill().expect("killed");
    server.wait().expect("reaped");
    assert!(all_end(&ids));
}
