use std::time::Duration;

use loomd_base::CountedIds;
use loomd_events::ModelEvent;
use loomd_model::{
    Env, HttpClient, Model, ModelRequest, NoAuth, OfflineModel, Provider, ProviderAuth,
    RequestIdentity, ResponsesModel, Secret,
};
use serde_json::value::to_raw_value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio_util::sync::CancellationToken;

use super::*;

fn request(prompt: &str) -> ModelRequest {
    let message = json!({
        "type": "message", "role": "user", "content": [{"type": "input_text", "text": prompt}],
    });
    let tools = json!([{"type": "function", "name": "exec_command"}]);
    ModelRequest {
        model: "mock-model".to_owned(),
        input: vec![to_raw_value(&message).expect("JSON").into()],
        tools: to_raw_value(&tools).expect("JSON").into(),
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
            originator: "probe".to_owned(),
            user_agent: "probe/1".to_owned(),
            ..RequestIdentity::default()
        },
    }
}

/// A provider whose retries take no time to speak of.
fn provider(base_url: &str) -> Provider {
    let mut provider = Provider::new("mock", "Mock", base_url);
    provider.retry_delay = Duration::from_micros(1);
    provider.request_max_retries = 1;
    provider.stream_max_retries = 2;
    provider
}

fn over_http(provider: Provider, env: Env) -> ResponsesModel {
    let auth = ProviderAuth::new(&provider, &env, None);
    let ids = Arc::new(CountedIds::default());
    ResponsesModel::new(Arc::new(provider), HttpClient::new(), auth, env, ids)
}

async fn events(model: &impl Model, prompt: &str) -> Vec<ModelEvent> {
    let mut stream = model.stream(request(prompt), CancellationToken::new());
    let mut events = Vec::new();
    while let Some(event) = stream.recv().await {
        events.push(event);
    }
    events
}

fn said(events: &[ModelEvent]) -> String {
    let mut text = String::new();
    for event in events {
        if let ModelEvent::TextDelta { delta, .. } = event {
            text.push_str(delta);
        }
    }
    text
}

#[tokio::test]
async fn a_script_gives_the_same_events_over_http_as_in_process() {
    for entries in [
        json!([{"think": "hm", "think_raw": "raw", "say": "héllo wörld", "deltas": 5}]),
        json!([{"exec": "ls"}]),
        json!([{"calls": [{"exec": "a"}, {"patch": "p"}, {"plan": [["s", "pending"]]}]}]),
        json!([{"web": "q", "image": "i", "custom": ["t", "input"], "tokens": [1, 2, 3, 4]}]),
        json!([{"say": "hello", "deltas": 3, "cut": true, "times": 1}]),
        json!([{"say": "hello", "cut": true}]),
        json!([{"error": [500, {"error": {"message": "oops"}}]}]),
        json!([{"error": [429, {"error": {"type": "usage_limit_reached", "plan_type": "plus"}}]}]),
        json!([{"error": [400, "plain"]}]),
        json!([{"fail": ["rate_limit_exceeded", "try again in 1ms"]}]),
        json!([{"events": [{"type": "response.incomplete", "response": {}}]}]),
        json!([{"say": "x", "headers": {"x-codex-primary-used-percent": "12.5", "openai-model": "o"}}]),
    ] {
        let mock = MockResponses::start().await;
        let prompt = format!("@@ {entries}");
        let http = over_http(provider(&mock.base_url()), Env::empty());
        let inside = OfflineModel::with_provider(
            provider(&mock.base_url()),
            Arc::new(CountedIds::default()),
        );
        let events_over_http = events(&http, &prompt).await;
        assert_eq!(
            events_over_http,
            events(&inside, &prompt).await,
            "{entries}"
        );
        assert!(!events_over_http.is_empty());
    }
}

