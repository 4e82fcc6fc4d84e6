//! Images, reviews, pauses and marks.

use loomd_protocol::{
    AbsolutePathBuf, FunctionCallOutputBody, FunctionCallOutputItem, ImageGenerationFailure,
    ImageGenerationInputImage, ImageGenerationItem, ItemKind, ThreadItem,
};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::{path_to_url, url_to_path};

/// The output of a function call that the client gave with a turn.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct FunctionCallOutput {
    id: String,
    name: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    namespace: Option<String>,
    output: FunctionCallOutputBody,
}

impl FunctionCallOutput {
    pub(super) fn of(id: String, output: &FunctionCallOutputItem) -> Self {
        let output = output.clone();
        Self {
            id,
            name: output.name,
            namespace: output.namespace,
            output: output.output,
        }
    }

    pub(super) fn into_item(self) -> ThreadItem {
        ThreadItem::new(
            self.id,
            ItemKind::FunctionCallOutput(FunctionCallOutputItem {
                name: self.name,
                namespace: self.namespace,
                output: self.output,
            }),
        )
    }
}

/// An image the model looked at.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct ImageView {
    id: String,
    /// A `file://` URL; the reference drops the item where it is a plain path.
    path: String,
}

impl ImageView {
    pub(super) fn of(id: String, path: &str) -> Self {
        Self {
            id,
            path: path_to_url(path),
        }
    }

    pub(super) fn into_item(self) -> ThreadItem {
        let path = url_to_path(self.path);
        ThreadItem::new(self.id, ItemKind::ImageView { path })
    }
}

/// A pause the model asked for.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Sleep {
    pub(super) id: String,
    pub(super) duration_ms: u64,
}

impl Sleep {
    pub(super) fn into_item(self) -> ThreadItem {
        let duration_ms = self.duration_ms;
        ThreadItem::new(self.id, ItemKind::Sleep { duration_ms })
    }
}

/// An image the model made.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Image {
    id: String,
    status: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    revised_prompt: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    transparent_background: Option<bool>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    failure: Option<ImageGenerationFailure>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    saved_path: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    input_images: Option<Vec<ImageGenerationInputImage>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    generation_id: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    file_id: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    result: Option<String>,
}

impl Image {
    pub(super) fn of(id: String, image: &ImageGenerationItem) -> Self {
        let image = image.clone();
        Self {
            id,
            status: image.status,
            revised_prompt: image.revised_prompt,
            transparent_background: image.transparent_background,
            failure: image.failure,
            saved_path: image.saved_path.map(AbsolutePathBuf::into_string),
            input_images: image.input_images,
            generation_id: image.generation_id,
            file_id: image.file_id,
            result: image.result,
        }
    }

    pub(super) fn into_item(self) -> ThreadItem {
        ThreadItem::new(
            self.id,
            ItemKind::ImageGeneration(ImageGenerationItem {
                status: self.status,
                revised_prompt: self.revised_prompt,
                transparent_background: self.transparent_background,
                failure: self.failure,
                saved_path: self
                    .saved_path
                    .map(url_to_path)
                    .and_then(AbsolutePathBuf::new),
                input_images: self.input_images,
                generation_id: self.generation_id,
                file_id: self.file_id,
                result: self.result,
            }),
        )
    }
}

/// A review begins.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct EnteredReview {
    #[serde(default)]
    id: String,
    /// What is reviewed. Only the hint is shown, so it stays as it is.
    #[serde(default)]
    target: Option<Box<RawValue>>,
    #[serde(default)]
    user_facing_hint: Option<String>,
}

#[derive(Serialize)]
struct CustomTarget<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    instructions: &'a str,
}

impl EnteredReview {
    pub(super) fn of(id: String, hint: &str) -> Self {
        let target = serde_json::value::to_raw_value(&CustomTarget {
            kind: "custom",
            instructions: hint,
        });
        Self {
            id,
            target: target.ok(),
            user_facing_hint: Some(hint.to_owned()),
        }
    }

