//! What a user sends, in the form the model gets it. Files are read here, so that the
//! pure core never touches a disk.

use std::path::Path;

use base64::Engine;
use loomd_events::MessagePart;
use loomd_protocol::UserInput;
use loomd_thread::UserMessage;

/// Bytes of a local image at most; a larger one is named to the model, not sent.
const IMAGE_BYTES_MAX: u64 = 20 * 1024 * 1024;

/// A user message with its parts for the model.
pub(crate) async fn message(client_id: Option<String>, content: Vec<UserInput>) -> UserMessage {
    let parts = parts(&content).await;
    UserMessage {
        client_id,
        content,
        parts,
        item_id: None,
    }
}

/// What a user sends, in the form the model gets it.
pub(crate) async fn parts(content: &[UserInput]) -> Vec<MessagePart> {
    let mut parts = Vec::new();
    let mut images = 0;
    for input in content {
        match input {
            UserInput::Text { text, .. } => parts.push(MessagePart::text(text.clone())),
            UserInput::Image { url: Some(url), .. } => parts.push(image(url.clone())),
            UserInput::Image { url: None, .. } => {
                parts.push(MessagePart::text(
                    "[an image by file id, which this server cannot read]",
                ));
            }
            UserInput::LocalImage { path, .. } => {
                images += 1;
                local_image(&mut parts, images, path).await;
            }
            UserInput::Audio { .. } | UserInput::LocalAudio { .. } => {
                parts.push(MessagePart::text(
                    "[audio, which this server does not pass on]",
                ));
            }
            UserInput::Skill { name, path } => {
                parts.push(MessagePart::text(format!(
                    "[the user refers to the skill `{name}`; read {path} before you go on]"
                )));
            }
            UserInput::Mention { name, path } => {
                parts.push(MessagePart::text(format!(
                    "[the user refers to {name}: {path}]"
                )));
            }
        }
    }
    parts
}

fn image(image_url: String) -> MessagePart {
    MessagePart::InputImage {
        image_url,
        detail: Some("high".to_owned()),
    }
}

async fn local_image(parts: &mut Vec<MessagePart>, number: usize, path: &str) {
    match read_image(Path::new(path)).await {
        Ok(url) => {
            parts.push(MessagePart::text(format!(
                "<image name=[Image #{number}] path=\"{path}\">"
            )));
            parts.push(image(url));
            parts.push(MessagePart::text("</image>"));
        }
        Err(reason) => parts.push(MessagePart::text(format!(
            "[the image at {path} could not be read: {reason}]"
        ))),
    }
}

async fn read_image(path: &Path) -> Result<String, String> {
    let size = tokio::fs::metadata(path)
        .await
        .map_err(|error| error.to_string())?
        .len();
    if size > IMAGE_BYTES_MAX {
        return Err(format!("it has {size} bytes, more than {IMAGE_BYTES_MAX}"));
    }
    let bytes = tokio::fs::read(path)
        .await
        .map_err(|error| error.to_string())?;
    let kind = match bytes.as_slice() {
        [0x89, b'P', b'N', b'G', ..] => "image/png",
        [0xff, 0xd8, 0xff, ..] => "image/jpeg",
        [b'G', b'I', b'F', b'8', ..] => "image/gif",
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
        ] => "image/webp",
        _ => return Err("it is not a PNG, JPEG, GIF or WebP file".to_owned()),
    };
    let data = base64::engine::general_purpose::STANDARD.encode(&bytes);
    Ok(format!("data:{kind};base64,{data}"))
}
