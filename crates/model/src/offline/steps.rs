//! An entry → output items → the events of a stream.

use std::time::Duration;

use serde_json::{Map, Value, json};

use super::entry::Entry;
use super::prompt::Tool;
use super::script::{Step, event};

/// A PNG of one pixel, for generated images.
const PIXEL: &str = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==";
/// Input, cached, output and reasoning tokens where an entry names none.
const TOKENS: [i64; 4] = [100, 20, 30, 5];

/// All steps of the response with the number text `rid`.
pub(super) fn steps(entry: Entry, tools: &[Tool], rid: &str) -> Vec<Step> {
    let response = format!("resp_{rid}");
    let mut out = vec![event(
        &json!({"type": "response.created", "response": {"id": response}}),
    )];
    if let Some(gate) = &entry.gate {
        out.push(Step::Gate(gate.clone()));
    }
    if let Some(events) = &entry.events {
        out.extend(events.iter().map(event));
        return out;
    }
    if let Some(ms) = entry.hang {
        out.push(Step::Pause(Duration::from_millis(ms)));
    }
    if let Some((code, message)) = &entry.fail {
        out.push(event(&json!({
            "type": "response.failed",
            "response": {"id": response, "error": {"code": code, "message": message}},
        })));
        return out;
    }
    for (index, item) in output_items(&entry, tools, rid).into_iter().enumerate() {
        let item = Item {
            index,
            item,
            deltas: entry.deltas.unwrap_or(1),
            pause: entry.delay_ms,
        };
        if !item.stream(entry.cut, &mut out) {
            return out;
        }
    }
    if let Some(gate) = &entry.gate_end {
        out.push(Step::Gate(gate.clone()));
    }
    out.push(completed(&response, &entry));
    out
}

fn completed(response: &str, entry: &Entry) -> Step {
    let named = entry.tokens.as_deref().unwrap_or(&TOKENS);
    let tokens = |place: usize| named.get(place).copied().unwrap_or(0);
    event(&json!({
        "type": "response.completed",
        "response": {
            "id": response,
            "output": [],
            "usage": {
                "input_tokens": tokens(0),
                "input_tokens_details": {"cached_tokens": tokens(1)},
                "output_tokens": tokens(2),
                "output_tokens_details": {"reasoning_tokens": tokens(3)},
                "total_tokens": tokens(0).saturating_add(tokens(2)),
            },
        },
    }))
}

fn output_items(entry: &Entry, tools: &[Tool], rid: &str) -> Vec<Value> {
    if let Some(calls) = &entry.calls {
        return calls
            .iter()
            .enumerate()
            .flat_map(|(place, call)| output_items(call, tools, &format!("{rid}_{place}")))
            .collect();
    }
    let mut items = Vec::new();
    if let Some(summary) = entry.think.as_ref().filter(|text| !text.is_empty()) {
        let mut reasoning = json!({
            "type": "reasoning",
            "id": format!("rs_{rid}"),
            "summary": [{"type": "summary_text", "text": summary}],
            "encrypted_content": null,
        });
        if let Some(raw) = entry.think_raw.as_ref().filter(|text| !text.is_empty()) {
            reasoning["content"] = json!([{"type": "reasoning_text", "text": raw}]);
        }
        items.push(reasoning);
    }
    items.extend(call_item(entry, tools, rid));
    for (place, raw) in entry.raw.iter().enumerate() {
        items.push(with_id(raw, format!("raw_{rid}_{place}")));
    }
    if let Some(query) = &entry.web {
        items.push(json!({
            "type": "web_search_call", "id": format!("ws_{rid}"), "status": "completed",
            "action": {"type": "search", "query": query},
        }));
    }
    if let Some(prompt) = &entry.image {
        items.push(json!({
            "type": "image_generation_call", "id": format!("ig_{rid}"), "status": "completed",
            "revised_prompt": prompt, "result": PIXEL,
        }));
    }
    if let Some(text) = &entry.say {
        items.push(json!({
            "type": "message", "role": "assistant", "id": format!("msg_{rid}"),
            "content": [{"type": "output_text", "text": text, "annotations": []}],
        }));
    }
    items
}

/// The item with an id in front, unless it has one.
fn with_id(item: &Value, id: String) -> Value {
    let mut out = Map::new();
    out.insert("id".to_owned(), Value::String(id));
    if let Value::Object(members) = item {
        out.extend(members.clone());
    }
    Value::Object(out)
}

fn call_item(entry: &Entry, tools: &[Tool], rid: &str) -> Option<Value> {
    let function = |name: &str, arguments: &Value| {
        json!({
            "type": "function_call", "id": format!("fc_{rid}"), "call_id": format!("call_{rid}"),
            "name": name, "arguments": arguments.to_string(),
        })
    };
    let custom = |name: &str, input: &str| {
        json!({
            "type": "custom_tool_call", "id": format!("ctc_{rid}"), "call_id": format!("call_{rid}"),
            "name": name, "input": input,
        })
    };
    let shell = |command: &str| {
        let (name, arguments) = shell_call(entry, command, tools);
        function(name, &arguments)
    };
    if let Some(command) = &entry.exec {
        return Some(shell(command));
    }
    if let Some(patch) = &entry.patch {
        let offered = tools.iter().find(|tool| tool.name == "apply_patch");
        return Some(match offered {
            Some(tool) if tool.kind == "custom" => custom("apply_patch", patch),
            Some(_) => function("apply_patch", &json!({"input": patch})),
            None => shell(&format!("apply_patch <<'EOF'\n{patch}\nEOF")),
        });
    }
    if let Some(plan) = &entry.plan {
        let steps: Vec<Value> = plan
            .iter()
            .map(|(step, status)| json!({"step": step, "status": status}))
            .collect();
        return Some(function("update_plan", &json!({"plan": steps})));
    }
    if let Some((name, arguments)) = &entry.call {
        let mut item = function(name, arguments);
        if let Some(namespace) = &entry.ns {
            item["namespace"] = json!(namespace);
        }
        return Some(item);
    }
    let (name, input) = entry.custom.as_ref()?;
    Some(custom(name, input))
}