    pub(super) fn into_item(self) -> ThreadItem {
        let review = self.hint();
        ThreadItem::new(self.id, ItemKind::EnteredReviewMode { review })
    }

    /// What the user is shown; without a hint, the instructions of the target.
    pub(crate) fn hint(&self) -> String {
        #[derive(Deserialize)]
        struct Instructions {
            instructions: String,
        }
        let instructions = || {
            let target = self.target.as_deref()?;
            let parsed = serde_json::from_str::<Instructions>(target.get());
            parsed.ok().map(|target| target.instructions)
        };
        self.user_facing_hint
            .clone()
            .or_else(instructions)
            .unwrap_or_default()
    }
}

/// A review ends.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct ExitedReview {
    #[serde(default)]
    id: String,
    #[serde(default)]
    review_output: Option<ReviewOutput>,
}

/// The reviewer's result.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct ReviewOutput {
    #[serde(default)]
    findings: Vec<Box<RawValue>>,
    #[serde(default)]
    overall_correctness: String,
    #[serde(default)]
    overall_explanation: String,
    #[serde(default)]
    overall_confidence_score: f64,
}

impl ReviewOutput {
    /// A result that says `text` and nothing else.
    pub(crate) fn of_text(text: &str) -> Self {
        Self {
            findings: Vec::new(),
            overall_correctness: String::new(),
            overall_explanation: text.to_owned(),
            overall_confidence_score: 0.0,
        }
    }
}

impl ExitedReview {
    pub(super) fn of(id: String, review: &str) -> Self {
        Self {
            id,
            review_output: Some(ReviewOutput::of_text(review)),
        }
    }

    pub(super) fn into_item(self) -> ThreadItem {
        let review = self.text();
        ThreadItem::new(self.id, ItemKind::ExitedReviewMode { review })
    }

    /// What the user is shown.
    pub(crate) fn text(&self) -> String {
        self.review_output
            .as_ref()
            .map(render_review)
            .filter(|text| !text.is_empty())
            .unwrap_or_else(|| NO_REVIEW.to_owned())
    }
}

/// What the reference shows for a review without a result (seen on 0.169.0).
const NO_REVIEW: &str = "Reviewer failed to output a response.";

/// The explanation, then an entry per finding with its place and text, in the form that
/// the reference shows (seen on 0.169.0).
fn render_review(output: &ReviewOutput) -> String {
    #[derive(Deserialize)]
    struct Finding {
        #[serde(default)]
        title: String,
        #[serde(default)]
        body: String,
        #[serde(default)]
        code_location: Option<Location>,
    }
    #[derive(Deserialize)]
    struct Location {
        absolute_file_path: String,
        line_range: Range,
    }
    #[derive(Deserialize)]
    struct Range {
        start: u64,
        end: u64,
    }
    let entry = |raw: &RawValue| {
        let finding = serde_json::from_str::<Finding>(raw.get()).ok()?;
        let mut text = format!("- {}", finding.title);
        if let Some(place) = finding.code_location {
            let Range { start, end } = place.line_range;
            text.push_str(&format!(" — {}:{start}-{end}", place.absolute_file_path));
        }
        for line in finding.body.lines() {
            text.push_str(&format!("\n  {line}"));
        }
        Some(text)
    };
    let entries: Vec<String> = output
        .findings
        .iter()
        .filter_map(|raw| entry(raw))
        .collect();
    let heading = match entries.len() {
        0 => None,
        1 => Some("Review comment:".to_owned()),
        _ => Some("Full review comments:".to_owned()),
    };
    let explanation = output.overall_explanation.trim().to_owned();
    Some(explanation)
        .filter(|text| !text.is_empty())
        .into_iter()
        .chain(heading)
        .chain(entries)
        .collect::<Vec<_>>()
        .join("\n\n")
}

/// An item that only marks a place.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Marker {
    #[serde(default)]
    pub(crate) id: String,
}
