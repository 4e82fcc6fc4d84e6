use expect_test::{Expect, expect};
use loomd_base::CountedIds;
use loomd_events::OutputKind;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

fn translate(events: &[Value]) -> Vec<Said> {
    let mut translator = Translator::new(Arc::new(CountedIds::default()));
    events
        .iter()
        .map(|event| translator.event(event.to_string().as_bytes()))
        .filter(|said| *said != Said::Nothing)
        .collect()
}

/// One line per event: what a thread's rules would see.
fn check(events: &[Value], expected: Expect) {
    let lines: String = translate(events)
        .iter()
        .map(|said| line(said) + "\n")
        .collect();
    expected.assert_eq(&lines);
}

fn line(said: &Said) -> String {
    match said {
        Said::Event(ModelEvent::ItemAdded(item)) => format!("added {:?}", item.kind),
        Said::Event(ModelEvent::ItemDone(item)) => format!("done {:?}", item.kind),
        Said::Event(event) | Said::Completed(event) => format!("{event:?}"),
        Said::Broken(broken) => format!("{:?} {}", broken.retry, broken.failure.message),
        Said::Nothing => String::new(),
    }
}

fn message(id: &str, text: &str) -> Value {
    json!({"type": "message", "id": id, "role": "assistant",
           "content": [{"type": "output_text", "text": text}]})
}

fn added(item: Value) -> Value {
    json!({"type": "response.output_item.added", "item": item})
}

fn done(item: Value) -> Value {
    json!({"type": "response.output_item.done", "item": item})
}

fn text_delta(id: &str, delta: &str) -> Value {
    json!({"type": "response.output_text.delta", "item_id": id, "delta": delta})
}

