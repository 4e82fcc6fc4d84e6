//! One HTTP exchange: a request is read, answered, and the connection closed.

use std::collections::BTreeMap;
use std::io::{Error, ErrorKind, Result};

use loomd_model::offline::script::{Reply, ReplyBody, Step};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};

use super::{MockRequest, Shared};

/// Bytes of a request's head; a longer one is not answered.
const HEAD_BYTES_MAX: u64 = 256 * 1024;
/// Bytes of a request's body; a longer one is not answered.
const BODY_BYTES_MAX: usize = 64 * 1024 * 1024;
/// A PNG of one pixel.
const PIXEL: &str = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==";

type Reader = BufReader<OwnedReadHalf>;

/// Reads one request, answers it, and closes.
pub(super) async fn exchange(stream: TcpStream, shared: &Shared) -> Result<()> {
    stream.set_nodelay(true)?;
    let (reader, mut writer) = stream.into_split();
    let mut reader = BufReader::new(reader);
    let (mut request, body) = read(&mut reader).await?;
    request.body = match &body[..] {
        [] => Value::Null,
        body => serde_json::from_slice(body)
            .unwrap_or_else(|_| String::from_utf8_lossy(body).into_owned().into()),
    };
    let method = request.method.clone();
    let path = request
        .path
        .split('?')
        .next()
        .unwrap_or_default()
        .to_owned();
    let review = review_outcome(&request.body);
    shared.note(request);
    match (method.as_str(), path.as_str()) {
        ("POST", path) if path.ends_with("/responses") => {
            let reply = match review {
                Some(text) => shared.script.reply_saying(&body, &text),
                None => shared.script.reply(&body),
            };
            match reply {
                Ok(reply) => {
                    // A client that hangs up ends the stream, also at a shut gate.
                    tokio::select! {
                        biased;
                        sent = send(&mut writer, reply, shared) => sent?,
                        _ = reader.read_u8() => {}
                    }
                }
                Err(error) => {
                    let body = json!({"error": {"message": error.to_string()}});
                    document(&mut writer, 400, &[], &body.to_string()).await?;
                }
            }
        }
        ("GET", path) if path.ends_with("/models") => {
            let models = json!({"object": "list", "data": [], "models": []});
            document(&mut writer, 200, &[], &models.to_string()).await?;
        }
        ("POST", path) if path.starts_with("/_gate/") => {
            shared.script.open_gate(&path["/_gate/".len()..]);
            document(&mut writer, 200, &[], "{}").await?;
        }
        ("POST", path) if is_images(path) => {
            let images = json!({"created": 1, "data": [{"b64_json": PIXEL}]});
            document(&mut writer, 200, &[], &images.to_string()).await?;
        }
        ("POST", path) if path.contains("analytics") => {
            document(&mut writer, 200, &[], "{}").await?;
        }
        _ => document(&mut writer, 404, &[], "{}").await?,
    }
    writer.shutdown().await
}

fn is_images(path: &str) -> bool {
    path.ends_with("/images/generations") || path.ends_with("/images/edits")
}

/// The answer to an automatic approval review, if the request is one.
fn review_outcome(body: &Value) -> Option<String> {
    let input = body["input"].to_string();
    if !input.contains("agent history") {
        return None;
    }
    let (outcome, risk) = if input.contains("GUARDIAN-DENY") {
        ("deny", "high")
    } else if input.contains("GUARDIAN-ALLOW") {
        ("allow", "low")
    } else {
        return None;
    };
    let answer = json!({
        "risk_level": risk, "user_authorization": "high", "outcome": outcome,
        "rationale": format!("mock says {outcome}"),
    });
    Some(answer.to_string())
}

