//! Every kind of item, written and read.

use std::collections::BTreeMap;

use loomd_protocol::*;
use serde_json::json;

use super::*;

/// One item of each kind, with every member that the stored form can say.
pub(crate) fn all_kinds() -> Vec<ThreadItem> {
    let kinds = vec![
        ItemKind::UserMessage(UserMessageItem {
            client_id: Some("c".into()),
            content: vec![
                UserInput::Text {
                    text: "go @a".into(),
                    text_elements: vec![TextElement {
                        byte_range: ByteRange { start: 3, end: 5 },
                        placeholder: Some("@a".into()),
                    }],
                },
                UserInput::Image {
                    detail: Some(ImageDetail::Low),
                    url: Some("data:image/png;base64,AAAA".into()),
                    file_id: None,
                },
                UserInput::LocalImage {
                    detail: None,
                    path: "/p.png".into(),
                },
                UserInput::LocalAudio {
                    path: "/a.wav".into(),
                },
                UserInput::Mention {
                    name: "m".into(),
                    path: "app://m".into(),
                },
                UserInput::Skill {
                    name: "s".into(),
                    path: "/s/SKILL.md".into(),
                },
            ],
        }),
        ItemKind::HookPrompt {
            fragments: vec![HookPromptFragment {
                text: "f".into(),
                hook_run_id: "h".into(),
            }],
        },
        ItemKind::AgentMessage(AgentMessageItem {
            text: "hi".into(),
            phase: Some(MessagePhase::FinalAnswer),
            memory_citation: Some(MemoryCitation {
                entries: vec![MemoryCitationEntry {
                    path: "p".into(),
                    line_start: 1,
                    line_end: 2,
                    note: "n".into(),
                }],
                thread_ids: vec!["01a2058c-a773-7973-b6d6-7d17797aa558".into()],
            }),
            delivery: Some(AgentMessageDelivery::Async),
            questions: Some(vec![AsyncUserInputQuestion {
                title: "t".into(),
                options: Some(vec!["a".into()]),
            }]),
            moderation: Some(AgentMessageModeration {
                moderated: true,
                display: None,
            }),
        }),
        ItemKind::FunctionCallOutput(FunctionCallOutputItem {
            name: "n".into(),
            namespace: Some("s".into()),
            output: FunctionCallOutputBody::Text("o".into()),
        }),
        ItemKind::Plan {
            text: "plan".into(),
        },
        ItemKind::Reasoning {
            summary: vec!["a".into(), "b".into()],
            content: vec!["c".into()],
        },
        ItemKind::CommandExecution(CommandExecutionItem {
            plugin_id: None,
            script_path: None,
            command: "/bin/bash -lc 'cat \"a b\"'".into(),
            cwd: "/w/é %20/x".into(),
            process_id: Some("1".into()),
            source: CommandExecutionSource::UserShell,
            status: CommandExecutionStatus::Declined,
            command_actions: vec![
                CommandAction::Read {
                    command: "cat a".into(),
                    name: "a".into(),
                    path: "/w/a".into(),
                },
                CommandAction::ListFiles {
                    command: "ls d".into(),
                    path: Some("d".into()),
                },
                CommandAction::Search {
                    command: "rg x d".into(),
                    path: Some("d".into()),
                    query: Some("x".into()),
                },
                CommandAction::Unknown {
                    command: "true".into(),
                },
            ],
            aggregated_output: Some("out".into()),
            exit_code: Some(-1),
            duration_ms: Some(61_001),
        }),
        ItemKind::FileChange(FileChangeItem {
            changes: vec![
                FileUpdateChange {
                    path: "/z".into(),
                    kind: PatchChangeKind::Add,
                    diff: "x\n".into(),
                },
                FileUpdateChange {
                    path: "/b".into(),
                    kind: PatchChangeKind::Delete,
                    diff: "y\n".into(),
                },
                FileUpdateChange {
                    path: "/a".into(),
                    kind: PatchChangeKind::Update {
                        move_path: Some("/c".into()),
                    },
                    diff: "@@ -1 +1 @@\n-a\n+b\n\n\nMoved to: /c".into(),
                },
                FileUpdateChange {
                    path: "/d".into(),
                    kind: PatchChangeKind::Update { move_path: None },
                    diff: "@@ -1 +1 @@\n-a\n+b\n".into(),
                },
            ],
            status: PatchApplyStatus::Failed,
        }),
        ItemKind::McpToolCall(Box::new(McpToolCallItem {
            server: "s".into(),
            tool: "t".into(),
            status: McpToolCallStatus::Completed,
            arguments: json!({"b": 1, "a": [null]}),
            app_context: None,
            mcp_app_resource_uri: None,
            mcp_app_ui: None,
            plugin_id: None,
            read_only_hint: Some(true),
            result: Some(McpToolCallResult {
                content: vec![json!({"type": "text", "text": "x"})],
                structured_content: Some(json!({"k": 1})),
                meta: None,
            }),
            error: None,
            duration_ms: Some(1500),
        })),
        ItemKind::DynamicToolCall(DynamicToolCallItem {
            namespace: Some("n".into()),
            tool: "t".into(),
            arguments: json!({"x": 1}),
            status: DynamicToolCallStatus::Completed,
            content_items: Some(vec![DynamicToolCallOutputContentItem::InputText {
                text: "x".into(),
            }]),
            success: Some(true),
            duration_ms: Some(2),
        }),
        ItemKind::CollabAgentToolCall(CollabAgentToolCallItem {
            tool: CollabAgentTool::SpawnAgent,
            status: CollabAgentToolCallStatus::Completed,
            sender_thread_id: "01a2058c-a773-7973-b6d6-7d17797aa558".into(),
            receiver_thread_ids: vec!["01a2058c-a773-7973-b6d6-7d17797aa559".into()],
            prompt: Some("p".into()),
            model: Some("m".into()),
            reasoning_effort: Some("low".into()),
            agents_states: BTreeMap::from([(
                "01a2058c-a773-7973-b6d6-7d17797aa559".into(),
                CollabAgentState {
                    status: CollabAgentStatus::Completed,
                    message: Some("done".into()),
                },
            )]),
        }),
        ItemKind::SubAgentActivity(SubAgentActivityItem {
            model: None,
            reasoning_effort: None,
            kind: SubAgentActivityKind::Started,
            agent_thread_id: "01a2058c-a773-7973-b6d6-7d17797aa559".into(),
            agent_path: "/root/a".into(),
        }),
        ItemKind::WebSearch(WebSearchItem {
            query: "q".into(),
            action: Some(WebSearchAction::FindInPage {
                url: Some("u".into()),
                pattern: Some("p".into()),
            }),
            results: None,
        }),
        ItemKind::ImageView {
            path: "/p q.png".into(),
        },
        ItemKind::Sleep { duration_ms: 5 },
        ItemKind::ImageGeneration(ImageGenerationItem {
            status: "completed".into(),
            revised_prompt: Some("r".into()),
            saved_path: AbsolutePathBuf::new("/i.png"),
            result: Some("AAAA".into()),
            ..ImageGenerationItem::default()
        }),
        ItemKind::EnteredReviewMode {
            review: "look".into(),
        },
        ItemKind::ExitedReviewMode {
            review: "fine".into(),
        },
        ItemKind::ContextCompaction,
    ];
    kinds
        .into_iter()
        .enumerate()
        .map(|(at, kind)| ThreadItem::new(format!("i{at}"), kind))
        .collect()
}

