//! A model request, its body and its headers.
//!
//! The body is written in the reference's key order into one buffer: history
//! entries, tools and schemas are joined as the texts they are, so the cost of a long
//! history is a copy. Deliberately absent: temperature, token limits and previous
//! response ids, which the reference never sends either.

use std::sync::Arc;

use bytes::Bytes;
use loomd_events::ModelFailure;
use loomd_protocol::CodexErrorInfo;
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use serde::Serialize;
use serde_json::value::RawValue;

use crate::auth::Credential;
use crate::{Env, Provider};

/// Everything that one request needs; no knowledge of threads.
#[derive(Debug, Clone)]
pub struct ModelRequest {
    /// The model's slug.
    pub model: String,
    /// All input items in order, the base instructions first.
    pub input: Vec<Arc<RawValue>>,
    /// JSON array of tool specifications.
    pub tools: Arc<RawValue>,
    /// Whether the model may call several tools in one response.
    pub parallel_tool_calls: bool,
    /// Reasoning effort, if set.
    pub effort: Option<String>,
    /// Reasoning summary mode (`auto`, `concise`, …), if any.
    pub summary: Option<String>,
    /// How long answers are to be (`low`, `medium`, `high`), if set.
    pub verbosity: Option<String>,
    /// `priority`, `flex`, …, if set.
    pub service_tier: Option<String>,
    /// JSON schema that the final answer must fit.
    pub output_schema: Option<Arc<RawValue>>,
    /// Requests with the same key share the host's prompt cache (the thread's id).
    pub prompt_cache_key: String,
    /// Who asks.
    pub identity: RequestIdentity,
}

/// Who asks, as headers and `client_metadata` tell it.
#[derive(Debug, Clone, Default)]
pub struct RequestIdentity {
    /// The root thread's id.
    pub session_id: String,
    /// The thread's id.
    pub thread_id: String,
    /// The turn's id.
    pub turn_id: String,
    /// The root thread's turn; empty means `turn_id`.
    pub root_turn_id: String,
    /// Which context window of the thread this is: 0, and one more with each compaction.
    pub window_number: u64,
    /// Id of that window, where there is one.
    pub context_window_id: Option<String>,
    /// Id of this installation.
    pub installation_id: String,
    /// The client's name.
    pub originator: String,
    /// The whole user agent text.
    pub user_agent: String,
    /// What the request is for.
    pub request_kind: RequestKind,
    /// Where the history came from (`new`, `resumed`, `forked`), where known.
    pub history_initialization: Option<String>,
    /// What confines commands (`none`, `seccomp`, …).
    pub sandbox: String,
    /// The sandbox mode's name.
    pub sandbox_mode: String,
    /// When the turn began, Unix milliseconds.
    pub turn_started_ms: Option<i64>,
    /// Whether the client reports analytics.
    pub analytics_enabled: bool,
    /// What kind of subagent asks (`review`, `collab_spawn`, …), if one does.
    pub subagent: Option<String>,
    /// The thread that started the subagent.
    pub parent_thread_id: Option<String>,
    /// Comma list of features that the host may use towards this client; empty sends none.
    pub beta_features: String,
}

/// What a request is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum RequestKind {
    /// A step of a turn.
    #[default]
    Turn,
    /// A summary of the history.
    Compaction,
}

impl RequestKind {
    fn as_str(self) -> &'static str {
        match self {
            Self::Turn => "turn",
            Self::Compaction => "compaction",
        }
    }
}

#[derive(Serialize)]
struct Reasoning<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    effort: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    summary: Option<&'a str>,
}

#[derive(Serialize)]
struct Text<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    verbosity: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    format: Option<Format<'a>>,
}

#[derive(Serialize)]
struct Format<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    strict: bool,
    schema: &'a RawValue,
    name: &'static str,
}

