//! `session_meta`: whose thread a file holds, and which file it continues.

use std::path::PathBuf;

use loomd_base::ThreadId;
use loomd_events::SessionMeta;
use loomd_protocol::{GitInfo, SessionSource, SubAgentSource};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use uuid::Uuid;

use crate::time::{parse_ms, rfc3339_ms};

/// How a thread's history is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HistoryMode {
    /// 0.131.0's form: no ordinals, items as legacy events.
    Legacy,
    /// 0.169.0's form: an ordinal on every line, items as `item_completed`.
    Paginated,
}

/// The earlier file that a file continues: a fork's source or the segment before a revert.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct HistoryBase {
    /// The id of a thread's first file, or of a later segment.
    #[serde(rename = "thread_id")]
    pub(crate) segment: Uuid,
    /// Its lines below this ordinal belong to the thread.
    pub(crate) end_ordinal_exclusive: u64,
    /// The same place in bytes, for lines without an ordinal.
    #[serde(default)]
    pub(crate) end_byte_offset: Option<u64>,
}

/// The first line, with what [`SessionMeta`] does not carry.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct FileMeta {
    pub(crate) session: SessionMeta,
    pub(crate) mode: HistoryMode,
    pub(crate) base: Option<HistoryBase>,
    pub(crate) agent_nickname: Option<String>,
    pub(crate) agent_role: Option<String>,
}

#[derive(Serialize)]
struct Written<'a> {
    id: ThreadId,
    session_id: ThreadId,
    #[serde(skip_serializing_if = "Option::is_none")]
    forked_from_id: Option<ThreadId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    parent_thread_id: Option<ThreadId>,
    timestamp: String,
    cwd: &'a str,
    originator: &'a str,
    cli_version: &'a str,
    source: DiskSource,
    #[serde(skip_serializing_if = "Option::is_none")]
    thread_source: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    agent_nickname: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    agent_role: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    model_provider: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    base_instructions: Option<Instructions<'a>>,
    history_mode: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    history_base: Option<&'a HistoryBase>,
    #[serde(skip_serializing_if = "Option::is_none")]
    git: Option<DiskGit>,
}

#[derive(Serialize)]
struct Instructions<'a> {
    text: &'a str,
}

/// The payload of a first line. Always paginated: loomd makes no legacy file.
pub(crate) fn encode<'a>(
    meta: &'a SessionMeta,
    base: Option<&'a HistoryBase>,
) -> impl Serialize + use<'a> {
    let (agent_nickname, agent_role) = nickname_and_role(&meta.source);
    Written {
        id: meta.id,
        session_id: meta.session_id,
        forked_from_id: meta.forked_from_id,
        parent_thread_id: meta.parent_thread_id,
        timestamp: rfc3339_ms(meta.created_ms),
        cwd: meta.cwd.to_str().unwrap_or_default(),
        originator: &meta.originator,
        cli_version: &meta.cli_version,
        source: DiskSource::of(&meta.source),
        thread_source: meta.thread_source.as_deref(),
        agent_nickname,
        agent_role,
        model_provider: Some(meta.model_provider.as_str()).filter(|id| !id.is_empty()),
        base_instructions: meta
            .base_instructions
            .as_deref()
            .map(|text| Instructions { text }),
        history_mode: "paginated",
        history_base: base,
        git: meta.git.as_ref().map(DiskGit::of),
    }
}

#[derive(Deserialize)]
struct Read<'a> {
    id: ThreadId,
    #[serde(default)]
    session_id: Option<ThreadId>,
    #[serde(default)]
    forked_from_id: Option<ThreadId>,
    #[serde(default)]
    parent_thread_id: Option<ThreadId>,
    timestamp: String,
    cwd: PathBuf,
    #[serde(default)]
    originator: Option<String>,
    #[serde(default)]
    cli_version: Option<String>,
    #[serde(borrow, default)]
    source: Option<&'a RawValue>,
    #[serde(default)]
    thread_source: Option<String>,
    #[serde(default)]
    agent_nickname: Option<String>,
    #[serde(default, alias = "agent_type")]
    agent_role: Option<String>,
    #[serde(default)]
    model_provider: Option<String>,
    #[serde(borrow, default)]
    base_instructions: Option<&'a RawValue>,
    #[serde(default)]
    history_mode: Option<String>,
    #[serde(default)]
    history_base: Option<HistoryBase>,
    #[serde(default)]
    git: Option<DiskGit>,
}

