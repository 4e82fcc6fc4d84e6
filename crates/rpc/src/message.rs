//! Outgoing messages: serialised once, shared by every connection they go to.
//!
//! Invariants: a [`Message`] is one JSON document without a line break, so that
//! any framing can carry it; cloning it copies no text. Key order is the
//! reference's: errors start with `error`, server requests are `method, id, params`,
//! notifications `method, params, emittedAtMs`.

use bytes::Bytes;
use serde::Serialize;

use crate::envelope::{RequestId, RpcError};

/// JSON-RPC's code for a failure inside the server.
const INTERNAL_ERROR: i64 = -32603;

/// What may happen to a message when its reader lags.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Class {
    /// An answer to a request. Has the larger share of the queue
    /// ([`REPLY_BYTES_MAX`](crate::REPLY_BYTES_MAX)).
    Reply,
    /// A notification or a request to the client. Must arrive or the connection ends
    /// ([`EVENT_BYTES_MAX`](crate::EVENT_BYTES_MAX)).
    Event,
    /// A piece of a text whose whole follows later. Treated as an event today; two
    /// neighbours of one [`MergeKey`] may become one message for a reader that lags.
    Delta,
}

/// Names the text that a delta continues (say, a hash of item and field). Deltas
/// of different keys are never merged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct MergeKey(pub u64);

/// One encoded message. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Message {
    bytes: Bytes,
    class: Class,
    method: Option<&'static str>,
    merge_key: Option<MergeKey>,
}

impl Message {
    /// The JSON document, without a line break.
    #[must_use]
    pub fn bytes(&self) -> &Bytes {
        &self.bytes
    }

    /// What may happen to it when the reader lags.
    #[must_use]
    pub fn class(&self) -> Class {
        self.class
    }

    /// The method of a notification or server request; `None` for answers. This is
    /// what per-connection gates decide by, so that nothing is encoded twice.
    #[must_use]
    pub fn method(&self) -> Option<&'static str> {
        self.method
    }

    /// The text that this delta continues, if it said so.
    #[must_use]
    pub fn merge_key(&self) -> Option<MergeKey> {
        self.merge_key
    }

    /// The same message as a [`Class::Delta`].
    #[must_use]
    pub fn into_delta(mut self, merge_key: Option<MergeKey>) -> Self {
        self.class = Class::Delta;
        self.merge_key = merge_key;
        self
    }

    /// The same message with one more member at its end. Costs a copy of the text, and
    /// no second encoding of what is in it. `value` is JSON text.
    #[must_use]
    pub fn with_member(&self, name: &'static str, value: &str) -> Self {
        let whole = &self.bytes;
        let open = whole.strip_suffix(b"}").unwrap_or(whole);
        let mut bytes = Vec::with_capacity(whole.len() + name.len() + value.len() + 4);
        bytes.extend_from_slice(open);
        bytes.extend_from_slice(b",\"");
        bytes.extend_from_slice(name.as_bytes());
        bytes.extend_from_slice(b"\":");
        bytes.extend_from_slice(value.as_bytes());
        bytes.push(b'}');
        Self {
            bytes: bytes.into(),
            ..self.clone()
        }
    }

    /// The text, for logs and tests.
    #[must_use]
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.bytes).unwrap_or_default()
    }
}

/// Encodes the answer to request `id`. A result that cannot be encoded (a fault of
/// its type) is logged and answered as an internal error: every request gets its answer.
pub fn encode_response(id: &RequestId, result: &impl Serialize) -> Message {
    #[derive(Serialize)]
    struct Wire<'a, T> {
        id: &'a RequestId,
        result: &'a T,
    }
    match encode(&Wire { id, result }) {
        Ok(bytes) => message(bytes, Class::Reply, None),
        Err(error) => {
            tracing::error!(%error, "a result cannot be encoded");
            encode_error(
                id,
                &RpcError::new(INTERNAL_ERROR, "the result cannot be encoded"),
            )
        }
    }
}

/// Encodes the refusal of request `id`.
#[must_use]
pub fn encode_error(id: &RequestId, error: &RpcError) -> Message {
    #[derive(Serialize)]
    struct Wire<'a> {
        error: &'a RpcError,
        id: &'a RequestId,
    }
    let bytes = encode(&Wire { error, id })
        .expect("an error is integers, strings and a JSON value, which always encode");
    message(bytes, Class::Reply, None)
}

/// Encodes a request to the client. Params that cannot be encoded (a fault of their
/// type) are logged and sent as `null`, so that the client's refusal settles it.
pub fn encode_request(method: &'static str, id: i64, params: &impl Serialize) -> Message {
    #[derive(Serialize)]
    struct Wire<'a, T> {
        method: &'static str,
        id: i64,
        params: &'a T,
    }
    let bytes = encode(&Wire { method, id, params }).unwrap_or_else(|error| {
        tracing::error!(%error, method, "params cannot be encoded");
        let params = &();
        encode(&Wire { method, id, params }).expect("a string and an integer always encode")
    });
    message(bytes, Class::Event, Some(method))
}