#[derive(Serialize)]
struct ClientMetadata<'a> {
    #[serde(rename = "x-codex-installation-id")]
    installation_id: &'a str,
    session_id: &'a str,
    thread_id: &'a str,
    turn_id: &'a str,
    root_turn_id: &'a str,
    #[serde(rename = "x-codex-window-id")]
    window_id: &'a str,
    #[serde(rename = "x-codex-turn-metadata")]
    turn_metadata: &'a str,
}

#[derive(Serialize)]
struct TurnMetadata<'a> {
    installation_id: &'a str,
    session_id: &'a str,
    thread_id: &'a str,
    agent_name: &'static str,
    turn_id: &'a str,
    window_id: &'a str,
    window_number: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    context_window_id: Option<&'a str>,
    request_kind: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    history_initialization: Option<&'a str>,
    root_turn_id: &'a str,
    sandbox: &'a str,
    sandbox_mode: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    turn_started_at_unix_ms: Option<i64>,
    analytics_enabled: bool,
    model: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    reasoning_effort: Option<&'a str>,
}

/// A request as it can be sent, any number of times.
pub(crate) struct Prepared {
    pub(crate) body: Bytes,
    /// Without the credential, which may change between attempts.
    pub(crate) headers: HeaderMap,
}

impl ModelRequest {
    pub(crate) fn prepare(&self, provider: &Provider, env: &Env) -> Result<Prepared, ModelFailure> {
        let who = &self.identity;
        let window_id = format!("{}:{}", who.thread_id, who.window_number);
        let turn_metadata = self.turn_metadata(&window_id);
        Ok(Prepared {
            body: self.body(&window_id, &turn_metadata).into(),
            headers: self.headers(&window_id, &turn_metadata, provider, env)?,
        })
    }

    fn root_turn_id(&self) -> &str {
        match self.identity.root_turn_id.as_str() {
            "" => &self.identity.turn_id,
            id => id,
        }
    }

    fn turn_metadata(&self, window_id: &str) -> String {
        let who = &self.identity;
        let json = to_json(&TurnMetadata {
            installation_id: &who.installation_id,
            session_id: &who.session_id,
            thread_id: &who.thread_id,
            agent_name: "/root",
            turn_id: &who.turn_id,
            window_id,
            window_number: who.window_number,
            context_window_id: who.context_window_id.as_deref(),
            request_kind: who.request_kind.as_str(),
            history_initialization: who.history_initialization.as_deref(),
            root_turn_id: self.root_turn_id(),
            sandbox: &who.sandbox,
            sandbox_mode: &who.sandbox_mode,
            turn_started_at_unix_ms: who.turn_started_ms,
            analytics_enabled: who.analytics_enabled,
            model: &self.model,
            reasoning_effort: self.effort.as_deref(),
        });
        ascii_json(&json)
    }

    fn body(&self, window_id: &str, turn_metadata: &str) -> Vec<u8> {
        let items: usize = self.input.iter().map(|item| item.get().len() + 1).sum();
        let schema = self
            .output_schema
            .as_ref()
            .map_or(0, |schema| schema.get().len());
        let rest = 4096 + 2 * turn_metadata.len();
        let mut body = Body(Vec::with_capacity(
            items + self.tools.get().len() + schema + rest,
        ));
        body.raw("{\"model\":").json(&self.model);
        body.raw(",\"stream\":true,\"input\":[");
        for (index, item) in self.input.iter().enumerate() {
            body.raw(if index == 0 { "" } else { "," }).raw(item.get());
        }
        body.raw("],\"tools\":").raw(self.tools.get());
        body.raw(",\"tool_choice\":\"auto\",\"parallel_tool_calls\":");
        body.json(&self.parallel_tool_calls);
        let reasoning = (self.effort.is_some() || self.summary.is_some()).then_some(Reasoning {
            effort: self.effort.as_deref(),
            summary: self.summary.as_deref(),
        });
        body.raw(",\"reasoning\":").json(&reasoning);
        body.raw(",\"store\":false,\"include\":");
        body.raw(match reasoning {
            Some(_) => "[\"reasoning.encrypted_content\"]",
            None => "[]",
        });
        if let Some(tier) = &self.service_tier {
            body.raw(",\"service_tier\":").json(tier);
        }
        body.raw(",\"prompt_cache_key\":")
            .json(&self.prompt_cache_key);
        if self.verbosity.is_some() || self.output_schema.is_some() {
            body.raw(",\"text\":").json(&Text {
                verbosity: self.verbosity.as_deref(),
                format: self.output_schema.as_deref().map(|schema| Format {
                    kind: "json_schema",
                    strict: true,
                    schema,
                    name: "codex_output_schema",
                }),
            });
        }
        let who = &self.identity;
        body.raw(",\"client_metadata\":").json(&ClientMetadata {
            installation_id: &who.installation_id,
            session_id: &who.session_id,
            thread_id: &who.thread_id,
            turn_id: &who.turn_id,
            root_turn_id: self.root_turn_id(),
            window_id,
            turn_metadata,
        });
        body.raw("}");
        body.0
    }