async fn read(reader: &mut Reader) -> Result<(MockRequest, Vec<u8>)> {
    let mut head = reader.take(HEAD_BYTES_MAX);
    let first = line(&mut head).await?;
    let mut words = first.split(' ');
    let (Some(method), Some(path)) = (words.next(), words.next()) else {
        return Err(invalid("no request line"));
    };
    let mut headers = BTreeMap::new();
    loop {
        let line = line(&mut head).await?;
        if line.is_empty() {
            break;
        }
        if let Some((name, value)) = line.split_once(':') {
            headers.insert(name.trim().to_ascii_lowercase(), value.trim().to_owned());
        }
    }
    let chunked = headers
        .get("transfer-encoding")
        .is_some_and(|coding| coding.eq_ignore_ascii_case("chunked"));
    let body = if chunked {
        read_chunks(reader).await?
    } else {
        let length = headers.get("content-length").map_or("0", String::as_str);
        read_exactly(
            reader,
            length.parse().map_err(|_| invalid("content-length"))?,
        )
        .await?
    };
    let request = MockRequest {
        method: method.to_owned(),
        path: path.to_owned(),
        headers,
        body: Value::Null,
    };
    Ok((request, body))
}

async fn line(reader: &mut (impl AsyncBufReadExt + Unpin)) -> Result<String> {
    let mut bytes = Vec::new();
    reader.read_until(b'\n', &mut bytes).await?;
    if bytes.pop() != Some(b'\n') {
        return Err(ErrorKind::UnexpectedEof.into());
    }
    Ok(String::from_utf8_lossy(&bytes)
        .trim_end_matches('\r')
        .to_owned())
}

async fn read_exactly(reader: &mut Reader, length: usize) -> Result<Vec<u8>> {
    if length > BODY_BYTES_MAX {
        return Err(invalid("body too large"));
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).await?;
    Ok(body)
}

async fn read_chunks(reader: &mut Reader) -> Result<Vec<u8>> {
    let mut body = Vec::new();
    loop {
        let size = line(&mut reader.take(HEAD_BYTES_MAX)).await?;
        let size = usize::from_str_radix(size.trim(), 16).map_err(|_| invalid("chunk size"))?;
        if size > BODY_BYTES_MAX - body.len() {
            return Err(invalid("body too large"));
        }
        body.extend(read_exactly(reader, size).await?);
        line(&mut reader.take(HEAD_BYTES_MAX)).await?;
        if size == 0 {
            return Ok(body);
        }
    }
}

fn invalid(what: &'static str) -> Error {
    Error::new(ErrorKind::InvalidData, what)
}

async fn send(writer: &mut OwnedWriteHalf, reply: Reply, shared: &Shared) -> Result<()> {
    let steps = match reply.body {
        ReplyBody::Json(json) => {
            return document(writer, reply.status, &reply.headers, &json).await;
        }
        ReplyBody::Stream(steps) => steps,
    };
    let head = head(reply.status, "text/event-stream", &reply.headers);
    writer.write_all(format!("{head}\r\n").as_bytes()).await?;
    for step in steps {
        match step {
            Step::Event(event) => writer.write_all(event.into_sse().as_bytes()).await?,
            Step::Pause(pause) => tokio::time::sleep(pause).await,
            Step::Gate(name) => shared.script.gate(&name).await,
        }
    }
    Ok(())
}

async fn document(
    writer: &mut OwnedWriteHalf,
    status: u16,
    headers: &[(String, String)],
    body: &str,
) -> Result<()> {
    let head = head(status, "application/json", headers);
    let text = format!("{head}content-length: {}\r\n\r\n{body}", body.len());
    writer.write_all(text.as_bytes()).await
}

fn head(status: u16, kind: &str, headers: &[(String, String)]) -> String {
    let reason = if status == 200 { "OK" } else { "Error" };
    let mut head =
        format!("HTTP/1.1 {status} {reason}\r\ncontent-type: {kind}\r\nconnection: close\r\n");
    for (name, value) in headers {
        // A line end inside would start another header.
        let value = value.replace(['\r', '\n'], " ");
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    head
}
