//! Questions of tools to the clients: asked of all subscribers, settled by the first
//! answer, asked again of whoever resumes, gone with their turn.

use std::sync::Arc;

use loomd_base::ConnectionId;
use loomd_events::{AskKey, AskOutcome, ToolAsk, ToolCall, ToolOutput};
use loomd_protocol::{
    RequestId, ServerNotification, ServerRequestParams, ServerRequestResolvedNotification,
    ThreadActiveFlag, ThreadItem,
};

use crate::thread::{Cx, Thread};
use crate::{Action, Audience, SharedJson};

/// A question that waits for its answer. It belongs to the running turn.
#[derive(Debug)]
pub(crate) struct OpenAsk {
    /// What its tool knows it by; `None` where the tool is to be started with the answer,
    /// because it asked before the server was started.
    pub(crate) key: Option<AskKey>,
    /// The call that waits.
    pub(crate) call_id: String,
    /// The item that waits with it.
    pub(crate) item_id: Option<String>,
    pub(crate) request: Arc<ServerRequestParams>,
}

/// The output of a call that would ask the user outside plan mode, where that is no use
/// (the text was seen on 0.169.0).
pub(crate) fn unavailable(call: &ToolCall) -> Option<ToolOutput> {
    (call.name == "request_user_input" && call.namespace.is_none()).then(|| ToolOutput {
        call_id: call.call_id.clone(),
        custom: call.is_custom(),
        output: "request_user_input is unavailable in Default mode".into(),
    })
}

/// What a client sees while the question is open.
fn flag(request: &ServerRequestParams) -> Option<ThreadActiveFlag> {
    use ServerRequestParams as Request;
    match request {
        Request::CommandExecutionRequestApproval(_)
        | Request::FileChangeRequestApproval(_)
        | Request::PermissionsRequestApproval(_)
        | Request::McpServerElicitationRequest(_)
        | Request::ApplyPatchApproval(_)
        | Request::ExecCommandApproval(_) => Some(ThreadActiveFlag::WaitingOnApproval),
        Request::ToolRequestUserInput(_) => Some(ThreadActiveFlag::WaitingOnUserInput),
        // The client's program answers these, not its user.
        Request::DynamicToolCall(_)
        | Request::ChatgptAuthTokensRefresh(_)
        | Request::AttestationGenerate(_)
        | Request::CurrentTimeRead(_) => None,
    }
}

impl Thread {
    /// A tool asks. A question of a turn that is over is not asked any more.
    pub(crate) fn on_ask(&mut self, cx: Cx<'_>, turn_id: &Arc<str>, ask: ToolAsk) {
        if self.active.as_ref().is_none_or(|turn| turn.id != *turn_id) {
            return;
        }
        let id = cx.ids.request();
        let request = Arc::new(ask.request);
        self.count_question(&ask.call_id);
        let open = OpenAsk {
            key: Some(ask.key),
            call_id: ask.call_id,
            item_id: ask.item.as_ref().map(|item| item.id().to_owned()),
            request: Arc::clone(&request),
        };
        self.asks.insert(id, open);
        self.announce_status();
        if let Some(item) = ask.item {
            self.item_started(cx, turn_id, item);
        }
        self.act(Action::Ask {
            id,
            to: Audience::Subscribers,
            request,
        });
    }

    /// A client answered. Only the first answer counts; what comes for a question that
    /// is settled, or never was one, is dropped.
    pub(crate) fn on_answer(&mut self, id: i64, answer: Result<SharedJson, String>) {
        let Some(ask) = self.asks.remove(&id) else {
            return;
        };
        let outcome = match answer {
            Ok(json) => match ask.request.parse_response(&json.0) {
                Ok(response) => AskOutcome::Answered(response),
                Err(error) => AskOutcome::Failed {
                    reason: error.to_string(),
                },
            },
            Err(reason) => AskOutcome::Failed { reason },
        };
        self.waiting_changed = true;
        self.tell_resolved(id, &ask.request);
        self.announce_status();
        match ask.key {
            Some(key) => self.act(Action::AnswerTool { key, outcome }),
            None => self.take_up_call(&ask, outcome),
        }
    }

    /// Asks one client everything that is open, oldest first.
    pub(crate) fn ask_again(&mut self, connection: ConnectionId) {
        let open: Vec<(i64, Arc<ServerRequestParams>)> = self
            .asks
            .iter()
            .map(|(id, ask)| (*id, Arc::clone(&ask.request)))
            .collect();
        for (id, request) in open {
            self.act(Action::Ask {
                id,
                to: Audience::One(connection),
                request,
            });
        }
    }

    /// Completes, as declined, the items whose questions are not answered any more. To
    /// be called before the turn ends.
    pub(crate) fn decline_asked_items(&mut self, cx: Cx<'_>) {
        let Some(active) = &self.active else { return };
        let turn_id = active.id.clone();
        let waiting: Vec<ThreadItem> = self
            .asks
            .values()
            .filter_map(|ask| ask.item_id.as_deref())
            .filter_map(|id| active.turn.items.iter().find(|item| item.id() == id))
            .cloned()
            .collect();
        for mut item in waiting {
            item.set_declined();
            self.item_completed(cx, &turn_id, item);
        }
    }

    /// Drops all questions: their turn is over, and whoever was asked is told.
    pub(crate) fn drop_asks(&mut self) {
        self.waiting_changed = true;
        while let Some((id, ask)) = self.asks.pop_first() {
            self.act(Action::DropAsk { id });
            self.tell_resolved(id, &ask.request);
        }
    }

    /// The flags of an active thread, in the order that clients see them.
    pub(crate) fn active_flags(&self) -> Vec<ThreadActiveFlag> {
        let raised = |wanted: ThreadActiveFlag| {
            self.asks
                .values()
                .any(|ask| flag(&ask.request) == Some(wanted))
        };
        [
            ThreadActiveFlag::WaitingOnApproval,
            ThreadActiveFlag::WaitingOnUserInput,
        ]
        .into_iter()
        .filter(|wanted| raised(*wanted))
        .collect()
    }

    fn tell_resolved(&mut self, id: i64, request: &ServerRequestParams) {
        // Clients of the reference are not told of dynamic tool calls.
        if matches!(request, ServerRequestParams::DynamicToolCall(_)) {
            return;
        }
        let notification = ServerRequestResolvedNotification {
            thread_id: self.wire_id(),
            request_id: RequestId::Integer(id),
        };
        self.notify(
            Audience::Subscribers,
            ServerNotification::ServerRequestResolved(notification),
        );
    }
}
