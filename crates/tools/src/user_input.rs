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

use crate::call::Call;

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