/// Reads a first line's payload. Id, time and folder are required; an odd source
/// counts as unknown, an absent one as `vscode` (as the reference has it).
pub(crate) fn decode(json: &str) -> Option<FileMeta> {
    let read: Read<'_> = serde_json::from_str(json).ok()?;
    let created_ms = parse_ms(&read.timestamp)?;
    let source = match read.source {
        None => SessionSource::Vscode,
        Some(raw) => serde_json::from_str::<DiskSource>(raw.get())
            .map_or(SessionSource::Unknown, DiskSource::into_source),
    };
    let (nickname, role) = nickname_and_role(&source);
    let agent_nickname = read.agent_nickname.or_else(|| nickname.map(str::to_owned));
    let agent_role = read.agent_role.or_else(|| role.map(str::to_owned));
    Some(FileMeta {
        mode: match read.history_mode.as_deref() {
            Some("paginated") => HistoryMode::Paginated,
            _ => HistoryMode::Legacy,
        },
        base: read.history_base,
        agent_nickname,
        agent_role,
        session: SessionMeta {
            id: read.id,
            session_id: read.session_id.unwrap_or(read.id),
            created_ms,
            cwd: read.cwd,
            originator: read.originator.unwrap_or_default(),
            cli_version: read.cli_version.unwrap_or_default(),
            source,
            thread_source: read.thread_source,
            model_provider: read.model_provider.unwrap_or_default(),
            base_instructions: read
                .base_instructions
                .and_then(|raw| instructions(raw.get()))
                .map(Into::into),
            git: read.git.map(DiskGit::into_info),
            forked_from_id: read.forked_from_id,
            parent_thread_id: read.parent_thread_id,
        },
    })
}

/// Old files hold a plain text, newer ones an object with a `text`.
fn instructions(json: &str) -> Option<String> {
    #[derive(Deserialize)]
    struct Object {
        text: String,
    }
    serde_json::from_str::<Object>(json)
        .map(|object| object.text)
        .or_else(|_| serde_json::from_str(json))
        .ok()
}

fn nickname_and_role(source: &SessionSource) -> (Option<&str>, Option<&str>) {
    match source {
        SessionSource::SubAgent(SubAgentSource::ThreadSpawn {
            agent_nickname,
            agent_role,
            ..
        }) => (agent_nickname.as_deref(), agent_role.as_deref()),
        SessionSource::SubAgent(
            SubAgentSource::Review
            | SubAgentSource::Compact
            | SubAgentSource::MemoryConsolidation
            | SubAgentSource::Other(_),
        )
        | SessionSource::Cli
        | SessionSource::Vscode
        | SessionSource::Exec
        | SessionSource::AppServer
        | SessionSource::Unknown
        | SessionSource::Custom(_) => (None, None),
    }
}

/// A thread's source as stored: `mcp` is what the wire calls `appServer`.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum DiskSource {
    Cli,
    Vscode,
    Exec,
    #[serde(alias = "appServer", alias = "app_server")]
    Mcp,
    Unknown,
    Custom(String),
    #[serde(alias = "subAgent")]
    SubAgent(SubAgentSource),
}

impl DiskSource {
    fn of(source: &SessionSource) -> Self {
        match source.clone() {
            SessionSource::Cli => Self::Cli,
            SessionSource::Vscode => Self::Vscode,
            SessionSource::Exec => Self::Exec,
            SessionSource::AppServer => Self::Mcp,
            SessionSource::Unknown => Self::Unknown,
            SessionSource::Custom(name) => Self::Custom(name),
            SessionSource::SubAgent(agent) => Self::SubAgent(agent),
        }
    }

