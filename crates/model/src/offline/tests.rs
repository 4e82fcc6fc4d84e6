use expect_test::{Expect, expect};
use loomd_base::CountedIds;
use loomd_events::OutputKind;
use serde_json::{Value, json};
use tokio::time::Instant;

use super::*;
use crate::request::tests::request;

fn model() -> OfflineModel {
    OfflineModel::new(Arc::new(CountedIds::default()))
}

/// One line per event, as a thread's rules would see it.
fn line(event: &ModelEvent) -> String {
    match event {
        ModelEvent::ItemAdded(item) => format!("added {}", kind(&item.kind)),
        ModelEvent::ItemDone(item) => format!("done {}", kind(&item.kind)),
        ModelEvent::TextDelta { item_id, delta } => format!("text {item_id} {delta:?}"),
        ModelEvent::SummaryPartAdded { item_id, index } => format!("part {item_id} {index}"),
        ModelEvent::SummaryDelta { index, delta, .. } => format!("summary {index} {delta:?}"),
        ModelEvent::ReasoningDelta { index, delta, .. } => format!("raw {index} {delta:?}"),
        ModelEvent::CallInput { call_id, delta, .. } => format!("input {call_id} {delta:?}"),
        ModelEvent::RateLimits(limits) => format!("limits {:?}", limits.limit_id),
        ModelEvent::Rerouted { model } => format!("rerouted {model}"),
        ModelEvent::Retrying {
            attempt,
            max,
            failure,
        } => format!(
            "retrying {attempt}/{max} {:?} {}",
            failure.info, failure.message
        ),
        ModelEvent::Completed {
            response_id,
            usage,
            end_turn,
        } => format!(
            "completed {response_id} {:?} {end_turn:?}",
            usage.as_ref().map(|usage| usage.total_tokens)
        ),
        ModelEvent::Failed(failure) => format!("failed {:?} {}", failure.info, failure.message),
    }
}

fn kind(kind: &OutputKind) -> String {
    match kind {
        OutputKind::Message { id, text, .. } => format!("message {id} {text:?}"),
        OutputKind::Reasoning {
            id,
            summary,
            content,
        } => format!("reasoning {id} {summary:?} {content:?}"),
        OutputKind::Call(call) => format!("call {} {} {:?}", call.call_id, call.name, call.payload),
        OutputKind::WebSearch { id, action } => format!("web {id} {action:?}"),
        OutputKind::Other => "other".to_owned(),
    }
}

async fn events(model: &OfflineModel, request: ModelRequest) -> Vec<String> {
    let mut events = model.stream(request, CancellationToken::new());
    let mut lines = Vec::new();
    while let Some(event) = events.recv().await {
        lines.push(line(&event));
    }
    lines
}

fn directive(entries: &Value) -> ModelRequest {
    request(&format!("do it\n  @@ {entries}"))
}

async fn check(entries: Value, expected: Expect) {
    let lines = events(&model(), directive(&entries)).await;
    expected.assert_eq(&(lines.join("\n") + "\n"));
}

fn with_input(mut request: ModelRequest, items: &[Value]) -> ModelRequest {
    let raw = |item: &Value| {
        serde_json::value::to_raw_value(item)
            .expect("test JSON")
            .into()
    };
    request.input.extend(items.iter().map(raw));
    request
}

