use futures_util::future::{BoxFuture, FutureExt, ready};
use loomd_base::CountedIds;
use loomd_events::ModelFailure;
use reqwest::header::HeaderName;
use tokio::time::Instant;

use super::*;
use crate::request::tests::request;
use crate::{Credential, Secret};

/// What a host does with one request.
enum Host {
    Away,
    HangsUp,
    Says(u16, Vec<(&'static str, &'static str)>, &'static str),
}

/// Plays its answers in order and notes the headers that it was sent.
#[derive(Default)]
struct Fake {
    answers: Mutex<VecDeque<Host>>,
    sent: Mutex<Vec<HeaderMap>>,
}

impl Transport for Arc<Fake> {
    fn open(&self, outgoing: Outgoing) -> BoxFuture<'_, Result<Opened, OpenError>> {
        self.sent.lock().expect("no panic").push(outgoing.headers);
        let answer = self.answers.lock().expect("no panic").pop_front();
        ready(match answer.expect("no more requests than answers") {
            Host::Away => Err(OpenError::Unreachable("refused".to_owned())),
            Host::HangsUp => Err(OpenError::NoAnswer("hung up".to_owned())),
            Host::Says(status, headers, body) => Ok(Opened {
                status: StatusCode::from_u16(status).expect("a status"),
                headers: headers
                    .into_iter()
                    .map(|(name, value)| {
                        (
                            HeaderName::from_static(name),
                            HeaderValue::from_static(value),
                        )
                    })
                    .collect(),
                body: futures_util::stream::iter([Ok(body.into())]).boxed(),
            }),
        })
        .boxed()
    }
}

/// A new key after each refusal.
#[derive(Default)]
struct Keys {
    number: Mutex<u32>,
    renews: bool,
}

impl Auth for Keys {
    fn credential(&self) -> BoxFuture<'_, Result<Credential, ModelFailure>> {
        let number = *self.number.lock().expect("no panic");
        let bearer = Some(Secret::new(format!("k{number}")));
        let account_id = None;
        ready(Ok(Credential { bearer, account_id })).boxed()
    }

    fn refused(&self) -> BoxFuture<'_, bool> {
        *self.number.lock().expect("no panic") += 1;
        ready(self.renews).boxed()
    }
}

struct Setup {
    fake: Arc<Fake>,
    engine: Arc<Engine>,
}

fn setup(change: impl FnOnce(&mut Provider), keys: Keys) -> Setup {
    let mut provider = Provider::new("p", "P", "http://h/v1?key=secret");
    change(&mut provider);
    let fake = Arc::<Fake>::default();
    let engine = Engine {
        provider: Arc::new(provider),
        transport: Arc::new(Arc::clone(&fake)),
        auth: Arc::new(keys),
        env: Env::empty(),
        ids: Arc::new(CountedIds::default()),
        memory: Default::default(),
    };
    Setup {
        fake,
        engine: Arc::new(engine),
    }
}

impl Setup {
    async fn events(&self, answers: Vec<Host>) -> Vec<String> {
        *self.fake.answers.lock().expect("no panic") = answers.into();
        let mut stream = self.engine.stream(request("hi"), CancellationToken::new());
        let mut lines = Vec::new();
        while let Some(event) = stream.recv().await {
            lines.push(match event {
                ModelEvent::Retrying {
                    attempt,
                    max,
                    failure,
                } => format!("{attempt}/{max} {}", failure.message),
                ModelEvent::Failed(failure) => format!("{:?} {}", failure.info, failure.message),
                ModelEvent::Completed { response_id, .. } => response_id,
                ModelEvent::RateLimits(_) => "limits".to_owned(),
                event @ (ModelEvent::ItemAdded(_)
                | ModelEvent::ItemDone(_)
                | ModelEvent::TextDelta { .. }
                | ModelEvent::SummaryPartAdded { .. }
                | ModelEvent::SummaryDelta { .. }
                | ModelEvent::ReasoningDelta { .. }
                | ModelEvent::CallInput { .. }
                | ModelEvent::Rerouted { .. }) => format!("{event:?}"),
            });
        }
        let left = self.fake.answers.lock().expect("no panic").len();
        assert_eq!(left, 0, "fewer requests than answers");
        lines
    }

    fn sent(&self, header: &str) -> Vec<String> {
        let sent = self.fake.sent.lock().expect("no panic");
        let value = |headers: &HeaderMap| {
            let value = headers
                .get(header)
                .map(|value| value.to_str().expect("ASCII"));
            value.unwrap_or("-").to_owned()
        };
        sent.iter().map(value).collect()
    }
}

fn good() -> Host {
    Host::Says(
        200,
        vec![],
        "data: {\"type\":\"response.completed\",\"response\":{\"id\":\"r\"}}\n\n",
    )
}