/// The offered shell tool's name and arguments for a command.
fn shell_call(entry: &Entry, command: &str, tools: &[Tool]) -> (&'static str, Value) {
    let offered = |name: &str| {
        tools
            .iter()
            .any(|tool| tool.kind == "function" && tool.name == name)
    };
    let (name, mut arguments) = if offered("exec_command") {
        ("exec_command", json!({"cmd": command}))
    } else if offered("shell_command") {
        ("shell_command", json!({"command": command}))
    } else {
        ("shell", json!({"command": ["bash", "-lc", command]}))
    };
    if let Some(workdir) = &entry.workdir {
        arguments["workdir"] = json!(workdir);
    }
    if name == "exec_command" {
        if let Some(ms) = entry.yield_time_ms {
            arguments["yield_time_ms"] = json!(ms);
        }
        if entry.tty {
            arguments["tty"] = json!(true);
        }
    }
    if let (true, Some(ms)) = (name == "shell_command", entry.timeout_ms) {
        arguments["timeout_ms"] = json!(ms);
    }
    if let Some(why) = &entry.escalate {
        arguments["sandbox_permissions"] = json!("require_escalated");
        arguments["justification"] = json!(why);
    }
    (name, arguments)
}

/// An output item on its way into a stream.
struct Item {
    index: usize,
    item: Value,
    deltas: usize,
    pause: u64,
}

impl Item {
    /// Adds the item's events. `false` when the stream is cut behind its deltas.
    fn stream(&self, cut: bool, out: &mut Vec<Step>) -> bool {
        match self.item["type"].as_str().unwrap_or_default() {
            "message" => {
                out.push(self.added(&[("content", json!([]))]));
                let text = self.item["content"][0]["text"].as_str().unwrap_or_default();
                for delta in pieces(text, self.deltas) {
                    out.push(self.delta("response.output_text.delta", "content_index", 0, delta));
                    self.pause(out);
                }
                if cut {
                    return false;
                }
            }
            "reasoning" => {
                out.push(self.added(&[("summary", json!([]))]));
                for (place, text) in texts(&self.item["summary"]).enumerate() {
                    out.push(event(&json!({
                        "type": "response.reasoning_summary_part.added", "item_id": self.item["id"],
                        "output_index": self.index, "summary_index": place,
                    })));
                    for delta in pieces(text, self.deltas) {
                        let kind = "response.reasoning_summary_text.delta";
                        out.push(self.delta(kind, "summary_index", place, delta));
                    }
                }
                for text in texts(&self.item["content"]) {
                    for delta in pieces(text, self.deltas) {
                        let kind = "response.reasoning_text.delta";
                        out.push(self.delta(kind, "content_index", 0, delta));
                    }
                }
            }
            "web_search_call" | "image_generation_call" => {
                out.push(self.added(&[("status", json!("in_progress"))]));
                self.pause(out);
            }
            _ => {}
        }
        out.push(event(&json!({
            "type": "response.output_item.done", "output_index": self.index, "item": self.item,
        })));
        true
    }

    /// The item as it begins: with other values, and without what only its end tells.
    fn added(&self, begun: &[(&str, Value)]) -> Step {
        let mut item = self.item.clone();
        if let Value::Object(members) = &mut item {
            for late in ["action", "result", "revised_prompt"] {
                members.shift_remove(late);
            }
            for (name, value) in begun {
                members.insert((*name).to_owned(), value.clone());
            }
        }
        event(&json!({
            "type": "response.output_item.added", "output_index": self.index, "item": item,
        }))
    }

    fn delta(&self, kind: &str, place_name: &str, place: usize, delta: String) -> Step {
        event(&json!({
            "type": kind, "item_id": self.item["id"], "output_index": self.index,
            place_name: place, "delta": delta,
        }))
    }

    fn pause(&self, out: &mut Vec<Step>) {
        if self.pause > 0 {
            out.push(Step::Pause(Duration::from_millis(self.pause)));
        }
    }
}

fn texts(parts: &Value) -> impl Iterator<Item = &str> {
    let parts = parts.as_array().map(Vec::as_slice).unwrap_or_default();
    parts.iter().filter_map(|part| part["text"].as_str())
}

/// The text in about `n` pieces of equal length; an empty text is one empty piece.
fn pieces(text: &str, n: usize) -> Vec<String> {
    let chars: Vec<char> = text.chars().collect();
    let n = n.clamp(1, chars.len().max(1));
    let length = (chars.len() / n).max(1);
    if chars.is_empty() {
        return vec![String::new()];
    }
    chars
        .chunks(length)
        .map(|piece| piece.iter().collect())
        .collect()
}