    fn headers(
        &self,
        window_id: &str,
        turn_metadata: &str,
        provider: &Provider,
        env: &Env,
    ) -> Result<HeaderMap, ModelFailure> {
        let who = &self.identity;
        let mut headers = HeaderMap::with_capacity(24);
        let own = [
            ("accept", Some("text/event-stream")),
            ("content-type", Some("application/json")),
            ("originator", Some(who.originator.as_str())),
            ("user-agent", Some(who.user_agent.as_str())),
            ("session-id", Some(who.session_id.as_str())),
            ("thread-id", Some(who.thread_id.as_str())),
            ("x-client-request-id", Some(who.thread_id.as_str())),
            ("x-codex-window-id", Some(window_id)),
            ("x-codex-beta-features", Some(who.beta_features.as_str())),
            ("x-codex-turn-metadata", Some(turn_metadata)),
            ("x-openai-subagent", who.subagent.as_deref()),
            ("x-codex-parent-thread-id", who.parent_thread_id.as_deref()),
        ];
        for (name, value) in own {
            if let Some(value) = value.filter(|value| !value.is_empty()) {
                headers.insert(HeaderName::from_static(name), lossy_value(value));
            }
        }
        let fixed = provider.http_headers.clone().into_iter();
        let from_variables = provider
            .env_http_headers
            .iter()
            .filter_map(|(name, variable)| Some((name.clone(), env.var(variable)?)));
        for (name, value) in fixed.chain(from_variables) {
            let parsed = HeaderName::from_bytes(name.as_bytes())
                .ok()
                .zip(HeaderValue::from_bytes(value.as_bytes()).ok());
            let Some((name, value)) = parsed else {
                // The value may be a secret, so only the name is told.
                return Err(ModelFailure {
                    message: format!("provider header `{name}` is not a valid HTTP header"),
                    info: CodexErrorInfo::Other,
                    details: None,
                });
            };
            headers.insert(name, value);
        }
        Ok(headers)
    }
}

/// Adds what proves the request. A header of the configuration stays when there is
/// no credential of that kind.
pub(crate) fn add_credential(
    headers: &mut HeaderMap,
    credential: &Credential,
) -> Result<(), ModelFailure> {
    if let Some(bearer) = &credential.bearer {
        let text = format!("Bearer {}", bearer.reveal());
        let mut value = HeaderValue::try_from(text).map_err(|_| ModelFailure {
            message: "the key of the provider is not a valid HTTP header value".to_owned(),
            info: CodexErrorInfo::Other,
            details: None,
        })?;
        value.set_sensitive(true);
        headers.insert("authorization", value);
    }
    if let Some(account) = &credential.account_id {
        headers.insert("chatgpt-account-id", lossy_value(account));
    }
    Ok(())
}

struct Body(Vec<u8>);

impl Body {
    fn raw(&mut self, text: &str) -> &mut Self {
        self.0.extend_from_slice(text.as_bytes());
        self
    }

