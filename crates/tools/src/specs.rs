//! What the model is told about the tools.

use std::sync::{Arc, OnceLock};

use serde_json::value::RawValue;
use serde_json::{Value, json};

use crate::{patch, permissions, user_input};

/// Which tools are offered. `request_user_input` is or is not in every mode, so that the
/// prompt's beginning does not change with the mode (as on 0.169.0).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each tool is offered or not, whatever the others are"
)]
pub struct Offer {
    /// `exec_command` and `write_stdin`, which are not even known where they are not
    /// offered.
    pub commands: bool,
    /// `request_user_input`, likewise.
    pub user_input: bool,
    /// `update_plan`.
    pub update_plan: bool,
    /// `request_permissions`, which is not even known where it is not offered.
    pub request_permissions: bool,
    /// `apply_patch`. Without it the model can still patch through the shell.
    pub apply_patch: bool,
    /// `view_image`.
    pub view_image: bool,
    /// `get_goal`, `create_goal` and `update_goal`, which the thread answers itself.
    pub goals: bool,
}

impl Offer {
    /// All of them.
    #[must_use]
    pub fn all() -> Self {
        Self {
            commands: true,
            user_input: true,
            update_plan: true,
            request_permissions: true,
            apply_patch: true,
            view_image: true,
            goals: true,
        }
    }

    /// A number below [`OFFERS`] that tells offers apart.
    fn index(self) -> usize {
        usize::from(self.update_plan)
            | usize::from(self.apply_patch) << 1
            | usize::from(self.view_image) << 2
            | usize::from(self.goals) << 3
            | usize::from(self.request_permissions) << 4
            | usize::from(self.commands) << 5
            | usize::from(self.user_input) << 6
    }
}

/// How many offers there are.
const OFFERS: usize = 128;

/// The specifications, built once per offer for the whole server.
pub(crate) fn specs(offer: Offer) -> Arc<RawValue> {
    static BUILT: [OnceLock<Arc<RawValue>>; OFFERS] = [const { OnceLock::new() }; OFFERS];
    Arc::clone(BUILT[offer.index()].get_or_init(|| {
        let raw =
            serde_json::value::to_raw_value(&build(offer)).expect("a JSON value is always written");
        Arc::from(raw)
    }))
}

fn build(offer: Offer) -> Vec<Value> {
    let mut specs = Vec::new();
    if offer.commands {
        specs.extend([exec_command(), write_stdin()]);
    }
    if offer.update_plan {
        specs.push(update_plan());
    }
    if offer.user_input {
        specs.push(user_input::spec());
    }
    if offer.request_permissions {
        specs.push(permissions::spec());
    }
    if offer.apply_patch {
        specs.push(apply_patch());
    }
    if offer.view_image {
        specs.push(view_image());
    }
    if offer.goals {
        specs.extend(goals());
    }
    specs
}

/// A function tool.
pub(crate) fn function(
    name: &str,
    description: &str,
    required: &[&str],
    properties: Value,
) -> Value {
    json!({
        "type": "function",
        "name": name,
        "description": description,
        "strict": false,
        "parameters": {
            "type": "object",
            "properties": properties,
            "required": required,
            "additionalProperties": false,
        },
    })
}

/// A parameter.
pub(crate) fn described(kind: &str, description: &str) -> Value {
    json!({ "type": kind, "description": description })
}

fn goals() -> [Value; 3] {
    let get = function(
        "get_goal",
        "Returns this thread's goal: its objective, its status, its token budget and what of it is \
         used.",
        &[],
        json!({}),
    );
    let create = function(
        "create_goal",
        "Gives this thread a goal that it goes on working towards in further turns. Only when the \
         user asks for a goal; an ordinary task is none. Fails while an earlier goal is not \
         complete.",
        &["objective"],
        json!({
            "objective": described("string", "What is to be achieved, in full."),
            "token_budget": described(
                "integer",
                "How many tokens the goal may use. Only when the user names a number.",
            ),
        }),
    );
    let update = function(
        "update_goal",
        "Ends or interrupts the work on this thread's goal. complete: all of the objective is \
         achieved and you have checked it; then tell the user what the answer says about the \
         budget. blocked: the same obstacle has stopped you in three turns in a row and only the \
         user can remove it. paused: the user asked for a pause.",
        &["status"],
        json!({
            "status": {
                "type": "string",
                "enum": ["complete", "blocked", "paused"],
                "description": "What the goal's status becomes.",
            },
        }),
    );
    [get, create, update]
}

