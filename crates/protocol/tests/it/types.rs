//! Conveniences of the types, and the habits of their source.

use loomd_protocol::{
    AbsolutePathBuf, AgentMessageItem, CommandExecutionRequestApprovalParams, ItemKind, RequestId,
    ServerRequestParams, ServerRequestResponse, ThreadItem,
};
use serde_json::json;
use serde_json::value::RawValue;

use crate::root;

#[test]
fn an_item_is_flat_on_the_wire() {
    let mut item = ThreadItem::new(
        "msg_1",
        ItemKind::AgentMessage(AgentMessageItem {
            text: "hi".to_owned(),
            ..AgentMessageItem::default()
        }),
    );
    item.set_times(Some(1), None);
    assert_eq!(item.kind_name(), "agentMessage");
    let written = serde_json::to_value(&item).expect("an item is JSON");
    assert_eq!(
        written,
        json!({
            "type": "agentMessage", "id": "msg_1", "text": "hi", "moderation": null, "phase": null,
            "memoryCitation": null, "delivery": null, "questions": null,
            "startedAtMs": 1, "completedAtMs": null,
        })
    );
    let read: ThreadItem = serde_json::from_value(written).expect("an item can be read");
    assert_eq!(read, item);
}

#[test]
fn every_kind_bears_its_own_name() {
    let small = [
        ItemKind::ContextCompaction,
        ItemKind::Plan {
            text: String::new(),
        },
        ItemKind::Sleep { duration_ms: 1 },
        ItemKind::HookPrompt { fragments: vec![] },
        ItemKind::ImageView {
            path: "/x".to_owned(),
        },
        ItemKind::EnteredReviewMode {
            review: String::new(),
        },
        ItemKind::ExitedReviewMode {
            review: String::new(),
        },
        ItemKind::Reasoning {
            summary: vec![],
            content: vec![],
        },
    ];
    for kind in small {
        let item = ThreadItem::new("x", kind);
        let written = serde_json::to_value(&item).expect("an item is JSON");
        assert_eq!(written["type"], item.kind_name());
        assert_eq!(
            serde_json::from_value::<ThreadItem>(written).ok(),
            Some(item)
        );
    }
}

#[test]
fn a_request_id_keeps_its_json_type() {
    for text in ["5", "-5", "\"5\"", "\"\""] {
        let id: RequestId = serde_json::from_str(text).expect("an id");
        assert_eq!(serde_json::to_string(&id).ok().as_deref(), Some(text));
    }
    for text in ["null", "1.5", "18446744073709551615"] {
        assert!(serde_json::from_str::<RequestId>(text).is_err(), "{text}");
    }
}

#[test]
fn an_absolute_path_is_absolute() {
    assert!(AbsolutePathBuf::new("/a/../b").is_some());
    assert!(AbsolutePathBuf::new("a").is_none());
    assert!(AbsolutePathBuf::new("").is_none());
}

#[test]
fn an_answer_is_read_by_its_request() {
    let params: CommandExecutionRequestApprovalParams = serde_json::from_value(json!({
        "threadId": "t", "turnId": "u", "itemId": "i", "startedAtMs": 1,
        "additionalPermissions": {"network": null, "fileSystem": null},
    }))
    .expect("params fit");
    let mut request = ServerRequestParams::CommandExecutionRequestApproval(params);
    request.strip_experimental();
    let mut out = Vec::new();
    request.write_params(&mut out);
    assert!(!String::from_utf8_lossy(&out).contains("additionalPermissions"));

    let answer = |text: &str| {
        let raw = RawValue::from_string(text.to_owned()).expect("JSON");
        request.parse_response(&raw)
    };
    assert!(matches!(
        answer(r#"{"decision":"accept"}"#),
        Ok(ServerRequestResponse::CommandExecutionRequestApproval(_))
    ));
    assert!(answer(r#"{"decision":"approved"}"#).is_err());
    assert!(answer("{}").is_err());
}

/// The lint for missing docs is off in this crate because of members; this test
/// stands in for it.
#[test]
fn every_type_has_a_doc() {
    let sources = std::fs::read_dir(root().join("crates/protocol/src")).expect("sources are here");
    for source in sources {
        let path = source.expect("an entry").path();
        let text = std::fs::read_to_string(&path).expect("a source is text");
        assert!(text.starts_with("//! "), "{} has no doc", path.display());
        let mut documented = false;
        for line in text.lines() {
            let item = [
                "pub struct ",
                "pub enum ",
                "pub type ",
                "pub trait ",
                "pub fn ",
                "pub static ",
                "pub const ",
            ]
            .iter()
            .any(|start| line.trim_start().starts_with(start));
            assert!(!item || documented, "{}: {line} has no doc", path.display());
            let line = line.trim_start();
            documented = line.starts_with("///")
                || line.starts_with("#[doc")
                || (documented && !line.is_empty() && !line.ends_with([';', '}']) && !item);
        }
    }
}
