//! `view_image`: the model looks at a file.
//!
//! The file goes to the model as it is. Deliberately absent: decoding and scaling
//! down, so a broken image of a known kind is only found out by the model's host.

use std::fs;
use std::io::{self, Read as _};
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use loomd_events::ToolEvent;
use loomd_protocol::{ItemKind, ThreadItem};
use rustix::io::Errno;
use serde::Deserialize;
use serde_json::json;

use crate::call::Call;
use crate::gate::Place;
use crate::patch::plan::absolute;

/// Bytes of an image beyond which it is not sent.
const IMAGE_BYTES_MAX: u64 = 20 * 1024 * 1024;

/// Arguments of `view_image`.
#[derive(Debug, Deserialize)]
pub(crate) struct ImageParams {
    path: String,
    #[serde(default)]
    detail: Option<String>,
}

/// Runs `view_image`.
pub(crate) async fn view(call: Call, params: ImageParams) {
    let detail = match params.detail.as_deref() {
        None | Some("original") => "original",
        Some("high") => "high",
        Some(other) => {
            let text = format!(
                "view_image.detail only supports `high` or `original`; omit `detail` for default \
                 high resized behavior, got `{other}`"
            );
            return call.answer(text).await;
        }
    };
    let path = absolute(&call.context.cwd, &params.path);
    let shown = path.display().to_string();
    let confinement = call.shared().confinement(&call.context, Place::Inside);
    let look = move || {
        let policy = confinement.map(|confinement| confinement.bounds.settle());
        match policy.transpose()? {
            Some(policy) if policy.forbids_read(&path) => {
                Err(not_located(&path, &Errno::ACCESS.into()))
            }
            Some(_) | None => data_url(&path),
        }
    };
    let loaded = tokio::task::spawn_blocking(look).await;
    let url = match loaded {
        Ok(Ok(url)) => url,
        Ok(Err(text)) => return call.answer(text).await,
        Err(_) => return call.answer(UNSUPPORTED).await,
    };
    let now = call.shared().clock.now().wall_ms;
    let mut item = ThreadItem::new(call.id(), ItemKind::ImageView { path: shown });
    item.set_times(Some(now), None);
    call.sink().send(ToolEvent::ItemStarted(item.clone())).await;
    item.set_times(Some(now), Some(now));
    call.sink().send(ToolEvent::ItemCompleted(item)).await;
    call.answer_value(json!([
        { "type": "input_image", "image_url": url, "detail": detail }
    ]))
    .await;
}

/// As in the reference, whatever is wrong with the file's content.
const UNSUPPORTED: &str = "unable to process image: invalid or unsupported image data";

fn not_located(path: &Path, error: &io::Error) -> String {
    format!("unable to locate image at `{}`: {error}", path.display())
}

/// The file as a `data:` URL. Blocking.
fn data_url(path: &Path) -> Result<String, String> {
    let meta = fs::metadata(path).map_err(|error| not_located(path, &error))?;
    if !meta.is_file() {
        return Err(format!("image path `{}` is not a file", path.display()));
    }
    if meta.len() > IMAGE_BYTES_MAX {
        return Err(format!(
            "unable to process image: larger than {IMAGE_BYTES_MAX} bytes"
        ));
    }
    let mut bytes = Vec::new();
    fs::File::open(path)
        .and_then(|file| file.take(IMAGE_BYTES_MAX).read_to_end(&mut bytes))
        .map_err(|error| format!("unable to read image at `{}`: {error}", path.display()))?;
    let kind = kind(&bytes).ok_or_else(|| UNSUPPORTED.to_owned())?;
    Ok(format!("data:{kind};base64,{}", STANDARD.encode(bytes)))
}

/// The media type of the kinds that models take.
fn kind(bytes: &[u8]) -> Option<&'static str> {
    match bytes {
        [0x89, b'P', b'N', b'G', b'\r', b'\n', 0x1A, b'\n', ..] => Some("image/png"),
        [0xFF, 0xD8, 0xFF, ..] => Some("image/jpeg"),
        [b'G', b'I', b'F', b'8', b'7' | b'9', b'a', ..] => Some("image/gif"),
        [
            b'R',
            b'I',
            b'F',
            b'F',
            _,
            _,
            _,
            _,
            b'W',
            b'E',
            b'B',
            b'P',
            ..,
        ] => Some("image/webp"),
        _ => None,
    }
}