#[test]
fn reads_every_kind_as_it_was_written() {
    for item in all_kinds() {
        let json = serde_json::to_string(&encode(&item)).unwrap();
        let kind = crate::line::tag(&json).unwrap();
        let read = decode(&kind, &json).unwrap().unwrap();
        assert_eq!(read, item, "{json}");
    }
}

#[test]
fn an_item_of_an_unknown_kind_is_passed_over() {
    assert!(decode("BrandNew", "{}").is_none());
    assert!(decode("Plan", "{}").unwrap().is_err());
}

#[test]
fn a_command_that_does_not_quote_back_stays_as_it_is() {
    for command in ["it's", "ls", "", "echo  two  spaces", "a 'b' \"c\""] {
        let item = ItemKind::CommandExecution(CommandExecutionItem {
            plugin_id: None,
            script_path: None,
            command: command.into(),
            cwd: "/".into(),
            process_id: None,
            source: CommandExecutionSource::Agent,
            status: CommandExecutionStatus::Completed,
            command_actions: Vec::new(),
            aggregated_output: None,
            exit_code: None,
            duration_ms: None,
        });
        let item = ThreadItem::new("i", item);
        let json = serde_json::to_string(&encode(&item)).unwrap();
        let read = decode("CommandExecution", &json).unwrap().unwrap();
        assert_eq!(read, item);
    }
}

#[test]
fn shows_a_review_as_the_reference_does() {
    let finding = |title: &str| {
        format!(
            r#"{{"title":"{title}","body":"l1\n\nl3","confidence_score":0.5,"priority":1,"code_location":{{"absolute_file_path":"/f","line_range":{{"start":1,"end":2}}}}}}"#
        )
    };
    let show = |output: String| {
        let json = format!(r#"{{"type":"ExitedReviewMode","id":"x","review_output":{output}}}"#);
        let item = decode("ExitedReviewMode", &json).unwrap().unwrap();
        let ItemKind::ExitedReviewMode { review } = item.kind else {
            panic!("a review's end stays one");
        };
        review
    };
    let output = |findings: String, explanation: &str| {
        format!(
            r#"{{"findings":[{findings}],"overall_correctness":"ok","overall_explanation":"{explanation}","overall_confidence_score":0.5}}"#
        )
    };
    assert_eq!(
        show(output(format!("{},{}", finding("A"), finding("B")), "expl")),
        "expl\n\nFull review comments:\n\n- A — /f:1-2\n  l1\n  \n  l3\n\n- B — /f:1-2\n  l1\n  \n  l3"
    );
    assert_eq!(
        show(output(finding("A"), "")),
        "Review comment:\n\n- A — /f:1-2\n  l1\n  \n  l3"
    );
    assert_eq!(show(output(String::new(), "  expl ")), "expl");
    assert_eq!(show(output(String::new(), "")), NO_REVIEW);
    assert_eq!(show("null".to_owned()), NO_REVIEW);
}

const NO_REVIEW: &str = "Reviewer failed to output a response.";

#[test]
fn urls_and_paths_translate_both_ways() {
    for path in ["/a", "/with space/é", "/100%/x", "/%41"] {
        assert_eq!(url_to_path(path_to_url(path)), path);
    }
    assert_eq!(path_to_url("/with space"), "file:///with%20space");
    assert_eq!(url_to_path("/plain %41".to_owned()), "/plain %41");
    assert_eq!(url_to_path("file:///bad%zz%".to_owned()), "/bad%zz%");
}