#[tokio::test]
async fn a_request_arrives_with_its_headers_query_and_body() {
    let mock = MockResponses::start().await;
    let mut provider = provider(&mock.base_url());
    provider.bearer_token = Some(Secret::new("tok"));
    provider.query_params = [("a".to_owned(), "x&y".to_owned())].into();
    provider.env_http_headers = [("X-E".to_owned(), "E".to_owned())].into();
    let env = Env::new(|name| (name == "E").then(|| "value".to_owned()));
    let events = events(&over_http(provider, env), "hi").await;
    assert_eq!(said(&events), "echo: hi");
    let requests = mock.requests();
    let [request] = &requests[..] else {
        panic!("one request was sent: {requests:?}");
    };
    assert_eq!(
        (request.method.as_str(), request.path.as_str()),
        ("POST", "/v1/responses?a=x%26y")
    );
    for (name, value) in [
        ("authorization", "Bearer tok"),
        ("x-e", "value"),
        ("accept", "text/event-stream"),
        ("content-type", "application/json"),
        ("originator", "probe"),
        ("user-agent", "probe/1"),
        ("session-id", "S"),
        ("thread-id", "T"),
        ("x-codex-window-id", "T:0"),
    ] {
        assert_eq!(
            request.headers.get(name).map(String::as_str),
            Some(value),
            "{name}"
        );
    }
    assert_eq!(request.body["model"], "mock-model");
    assert_eq!(request.body["client_metadata"]["turn_id"], "U");
}

#[tokio::test]
async fn both_retry_loops_send_the_request_again() {
    let mock = MockResponses::start().await;
    let model = over_http(provider(&mock.base_url()), Env::empty());
    events(&model, "@@ [{\"error\": [503, {}]}]").await;
    assert_eq!(mock.requests().len(), 2 * 3);
    events(&model, "@@ [{\"error\": [404, {}]}]").await;
    assert_eq!(mock.requests().len(), 2 * 3 + 3);
    events(&model, "@@ [{\"error\": [400, {}]}]").await;
    assert_eq!(mock.requests().len(), 2 * 3 + 3 + 1);
}

#[tokio::test]
async fn a_host_that_is_not_there_is_reported_without_the_query() {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
        .await
        .expect("loopback");
    let port = listener.local_addr().expect("an address").port();
    drop(listener);
    let mut provider = provider(&format!("http://127.0.0.1:{port}/v1?key=secret"));
    provider.wait_for_network = false;
    let events = events(&over_http(provider, Env::empty()), "hi").await;
    assert_eq!(events.len(), 3);
    let Some(ModelEvent::Failed(failure)) = events.last() else {
        panic!("{events:?}");
    };
    assert!(
        failure
            .message
            .starts_with("Connection failed: error sending request")
    );
    assert!(failure.message.contains("refused") && !failure.message.contains("secret"));
}

#[tokio::test]
async fn cancelling_hangs_up() {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
        .await
        .expect("loopback");
    let port = listener.local_addr().expect("an address").port();
    let provider = provider(&format!("http://127.0.0.1:{port}/v1"));
    let model = over_http(provider, Env::empty());
    let cancel = CancellationToken::new();
    let mut stream = model.stream(request("hi"), cancel.clone());
    let (mut host, _) = listener.accept().await.expect("a connection");
    let answer = "HTTP/1.1 200 OK\r\nopenai-model: other\r\n\r\n";
    host.write_all(answer.as_bytes()).await.expect("sent");
    assert!(matches!(
        stream.recv().await,
        Some(ModelEvent::Rerouted { .. })
    ));
    cancel.cancel();
    assert_eq!(stream.recv().await, None);
    // The request is read to the end of the connection, which comes from the client.
    let mut rest = Vec::new();
    host.read_to_end(&mut rest).await.expect("closed in order");
    assert!(rest.starts_with(b"POST /v1/responses"));
}

