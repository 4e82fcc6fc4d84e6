//! The words a configuration may use, as enums.
//!
//! They serialise to the words of the wire protocol and of `config.toml`, which are
//! the same, so that the server maps them without a table of strings.

use serde::{Deserialize, Serialize};

/// When the user is asked before a command runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ApprovalPolicy {
    /// Ask before everything that is not known to be harmless.
    Untrusted,
    /// The model asks when it wants more than the sandbox gives. The old word
    /// `on-failure` is read as this one, as the reference does.
    #[serde(alias = "on-failure")]
    OnRequest,
    /// Never ask; what would need an approval is refused.
    Never,
    /// Ask for some kinds only.
    Granular(GranularApproval),
}

/// Which kinds of approval reach the user; the others are refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct GranularApproval {
    /// Leaving the sandbox.
    pub sandbox_approval: bool,
    /// Commands for which a rule says to ask.
    pub rules: bool,
    /// Use of skills.
    #[serde(default)]
    pub skill_approval: bool,
    /// The model's request for further permissions.
    #[serde(default)]
    pub request_permissions: bool,
    /// Questions of MCP servers.
    pub mcp_elicitations: bool,
}

/// Who answers approvals.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ApprovalsReviewer {
    /// The client.
    #[default]
    User,
    /// An automatic review by a model.
    #[serde(alias = "guardian_subagent")]
    AutoReview,
}

/// What commands may write.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SandboxMode {
    /// Nothing.
    ReadOnly,
    /// The working folder, temporary folders and configured roots.
    WorkspaceWrite,
    /// Everything: no sandbox.
    DangerFullAccess,
}

impl SandboxMode {
    /// The word in files and on the wire.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ReadOnly => "read-only",
            Self::WorkspaceWrite => "workspace-write",
            Self::DangerFullAccess => "danger-full-access",
        }
    }
}

/// How much of its reasoning the model is asked to tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ReasoningSummary {
    /// The model host decides.
    Auto,
    /// Short.
    Concise,
    /// Long.
    Detailed,
    /// No summary is asked for.
    None,
}

/// How long answers should be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Verbosity {
    /// Short.
    Low,
    /// Middling.
    Medium,
    /// Long.
    High,
}

impl ReasoningSummary {
    /// The word in files and on the wire.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Concise => "concise",
            Self::Detailed => "detailed",
            Self::None => "none",
        }
    }
}

impl Verbosity {
    /// The word in files and on the wire.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
        }
    }
}

/// What the user said about a project folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TrustLevel {
    /// Its `.codex` folder counts.
    Trusted,
    /// Its `.codex` folder is ignored, and the user is asked more often.
    Untrusted,
}

/// What a token limit for automatic compaction is compared with.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AutoCompactScope {
    /// All tokens of the last response.
    #[default]
    Total,
    /// The tokens after the unchanging first part.
    BodyAfterPrefix,
}

/// Whether and how the model's hosted web search is offered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum WebSearchMode {
    /// Not offered.
    Disabled,
    /// Answers from the host's cache.
    Cached,
    /// Answers from the host's index.
    Indexed,
    /// The live web.
    Live,
}

/// Which variables a command inherits.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum EnvironmentInherit {
    /// All of the server's.
    #[default]
    All,
    /// A few that every program needs.
    Core,
    /// None.
    None,
}

/// Whether the prompt history file is written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum HistoryPersistence {
    /// Yes.
    #[default]
    SaveAll,
    /// No.
    None,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_those_of_the_wire() {
        let word = |value: serde_json::Value| value.to_string();
        let json = |policy| word(serde_json::to_value(policy).expect("a word"));
        assert_eq!(json(ApprovalPolicy::OnRequest), r#""on-request""#);
        assert_eq!(
            json(ApprovalPolicy::Granular(GranularApproval {
                sandbox_approval: true,
                rules: true,
                skill_approval: false,
                request_permissions: false,
                mcp_elicitations: false,
            })),
            r#"{"granular":{"sandbox_approval":true,"rules":true,"skill_approval":false,"request_permissions":false,"mcp_elicitations":false}}"#
        );
        let mut words = Vec::new();
        for mode in [
            SandboxMode::ReadOnly,
            SandboxMode::WorkspaceWrite,
            SandboxMode::DangerFullAccess,
        ] {
            words.push((serde_json::to_value(mode), mode.as_str()));
        }
        for summary in [
            ReasoningSummary::Auto,
            ReasoningSummary::Concise,
            ReasoningSummary::Detailed,
            ReasoningSummary::None,
        ] {
            words.push((serde_json::to_value(summary), summary.as_str()));
        }
        for verbosity in [Verbosity::Low, Verbosity::Medium, Verbosity::High] {
            words.push((serde_json::to_value(verbosity), verbosity.as_str()));
        }
        for (serialised, word) in words {
            assert_eq!(serialised.expect("a word"), serde_json::Value::from(word));
        }
    }
}
