//! The preview of a thread: what its user asked first.

use loomd_protocol::UserInput;

/// Characters of a preview; the rest is cut.
pub const PREVIEW_CHARS_MAX: usize = 1024;

/// Editors put what they know of the user's screen before the request, behind this
/// heading (seen on 0.169.0 and 0.131.0, which both leave out what precedes it).
const REQUEST_HEADING: &str = "## My request for Codex:";

/// The preview of a first user message. A message of images alone reads `[Image]` (as
/// in both versions).
pub(crate) fn of_input(content: &[UserInput]) -> String {
    let mut text = String::new();
    let mut image = false;
    for input in content {
        match input {
            UserInput::Text { text: part, .. } => text.push_str(part),
            UserInput::Image { .. } | UserInput::LocalImage { .. } => image = true,
            UserInput::Audio { .. }
            | UserInput::LocalAudio { .. }
            | UserInput::Skill { .. }
            | UserInput::Mention { .. } => {}
        }
    }
    let request = match text.split_once(REQUEST_HEADING) {
        Some((_, request)) => request,
        None => &text,
    };
    match request.trim() {
        "" if image => "[Image]".to_owned(),
        request => request.chars().take(PREVIEW_CHARS_MAX).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(text: &str) -> UserInput {
        UserInput::Text {
            text: text.to_owned(),
            text_elements: Vec::new(),
        }
    }

    #[test]
    fn joins_texts_and_cuts_what_precedes_the_request() {
        assert_eq!(of_input(&[text("one"), text("two")]), "onetwo");
        let wrapped = "# Context from my IDE setup:\n\n## My request for Codex:\nreal ask\n";
        assert_eq!(of_input(&[text(wrapped)]), "real ask");
        assert_eq!(of_input(&[]), "");
    }

    #[test]
    fn names_an_image_and_cuts_a_long_text_between_characters() {
        let image = UserInput::Image {
            detail: None,
            url: Some("data:".to_owned()),
            file_id: None,
        };
        assert_eq!(of_input(&[image]), "[Image]");
        assert_eq!(of_input(&[text(&"é".repeat(2000))]).chars().count(), 1024);
    }
}
