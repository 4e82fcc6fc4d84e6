//! The envelope: what one incoming frame is.
//!
//! JSON-RPC 2.0 without its header. A `jsonrpc` member is ignored and never sent.
//! Whether a frame is a request, a notification, a response or an error follows
//! from its members alone, in this order; method names, params and results stay
//! raw and mean nothing here.
//!
//! Invariants: [`parse`] never panics, whatever the bytes; a frame that is none of
//! the four is [`Dropped`] and costs the peer nothing else (there is no parse error
//! on the wire). Deliberately absent: batches; an array is not an envelope.

use std::fmt;
use std::sync::Arc;

use serde::de::{self, Deserializer, Visitor};
use serde::ser::Serializer;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use serde_json::value::RawValue;

/// The id of a request, chosen by whoever sends it and echoed with the same JSON
/// type. Ids are scoped to a connection and need not be unique.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum RequestId {
    /// A 64-bit signed integer; negative ones are fine.
    Integer(i64),
    /// Any string, the empty one included.
    String(Arc<str>),
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Integer(id) => id.fmt(f),
            Self::String(id) => id.fmt(f),
        }
    }
}

impl Serialize for RequestId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Integer(id) => serializer.serialize_i64(*id),
            Self::String(id) => serializer.serialize_str(id),
        }
    }
}

impl<'de> Deserialize<'de> for RequestId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Id;
        impl Visitor<'_> for Id {
            type Value = RequestId;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string or a 64-bit integer")
            }

            fn visit_i64<E: de::Error>(self, id: i64) -> Result<RequestId, E> {
                Ok(RequestId::Integer(id))
            }

            fn visit_u64<E: de::Error>(self, id: u64) -> Result<RequestId, E> {
                i64::try_from(id)
                    .map(RequestId::Integer)
                    .map_err(|_| E::invalid_value(de::Unexpected::Unsigned(id), &self))
            }

            fn visit_str<E: de::Error>(self, id: &str) -> Result<RequestId, E> {
                Ok(RequestId::String(id.into()))
            }
        }
        deserializer.deserialize_any(Id)
    }
}

/// One frame from the peer, sorted by kind.
#[derive(Debug)]
pub enum Incoming {
    /// Wants exactly one answer.
    Request {
        /// To be echoed.
        id: RequestId,
        /// The method's name as sent.
        method: String,
        /// Absent and `null` are the same.
        params: Option<Box<RawValue>>,
        /// The W3C trace context (`traceparent`, `tracestate`), not checked here.
        trace: Option<Box<RawValue>>,
    },
    /// Wants no answer. A frame with a method and a broken id (`null`, a fraction,
    /// beyond 64 bits) is one too, as in the reference.
    Notification {
        /// The method's name as sent.
        method: String,
        /// Absent and `null` are the same.
        params: Option<Box<RawValue>>,
    },
    /// The answer to a request of ours.
    Response {
        /// The id we sent.
        id: RequestId,
        /// Any JSON value, `null` included.
        result: Box<RawValue>,
    },
    /// The refusal of a request of ours.
    Error {
        /// The id we sent.
        id: RequestId,
        /// Why.
        error: RpcError,
    },
}

/// A JSON-RPC error object.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct RpcError {
    /// Which kind of failure; the protocol's table of codes is the server's.
    pub code: i64,
    /// For people, though clients match some of them.
    pub message: String,
    /// For programs; not sent when there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub data: Option<Value>,
}

impl RpcError {
    /// An error without data.
    pub fn new(code: i64, message: impl Into<String>) -> Self {
        Self {
            code,
            message: message.into(),
            data: None,
        }
    }
}

impl fmt::Display for RpcError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.message, self.code)
    }
}

impl std::error::Error for RpcError {}

/// Why a frame was not taken. The connection logs it and stays open.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Dropped {
    /// The bytes are no text.
    #[error("not valid UTF-8")]
    NotUtf8,
    /// The text is no JSON document, or there is none.
    #[error("not a JSON document")]
    NotJson,
    /// JSON, but neither request, notification, response nor error: an array, a bare
    /// value, an object that lacks a member, has one of the wrong type or has one twice.
    #[error("not a request, notification, response or error")]
    NotAnEnvelope,
}