/// Encodes a notification as a [`Class::Event`]. `emitted_at_ms` is Unix time.
/// Params that cannot be encoded (a fault of their type) are logged and sent as `null`.
pub fn encode_notification(
    method: &'static str,
    params: &impl Serialize,
    emitted_at_ms: i64,
) -> Message {
    #[derive(Serialize)]
    struct Wire<'a, T> {
        method: &'static str,
        params: &'a T,
        #[serde(rename = "emittedAtMs")]
        emitted_at_ms: i64,
    }
    let wire = Wire {
        method,
        params,
        emitted_at_ms,
    };
    let bytes = encode(&wire).unwrap_or_else(|error| {
        tracing::error!(%error, method, "params cannot be encoded");
        let params = &();
        encode(&Wire {
            method,
            params,
            emitted_at_ms,
        })
        .expect("a string and an integer always encode")
    });
    message(bytes, Class::Event, Some(method))
}

fn message(bytes: Bytes, class: Class, method: Option<&'static str>) -> Message {
    Message {
        bytes,
        class,
        method,
        merge_key: None,
    }
}

fn encode(wire: &impl Serialize) -> serde_json::Result<Bytes> {
    let mut bytes = serde_json::to_vec(wire)?;
    // Only a raw value passed through from a client can hold a line break, and there
    // it is white space between tokens: inside a string it would have been escaped.
    if bytes.contains(&b'\n') || bytes.contains(&b'\r') {
        for byte in &mut bytes {
            if matches!(*byte, b'\n' | b'\r') {
                *byte = b' ';
            }
        }
    }
    Ok(bytes.into())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use expect_test::expect;
    use serde_json::json;
    use serde_json::value::RawValue;

    use super::*;

    #[test]
    fn writes_members_in_the_order_of_the_reference() {
        let id = RequestId::String("a".into());
        let error = RpcError {
            data: Some(json!({"b": 1, "a": 2})),
            ..RpcError::new(-32602, "no")
        };
        let all = [
            encode_response(&RequestId::Integer(-3), &json!({})),
            encode_error(&id, &RpcError::new(-32600, "Not initialized")),
            encode_error(&id, &error),
            encode_request("item/x", 0, &json!({"threadId": "t"})),
            encode_notification(
                "turn/x",
                &json!({"delta": "line\nbreak"}),
                1_700_000_000_000,
            ),
        ];
        let lines: Vec<String> = all
            .iter()
            .map(|m| format!("{:?} {:?} {}\n", m.class(), m.method(), m.as_str()))
            .collect();
        expect![[r#"
            Reply None {"id":-3,"result":{}}
            Reply None {"error":{"code":-32600,"message":"Not initialized"},"id":"a"}
            Reply None {"error":{"code":-32602,"message":"no","data":{"b":1,"a":2}},"id":"a"}
            Event Some("item/x") {"method":"item/x","id":0,"params":{"threadId":"t"}}
            Event Some("turn/x") {"method":"turn/x","params":{"delta":"line\nbreak"},"emittedAtMs":1700000000000}
        "#]]
        .assert_eq(&lines.concat());
    }

    #[test]
    fn takes_one_more_member() {
        let message = encode_notification("m", &(), 1).with_member("more", "{\"a\":1}");
        assert_eq!(
            message.as_str(),
            r#"{"method":"m","params":null,"emittedAtMs":1,"more":{"a":1}}"#
        );
    }

    #[test]
    fn keeps_raw_line_breaks_off_the_wire() {
        let raw = RawValue::from_string("{\n\t\"a\":\r\n \"b\\nc\"}".into()).unwrap();
        let message = encode_response(&RequestId::Integer(1), &raw);
        assert_eq!(
            message.as_str(),
            "{\"id\":1,\"result\":{ \t\"a\":   \"b\\nc\"}}"
        );
    }

    #[test]
    fn answers_even_when_the_result_cannot_be_encoded() {
        let unencodable = BTreeMap::from([(vec![1], 2)]);
        let id = RequestId::Integer(4);
        expect![[r#"{"error":{"code":-32603,"message":"the result cannot be encoded"},"id":4}"#]]
            .assert_eq(encode_response(&id, &unencodable).as_str());
        expect![[r#"{"method":"m","params":null,"emittedAtMs":5}"#]]
            .assert_eq(encode_notification("m", &unencodable, 5).as_str());
        expect![[r#"{"method":"m","id":0,"params":null}"#]]
            .assert_eq(encode_request("m", 0, &unencodable).as_str());
    }

    #[test]
    fn shares_the_text_between_clones() {
        let message = encode_notification("m", &(), 1).into_delta(Some(MergeKey(7)));
        let clone = message.clone();
        assert_eq!(message.bytes().as_ptr(), clone.bytes().as_ptr());
        assert_eq!(
            (clone.class(), clone.merge_key()),
            (Class::Delta, Some(MergeKey(7)))
        );
    }
}
