//! A call on its way to its answer.

use std::sync::{Arc, Mutex, PoisonError};

use loomd_base::tasks;
use loomd_events::{AskOutcome, ToolAsk, ToolCall, ToolContext, ToolEvent, ToolOutput};
use loomd_protocol::{ServerRequestParams, ThreadItem};
use serde_json::Value;

use crate::approval;
use crate::shared::Shared;
use crate::sink::{Room, Sink};

/// A call that wants an answer. Dropped without one (a panic in a tool), it answers
/// that the tool failed, so that no turn waits for ever.
pub(crate) struct Call {
    shared: Arc<Shared>,
    serial: u64,
    call_id: String,
    custom: bool,
    sink: Sink,
    /// What came of its question, for a call that asked before the server was started.
    earlier: Mutex<Option<Box<Earlier>>>,
    /// The turn's rules.
    pub(crate) context: Arc<ToolContext>,
}

/// What came of a question that was asked on behalf of the call before it began here.
pub(crate) struct Earlier {
    /// The item that began with the question, and is open.
    pub(crate) item: Option<ThreadItem>,
    /// What came of it.
    pub(crate) outcome: AskOutcome,
}

impl Call {
    /// Registers a call; `None` if the toolbox is shut down.
    pub(crate) fn begin(
        shared: &Arc<Shared>,
        context: Arc<ToolContext>,
        call: &ToolCall,
        earlier: Option<Box<Earlier>>,
    ) -> Option<Self> {
        let serial = shared.registry().begin(Arc::clone(&context.turn_id))?;
        Some(Self {
            shared: Arc::clone(shared),
            serial,
            call_id: call.call_id.clone(),
            custom: call.is_custom(),
            sink: shared.sink(Arc::clone(&context.turn_id)),
            earlier: Mutex::new(earlier),
            context,
        })
    }

    pub(crate) fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }

    pub(crate) fn serial(&self) -> u64 {
        self.serial
    }

    pub(crate) fn id(&self) -> &str {
        &self.call_id
    }

    /// Where the events of the call's turn go.
    pub(crate) fn sink(&self) -> &Sink {
        &self.sink
    }

    /// Whether the call still wants an answer.
    pub(crate) fn is_wanted(&self) -> bool {
        self.shared.registry().wants(self.serial)
    }

    fn take_earlier(&self) -> Option<Box<Earlier>> {
        // The place is either full or empty.
        let mut earlier = self.earlier.lock().unwrap_or_else(PoisonError::into_inner);
        earlier.take()
    }

    /// Whether somebody has answered about this very call already. Then it must not run
    /// without hearing the answer, whatever the rules say now.
    pub(crate) fn has_answer(&self) -> bool {
        let earlier = self.earlier.lock().unwrap_or_else(PoisonError::into_inner);
        earlier.is_some()
    }

    /// Asks the clients and waits for what comes of it, unless they have answered already.
    /// `None` when the call is not wanted any more; there is nobody left to answer then.
    pub(crate) async fn ask(
        &self,
        item: Option<ThreadItem>,
        request: ServerRequestParams,
    ) -> Option<AskOutcome> {
        if let Some(earlier) = self.take_earlier() {
            return self.is_wanted().then_some(earlier.outcome);
        }
        let (key, outcome) = self.shared.registry().ask(self.serial)?;
        let ask = ToolAsk {
            key,
            call_id: self.call_id.clone(),
            item,
            request,
        };
        self.sink.send(ToolEvent::Ask(Box::new(ask))).await;
        outcome.await.ok()
    }

    /// Ends the turn instead of answering, because the user wants it so.
    pub(crate) async fn cancel_turn(&self) {
        if let Some(room) = self.sink.room().await
            && self.shared.registry().answered(self.serial)
        {
            room.send(ToolEvent::TurnCancelled);
        }
    }

    /// Answers with a text, waiting for room.
    pub(crate) async fn answer(self, text: impl Into<String>) {
        self.answer_value(Value::String(text.into())).await;
    }

    /// Answers with a string or a list of parts, waiting for room.
    pub(crate) async fn answer_value(self, output: Value) {
        // It came to nothing before the answer was heard; its item is not left open.
        if let Some(item) = self.take_earlier().and_then(|earlier| earlier.item) {
            let ended = approval::ended(item, false);
            self.sink.send(ToolEvent::ItemCompleted(ended)).await;
        }
        let sink = self.sink.clone();
        if let Some(room) = sink.room().await {
            self.deliver(room, output, None);
        }
    }

    /// Answers into room that is there, if the answer is still wanted. If it tells the
    /// model a session id, that command outlives the turn from now on.
    pub(crate) fn deliver(self, room: Room<'_>, output: Value, tells: Option<i32>) {
        let mut registry = self.shared.registry();
        if !registry.answered(self.serial) {
            return;
        }
        if let Some(session) = tells {
            registry.move_to_background(session);
        }
        // Sent under the lock: a cancellation comes before it or after it.
        room.send_as(self.sink.turn_id(), self.event(output));
    }

    fn event(&self, output: Value) -> ToolEvent {
        ToolEvent::Finished(ToolOutput {
            call_id: self.call_id.clone(),
            custom: self.custom,
            output,
        })
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        if !self.shared.registry().answered(self.serial) {
            return;
        }
        tracing::error!(
            call_id = self.call_id,
            "a tool call ended without an answer"
        );
        let event = self.event(Value::String(
            "the tool failed; see the server's log".into(),
        ));
        let sink = self.sink.clone();
        if tokio::runtime::Handle::try_current().is_ok() {
            tasks::spawn(tasks::Kind::Tool, async move { sink.send(event).await });
        }
    }
}
