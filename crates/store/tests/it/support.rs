//! Threads made by hand.

use std::path::{Path, PathBuf};

use loomd_base::ThreadId;
use loomd_protocol::SessionSource;
use loomd_store::ThreadRow;
use uuid::Uuid;

/// 2026-11-22T10:00:00Z.
pub(crate) const T0: i64 = 1_795_341_600_000;

pub(crate) fn id(number: u64) -> ThreadId {
    ThreadId(Uuid::from_u128(
        0x01a2_0500_0000_7000_8000_0000_0000_0000 | u128::from(number),
    ))
}

/// A thread that a default list shows.
pub(crate) fn row(number: u64) -> ThreadRow {
    let ms = T0 + i64::try_from(number).unwrap() * 1000;
    ThreadRow {
        id: id(number),
        session_id: id(number),
        path: PathBuf::from(format!("/h/sessions/{number}.jsonl")),
        archived: false,
        created_ms: ms,
        updated_ms: ms,
        recency_ms: ms,
        preview: format!("ask {number}"),
        has_user_message: true,
        name: None,
        cwd: PathBuf::from("/project"),
        source: SessionSource::Vscode,
        thread_source: None,
        model_provider: "mock".to_owned(),
        model: Some("mock-model".to_owned()),
        effort: None,
        cli_version: "0.169.0".to_owned(),
        originator: "tests".to_owned(),
        git: None,
        parent_thread_id: None,
        forked_from_id: None,
        agent_nickname: None,
        agent_role: None,
        paginated: true,
    }
}

pub(crate) fn index_path(home: &Path) -> PathBuf {
    home.join("loomd/index.sqlite")
}

/// The last two digits of each thread.
pub(crate) fn numbers(rows: &[ThreadRow]) -> Vec<u64> {
    rows.iter()
        .map(|row| u64::try_from(row.id.0.as_u128() & 0xffff).unwrap())
        .collect()
}
