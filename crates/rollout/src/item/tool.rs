//! Calls of tools that are not commands: MCP, dynamic, web search.

use loomd_protocol::{
    DynamicToolCallItem, DynamicToolCallOutputContentItem, DynamicToolCallStatus, ItemKind,
    McpAppUi, McpToolCallError, McpToolCallItem, McpToolCallResult, McpToolCallStatus, ThreadItem,
    WebSearchAction, WebSearchItem,
};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// A span of time as stored.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(crate) struct Duration {
    #[serde(default)]
    secs: u64,
    #[serde(default)]
    nanos: u32,
}

impl Duration {
    /// From milliseconds; a negative span counts as none.
    pub(crate) fn of_ms(ms: i64) -> Self {
        let ms = u64::try_from(ms).unwrap_or(0);
        let nanos = u32::try_from(ms % 1000).expect("below one thousand") * 1_000_000;
        Self {
            secs: ms / 1000,
            nanos,
        }
    }

    /// In milliseconds.
    pub(crate) fn ms(self) -> i64 {
        i64::try_from(self.secs)
            .unwrap_or(i64::MAX)
            .saturating_mul(1000)
            .saturating_add(i64::from(self.nanos / 1_000_000))
    }
}

/// A call of a tool of an MCP server. Its members are stored in camelCase.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Mcp {
    id: String,
    server: String,
    tool: String,
    #[serde(default)]
    arguments: Value,
    status: McpToolCallStatus,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    read_only_hint: Option<bool>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    result: Option<McpResult>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    error: Option<McpError>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    duration: Option<Duration>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    plugin_id: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    mcp_app_resource_uri: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    mcp_app_ui: Option<McpAppUi>,
}

/// What an MCP server answered.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct McpResult {
    #[serde(default)]
    pub(crate) content: Vec<Value>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) structured_content: Option<Value>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) is_error: Option<bool>,
    #[serde(default, rename = "_meta", skip_serializing_if = "Option::is_none")]
    pub(crate) meta: Option<Value>,
}

/// Why an MCP server did not answer.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct McpError {
    message: String,
}

impl McpResult {
    pub(crate) fn of(result: &McpToolCallResult, failed: bool) -> Self {
        Self {
            content: result.content.clone(),
            structured_content: result.structured_content.clone(),
            is_error: failed.then_some(true),
            meta: result.meta.clone(),
        }
    }

    pub(crate) fn into_result(self) -> McpToolCallResult {
        McpToolCallResult {
            content: self.content,
            structured_content: self.structured_content,
            meta: self.meta,
        }
    }
}

impl Mcp {
    pub(super) fn of(id: String, call: &McpToolCallItem) -> Self {
        let failed = call.status == McpToolCallStatus::Failed;
        Self {
            id,
            server: call.server.clone(),
            tool: call.tool.clone(),
            arguments: call.arguments.clone(),
            status: match call.status {
                McpToolCallStatus::InProgress => McpToolCallStatus::Failed,
                ended @ (McpToolCallStatus::Completed | McpToolCallStatus::Failed) => ended,
            },
            read_only_hint: call.read_only_hint,
            result: call
                .result
                .as_ref()
                .map(|result| McpResult::of(result, failed)),
            error: call.error.as_ref().map(|error| McpError {
                message: error.message.clone(),
            }),
            duration: call.duration_ms.map(Duration::of_ms),
            plugin_id: call.plugin_id.clone(),
            mcp_app_resource_uri: call.mcp_app_resource_uri.clone(),
            mcp_app_ui: call.mcp_app_ui.clone(),
        }
    }

