//! Commands inside the sandbox: terminals, signals, ends.

use serde_json::json;

use crate::leaving::running_in;
use crate::support::{Tools, command, session, shown};

#[tokio::test]
async fn a_terminal_is_the_programs_own_with_job_control() {
    let mut tools = Tools::confined();
    let script = "tty -s && echo terminal; read line; echo got $line; stty size";
    let call = tools.start(
        "exec_command",
        json!({ "cmd": script, "login": false, "tty": true, "yield_time_ms": 250 }),
    );
    let id = session(&tools.text(&call).await);
    let call = tools.start(
        "write_stdin",
        json!({ "session_id": id, "chars": "hi\n", "yield_time_ms": 5000 }),
    );
    let text = tools.text(&call).await;
    assert!(text.contains("got hi\r\n24 80\r\n"), "{text}");
    // An interactive shell takes the terminal for itself, and Ctrl-C reaches what it runs.
    let call = tools.start(
        "exec_command",
        json!({
            "cmd": "exec bash --norc -i", "login": false, "tty": true, "yield_time_ms": 250,
        }),
    );
    let answer = tools.text(&call).await;
    assert!(!answer.contains("no job control"), "{answer}");
    let id = session(&answer);
    for (chars, wait) in [("sleep 1000\n", 250), ("\u{3}", 250), ("exit 7\n", 5000)] {
        let call = tools.start(
            "write_stdin",
            json!({ "session_id": id, "chars": chars, "yield_time_ms": wait }),
        );
        let answer = tools.text(&call).await;
        if chars.starts_with("exit") {
            assert!(answer.contains("exited with code 7"), "{answer}");
        }
    }
}

#[tokio::test]
async fn a_request_to_end_reaches_the_program_and_an_interruption_leaves_nothing() {
    let mut tools = Tools::confined();
    let folder = tools.folder.path().canonicalize().expect("real");
    let call = tools.start(
        "exec_command",
        json!({
            "cmd": "trap 'echo told > told; exit 3' TERM; setsid sleep 1000 & sleep 1000 & wait",
            "login": false, "yield_time_ms": 250,
        }),
    );
    let id = session(&tools.text(&call).await);
    assert!(!running_in(&folder).is_empty());
    assert!(tools.toolbox.terminate(&id.to_string()));
    tools.completed(&call).await;
    assert_eq!(tools.read("told"), "told\n");
    assert_eq!(running_in(&folder), Vec::<u32>::new());

    let call = tools.exec("setsid sleep 1000 & echo started; sleep 1000");
    while !tools.deltas(&call).contains("started") {
        tools.next().await;
    }
    tools.toolbox.cancel_turn("turn");
    let item = tools.completed(&call).await;
    assert_eq!(command(&item).exit_code, Some(-1));
    assert_eq!(running_in(&folder), Vec::<u32>::new());
}

#[tokio::test]
async fn an_interrupt_without_a_terminal_reaches_the_program() {
    let mut tools = Tools::confined();
    let call = tools.start(
        "exec_command",
        json!({ "cmd": "sleep 1000", "login": false, "yield_time_ms": 250 }),
    );
    let id = session(&tools.text(&call).await);
    let call = tools.start(
        "write_stdin",
        json!({ "session_id": id, "chars": "\u{3}", "yield_time_ms": 5000 }),
    );
    assert_eq!(shown(&tools.text(&call).await), "130|");
}

#[tokio::test]
async fn what_cannot_be_started_fails_as_outside() {
    let mut tools = Tools::confined();
    let call = tools.start(
        "exec_command",
        json!({ "cmd": "true", "login": false, "workdir": "/no/such/folder" }),
    );
    let text = tools.text(&call).await;
    assert!(
        text.contains(
            "Failed to create unified exec process: No such file or directory (os error 2)"
        ),
        "{text}"
    );
}