/// The members that decide, borrowed from the frame. A member that is `null` is
/// present, which matters for `result`.
#[derive(Deserialize)]
struct Members<'a> {
    #[serde(borrow, default, deserialize_with = "present")]
    id: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "present")]
    method: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "present")]
    params: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "present")]
    trace: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "present")]
    result: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "present")]
    error: Option<&'a RawValue>,
}

fn present<'de: 'a, 'a, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<&'a RawValue>, D::Error> {
    <&RawValue>::deserialize(deserializer).map(Some)
}

/// Sorts one frame (one line, or one WebSocket text message) by its members.
///
/// # Errors
/// Says why the frame is to be dropped.
pub fn parse(frame: &[u8]) -> Result<Incoming, Dropped> {
    let text = std::str::from_utf8(frame).map_err(|_| Dropped::NotUtf8)?;
    // serde would read a struct from an array as well, member by member.
    if !text.trim_start().starts_with('{') {
        return Err(match serde_json::from_str::<de::IgnoredAny>(text) {
            Ok(_) => Dropped::NotAnEnvelope,
            Err(_) => Dropped::NotJson,
        });
    }
    let members: Members<'_> = serde_json::from_str(text).map_err(|e| {
        if e.is_data() {
            Dropped::NotAnEnvelope
        } else {
            Dropped::NotJson
        }
    })?;
    members.sort().ok_or(Dropped::NotAnEnvelope)
}

impl Members<'_> {
    fn sort(self) -> Option<Incoming> {
        let id: Option<RequestId> = self.id.and_then(typed);
        let method: Option<String> = self.method.and_then(typed);
        if let Some(method) = method {
            let params = owned(self.params);
            return Some(match id {
                Some(id) => Incoming::Request {
                    id,
                    method,
                    params,
                    trace: owned(self.trace),
                },
                None => Incoming::Notification { method, params },
            });
        }
        let id = id?;
        if let Some(result) = self.result {
            return Some(Incoming::Response {
                id,
                result: result.to_owned(),
            });
        }
        let error = self.error.and_then(rpc_error)?;
        Some(Incoming::Error { id, error })
    }
}

fn typed<'a, T: Deserialize<'a>>(raw: &'a RawValue) -> Option<T> {
    serde_json::from_str(raw.get()).ok()
}

fn owned(raw: Option<&RawValue>) -> Option<Box<RawValue>> {
    raw.filter(|raw| raw.get() != "null").map(ToOwned::to_owned)
}

