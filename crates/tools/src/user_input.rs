//! `request_user_input`: the model asks the user, and gets the answers as JSON text.
//!
//! Where it may (in plan mode alone) is decided by the thread, which knows the mode.

use std::collections::BTreeMap;

use loomd_events::AskOutcome;
use loomd_protocol::{
    ServerRequestParams, ServerRequestResponse, ToolRequestUserInputOption,
    ToolRequestUserInputParams, ToolRequestUserInputQuestion, ToolRequestUserInputResponse,
};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::call::Call;
use crate::specs::{described, function};

/// Arguments of `request_user_input`.
#[derive(Debug, Deserialize)]
pub(crate) struct InputParams {
    questions: Vec<Question>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Question {
    id: String,
    header: String,
    question: String,
    #[serde(default)]
    options: Vec<ToolRequestUserInputOption>,
    #[serde(default)]
    is_secret: bool,
}

/// Asks. An error, or an answer that is none, counts as no answer to any question
/// (texts and shapes seen on 0.169.0).
pub(crate) async fn request(call: Call, params: InputParams) {
    if params
        .questions
        .iter()
        .any(|asked| asked.options.is_empty())
    {
        return call
            .answer("request_user_input requires non-empty options for every question")
            .await;
    }
    let questions = params.questions.into_iter();
    let questions = questions.map(|asked| ToolRequestUserInputQuestion {
        id: asked.id,
        header: asked.header,
        question: asked.question,
        is_other: true,
        is_secret: asked.is_secret,
        options: Some(asked.options),
    });
    let request = ServerRequestParams::ToolRequestUserInput(ToolRequestUserInputParams {
        thread_id: call.context.thread_id.to_string(),
        turn_id: call.context.turn_id.to_string(),
        item_id: call.id().to_owned(),
        questions: questions.collect(),
        is_blocking: true,
        auto_resolution_ms: None,
    });
    let Some(outcome) = call.ask(None, request).await else {
        return;
    };
    let answers = match outcome {
        AskOutcome::Answered(ServerRequestResponse::ToolRequestUserInput(answers)) => answers,
        AskOutcome::Answered(_) | AskOutcome::Failed { .. } => ToolRequestUserInputResponse {
            answers: BTreeMap::new(),
        },
    };
    let text = serde_json::to_string(&answers).expect("a map of strings is always written");
    call.answer(text).await;
}

/// What the model is told of it.
pub(crate) fn spec() -> Value {
    let option = json!({
        "type": "object",
        "properties": {
            "label": described("string", "The choice in one to five words."),
            "description": described("string", "One short sentence on what follows from it."),
        },
        "required": ["label", "description"],
        "additionalProperties": false,
    });
    let question = json!({
        "type": "object",
        "properties": {
            "id": described("string", "A name for the answer, in snake case."),
            "header": described("string", "A heading of at most twelve characters."),
            "question": described("string", "The question, one sentence."),
            "options": {
                "type": "array",
                "description": "Two or three choices that exclude each other, the best one first \
                                and marked as recommended. Clients add a free answer by \
                                themselves.",
                "items": option,
            },
        },
        "required": ["id", "header", "question", "options"],
        "additionalProperties": false,
    });
    function(
        "request_user_input",
        "Asks the user one to three short questions and waits for the answers. Works in Plan mode \
         only.",
        &["questions"],
        json!({
            "questions": {
                "type": "array",
                "description": "What to ask: best one question, three at most.",
                "items": question,
            },
        }),
    )
}
