//! Properties of the pure part: nothing panics, and a patch made from two texts
//! leads from the one to the other.

use std::path::Path;

use proptest::prelude::*;

use super::plan::{ChangeKind, Content, plan};
use super::{diff, heredoc, parse, update};

/// Text out of few different lines, so that matches are ambiguous.
fn text() -> impl Strategy<Value = String> {
    let line = prop_oneof![
        "[ab ]{0,2}",
        Just("“x” — y".to_owned()),
        Just(String::new())
    ];
    prop::collection::vec(line, 0..12).prop_map(|lines| {
        lines.into_iter().fold(String::new(), |mut text, line| {
            text.push_str(&line);
            text.push('\n');
            text
        })
    })
}

/// Lines that look like parts of a patch, in any order.
fn patch_like() -> impl Strategy<Value = String> {
    let line = prop_oneof![
        Just("*** Begin Patch".to_owned()),
        Just("*** End Patch".to_owned()),
        Just("*** Update File: f".to_owned()),
        Just("*** Move to: g".to_owned()),
        Just("*** Add File: n".to_owned()),
        Just("*** Delete File: f".to_owned()),
        Just("*** End of File".to_owned()),
        Just("@@".to_owned()),
        "@@ [ab]{0,2}",
        "[ +-]{0,2}[ab“é]{0,2}",
        ".{0,8}",
    ];
    prop::collection::vec(line, 0..20).prop_map(|lines| lines.join("\n"))
}

/// A patch whose chunks are the hunks of the unified diff of the two texts, with the
/// whole file as context, so that the place is never ambiguous.
fn patch_between(old: &str, new: &str) -> String {
    let hunks = diff::hunks(old, new, usize::MAX / 4);
    let body: Vec<&str> = hunks
        .lines()
        .filter(|line| !line.starts_with("@@"))
        .collect();
    format!(
        "*** Begin Patch\n*** Update File: f\n@@\n{}\n*** End Patch",
        body.join("\n")
    )
}

proptest! {
    #[test]
    fn a_patch_made_from_two_texts_leads_from_one_to_the_other(old in text(), new in text()) {
        prop_assume!(old != new && !old.is_empty());
        let patch = parse::parse(&patch_between(&old, &new)).expect("a diff is a patch");
        let made = plan(&patch, Path::new("/w"), &mut |_| {
            Ok(Some(Content::Text(old.clone())))
        })
        .expect("the patch fits the text it was made from");
        let ChangeKind::Update { new: got, .. } = &made.changes[0].kind else {
            panic!("an update");
        };
        prop_assert_eq!(got, &new);
    }

    #[test]
    fn nothing_that_looks_like_a_patch_panics(
        lines in patch_like(),
        frame in any::<bool>(),
        file in text(),
    ) {
        let patch = if frame {
            format!("*** Begin Patch\n{lines}\n*** End Patch")
        } else {
            lines
        };
        if let Ok(patch) = parse::parse(&patch) {
            let result = plan(&patch, Path::new("/w"), &mut |_| {
                Ok(Some(Content::Text(file.clone())))
            });
            if let Ok(made) = result {
                for change in &made.changes {
                    if let ChangeKind::Update { new, .. } = &change.kind {
                        prop_assert!(new.is_empty() || new.ends_with('\n'));
                    }
                }
            }
        }
    }

    #[test]
    fn nothing_panics_on_any_text(any in "\\PC{0,60}", file in "(\\PC|\\n){0,40}") {
        let _ = parse::parse(&any);
        let _ = heredoc::recognise(&any);
        let _ = heredoc::is_bare_patch(&any);
        let chunk = parse::Chunk {
            contexts: vec![],
            lines: vec![parse::ChunkLine::Context(any.clone()), parse::ChunkLine::Add(any)],
            at_end: true,
        };
        let _ = update::apply(&file, &[chunk]);
    }
}