fn exec_command() -> Value {
    function(
        "exec_command",
        "Executes a shell command and returns what it printed. A command that is still running when \
         the waiting time is over goes on in the background; the answer then holds a session ID \
         for write_stdin.",
        &["cmd"],
        json!({
            "cmd": described("string", "The command, in the language of the shell."),
            "workdir": described(
                "string",
                "Folder to run in; the working folder if left out.",
            ),
            "shell": described("string", "Shell to use (bash, zsh or sh); the user's if left out."),
            "login": described("boolean", "Whether the shell reads its login files (true)."),
            "tty": described(
                "boolean",
                "Whether the command gets a terminal, so that write_stdin can type into it (false).",
            ),
            "yield_time_ms": described(
                "number",
                "How long to wait for the command before answering, in milliseconds (10000).",
            ),
            "max_output_tokens": described(
                "number",
                "How much output to return at most; the middle of longer output is left out.",
            ),
            "sandbox_permissions": {
                "type": "string",
                "enum": ["use_default", "require_escalated"],
                "description": "require_escalated asks the user to let the command run without the \
                                sandbox.",
            },
            "justification": described(
                "string",
                "With require_escalated: one question to the user that tells what for.",
            ),
            "prefix_rule": {
                "type": "array",
                "items": { "type": "string" },
                "description": "With require_escalated: the first words of the command, for a rule \
                                that lets similar commands run without asking.",
            },
        }),
    )
}

fn write_stdin() -> Value {
    function(
        "write_stdin",
        "Types into a command that runs in the background, or looks at it, and returns what it \
         printed since the last look.",
        &["session_id"],
        json!({
            "session_id": described("number", "The session ID that exec_command returned."),
            "chars": described("string", "What to type; empty to look only."),
            "yield_time_ms": described(
                "number",
                "How long to wait for output before answering, in milliseconds.",
            ),
            "max_output_tokens": described(
                "number",
                "How much output to return at most; the middle of longer output is left out.",
            ),
        }),
    )
}

fn update_plan() -> Value {
    function(
        "update_plan",
        "Shows the user the plan for the task and how far it is. Send the whole plan each time; at \
         most one step is in_progress.",
        &["plan"],
        json!({
            "explanation": described("string", "Why the plan changed."),
            "plan": {
                "type": "array",
                "description": "The steps in order.",
                "items": {
                    "type": "object",
                    "properties": {
                        "step": described("string", "What is done in this step."),
                        "status": {
                            "type": "string",
                            "enum": ["pending", "in_progress", "completed"],
                        },
                    },
                    "required": ["step", "status"],
                    "additionalProperties": false,
                },
            },
        }),
    )
}

fn apply_patch() -> Value {
    json!({
        "type": "custom",
        "name": "apply_patch",
        "description": "Adds, edits, moves and deletes files by a patch. The input is the patch \
                        itself, not JSON.",
        "format": { "type": "grammar", "syntax": "lark", "definition": patch::GRAMMAR },
    })
}

fn view_image() -> Value {
    function(
        "view_image",
        "Shows you an image file of this machine.",
        &["path"],
        json!({
            "path": described("string", "The image file, absolute or from the working folder."),
        }),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(offer: Offer) -> Vec<String> {
        let specs: Vec<Value> = serde_json::from_str(specs(offer).get()).expect("a JSON array");
        specs
            .iter()
            .map(|spec| format!("{}:{}", spec["type"], spec["name"]).replace('"', ""))
            .collect()
    }

    #[test]
    fn offers_what_is_asked_for() {
        assert_eq!(
            names(Offer::all()),
            [
                "function:exec_command",
                "function:write_stdin",
                "function:update_plan",
                "function:request_user_input",
                "function:request_permissions",
                "custom:apply_patch",
                "function:view_image",
                "function:get_goal",
                "function:create_goal",
                "function:update_goal"
            ]
        );
        let few = Offer {
            commands: false,
            user_input: true,
            update_plan: false,
            request_permissions: false,
            apply_patch: false,
            view_image: false,
            goals: false,
        };
        assert_eq!(names(few), ["function:request_user_input"]);
        let none = Offer {
            user_input: false,
            ..few
        };
        assert!(names(none).is_empty());
    }

    #[test]
    fn every_required_argument_is_described() {
        for spec in build(Offer::all()) {
            let parameters = &spec["parameters"];
            for name in parameters["required"].as_array().into_iter().flatten() {
                let name = name.as_str().expect("a name");
                assert!(parameters["properties"][name].is_object(), "{name}");
            }
        }
    }
}
