//! Tools that a client brings along and answers calls for: their description in
//! `thread/start`, and the server request `item/tool/call`.

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;

use crate::wire::{is_false, null_default};

/// A tool, or a namespace of tools, that the client brings along and answers calls for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(
    tag = "type",
    rename_all = "camelCase",
    rename_all_fields = "camelCase"
)]
pub enum DynamicToolSpec {
    Function {
        #[serde(
            default,
            deserialize_with = "null_default",
            skip_serializing_if = "is_false"
        )]
        defer_loading: bool,
        description: String,
        input_schema: Value,
        name: String,
    },
    Namespace {
        description: String,
        name: String,
        tools: Vec<DynamicToolNamespaceTool>,
    },
}

/// A tool inside a namespace.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(
    tag = "type",
    rename_all = "camelCase",
    rename_all_fields = "camelCase"
)]
pub enum DynamicToolNamespaceTool {
    Function {
        #[serde(
            default,
            deserialize_with = "null_default",
            skip_serializing_if = "is_false"
        )]
        defer_loading: bool,
        description: String,
        input_schema: Value,
        name: String,
    },
}

/// A part of the answer to a dynamic tool call.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(
    tag = "type",
    rename_all = "camelCase",
    rename_all_fields = "camelCase"
)]
pub enum DynamicToolCallOutputContentItem {
    InputText { text: String },
    InputImage { image_url: String },
    InputAudio { audio_url: String },
}

/// Params of the server request `item/tool/call`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct DynamicToolCallParams {
    pub thread_id: String,
    pub turn_id: String,
    /// The id of the item too.
    pub call_id: String,
    pub namespace: Option<String>,
    pub tool: String,
    pub arguments: Value,
}

/// The client's answer to `item/tool/call`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct DynamicToolCallResponse {
    pub content_items: Vec<DynamicToolCallOutputContentItem>,
    pub success: bool,
}

/// An entry of `dynamicTools` as clients of 0.131 wrote it: no `type`, and the
/// namespace beside the name.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct LegacyDynamicToolSpec {
    namespace: Option<String>,
    name: String,
    description: String,
    input_schema: Value,
    defer_loading: Option<bool>,
    /// The opposite of `defer_loading`, older still.
    expose_to_context: Option<bool>,
}

/// Reads `dynamicTools`, in today's form or, all of it, in that of 0.131, whose
/// tools are gathered into namespaces in the order in which those appear.
pub(crate) fn dynamic_tools<'de, D>(
    deserializer: D,
) -> Result<Option<Vec<DynamicToolSpec>>, D::Error>
where
    D: Deserializer<'de>,
{
    let Some(entries) = Option::<Vec<Value>>::deserialize(deserializer)? else {
        return Ok(None);
    };
    let legacy = entries.iter().filter(|entry| is_legacy(entry)).count();
    if (legacy > 0 && legacy < entries.len()) || entries.iter().any(has_legacy_tools) {
        return Err(D::Error::custom(
            "dynamic tools must use either canonical or legacy format consistently",
        ));
    }
    if legacy == 0 {
        let tools: Result<Vec<_>, _> = entries.into_iter().map(serde_json::from_value).collect();
        return tools.map(Some).map_err(D::Error::custom);
    }
    let mut tools = Vec::new();
    for entry in entries {
        let legacy = serde_json::from_value(entry).map_err(D::Error::custom)?;
        add_legacy(&mut tools, legacy);
    }
    Ok(Some(tools))
}

fn is_legacy(entry: &Value) -> bool {
    entry.get("type").is_none()
}

fn has_legacy_tools(entry: &Value) -> bool {
    let tools = entry.get("tools").and_then(Value::as_array);
    tools.is_some_and(|tools| tools.iter().any(is_legacy))
}

fn add_legacy(tools: &mut Vec<DynamicToolSpec>, legacy: LegacyDynamicToolSpec) {
    let defer_loading = legacy
        .defer_loading
        .unwrap_or_else(|| legacy.expose_to_context.is_some_and(|exposed| !exposed));
    let Some(namespace) = legacy.namespace else {
        tools.push(DynamicToolSpec::Function {
            defer_loading,
            description: legacy.description,
            input_schema: legacy.input_schema,
            name: legacy.name,
        });
        return;
    };
    let tool = DynamicToolNamespaceTool::Function {
        defer_loading,
        description: legacy.description,
        input_schema: legacy.input_schema,
        name: legacy.name,
    };
    let known = tools.iter_mut().find_map(|known| match known {
        DynamicToolSpec::Namespace { name, tools, .. } if *name == namespace => Some(tools),
        DynamicToolSpec::Namespace { .. } | DynamicToolSpec::Function { .. } => None,
    });
    match known {
        Some(inner) => inner.push(tool),
        None => tools.push(DynamicToolSpec::Namespace {
            description: String::new(),
            name: namespace,
            tools: vec![tool],
        }),
    }
}