#[test]
fn a_message_streams_and_ends() {
    check(
        &[
            json!({"type": "response.created", "response": {"id": "r"}}),
            added(message("A", "")),
            text_delta("A", "he"),
            text_delta("A", ""),
            text_delta("A", "y"),
            done(message("A", "hey")),
            json!({"type": "response.completed", "response": {"id": "r", "end_turn": false}}),
        ],
        expect![[r#"
            added Message { id: "A", text: "", phase: None }
            TextDelta { item_id: "A", delta: "he" }
            TextDelta { item_id: "A", delta: "y" }
            done Message { id: "A", text: "hey", phase: None }
            Completed { response_id: "r", usage: None, end_turn: Some(false) }
        "#]],
    );
}

#[test]
fn deltas_without_an_added_item_are_dropped() {
    check(
        &[
            text_delta("A", "he"),
            done(message("A", "hey")),
            text_delta("A", "late"),
        ],
        expect![[r#"
            done Message { id: "A", text: "hey", phase: None }
        "#]],
    );
}

#[test]
fn deltas_that_name_another_item_go_to_the_newest() {
    check(
        &[
            added(message("A", "")),
            added(message("B", "")),
            text_delta("A", "a"),
            text_delta("X", "x"),
            json!({"type": "response.output_text.delta", "delta": "none"}),
        ],
        expect![[r#"
            added Message { id: "A", text: "", phase: None }
            added Message { id: "B", text: "", phase: None }
            TextDelta { item_id: "A", delta: "a" }
            TextDelta { item_id: "B", delta: "x" }
            TextDelta { item_id: "B", delta: "none" }
        "#]],
    );
}

#[test]
fn an_item_ends_under_the_id_it_began_with() {
    let bare = json!({"type": "message", "role": "assistant", "content": []});
    let mut placed = added(message("A", ""));
    placed["output_index"] = json!(3);
    let mut renamed = done(message("Z", "ab"));
    renamed["output_index"] = json!(3);
    check(
        &[
            added(bare.clone()),
            text_delta("?", "ab"),
            done(bare),
            placed,
            renamed,
        ],
        expect![[r#"
            added Message { id: "msg_00000000-0000-7000-8000-000000000001", text: "", phase: None }
            TextDelta { item_id: "msg_00000000-0000-7000-8000-000000000001", delta: "ab" }
            done Message { id: "msg_00000000-0000-7000-8000-000000000001", text: "", phase: None }
            added Message { id: "A", text: "", phase: None }
            done Message { id: "A", text: "ab", phase: None }
        "#]],
    );
}

#[test]
fn an_items_history_bears_the_id_it_is_shown_with() {
    let said = translate(&[
        json!({"type": "response.output_item.added", "output_index": 0, "item": message("A", "")}),
        json!({"type": "response.output_item.done", "output_index": 0, "item": message("Z", "x")}),
    ]);
    let Some(Said::Event(ModelEvent::ItemDone(item))) = said.last() else {
        panic!("the item is not done: {said:?}");
    };
    let history: Value = serde_json::from_str(item.history.json.get()).expect("JSON");
    assert_eq!(history["id"], "A");
}

#[test]
fn an_item_that_was_not_added_does_not_end_another() {
    check(
        &[
            added(message("A", "")),
            done(message("B", "b")),
            done(message("A", "a")),
        ],
        expect![[r#"
            added Message { id: "A", text: "", phase: None }
            done Message { id: "B", text: "b", phase: None }
            done Message { id: "A", text: "a", phase: None }
        "#]],
    );
}

#[test]
fn reasoning_streams_its_summary_and_raw_text() {
    let reasoning = json!({"type": "reasoning", "id": "R", "summary": []});
    check(
        &[
            added(reasoning.clone()),
            json!({"type": "response.reasoning_summary_part.added", "item_id": "R", "summary_index": 1}),
            json!({"type": "response.reasoning_summary_text.delta", "item_id": "R", "summary_index": 1, "delta": "s"}),
            json!({"type": "response.reasoning_text.delta", "item_id": "R", "content_index": 2, "delta": "raw"}),
            text_delta("R", "not a message"),
            done(reasoning),
        ],
        expect![[r#"
            added Reasoning { id: "R", summary: [], content: [] }
            SummaryPartAdded { item_id: "R", index: 1 }
            SummaryDelta { item_id: "R", index: 1, delta: "s" }
            ReasoningDelta { item_id: "R", index: 2, delta: "raw" }
            done Reasoning { id: "R", summary: [], content: [] }
        "#]],
    );
}

#[test]
fn only_items_that_clients_see_begin() {
    check(
        &[
            added(
                json!({"type": "function_call", "id": "F", "call_id": "c", "name": "f", "arguments": ""}),
            ),
            added(json!({"type": "image_generation_call", "id": "I"})),
            added(json!({"type": "web_search_call", "id": "W", "status": "in_progress"})),
            done(json!({"type": "image_generation_call", "id": "I", "result": "x"})),
        ],
        expect![[r#"
            added WebSearch { id: "W", action: None }
            done Other
        "#]],
    );
}

#[test]
fn a_refusal_is_no_item_unless_it_began() {
    let refusal = |id: &str| {
        json!({"type": "message", "id": id, "role": "assistant",
               "content": [{"type": "refusal", "refusal": "no"}]})
    };
    check(
        &[
            done(refusal("A")),
            added(message("B", "")),
            done(refusal("B")),
        ],
        expect![[r#"
            added Message { id: "B", text: "", phase: None }
            done Message { id: "B", text: "", phase: None }
        "#]],
    );
}

#[test]
fn usage_may_be_partial_or_missing() {
    let completed = |response: Value| json!({"type": "response.completed", "response": response});
    check(
        &[
            completed(json!({"id": "a", "usage": {
                "input_tokens": 100, "input_tokens_details": {"cached_tokens": 20},
                "output_tokens": 30, "output_tokens_details": {"reasoning_tokens": 5}, "total_tokens": 130}})),
            completed(json!({"id": "b", "usage": {
                "input_tokens": 7, "input_tokens_details": null, "output_tokens": 1}})),
            completed(json!({"usage": null})),
            json!({"type": "response.completed"}),
        ],
        expect![[r#"
            Completed { response_id: "a", usage: Some(TokenUsageBreakdown { total_tokens: 130, input_tokens: 100, cached_input_tokens: 20, cache_write_input_tokens: 0, output_tokens: 30, reasoning_output_tokens: 5 }), end_turn: None }
            Completed { response_id: "b", usage: Some(TokenUsageBreakdown { total_tokens: 8, input_tokens: 7, cached_input_tokens: 0, cache_write_input_tokens: 0, output_tokens: 1, reasoning_output_tokens: 0 }), end_turn: None }
            Completed { response_id: "resp_00000000-0000-7000-8000-000000000001", usage: None, end_turn: None }
            Completed { response_id: "resp_00000000-0000-7000-8000-000000000002", usage: None, end_turn: None }
        "#]],
    );
}

#[test]
fn failed_and_incomplete_responses_break_the_attempt() {
    check(
        &[
            json!({"type": "response.failed", "response": {"error": {"code": "insufficient_quota"}}}),
            json!({"type": "response.failed", "response": {"error": null}}),
            json!({"type": "response.incomplete", "response": {}}),
            json!({"type": "response.incomplete", "response": {"incomplete_details": {"reason": "max_output_tokens"}}}),
        ],
        expect![[r#"
            Never Quota exceeded. Check your plan and billing details.
            Stream { status: None, delay: None } stream disconnected before completion: response.failed event received
            Never Incomplete response returned, reason: unknown
            Never Incomplete response returned, reason: max_output_tokens
        "#]],
    );
}

#[test]
fn what_is_not_understood_is_skipped() {
    let mut translator = Translator::new(Arc::new(CountedIds::default()));
    for data in [
        "",
        "[DONE]",
        "{bad",
        "5",
        r#"{"type":5}"#,
        r#"{"type":"new.event","delta":{"a":1}}"#,
        r#"{"type":"error","message":"boom"}"#,
        r#"{"type":"response.output_item.done"}"#,
        r#"{"type":"response.output_item.done","item":"text"}"#,
        r#"{"type":"response.output_item.added","item":{"type":"message","id":7}}"#,
    ] {
        assert_eq!(translator.event(data.as_bytes()), Said::Nothing, "{data}");
    }
    let Said::Broken(broken) = translator.event(b"\xff") else {
        panic!("bytes that are not text were accepted");
    };
    assert!(
        broken
            .failure
            .message
            .starts_with("stream disconnected before completion: UTF8 error")
    );
}

#[test]
fn what_is_written_into_a_custom_tool_is_told_with_its_call() {
    let call = |kind: &str, call_id: &str, input: &str| json!({"type": kind, "id": "ctc_1", "call_id": call_id, "name": "apply_patch", "input": input});
    let piece = |item: &str, delta: &str| json!({"type": "response.custom_tool_call_input.delta", "item_id": item, "delta": delta});
    check(
        &[
            piece("ctc_1", "before it began"),
            added(call("custom_tool_call", "call_1", "")),
            piece("ctc_1", "a"),
            piece("another id", "b"),
            piece("ctc_1", ""),
            done(call("custom_tool_call", "call_1", "ab")),
            piece("ctc_1", "after it ended"),
            added(call("custom_tool_call", "", "")),
            piece("ctc_1", "a call without an id"),
            added(call("function_call", "call_2", "")),
            piece("ctc_1", "another kind"),
        ],
        expect![[r#"
            CallInput { call_id: "call_1", name: "apply_patch", delta: "a" }
            CallInput { call_id: "call_1", name: "apply_patch", delta: "b" }
            done Call(ToolCall { call_id: "call_1", name: "apply_patch", namespace: None, payload: Custom { input: "ab" } })
        "#]],
    );
}

#[test]
fn open_items_are_bounded() {
    let mut translator = Translator::new(Arc::new(CountedIds::default()));
    for n in 0..=OPEN_ITEMS_MAX {
        translator.event(added(message(&n.to_string(), "")).to_string().as_bytes());
    }
    assert_eq!(translator.open.len(), OPEN_ITEMS_MAX);
    assert_eq!(translator.open[0].id, "1");
}

proptest! {
    #[test]
    fn no_bytes_make_it_panic(data in prop::collection::vec(any::<u8>(), 0..200)) {
        let mut translator = Translator::new(Arc::new(CountedIds::default()));
        translator.event(&data);
        let mut event = br#"{"type":"response.output_item.done","item":"#.to_vec();
        event.extend_from_slice(&data);
        event.push(b'}');
        translator.event(&event);
    }

    #[test]
    fn whole_messages_come_out_as_they_went_in(text in ".*") {
        let said = translate(&[done(message("m", &text))]);
        let [Said::Event(ModelEvent::ItemDone(item))] = &said[..] else {
            panic!("{said:?}");
        };
        let expected = OutputKind::Message { id: "m".to_owned(), text, phase: None };
        prop_assert_eq!(&item.kind, &expected);
    }
}
