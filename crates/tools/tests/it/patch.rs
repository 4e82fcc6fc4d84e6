//! Patches, as a tool and through the shell.

use loomd_events::{ToolEvent, ToolPayload};
use loomd_protocol::{PatchApplyStatus, PatchChangeKind};
use serde_json::json;

use crate::support::{Tools, file_change};

fn patch(body: &str) -> ToolPayload {
    ToolPayload::Custom {
        input: format!("*** Begin Patch\n{body}\n*** End Patch"),
    }
}

fn diff(tools: &Tools) -> &str {
    tools
        .log
        .iter()
        .rev()
        .find_map(|(_, event)| {
            let ToolEvent::TurnDiff { diff } = event else {
                return None;
            };
            Some(diff.as_str())
        })
        .expect("a diff")
}

#[tokio::test]
async fn a_patch_makes_an_item_a_diff_and_an_answer() {
    let mut tools = Tools::new();
    tools.write("a.txt", "one\ntwo\nthree\nfour\nfive\n");
    tools.write("c.txt", "to move\nkeep\n");
    tools.write("d.txt", "to delete\n");
    let call = tools.start_in(
        "turn",
        "apply_patch",
        patch(
            "*** Add File: new/n.txt\n+one\n+two\n*** Update File: a.txt\n@@ three\n-four\n+FOUR\n\
             *** Update File: c.txt\n*** Move to: sub/moved.txt\n@@\n-to move\n+moved\n keep\n\
             *** Delete File: d.txt",
        ),
    );
    let output = tools.output(&call).await;
    assert!(output.custom);
    assert_eq!(
        output.output,
        json!(
            "Exit code: 0\nWall time: 0 seconds\nOutput:\nSuccess. Updated the following files:\n\
             A new/n.txt\nM a.txt\nM sub/moved.txt\nD d.txt\n"
        )
    );
    assert_eq!(tools.kinds(), ["started", "completed", "diff", "finished"]);
    assert_eq!(tools.read("sub/moved.txt"), "moved\nkeep\n");

    let (_, ToolEvent::ItemCompleted(item)) = &tools.log[1] else {
        panic!("an item")
    };
    assert_eq!(item.id, call);
    let change = file_change(item);
    assert_eq!(change.status, PatchApplyStatus::Completed);
    let folder = tools.folder.path().display();
    let shown: Vec<(String, &PatchChangeKind, &str)> = change
        .changes
        .iter()
        .map(|change| (change.path.clone(), &change.kind, change.diff.as_str()))
        .collect();
    let moved = format!("{folder}/sub/moved.txt");
    assert_eq!(
        shown,
        [
            (
                format!("{folder}/a.txt"),
                &PatchChangeKind::Update { move_path: None },
                "@@ -3,3 +3,3 @@\n three\n-four\n+FOUR\n five\n"
            ),
            (
                format!("{folder}/c.txt"),
                &PatchChangeKind::Update {
                    move_path: Some(moved.clone())
                },
                format!("@@ -1,2 +1,2 @@\n-to move\n+moved\n keep\n\n\nMoved to: {moved}").as_str()
            ),
            (
                format!("{folder}/d.txt"),
                &PatchChangeKind::Delete,
                "to delete\n"
            ),
            (
                format!("{folder}/new/n.txt"),
                &PatchChangeKind::Add,
                "one\ntwo\n"
            ),
        ]
    );
    assert!(diff(&tools).starts_with("diff --git a/a.txt b/a.txt\nindex "));
}

#[tokio::test]
async fn the_diff_grows_over_a_turn_and_begins_anew_with_the_next() {
    let mut tools = Tools::new();
    tools.write("a", "1\n");
    let call = tools.start_in("t1", "apply_patch", patch("*** Update File: a\n-1\n+2"));
    tools.output(&call).await;
    let call = tools.start_in("t1", "apply_patch", patch("*** Add File: b\n+x"));
    tools.output(&call).await;
    let both = diff(&tools);
    assert!(
        both.contains("a/a b/a\n") && both.contains("a/b b/b\n"),
        "{both}"
    );
    let call = tools.start_in("t1", "apply_patch", patch("*** Delete File: b"));
    tools.output(&call).await;
    assert!(!diff(&tools).contains("b/b"), "{}", diff(&tools));

    tools.toolbox.end_turn("t1");
    let call = tools.start_in("t2", "apply_patch", patch("*** Update File: a\n-2\n+1"));
    tools.output(&call).await;
    assert!(diff(&tools).ends_with("-2\n+1\n"), "{}", diff(&tools));
}

#[tokio::test]
async fn in_a_repository_the_diff_is_relative_to_its_root() {
    let mut tools = Tools::new();
    std::fs::create_dir(tools.path(".git")).expect("made");
    std::fs::create_dir(tools.path("sub")).expect("made");
    let call = tools.start(
        "exec_command",
        json!({ "cmd": "cd sub && apply_patch <<'EOF'\n*** Begin Patch\n*** Add File: n\n+x\n*** End Patch\nEOF" }),
    );
    let text = tools.text(&call).await;
    assert!(
        text.starts_with("Wall time: 0.") && text.contains(" seconds\nOutput:\nExit code: 0\n"),
        "{text}"
    );
    assert_eq!(tools.kinds(), ["started", "completed", "diff", "finished"]);
    assert_eq!(tools.read("sub/n"), "x\n");
    assert!(diff(&tools).starts_with("diff --git a/sub/n b/sub/n\nnew file mode 100644\n"));
}