fn rpc_error(raw: &RawValue) -> Option<RpcError> {
    #[derive(Deserialize)]
    struct Wire<'a> {
        code: i64,
        message: String,
        #[serde(borrow, default)]
        data: Option<&'a RawValue>,
    }
    if !raw.get().starts_with('{') {
        return None;
    }
    let wire: Wire<'_> = typed(raw)?;
    Some(RpcError {
        code: wire.code,
        message: wire.message,
        // Data that is nested too deep to read must not cost us the answer itself.
        data: wire.data.and_then(typed),
    })
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};
    use proptest::prelude::*;

    use super::*;

    fn shown(frame: &[u8]) -> String {
        match parse(frame) {
            Ok(Incoming::Request {
                id,
                method,
                params,
                trace,
            }) => format!(
                "request {} {method} {params:?} {trace:?}",
                serde_json::to_string(&id).unwrap()
            ),
            Ok(Incoming::Notification { method, params }) => {
                format!("notification {method} {params:?}")
            }
            Ok(Incoming::Response { id, result }) => {
                format!("response {} {result}", serde_json::to_string(&id).unwrap())
            }
            Ok(Incoming::Error { id, error }) => {
                format!("error {} {error:?}", serde_json::to_string(&id).unwrap())
            }
            Err(why) => format!("dropped: {why}"),
        }
    }

    fn check(frames: &[&str], expect: Expect) {
        let lines: Vec<String> = frames
            .iter()
            .map(|frame| format!("{frame}  =>  {}\n", shown(frame.as_bytes())))
            .collect();
        expect.assert_eq(&lines.concat());
    }

    #[test]
    fn keeps_the_json_type_of_an_id() {
        check(
            &[
                r#"{"id":1,"method":"m"}"#,
                r#"{"id":-9223372036854775808,"method":"m","params":{"a": 1}}"#,
                r#"{"id":9223372036854775807,"method":"m","params":[]}"#,
                r#"{"id":"1","method":"m","params":null,"jsonrpc":"2.0"}"#,
                r#"{"id":"","method":""}"#,
                "\t{\"method\":\"m\\u0041\",\"id\":\"\\u00e9\"} ",
            ],
            expect![[r#"
                {"id":1,"method":"m"}  =>  request 1 m None None
                {"id":-9223372036854775808,"method":"m","params":{"a": 1}}  =>  request -9223372036854775808 m Some(RawValue({"a": 1})) None
                {"id":9223372036854775807,"method":"m","params":[]}  =>  request 9223372036854775807 m Some(RawValue([])) None
                {"id":"1","method":"m","params":null,"jsonrpc":"2.0"}  =>  request "1" m None None
                {"id":"","method":""}  =>  request ""  None None
                	{"method":"m\u0041","id":"\u00e9"}   =>  request "é" mA None None
            "#]],
        );
    }

    #[test]
    fn reads_a_method_with_a_broken_id_as_a_notification() {
        check(
            &[
                r#"{"method":"m"}"#,
                r#"{"id":null,"method":"m"}"#,
                r#"{"id":1.5,"method":"m"}"#,
                r#"{"id":5.0,"method":"m"}"#,
                r#"{"id":1e3,"method":"m"}"#,
                r#"{"id":9223372036854775808,"method":"m"}"#,
                r#"{"id":{"n":1},"method":"m","params":{}}"#,
                r#"{"id":[1],"method":"m"}"#,
                r#"{"id":true,"method":"m"}"#,
            ],
            expect![[r#"
                {"method":"m"}  =>  notification m None
                {"id":null,"method":"m"}  =>  notification m None
                {"id":1.5,"method":"m"}  =>  notification m None
                {"id":5.0,"method":"m"}  =>  notification m None
                {"id":1e3,"method":"m"}  =>  notification m None
                {"id":9223372036854775808,"method":"m"}  =>  notification m None
                {"id":{"n":1},"method":"m","params":{}}  =>  notification m Some(RawValue({}))
                {"id":[1],"method":"m"}  =>  notification m None
                {"id":true,"method":"m"}  =>  notification m None
            "#]],
        );
    }

    #[test]
    fn sorts_answers_and_traces() {
        check(
            &[
                r#"{"id":0,"result":null}"#,
                r#"{"id":0,"result":{"decision":"accept"},"error":null}"#,
                r#"{"id":7,"method":5,"result":1}"#,
                r#"{"error":{"code":-32603,"message":"no"},"id":3}"#,
                r#"{"error":{"code":1,"message":"m","data":{"a":[1]},"more":2},"id":"x"}"#,
                r#"{"id":1,"method":"m","trace":{"traceparent":"00-1"}}"#,
                r#"{"id":1,"method":"m","result":2,"trace":null}"#,
            ],
            expect![[r#"
                {"id":0,"result":null}  =>  response 0 null
                {"id":0,"result":{"decision":"accept"},"error":null}  =>  response 0 {"decision":"accept"}
                {"id":7,"method":5,"result":1}  =>  response 7 1
                {"error":{"code":-32603,"message":"no"},"id":3}  =>  error 3 RpcError { code: -32603, message: "no", data: None }
                {"error":{"code":1,"message":"m","data":{"a":[1]},"more":2},"id":"x"}  =>  error "x" RpcError { code: 1, message: "m", data: Some(Object {"a": Array [Number(1)]}) }
                {"id":1,"method":"m","trace":{"traceparent":"00-1"}}  =>  request 1 m None Some(RawValue({"traceparent":"00-1"}))
                {"id":1,"method":"m","result":2,"trace":null}  =>  request 1 m None None
            "#]],
        );
    }

    #[test]
    fn drops_what_is_no_envelope() {
        check(
            &[
                "",
                "  ",
                "nonsense",
                r#"{"id":1,"method":"m""#,
                r#"{"id":1,"method":"m"} x"#,
                "[]",
                r#"[1,"m"]"#,
                r#"[{"id":1,"method":"m"}]"#,
                "5",
                "null",
                "{}",
                r#"{"id":1}"#,
                r#"{"id":1,"method":null}"#,
                r#"{"id":null,"result":1}"#,
                r#"{"result":1}"#,
                r#"{"id":1,"error":"no"}"#,
                r#"{"id":1,"error":[1,"no"]}"#,
                r#"{"id":1,"error":{"code":"1","message":"m"}}"#,
                r#"{"id":1,"method":"a","method":"b"}"#,
                "\u{feff}{\"id\":1,\"method\":\"m\"}",
            ],
            expect![[r#"
                  =>  dropped: not a JSON document
                    =>  dropped: not a JSON document
                nonsense  =>  dropped: not a JSON document
                {"id":1,"method":"m"  =>  dropped: not a JSON document
                {"id":1,"method":"m"} x  =>  dropped: not a JSON document
                []  =>  dropped: not a request, notification, response or error
                [1,"m"]  =>  dropped: not a request, notification, response or error
                [{"id":1,"method":"m"}]  =>  dropped: not a request, notification, response or error
                5  =>  dropped: not a request, notification, response or error
                null  =>  dropped: not a request, notification, response or error
                {}  =>  dropped: not a request, notification, response or error
                {"id":1}  =>  dropped: not a request, notification, response or error
                {"id":1,"method":null}  =>  dropped: not a request, notification, response or error
                {"id":null,"result":1}  =>  dropped: not a request, notification, response or error
                {"result":1}  =>  dropped: not a request, notification, response or error
                {"id":1,"error":"no"}  =>  dropped: not a request, notification, response or error
                {"id":1,"error":[1,"no"]}  =>  dropped: not a request, notification, response or error
                {"id":1,"error":{"code":"1","message":"m"}}  =>  dropped: not a request, notification, response or error
                {"id":1,"method":"a","method":"b"}  =>  dropped: not a request, notification, response or error
                ﻿{"id":1,"method":"m"}  =>  dropped: not a JSON document
            "#]],
        );
        assert_eq!(
            parse(b"{\"method\":\"\xff\"}").unwrap_err(),
            Dropped::NotUtf8
        );
    }

    #[test]
    fn survives_params_that_are_nested_without_end() {
        let deep = "[".repeat(200_000);
        let frame = format!(r#"{{"id":1,"method":"m","params":{deep}"#);
        assert_eq!(parse(frame.as_bytes()).unwrap_err(), Dropped::NotJson);
        let data = format!("{}{}", "[".repeat(500), "]".repeat(500));
        let frame = format!(r#"{{"id":1,"error":{{"code":1,"message":"m","data":{data}}}}}"#);
        assert_eq!(
            shown(frame.as_bytes()),
            r#"error 1 RpcError { code: 1, message: "m", data: None }"#
        );
    }

    proptest! {
        #[test]
        fn never_panics_on_bytes(frame in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = parse(&frame);
        }

        #[test]
        fn never_panics_near_an_envelope(
            parts in prop::collection::vec(
                prop::sample::select(vec![
                    "{", "}", "[", "]", ",", ":", "\"id\"", "\"method\"", "\"params\"", "\"result\"",
                    "\"error\"", "\"trace\"", "\"code\"", "\"message\"", "1", "-0", "1.5", "null", "\"x\"",
                    "\"\\ud800\"", "1e999", " ",
                ]),
                0..24,
            )
        ) {
            let _ = parse(parts.concat().as_bytes());
        }

        #[test]
        fn reads_back_every_id(id in prop_oneof![
            any::<i64>().prop_map(RequestId::Integer),
            any::<String>().prop_map(|s| RequestId::String(s.into())),
        ]) {
            let frame = format!(r#"{{"method":"m","id":{}}}"#, serde_json::to_string(&id).unwrap());
            match parse(frame.as_bytes()) {
                Ok(Incoming::Request { id: read, .. }) => prop_assert_eq!(read, id),
                other => prop_assert!(false, "{:?}", other),
            }
        }
    }
}