    fn json(&mut self, value: &impl Serialize) -> &mut Self {
        serde_json::to_writer(&mut self.0, value)
            .expect("plain structs of strings always serialise into memory");
        self
    }
}

fn to_json(value: &impl Serialize) -> String {
    serde_json::to_string(value).expect("plain structs of strings always serialise")
}

/// JSON text with everything beyond ASCII written as escapes, so that it fits a header.
fn ascii_json(json: &str) -> String {
    if json.is_ascii() {
        return json.to_owned();
    }
    let mut out = String::with_capacity(json.len() + 16);
    for ch in json.chars() {
        if ch.is_ascii() {
            out.push(ch);
        } else {
            for unit in ch.encode_utf16(&mut [0; 2]) {
                out.push_str(&format!("\\u{unit:04x}"));
            }
        }
    }
    out
}

/// A header value; what a header cannot hold (a client's name is free text) becomes `_`.
fn lossy_value(text: &str) -> HeaderValue {
    HeaderValue::from_str(text).unwrap_or_else(|_| {
        let text: String = text
            .chars()
            .map(|ch| if matches!(ch, ' '..='~') { ch } else { '_' })
            .collect();
        HeaderValue::try_from(text).expect("printable ASCII is a valid header value")
    })
}

#[cfg(test)]
pub(crate) mod tests {
    use expect_test::expect;
    use serde_json::Value;

    use super::*;

    fn raw(json: &str) -> Arc<RawValue> {
        Arc::from(RawValue::from_string(json.to_owned()).expect("test JSON"))
    }

    /// A request with the prompt as its only input.
    pub(crate) fn request(prompt: &str) -> ModelRequest {
        let message = serde_json::json!({
            "type": "message", "role": "user", "content": [{"type": "input_text", "text": prompt}],
        });
        ModelRequest {
            model: "m".to_owned(),
            input: vec![raw(&message.to_string())],
            tools: raw("[]"),
            parallel_tool_calls: true,
            effort: None,
            summary: Some("auto".to_owned()),
            verbosity: None,
            service_tier: None,
            output_schema: None,
            prompt_cache_key: "T".to_owned(),
            identity: RequestIdentity {
                session_id: "S".to_owned(),
                thread_id: "T".to_owned(),
                turn_id: "U".to_owned(),
                installation_id: "I".to_owned(),
                originator: "probe".to_owned(),
                user_agent: "probe/1".to_owned(),
                sandbox: "none".to_owned(),
                sandbox_mode: "read-only".to_owned(),
                ..RequestIdentity::default()
            },
        }
    }

    fn prepare(request: &ModelRequest, provider: &Provider) -> Prepared {
        let env = Env::new(|name| (name == "SET").then(|| "from env".to_owned()));
        request.prepare(provider, &env).expect("a good request")
    }

    fn provider() -> Provider {
        Provider::new("p", "P", "http://h/v1")
    }

    fn body_text(request: &ModelRequest) -> String {
        String::from_utf8(prepare(request, &provider()).body.to_vec()).expect("UTF-8")
    }