#[tokio::test]
async fn what_does_not_fit_makes_no_item_and_touches_nothing() {
    let mut tools = Tools::new();
    tools.write("a", "1\n");
    let call = tools.start_in(
        "turn",
        "apply_patch",
        patch("*** Add File: b\n+x\n*** Update File: a\n-nope\n+y"),
    );
    let path = tools.path("a").display().to_string();
    assert_eq!(
        tools.text(&call).await,
        format!("apply_patch verification failed: Failed to find expected lines in {path}:\nnope")
    );
    assert_eq!(tools.kinds(), ["finished"]);
    assert!(!tools.path("b").exists());

    let call = tools.exec("apply_patch <<'EOF'\n*** Begin Patch\n*** Bad\n*** End Patch\nEOF\n");
    assert!(
        tools
            .text(&call)
            .await
            .starts_with("apply_patch verification failed: invalid hunk at line 2, '*** Bad'")
    );
    let call = tools.exec("*** Begin Patch\n*** Add File: b\n+x\n*** End Patch");
    assert_eq!(
        tools.text(&call).await,
        "apply_patch verification failed: patch detected without explicit call to apply_patch. Rerun as [\"apply_patch\", \"<patch>\"]"
    );
    assert_eq!(tools.kinds(), ["finished"; 3]);
}

#[tokio::test]
async fn a_write_that_fails_is_told_and_undone() {
    let mut tools = Tools::new();
    tools.write("a", "1\n");
    std::fs::create_dir(tools.path("dir")).expect("made");
    let call = tools.start_in(
        "turn",
        "apply_patch",
        patch("*** Update File: a\n-1\n+2\n*** Add File: dir\n+x"),
    );
    let dir = tools.path("dir").display().to_string();
    assert_eq!(
        tools.text(&call).await,
        format!(
            "Exit code: 1\nWall time: 0 seconds\nOutput:\nFailed to write file {dir}\nNo file was changed.\n"
        )
    );
    assert_eq!(tools.kinds(), ["started", "completed", "finished"]);
    let (_, ToolEvent::ItemCompleted(item)) = &tools.log[1] else {
        panic!("an item")
    };
    assert_eq!(file_change(item).status, PatchApplyStatus::Failed);
    assert_eq!(tools.read("a"), "1\n");
    // Through the shell it reads the same, as in the reference; only a success has the
    // heading of a command as well.
    let call = tools
        .exec("apply_patch <<'EOF'\n*** Begin Patch\n*** Add File: dir\n+x\n*** End Patch\nEOF");
    let text = tools.text(&call).await;
    assert!(text.starts_with("Exit code: 1\n"), "{text}");
}

#[tokio::test]
async fn patches_of_one_response_do_not_mix() {
    let mut tools = Tools::new();
    tools.write("n", "0\n");
    let calls: Vec<String> = (0..20)
        .map(|n| {
            let next = n + 1;
            tools.start_in(
                "turn",
                "apply_patch",
                patch(&format!("*** Update File: n\n-{n}\n+{next}")),
            )
        })
        .collect();
    let mut good = 0;
    for _ in &calls {
        loop {
            if let (_, ToolEvent::Finished(output)) = tools.next().await {
                good += usize::from(output.output.to_string().contains("Success"));
                break;
            }
        }
    }
    // Whatever order they came in, the file tells how many fitted.
    assert_eq!(tools.read("n"), format!("{good}\n"));
    assert!(good >= 1);
}

#[tokio::test]
async fn the_function_form_is_taken_too() {
    let mut tools = Tools::new();
    let input = "*** Begin Patch\n*** Add File: f\n+x\n*** End Patch";
    let call = tools.start("apply_patch", json!({ "input": input }));
    let output = tools.output(&call).await;
    assert!(!output.custom);
    assert_eq!(tools.read("f"), "x\n");
}

/// The helpers that this process has started, directly or not.
fn helpers() -> Vec<rustix::process::Pid> {
    let exe = std::path::Path::new(env!("CARGO_BIN_EXE_loomd-helper"));
    std::fs::read_dir("/proc")
        .expect("a list")
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse::<i32>().ok())
        .filter(|pid| std::fs::read_link(format!("/proc/{pid}/exe")).is_ok_and(|of| of == exe))
        .filter_map(rustix::process::Pid::from_raw)
        .collect()
}

#[tokio::test]
async fn a_confined_writer_that_is_killed_leaves_all_or_nothing() {
    const FILES: usize = 3_000;
    let mut put_back = 0;
    for _ in 0..5 {
        let mut tools = Tools::new();
        tools.write("a.txt", "1\n");
        let files: String = (0..FILES)
            .map(|n| format!("*** Add File: n/{n}\n+x\n"))
            .collect();
        let body = format!("*** Update File: a.txt\n@@\n-1\n+2\n{files}*** Delete File: b.txt");
        tools.write("b.txt", "b\n");
        let call = tools.start_confined("apply_patch", patch(&body));
        let begun = tools.path("n/0");
        let killing = tokio::task::spawn_blocking(move || {
            while !begun.exists() {
                std::thread::yield_now();
            }
            for helper in helpers() {
                let _ = rustix::process::kill_process(helper, rustix::process::Signal::KILL);
            }
        });
        let text = tools.text(&call).await;
        killing.await.expect("no panic");
        let made = std::fs::read_dir(tools.path("n")).map_or(0, Iterator::count);
        if text.starts_with("Exit code: 0\n") {
            assert_eq!((made, &*tools.read("a.txt")), (FILES, "2\n"));
            assert!(!tools.path("b.txt").exists());
        } else {
            assert!(text.ends_with("No file was changed.\n"), "{text}");
            assert_eq!((made, &*tools.read("a.txt")), (0, "1\n"));
            assert_eq!(tools.read("b.txt"), "b\n");
            put_back += 1;
        }
    }
    assert!(put_back > 0, "the writer was never caught in the middle");
}