#[tokio::test]
async fn a_gate_is_opened_from_inside_and_over_http() {
    let mock = MockResponses::start().await;
    let model = over_http(provider(&mock.base_url()), Env::empty());
    let prompt = "@@ [{\"gate\": \"a\", \"say\": \"hi\", \"gate_end\": \"b\"}]";
    let mut stream = model.stream(request(prompt), CancellationToken::new());
    mock.open_gate("a");
    assert!(matches!(
        stream.recv().await,
        Some(ModelEvent::ItemAdded(_))
    ));
    let (status, _) = http(&mock, "POST", "/_gate/b", "").await;
    assert_eq!(status, 200);
    let mut last = None;
    while let Some(event) = stream.recv().await {
        last = Some(event);
    }
    assert!(matches!(last, Some(ModelEvent::Completed { .. })));
}

#[tokio::test]
async fn everything_else_is_answered_as_by_a_small_host() {
    let mock = MockResponses::start().await;
    let (status, body) = http(&mock, "GET", "/v1/models?client_version=1", "").await;
    assert_eq!((status, &body["data"]), (200, &json!([])));
    let (status, body) = http(&mock, "POST", "/v1/images/edits", "{}").await;
    assert!(status == 200 && body["data"][0]["b64_json"].is_string());
    assert_eq!(
        http(&mock, "POST", "/x/analytics-events", "{}").await.0,
        200
    );
    assert_eq!(http(&mock, "GET", "/nothing", "").await.0, 404);
    let (status, body) = http(&mock, "POST", "/v1/responses", "no JSON").await;
    assert_eq!(status, 400);
    assert!(
        body["error"]["message"]
            .as_str()
            .is_some_and(|text| text.contains("unreadable"))
    );
    assert_eq!(mock.requests().last().expect("noted").body, "no JSON");
}

#[tokio::test]
async fn approval_reviews_follow_the_word_in_the_history() {
    let mock = MockResponses::start().await;
    let model = over_http(provider(&mock.base_url()), Env::empty());
    let deny = events(&model, "The following is the agent history: GUARDIAN-DENY").await;
    assert!(said(&deny).contains("\"outcome\":\"deny\""));
    let allow = events(&model, "The following is the agent history: GUARDIAN-ALLOW").await;
    assert!(said(&allow).contains("\"outcome\":\"allow\""));
}

#[tokio::test]
async fn requests_are_appended_to_the_log() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("log");
    let mock = MockResponses::bind(0, Some(&path)).await.expect("a mock");
    http(&mock, "POST", "/a/v1/responses", "{\"input\":\"hi\"}").await;
    http(&mock, "GET", "/b", "").await;
    let log = std::fs::read_to_string(&path).expect("a log");
    let lines: Vec<Value> = log
        .lines()
        .map(|line| serde_json::from_str(line).expect("JSON"))
        .collect();
    assert_eq!(lines[0]["body"], json!({"input": "hi"}));
    assert_eq!(
        (&lines[1]["path"], &lines[1]["body"]),
        (&json!("/b"), &Value::Null)
    );
}

#[tokio::test]
async fn a_host_without_a_key_needs_none() {
    let mock = MockResponses::start().await;
    let ids = Arc::new(CountedIds::default());
    let provider = Arc::new(provider(&mock.base_url()));
    let model = ResponsesModel::new(
        provider,
        HttpClient::new(),
        Arc::new(NoAuth),
        Env::empty(),
        ids,
    );
    assert_eq!(said(&events(&model, "hi").await), "echo: hi");
    assert_eq!(mock.requests()[0].headers.get("authorization"), None);
}

/// One plain exchange: status and JSON body (`Null` when it is none).
async fn http(mock: &MockResponses, method: &str, path: &str, body: &str) -> (u16, Value) {
    let mut stream = tokio::net::TcpStream::connect((Ipv4Addr::LOCALHOST, mock.port()))
        .await
        .expect("a connection");
    let text = format!(
        "{method} {path} HTTP/1.1\r\nhost: mock\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(text.as_bytes()).await.expect("sent");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.expect("an answer");
    let (head, body) = answer.split_once("\r\n\r\n").expect("a head");
    let status = head.split(' ').nth(1).and_then(|word| word.parse().ok());
    (
        status.expect("a status"),
        serde_json::from_str(body).unwrap_or_default(),
    )
}