    #[test]
    fn the_body_has_the_references_keys_in_its_order() {
        let mut request = request("hi");
        request.input.push(raw("{ \"odd\" : 1e3 }"));
        request.effort = Some("low".to_owned());
        request.verbosity = Some("low".to_owned());
        request.service_tier = Some("flex".to_owned());
        request.output_schema = Some(raw("{\"type\":\"object\"}"));
        expect![[r#"{"model":"m","stream":true,"input":[{"type":"message","role":"user","content":[{"type":"input_text","text":"hi"}]},{ "odd" : 1e3 }],"tools":[],"tool_choice":"auto","parallel_tool_calls":true,"reasoning":{"effort":"low","summary":"auto"},"store":false,"include":["reasoning.encrypted_content"],"service_tier":"flex","prompt_cache_key":"T","text":{"verbosity":"low","format":{"type":"json_schema","strict":true,"schema":{"type":"object"},"name":"codex_output_schema"}},"client_metadata":{"x-codex-installation-id":"I","session_id":"S","thread_id":"T","turn_id":"U","root_turn_id":"U","x-codex-window-id":"T:0","x-codex-turn-metadata":"{\"installation_id\":\"I\",\"session_id\":\"S\",\"thread_id\":\"T\",\"agent_name\":\"/root\",\"turn_id\":\"U\",\"window_id\":\"T:0\",\"window_number\":0,\"request_kind\":\"turn\",\"root_turn_id\":\"U\",\"sandbox\":\"none\",\"sandbox_mode\":\"read-only\",\"analytics_enabled\":false,\"model\":\"m\",\"reasoning_effort\":\"low\"}"}}"#]]
        .assert_eq(&body_text(&request));
    }

    #[test]
    fn without_effort_and_summary_no_reasoning_is_asked_for() {
        let mut request = request("hi");
        request.summary = None;
        let body: Value = serde_json::from_str(&body_text(&request)).expect("JSON");
        assert_eq!(body["reasoning"], Value::Null);
        assert_eq!(body["include"], serde_json::json!([]));
        assert_eq!(body.get("text"), None);
        assert_eq!(body.get("service_tier"), None);
    }

    #[test]
    fn headers_say_who_asks() {
        let mut request = request("hi");
        request.identity.subagent = Some("review".to_owned());
        request.identity.originator = "näme\u{1}".to_owned();
        request.identity.window_number = 2;
        request.identity.context_window_id = Some("ü".to_owned());
        let headers = prepare(&request, &provider()).headers;
        let text: String = headers
            .iter()
            .map(|(name, value)| format!("{name}: {}\n", value.to_str().expect("ASCII")))
            .collect();
        expect![[r#"
            accept: text/event-stream
            content-type: application/json
            originator: n_me_
            user-agent: probe/1
            session-id: S
            thread-id: T
            x-client-request-id: T
            x-codex-window-id: T:2
            x-codex-turn-metadata: {"installation_id":"I","session_id":"S","thread_id":"T","agent_name":"/root","turn_id":"U","window_id":"T:2","window_number":2,"context_window_id":"\u00fc","request_kind":"turn","root_turn_id":"U","sandbox":"none","sandbox_mode":"read-only","analytics_enabled":false,"model":"m"}
            x-openai-subagent: review
        "#]]
        .assert_eq(&text);
    }

    #[test]
    fn the_configurations_headers_replace_ours() {
        let mut provider = provider();
        provider.http_headers = [
            ("X-A".to_owned(), "b".to_owned()),
            ("Originator".to_owned(), "me".to_owned()),
        ]
        .into();
        provider.env_http_headers = [("X-E", "SET"), ("X-N", "UNSET")]
            .map(|(a, b)| (a.to_owned(), b.to_owned()))
            .into();
        let headers = prepare(&request("hi"), &provider).headers;
        let value = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
        assert_eq!(value("x-a"), Some("b"));
        assert_eq!(value("originator"), Some("me"));
        assert_eq!(value("x-e"), Some("from env"));
        assert_eq!(value("x-n"), None);
    }

    #[test]
    fn a_header_that_is_none_is_named_without_its_value() {
        let mut provider = provider();
        provider.http_headers = [("X-A".to_owned(), "secret\n".to_owned())].into();
        let failure = request("hi")
            .prepare(&provider, &Env::empty())
            .err()
            .expect("refused");
        assert_eq!(
            failure.message,
            "provider header `X-A` is not a valid HTTP header"
        );
    }

    #[test]
    fn the_key_is_sent_as_a_bearer_token_and_marked_sensitive() {
        let mut headers = HeaderMap::new();
        let credential = Credential {
            bearer: Some(crate::Secret::new("k")),
            account_id: Some("acc".to_owned()),
        };
        add_credential(&mut headers, &credential).expect("a good key");
        assert_eq!(headers["authorization"], "Bearer k");
        assert!(headers["authorization"].is_sensitive());
        assert_eq!(headers["chatgpt-account-id"], "acc");
    }
}