    fn into_source(self) -> SessionSource {
        match self {
            Self::Cli => SessionSource::Cli,
            Self::Vscode => SessionSource::Vscode,
            Self::Exec => SessionSource::Exec,
            Self::Mcp => SessionSource::AppServer,
            Self::Unknown => SessionSource::Unknown,
            Self::Custom(name) => SessionSource::Custom(name),
            Self::SubAgent(agent) => SessionSource::SubAgent(agent),
        }
    }
}

#[derive(Serialize, Deserialize)]
struct DiskGit {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    commit_hash: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    branch: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    repository_url: Option<String>,
}

impl DiskGit {
    fn of(info: &GitInfo) -> Self {
        let info = info.clone();
        Self {
            commit_hash: info.sha,
            branch: info.branch,
            repository_url: info.origin_url,
        }
    }

    fn into_info(self) -> GitInfo {
        GitInfo {
            sha: self.commit_hash,
            branch: self.branch,
            origin_url: self.repository_url,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: &str = "01a20591-c7df-7c90-85fa-162b8fa0bd59";

    fn meta(source: SessionSource) -> SessionMeta {
        let id: ThreadId = A.parse().unwrap();
        SessionMeta {
            id,
            session_id: id,
            created_ms: 1_795_389_433_810,
            cwd: PathBuf::from("/w"),
            originator: "test".to_owned(),
            cli_version: "0.169.0".to_owned(),
            source,
            thread_source: Some("user".to_owned()),
            model_provider: "mock".to_owned(),
            base_instructions: Some("be good".into()),
            git: Some(GitInfo {
                sha: Some("abc".to_owned()),
                branch: None,
                origin_url: Some("https://example.com/x".to_owned()),
            }),
            forked_from_id: Some(id),
            parent_thread_id: Some(id),
        }
    }

    #[test]
    fn reads_what_it_writes() {
        let spawn = SubAgentSource::ThreadSpawn {
            parent_thread_id: A.to_owned(),
            depth: 1,
            agent_path: None,
            agent_nickname: Some("Nick".to_owned()),
            agent_role: Some("worker".to_owned()),
        };
        for source in [
            SessionSource::Cli,
            SessionSource::Vscode,
            SessionSource::Exec,
            SessionSource::AppServer,
            SessionSource::Unknown,
            SessionSource::Custom("atlas".to_owned()),
            SessionSource::SubAgent(SubAgentSource::Review),
            SessionSource::SubAgent(spawn),
        ] {
            let meta = meta(source);
            let json = serde_json::to_string(&encode(&meta, None)).unwrap();
            assert_eq!(decode(&json).unwrap().session, meta, "{json}");
        }
    }

    #[test]
    fn stores_sources_as_the_reference_does() {
        let json = |source| serde_json::to_string(&DiskSource::of(&source)).unwrap();
        assert_eq!(json(SessionSource::AppServer), r#""mcp""#);
        assert_eq!(json(SessionSource::Custom("x".into())), r#"{"custom":"x"}"#);
        assert_eq!(
            json(SessionSource::SubAgent(SubAgentSource::Review)),
            r#"{"subagent":"review"}"#
        );
    }

    #[test]
    fn takes_an_absent_source_as_vscode_and_an_odd_one_as_unknown() {
        let text = |more: &str| {
            format!(r#"{{"id":"{A}","timestamp":"2026-11-22T23:17:13.810Z","cwd":"/w"{more}}}"#)
        };
        let plain = decode(&text("")).unwrap();
        assert_eq!(plain.session.source, SessionSource::Vscode);
        assert_eq!(plain.session.session_id, plain.session.id);
        assert_eq!(plain.mode, HistoryMode::Legacy);
        let odd = decode(&text(r#","source":{"new":1},"base_instructions":"old""#)).unwrap();
        assert_eq!(odd.session.source, SessionSource::Unknown);
        assert_eq!(odd.session.base_instructions.as_deref(), Some("old"));
        assert_eq!(decode(r#"{"id":"x"}"#), None);
    }
}