#[tokio::test(start_paused = true)]
async fn a_message_streams_in_the_wanted_deltas() {
    check(
        json!([{"think": "hm", "think_raw": "raw", "say": "héllo", "deltas": 2}]),
        expect![[r#"
            added reasoning rs_m1 [] ["raw"]
            part rs_m1 0
            summary 0 "h"
            summary 0 "m"
            raw 0 "r"
            raw 0 "a"
            raw 0 "w"
            done reasoning rs_m1 ["hm"] ["raw"]
            added message msg_m1 ""
            text msg_m1 "hé"
            text msg_m1 "ll"
            text msg_m1 "o"
            done message msg_m1 "héllo"
            limits Some("codex")
            completed resp_m1 Some(130) None
        "#]],
    )
    .await;
}

#[tokio::test(start_paused = true)]
async fn calls_fit_the_tools_that_are_offered() {
    let mut request = directive(&json!([{"calls": [
        {"exec": "ls", "workdir": "/w", "escalate": "why", "yield_time_ms": 5, "tty": true},
        {"patch": "*** Begin Patch"},
        {"plan": [["a", "pending"]]},
        {"call": ["f", {"x": 1}], "ns": "n"},
        {"custom": ["g", "input"]},
    ]}]));
    let tools = json!([
        {"type": "function", "name": "exec_command"},
        {"type": "custom", "name": "apply_patch"},
        {"type": "web_search"},
    ]);
    request.tools = serde_json::value::to_raw_value(&tools)
        .expect("test JSON")
        .into();
    let lines = events(&model(), request).await;
    expect![[r#"
        done call call_m1_0 exec_command Function { arguments: "{\"cmd\":\"ls\",\"workdir\":\"/w\",\"yield_time_ms\":5,\"tty\":true,\"sandbox_permissions\":\"require_escalated\",\"justification\":\"why\"}" }
        done call call_m1_1 apply_patch Custom { input: "*** Begin Patch" }
        done call call_m1_2 update_plan Function { arguments: "{\"plan\":[{\"step\":\"a\",\"status\":\"pending\"}]}" }
        done call call_m1_3 f Function { arguments: "{\"x\":1}" }
        done call call_m1_4 g Custom { input: "input" }
        limits Some("codex")
        completed resp_m1 Some(130) None"#]]
    .assert_eq(&lines.join("\n"));
}

#[tokio::test(start_paused = true)]
async fn without_the_tools_a_patch_goes_through_the_shell() {
    check(
        json!([{"calls": [{"exec": "ls"}, {"patch": "P"}]}]),
        expect![[r#"
            done call call_m1_0 shell Function { arguments: "{\"command\":[\"bash\",\"-lc\",\"ls\"]}" }
            done call call_m1_1 shell Function { arguments: "{\"command\":[\"bash\",\"-lc\",\"apply_patch <<'EOF'\\nP\\nEOF\"]}" }
            limits Some("codex")
            completed resp_m1 Some(130) None
        "#]],
    )
    .await;
}

#[tokio::test(start_paused = true)]
async fn hosted_calls_and_given_items_are_played() {
    check(
        json!([{
            "web": "q", "image": "cat", "tokens": [7, 1, 2],
            "raw": [{"type": "message", "role": "assistant", "id": "own", "phase": "commentary",
                     "content": [{"type": "output_text", "text": "x"}]}],
            "headers": {"OpenAI-Model": "other", "bad header": "x"},
        }]),
        expect![[r#"
            rerouted other
            added message own ""
            text own "x"
            done message own "x"
            added web ws_m1 None
            done web ws_m1 Some(Object {"type": String("search"), "query": String("q")})
            done other
            limits Some("codex")
            completed resp_m1 Some(9) None
        "#]],
    )
    .await;
}

#[tokio::test(start_paused = true)]
async fn events_are_sent_as_they_are_and_nothing_after() {
    let mut provider = Provider::new("p", "P", "http://h/v1");
    provider.stream_max_retries = 0;
    let model = OfflineModel::with_provider(provider, Arc::new(CountedIds::default()));
    let entries = json!([{"events": [{"type": "new"}, {"no": "type"}]}]);
    assert_eq!(
        events(&model, directive(&entries)).await,
        [
            "limits Some(\"codex\")",
            "failed Other stream disconnected before completion: stream closed before response.completed",
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn tool_outputs_decide_which_entry_is_served() {
    let script = json!([{"say": "first", "exec": "a"}, {"calls": [{"exec": "b"}, {"exec": "c"}]}, {"say": "end"}]);
    let output =
        |call: &str| json!({"type": "function_call_output", "call_id": call, "output": "o"});
    let model = model();
    let said = async |outputs: &[&str]| {
        let outputs: Vec<Value> = outputs.iter().map(|call| output(call)).collect();
        let lines = events(&model, with_input(directive(&script), &outputs)).await;
        lines.iter().filter(|line| line.starts_with("done")).count()
    };
    assert_eq!(said(&[]).await, 2);
    assert_eq!(said(&["call_m1"]).await, 2);
    assert_eq!(said(&["call_m1", "foreign"]).await, 2);
    assert_eq!(said(&["call_m1", "call_m2_0"]).await, 2);
    assert_eq!(said(&["call_m1", "call_m2_0", "call_m2_1"]).await, 1);
    assert_eq!(said(&["call_m1"; 9]).await, 1);
}

#[tokio::test(start_paused = true)]
async fn a_plain_message_ends_a_directive_unless_it_steers() {
    let script = json!([{"exec": "a"}, {"say": "end"}]);
    let user = |text: &str| json!({"type": "message", "role": "user", "content": [{"type": "input_text", "text": text}]});
    let assistant = json!({"type": "message", "role": "assistant", "content": []});
    let output = json!({"type": "function_call_output", "call_id": "call_m1", "output": "o"});
    let model = model();
    let last = async |items: &[Value]| {
        let lines = events(&model, with_input(directive(&script), items)).await;
        lines
            .into_iter()
            .find(|line| line.starts_with("done message"))
            .unwrap_or_default()
    };
    let steered = last(&[
        output.clone(),
        user("and this"),
        user("<environment_context>"),
    ])
    .await;
    assert!(steered.ends_with("\"end\""), "{steered}");
    let next = last(&[output, assistant, user("something else")]).await;
    assert!(
        next.contains("Your message was: “something else”"),
        "{next}"
    );
    let after_stop = last(&[user("<turn_aborted>"), user("anew")]).await;
    assert!(
        after_stop.contains("Your message was: “anew”"),
        "{after_stop}"
    );
}

#[tokio::test(start_paused = true)]
async fn without_a_directive_it_says_what_it_is() {
    let lines = events(&model(), request("please list the files")).await;
    let done = lines
        .iter()
        .find(|line| line.starts_with("done message"))
        .expect("a message");
    assert!(done.contains("loomd's offline model") && done.contains("please list the files"));
    assert!(lines.iter().filter(|line| line.starts_with("text")).count() > 10);
    let long = events(&model(), request(&"é".repeat(300))).await;
    assert!(long.iter().any(|line| line.contains("Your message begins")));
}

#[tokio::test(start_paused = true)]
async fn an_unreadable_directive_is_answered_with_the_reason() {
    let lines = events(&model(), request("@@ [{\"say\": 5}]")).await;
    let done = lines
        .iter()
        .find(|line| line.starts_with("done message"))
        .expect("a message");
    assert!(done.contains("cannot be read: invalid type"), "{done}");
}

#[tokio::test(start_paused = true)]
async fn numbers_go_on_above_those_of_the_history() {
    let item = json!({"type": "message", "role": "assistant", "id": "msg_m41", "content": []});
    let lines = events(&model(), with_input(request("hi"), &[item])).await;
    assert_eq!(
        lines.last().map(String::as_str),
        Some("completed resp_m42 Some(130) None")
    );
}

#[tokio::test(start_paused = true)]
async fn a_server_error_is_sent_again_and_then_reconnected() {
    let start = Instant::now();
    check(
        json!([{"error": [500, {"error": {"message": "oops"}}]}]),
        expect![[r#"
            retrying 1/5 ResponseStreamDisconnected { http_status_code: None } The model provider is experiencing high demand, which may cause temporary errors.
            retrying 2/5 ResponseStreamDisconnected { http_status_code: None } The model provider is experiencing high demand, which may cause temporary errors.
            retrying 3/5 ResponseStreamDisconnected { http_status_code: None } The model provider is experiencing high demand, which may cause temporary errors.
            retrying 4/5 ResponseStreamDisconnected { http_status_code: None } The model provider is experiencing high demand, which may cause temporary errors.
            retrying 5/5 ResponseStreamDisconnected { http_status_code: None } The model provider is experiencing high demand, which may cause temporary errors.
            failed InternalServerError The model provider is experiencing high demand, which may cause temporary errors.
        "#]],
    )
    .await;
    // Six attempts of 0.2 + 0.4 + 0.8 + 1.6 s, and 6.2 s between them, ± 10 %.
    let waited = start.elapsed().as_secs_f64();
    assert!((0.9 * 24.2..1.1 * 24.2).contains(&waited), "{waited}");
}

#[tokio::test(start_paused = true)]
async fn what_went_wrong_once_goes_well_the_second_time() {
    check(
        json!([{"say": "hello", "cut": true, "times": 1}]),
        expect![[r#"
            added message msg_m1 ""
            text msg_m1 "hello"
            limits Some("codex")
            retrying 1/5 ResponseStreamDisconnected { http_status_code: None } stream disconnected before completion: stream closed before response.completed
            added message msg_m2 ""
            text msg_m2 "hello"
            done message msg_m2 "hello"
            limits Some("codex")
            completed resp_m2 Some(130) None
        "#]],
    )
    .await;
    check(
        json!([{"error": [503, {}], "times": 1}]),
        expect![[r#"
            added message msg_m2 ""
            text msg_m2 "recovered"
            done message msg_m2 "recovered"
            limits Some("codex")
            completed resp_m2 Some(130) None
        "#]],
    )
    .await;
}

#[tokio::test(start_paused = true)]
async fn what_cannot_go_well_fails_at_once() {
    let start = Instant::now();
    check(
        json!([{"fail": ["context_length_exceeded", "m"]}]),
        expect![[r#"
            limits Some("codex")
            failed ContextWindowExceeded This thread ran out of room in the model's context window. Start a new thread or clear earlier history before trying again.
        "#]],
    )
    .await;
    check(
        json!([{"error": [429, {"error": {"type": "usage_limit_reached"}}],
                "headers": {"x-codex-active-limit": "codex_x"}}]),
        expect![[r#"
            limits Some("codex_x")
            failed UsageLimitExceeded You have hit your usage limit. Try again later.
        "#]],
    )
    .await;
    assert_eq!(start.elapsed(), Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn the_host_says_how_long_to_wait() {
    let mut provider = Provider::new("p", "P", "http://h/v1");
    provider.stream_max_retries = 1;
    let model = OfflineModel::with_provider(provider, Arc::new(CountedIds::default()));
    let start = Instant::now();
    let limited = json!([{"error": [429, {}], "headers": {"retry-after": "30"}}]);
    let lines = events(&model, directive(&limited)).await;
    assert_eq!(start.elapsed().as_secs(), 30);
    assert_eq!(
        lines,
        [
            "retrying 1/1 ResponseStreamDisconnected { http_status_code: Some(429) } exceeded retry limit, last status: 429 Too Many Requests",
            "failed ResponseTooManyFailedAttempts { http_status_code: Some(429) } exceeded retry limit, last status: 429 Too Many Requests",
        ]
    );
    let slow = json!([{"fail": ["rate_limit_exceeded", "Please try again in 7s."]}]);
    events(&model, directive(&slow)).await;
    assert_eq!(start.elapsed().as_secs(), 37);
}

#[tokio::test(start_paused = true)]
async fn a_silent_host_is_given_up_after_the_idle_time() {
    let mut provider = Provider::new("p", "P", "http://h/v1");
    provider.stream_max_retries = 0;
    provider.stream_idle_timeout = Duration::from_secs(9);
    let model = OfflineModel::with_provider(provider, Arc::new(CountedIds::default()));
    let start = Instant::now();
    let lines = events(&model, directive(&json!([{"hang": 60_000, "say": "late"}]))).await;
    assert_eq!(
        lines.last().map(String::as_str),
        Some("failed Other stream disconnected before completion: idle timeout waiting for SSE")
    );
    assert_eq!(start.elapsed().as_secs(), 9);
}

#[tokio::test(start_paused = true)]
async fn a_gate_holds_the_stream_until_it_is_opened() {
    let model = model();
    let entries = json!([{"say": "hi", "gate": "a", "gate_end": "b"}]);
    let mut stream = model.stream(directive(&entries), CancellationToken::new());
    // With the clock paused, an hour passes as soon as nothing else can happen.
    let hour = Duration::from_secs(3600);
    assert!(tokio::time::timeout(hour, stream.recv()).await.is_err());
    model.open_gate("a");
    for expected in ["added", "text", "done"] {
        let event = stream.recv().await.expect("an event");
        assert!(line(&event).starts_with(expected));
    }
    assert!(tokio::time::timeout(hour, stream.recv()).await.is_err());
    model.open_gate("b");
    let mut rest = Vec::new();
    while let Some(event) = stream.recv().await {
        rest.push(line(&event));
    }
    assert_eq!(
        rest,
        ["limits Some(\"codex\")", "completed resp_m1 Some(130) None"]
    );
}

#[tokio::test(start_paused = true)]
async fn a_cancelled_stream_just_ends() {
    let model = model();
    let cancel = CancellationToken::new();
    let entries = json!([{"say": "hi", "gate_end": "never"}]);
    let mut stream = model.stream(directive(&entries), cancel.clone());
    let first = stream.recv().await.expect("an event");
    assert!(line(&first).starts_with("added"));
    cancel.cancel();
    while let Some(event) = stream.recv().await {
        let late = line(&event);
        assert!(
            !late.starts_with("completed") && !late.starts_with("failed"),
            "{late}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_reader_that_is_behind_is_waited_for() {
    let text = "x".repeat(4 * crate::EVENTS_MAX);
    let entries = json!([{"say": text, "deltas": text.len()}]);
    let mut stream = model().stream(directive(&entries), CancellationToken::new());
    // As soon as nothing else can happen, the queue is full.
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(stream.len(), crate::EVENTS_MAX);
    let mut count = 0;
    while stream.recv().await.is_some() {
        count += 1;
    }
    assert_eq!(count, text.len() + 4);
}

#[tokio::test(start_paused = true)]
async fn credits_are_kept_from_an_earlier_response() {
    let model = model();
    let known = json!([{"say": "a", "headers": {
        "x-codex-credits-has-credits": "true", "x-codex-credits-unlimited": "false"}}]);
    events(&model, directive(&known)).await;
    let mut stream = model.stream(request("again"), CancellationToken::new());
    let mut credits = None;
    while let Some(event) = stream.recv().await {
        if let ModelEvent::RateLimits(limits) = event {
            credits = limits.credits;
        }
    }
    assert!(credits.is_some_and(|credits| credits.has_credits));
}
