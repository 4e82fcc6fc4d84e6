//! What the demo asks for, and what the offline model is told to do about it.
//!
//! The offline model has no ideas of its own: it follows the directive in the last
//! line of a prompt. Everything it calls for is really done.

use serde_json::{Value, json};

/// The file that the first turn makes.
pub(super) const FILE: &str = "greet.sh";

/// What the file prints at last, when it is given the name of this program.
pub(super) const GREETING: &str = "hello, loomd";

/// One turn.
pub(super) struct Scene {
    /// What the user says.
    pub(super) prompt: &'static str,
    /// One entry per answer of the model.
    answers: Value,
}

impl Scene {
    /// The prompt with the directive behind it.
    pub(super) fn text(&self) -> String {
        format!("{}\n@@ {}", self.prompt, self.answers)
    }
}

const FIRST_VERSION: &str = "cat > greet.sh <<'END'
#!/bin/sh
echo \"hello, world\"
END
sh greet.sh";

const PATCH: &str = "*** Begin Patch
*** Update File: greet.sh
@@
 #!/bin/sh
-echo \"hello, world\"
+name=${1:-world}
+echo \"hello, $name\"
*** End Patch";

const ANSWER: &str = "`greet.sh` greets whoever you name, and the world when you name \
nobody. I wrote it, ran it, changed it with a patch, and ran it again: the output above \
is what your shell printed, not what I imagine.";

fn plan(done: usize) -> Value {
    let steps = [
        "Write greet.sh and run it",
        "Let it greet by name",
        "Check it",
    ];
    let steps: Vec<Value> = steps
        .iter()
        .enumerate()
        .map(|(index, step)| {
            let status = match index.cmp(&done) {
                std::cmp::Ordering::Less => "completed",
                std::cmp::Ordering::Equal => "in_progress",
                std::cmp::Ordering::Greater => "pending",
            };
            json!([step, status])
        })
        .collect();
    Value::Array(steps)
}

/// A turn with a plan, commands, a patch and a streamed answer. `pace_ms` is the pause
/// between the pieces of the answer, in milliseconds.
pub(super) fn work(pace_ms: u64) -> Scene {
    Scene {
        prompt: "Write a shell script that greets, run it, then let it greet by name.",
        answers: json!([
            {"think": "A script of two lines will do; a parameter with a default makes it greet by name.",
             "plan": plan(0)},
            {"exec": FIRST_VERSION},
            {"plan": plan(1)},
            {"patch": PATCH},
            {"plan": plan(2)},
            {"exec": "sh greet.sh loomd"},
            {"plan": plan(3)},
            {"say": ANSWER, "deltas": 40, "delay_ms": pace_ms},
        ]),
    }
}

/// A turn in the same thread, once it has been read back from the disk.
pub(super) fn again(pace_ms: u64) -> Scene {
    Scene {
        prompt: "What is in that file now?",
        answers: json!([
            {"exec": "cat greet.sh"},
            {"say": "The version that greets by name, as we left it.", "deltas": 10, "delay_ms": pace_ms},
        ]),
    }
}
