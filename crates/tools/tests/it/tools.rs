//! The small tools, and calls of tools that are not there.

use loomd_events::{ToolCall, ToolEvent, ToolPayload};
use loomd_protocol::{AskForApproval, ItemKind, TurnPlanStep, TurnPlanStepStatus};
use serde_json::{Value, json};

use crate::support::Tools;

#[tokio::test]
async fn a_plan_is_told_and_acknowledged() {
    let mut tools = Tools::new();
    let call = tools.start(
        "update_plan",
        json!({
            "explanation": "why",
            "plan": [
                { "step": "a", "status": "completed" },
                { "step": "b", "status": "in_progress" },
                { "step": "c", "status": "pending" },
            ],
        }),
    );
    assert_eq!(tools.text(&call).await, "Plan updated");
    let step = |step: &str, status| TurnPlanStep {
        step: step.into(),
        status,
    };
    assert_eq!(
        tools.log[0].1,
        ToolEvent::Plan {
            explanation: Some("why".into()),
            plan: vec![
                step("a", TurnPlanStepStatus::Completed),
                step("b", TurnPlanStepStatus::InProgress),
                step("c", TurnPlanStepStatus::Pending),
            ],
        }
    );
    let call = tools.start("update_plan", json!({ "plan": [{ "step": "a" }] }));
    assert_eq!(
        tools.text(&call).await,
        "failed to parse function arguments: missing field `status` at line 1 column 21"
    );
}

#[tokio::test]
async fn an_image_goes_to_the_model_as_it_is() {
    let mut tools = Tools::new();
    let png = b"\x89PNG\r\n\x1a\nrest";
    std::fs::write(tools.path("i.png"), png).expect("written");
    let call = tools.start("view_image", json!({ "path": "i.png" }));
    let output = tools.output(&call).await.output;
    assert_eq!(
        output,
        json!([{
            "type": "input_image",
            "image_url": "data:image/png;base64,iVBORw0KGgpyZXN0",
            "detail": "original",
        }])
    );
    assert_eq!(tools.kinds(), ["started", "completed", "finished"]);
    let (_, ToolEvent::ItemCompleted(item)) = &tools.log[1] else {
        panic!("an item")
    };
    let path = tools.path("i.png").display().to_string();
    assert_eq!(item.kind, ItemKind::ImageView { path });
}

#[tokio::test]
async fn what_is_no_image_is_refused_without_an_item() {
    let mut tools = Tools::new();
    tools.write("t.txt", "text");
    let folder = tools.folder.path().display().to_string();
    for (arguments, expected) in [
        (
            json!({ "path": "nope.png" }),
            format!(
                "unable to locate image at `{folder}/nope.png`: No such file or directory (os error 2)"
            ),
        ),
        (
            json!({ "path": "." }),
            format!("image path `{folder}` is not a file"),
        ),
        (
            json!({ "path": "t.txt" }),
            "unable to process image: invalid or unsupported image data".to_owned(),
        ),
        (
            json!({ "path": "t.txt", "detail": "low" }),
            "view_image.detail only supports `high` or `original`; omit `detail` for default high resized behavior, got `low`"
                .to_owned(),
        ),
    ] {
        let call = tools.start("view_image", arguments);
        assert_eq!(tools.text(&call).await, expected);
    }
    assert_eq!(tools.kinds(), ["finished"; 4]);
}

#[tokio::test]
async fn unknown_tools_are_answered_by_name() {
    let mut tools = Tools::new();
    let call = tools.start("frob", json!({}));
    assert_eq!(tools.text(&call).await, "unsupported call: frob");
    let call = tools.start_in(
        "t",
        "exec_command",
        ToolPayload::Custom { input: "x".into() },
    );
    assert_eq!(
        tools.text(&call).await,
        "unsupported custom tool call: exec_command"
    );
    let call = ToolCall {
        call_id: "spaced".into(),
        name: "frob".into(),
        namespace: Some("name".into()),
        payload: ToolPayload::Function {
            arguments: "not even JSON".into(),
        },
    };
    let context = tools.context("t", AskForApproval::Never);
    tools.toolbox.start(context, call);
    assert_eq!(
        tools.output("spaced").await.output,
        Value::from("unsupported call: namefrob")
    );
}

#[tokio::test]
async fn an_idle_toolbox_offers_its_tools_and_lists_nothing() {
    let tools = Tools::new();
    assert!(tools.toolbox.background_terminals().is_empty());
    let specs: Value = serde_json::from_str(tools.toolbox.specs().get()).expect("JSON");
    assert_eq!(specs.as_array().map(Vec::len), Some(10));
}