    pub(super) fn into_item(self) -> ThreadItem {
        ThreadItem::new(
            self.id,
            ItemKind::McpToolCall(Box::new(McpToolCallItem {
                server: self.server,
                tool: self.tool,
                status: self.status,
                arguments: self.arguments,
                app_context: None,
                mcp_app_resource_uri: self.mcp_app_resource_uri,
                mcp_app_ui: self.mcp_app_ui,
                plugin_id: self.plugin_id,
                read_only_hint: self.read_only_hint,
                result: self.result.map(McpResult::into_result),
                error: self.error.map(|error| McpToolCallError {
                    message: error.message,
                }),
                duration_ms: self.duration.map(Duration::ms),
            })),
        )
    }
}

/// A call of a tool that the client brought along.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Dynamic {
    id: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    namespace: Option<String>,
    tool: String,
    #[serde(default)]
    arguments: Value,
    status: DynamicToolCallStatus,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    content_items: Option<Vec<DynamicToolCallOutputContentItem>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    success: Option<bool>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    duration: Option<Duration>,
}

impl Dynamic {
    pub(super) fn of(id: String, call: &DynamicToolCallItem) -> Self {
        Self {
            id,
            namespace: call.namespace.clone(),
            tool: call.tool.clone(),
            arguments: call.arguments.clone(),
            status: match call.status {
                DynamicToolCallStatus::InProgress => DynamicToolCallStatus::Failed,
                ended @ (DynamicToolCallStatus::Completed | DynamicToolCallStatus::Failed) => ended,
            },
            content_items: call.content_items.clone(),
            success: call.success,
            duration: call.duration_ms.map(Duration::of_ms),
        }
    }

    pub(super) fn into_item(self) -> ThreadItem {
        ThreadItem::new(
            self.id,
            ItemKind::DynamicToolCall(DynamicToolCallItem {
                namespace: self.namespace,
                tool: self.tool,
                arguments: self.arguments,
                status: self.status,
                content_items: self.content_items,
                success: self.success,
                duration_ms: self.duration.map(Duration::ms),
            }),
        )
    }
}

/// A web search of the model.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct WebSearch {
    id: String,
    #[serde(default)]
    query: String,
    /// The reference requires it.
    #[serde(default)]
    action: Option<WebAction>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    results: Option<Vec<Value>>,
}

/// What a web search did.
#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(crate) enum WebAction {
    Search {
        #[serde(default, skip_serializing_if = "Option::is_none")]
        query: Option<String>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        queries: Option<Vec<String>>,
    },
    OpenPage {
        #[serde(default, skip_serializing_if = "Option::is_none")]
        url: Option<String>,
    },
    FindInPage {
        #[serde(default, skip_serializing_if = "Option::is_none")]
        url: Option<String>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pattern: Option<String>,
    },
    #[serde(other)]
    Other,
}

impl WebAction {
    pub(crate) fn of(action: &WebSearchAction) -> Self {
        match action.clone() {
            WebSearchAction::Search { query, queries } => Self::Search { query, queries },
            WebSearchAction::OpenPage { url } => Self::OpenPage { url },
            WebSearchAction::FindInPage { url, pattern } => Self::FindInPage { url, pattern },
            WebSearchAction::Other => Self::Other,
        }
    }

    pub(crate) fn into_action(self) -> WebSearchAction {
        match self {
            Self::Search { query, queries } => WebSearchAction::Search { query, queries },
            Self::OpenPage { url } => WebSearchAction::OpenPage { url },
            Self::FindInPage { url, pattern } => WebSearchAction::FindInPage { url, pattern },
            Self::Other => WebSearchAction::Other,
        }
    }
}

impl WebSearch {
    pub(super) fn of(id: String, search: &WebSearchItem) -> Self {
        Self {
            id,
            query: search.query.clone(),
            action: Some(
                search
                    .action
                    .as_ref()
                    .map_or(WebAction::Other, WebAction::of),
            ),
            results: search.results.clone(),
        }
    }

    pub(super) fn into_item(self) -> ThreadItem {
        ThreadItem::new(
            self.id,
            ItemKind::WebSearch(WebSearchItem {
                query: self.query,
                action: self.action.map(WebAction::into_action),
                results: self.results,
            }),
        )
    }
}