#[tokio::test(start_paused = true)]
async fn a_host_that_is_away_is_waited_for() {
    let setup = setup(|provider| provider.request_max_retries = 0, Keys::default());
    let mut answers: Vec<Host> = (0..7).map(|_| Host::Away).collect();
    answers.push(good());
    let start = Instant::now();
    let lines = setup.events(answers).await;
    let waiting = |n: u32| format!("{n}/0 Connection failed: refused");
    let mut expected: Vec<String> = (1..8).map(waiting).collect();
    expected.extend(["limits".to_owned(), "r".to_owned()]);
    assert_eq!(lines, expected);
    // 5, 10, 20, 40, then a minute each time, ± 10 %.
    let waited = start.elapsed().as_secs_f64();
    assert!((0.9 * 255.0..1.1 * 255.0).contains(&waited), "{waited}");
}

#[tokio::test(start_paused = true)]
async fn a_host_that_is_away_fails_the_stream_where_it_is_not_waited_for() {
    let bounded = |provider: &mut Provider| {
        provider.wait_for_network = false;
        provider.request_max_retries = 1;
        provider.stream_max_retries = 1;
    };
    let lines = setup(bounded, Keys::default())
        .events(vec![Host::Away, Host::Away, Host::Away, Host::Away])
        .await;
    assert_eq!(
        lines,
        [
            "1/1 Connection failed: refused",
            "HttpConnectionFailed { http_status_code: None } Connection failed: refused",
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn requests_without_an_answer_are_sent_again_quietly() {
    let lines = setup(|_| (), Keys::default())
        .events(vec![
            Host::HangsUp,
            Host::Says(502, vec![], ""),
            Host::Away,
            good(),
        ])
        .await;
    assert_eq!(lines, ["limits", "r"]);
}

#[tokio::test(start_paused = true)]
async fn waiting_for_the_network_does_not_use_up_stream_retries() {
    let once = |provider: &mut Provider| {
        provider.request_max_retries = 0;
        provider.stream_max_retries = 1;
    };
    let lines = setup(once, Keys::default())
        .events(vec![Host::Away, Host::HangsUp, Host::Away, good()])
        .await;
    assert_eq!(
        lines,
        [
            "1/0 Connection failed: refused",
            "1/1 stream disconnected before completion: hung up",
            "1/0 Connection failed: refused",
            "limits",
            "r",
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn a_refused_key_is_renewed_once() {
    let renews = || Keys {
        renews: true,
        ..Keys::default()
    };
    let no_retries = |provider: &mut Provider| provider.stream_max_retries = 0;
    let renewed = setup(no_retries, renews());
    let refusal = || Host::Says(401, vec![], "{\"error\":{\"message\":\"no\"}}");
    assert_eq!(
        renewed.events(vec![refusal(), good()]).await,
        ["limits", "r"]
    );
    assert_eq!(renewed.sent("authorization"), ["Bearer k0", "Bearer k1"]);
    let lines = setup(no_retries, renews())
        .events(vec![refusal(), refusal()])
        .await;
    // The address is shown without its query, which holds a key.
    let expected = "HttpConnectionFailed { http_status_code: Some(401) } \
                    unexpected status 401 Unauthorized: no, url: http://h/v1/responses";
    assert_eq!(lines, [expected]);
    let fixed = setup(no_retries, Keys::default());
    assert_eq!(fixed.events(vec![refusal()]).await, [expected]);
}

#[tokio::test(start_paused = true)]
async fn a_turns_state_is_echoed_to_the_host() {
    let setup = setup(|_| (), Keys::default());
    let body = "data: {\"type\":\"response.completed\",\"response\":{\"id\":\"r\"}}\n\n";
    setup
        .events(vec![Host::Says(200, vec![(TURN_STATE, "s1")], body)])
        .await;
    setup.events(vec![good()]).await;
    assert_eq!(setup.sent(TURN_STATE), ["-", "s1"]);
}

#[test]
fn turn_states_are_bounded() {
    let mut memory = Memory::default();
    let state = HeaderValue::from_static("s");
    for n in 0..=TURN_STATES_MAX {
        memory.keep_turn_state(&n.to_string(), &state);
        memory.keep_turn_state("same", &state);
    }
    assert_eq!(memory.turn_states.len(), TURN_STATES_MAX);
    assert_eq!(memory.turn_state("0"), None);
    assert_eq!(memory.turn_state("same"), Some(state));
}

#[tokio::test(start_paused = true)]
async fn a_wrong_address_fails_without_a_request() {
    let lines = setup(
        |provider| provider.base_url = "nowhere".to_owned(),
        Keys::default(),
    )
    .events(vec![])
    .await;
    assert_eq!(
        lines,
        ["Other invalid base_url `nowhere`: relative URL without a base"]
    );
}

#[tokio::test(start_paused = true)]
async fn the_wait_ends_when_nobody_reads() {
    let setup = setup(|provider| provider.request_max_retries = 0, Keys::default());
    *setup.fake.answers.lock().expect("no panic") = [Host::Away].into();
    let mut stream = setup.engine.stream(request("hi"), CancellationToken::new());
    assert!(matches!(
        stream.recv().await,
        Some(ModelEvent::Retrying { .. })
    ));
    drop(stream);
    // A second request would panic for want of an answer, and keep the engine.
    tokio::time::sleep(Duration::from_secs(3600)).await;
    assert_eq!(Arc::strong_count(&setup.engine), 1);
}
