//! The table of notifications, and the enum of those with types.
//!
//! The reference's schema is no guide to who may see a notification; the
//! experimental ones here are those that it was seen, or is known, to hold back
//! from stable connections.

use std::sync::LazyLock;

use serde::Serialize;
use serde_json::value::RawValue;

use crate::methods::{Stability, State};
use crate::*;

/// What the wire says about a notification.
#[derive(Debug)]
pub struct NotificationSpec {
    /// The name on the wire.
    pub name: &'static str,
    /// Which connections may get it.
    pub stability: Stability,
    /// Whether there is a type for it.
    pub state: State,
    /// Name and schema of the payload; none for notifications without types.
    #[cfg(feature = "schema")]
    pub schema: Option<(&'static str, crate::methods::SchemaOf)>,
}

/// Every notification of 0.169.0, sorted by name, and the two of raw events.
pub static NOTIFICATIONS: LazyLock<Vec<&'static NotificationSpec>> = LazyLock::new(|| {
    let mut notifications: Vec<_> = ROWS.iter().collect();
    notifications.sort_by_key(|notification| notification.name);
    notifications
});

/// Whether a notification is held back from connections without the
/// experimental capability. Unknown names are not.
pub fn notification_is_experimental(name: &str) -> bool {
    NOTIFICATIONS
        .binary_search_by_key(&name, |notification| notification.name)
        .is_ok_and(|index| NOTIFICATIONS[index].stability == Stability::Experimental)
}

macro_rules! notifications {
    ($(
        $name:literal $stability:ident $state:ident $(($variant:ident: $payload:ident))?;
    )*) => {
        const ROWS: &[NotificationSpec] = &[$(
            NotificationSpec {
                name: $name,
                stability: Stability::$stability,
                state: State::$state,
                #[cfg(feature = "schema")]
                schema: notifications!(@schema $($payload)?),
            },
        )*];

        /// A notification of the server. Serialises as its params.
        #[expect(
            clippy::large_enum_variant,
            reason = "it is encoded soon after it is made, and moved little"
        )]
        #[derive(Debug, Clone, PartialEq, Serialize)]
        #[serde(untagged)]
        pub enum ServerNotification {
            $($(
                #[doc = concat!("`", $name, "`")]
                $variant($payload),
            )?)*
        }

        impl ServerNotification {
            /// The name on the wire.
            pub fn method(&self) -> &'static str {
                match self {
                    $($( Self::$variant(_) => $name, )?)*
                }
            }

            /// Reads a notification, as a client does. `None` for names without a type.
            ///
            /// # Errors
            ///
            /// What is wrong with the params.
            pub fn parse(method: &str, params: &RawValue) -> Option<serde_json::Result<Self>> {
                match method {
                    $($( $name => Some(serde_json::from_str(params.get()).map(Self::$variant)), )?)*
                    _ => None,
                }
            }
        }
    };
    (@schema) => { None };
    (@schema $payload:ident) => {
        Some((stringify!($payload), |schemas| schemas.subschema_for::<$payload>()))
    };
}

impl ServerNotification {
    /// Appends the params as JSON.
    pub fn write_params(&self, out: &mut Vec<u8>) {
        serde_json::to_writer(out, self)
            .expect("writing to memory cannot fail and no key of the vocabulary is not a string");
    }
}

notifications! {
    "error" Stable Implemented(Error: ErrorNotification);
    "thread/started" Stable Implemented(ThreadStarted: ThreadStartedNotification);
    "thread/status/changed" Stable
        Implemented(ThreadStatusChanged: ThreadStatusChangedNotification);
    "thread/readState/changed" Stable
        Implemented(ThreadReadStateChanged: ThreadReadStateChangedNotification);
    "thread/archived" Stable Implemented(ThreadArchived: ThreadArchivedNotification);
    "thread/deleted" Stable Implemented(ThreadDeleted: ThreadDeletedNotification);
    "thread/unarchived" Stable Implemented(ThreadUnarchived: ThreadUnarchivedNotification);
    "thread/closed" Stable Implemented(ThreadClosed: ThreadClosedNotification);
    "thread/reverted" Stable Implemented(ThreadReverted: ThreadRevertedNotification);
    "skills/changed" Stable Implemented(SkillsChanged: SkillsChangedNotification);
    "thread/name/updated" Stable Implemented(ThreadNameUpdated: ThreadNameUpdatedNotification);
    "thread/section/changed" Stable
        Implemented(ThreadSectionChanged: ThreadSectionChangedNotification);
    "thread/attachment/updated" Stable
        Implemented(ThreadAttachmentUpdated: ThreadAttachmentUpdatedNotification);
    "thread/goal/updated" Stable Implemented(ThreadGoalUpdated: ThreadGoalUpdatedNotification);
    "thread/prediction/updated" Stable
        Implemented(ThreadPredictionUpdated: ThreadPredictionUpdatedNotification);
    "thread/goal/cleared" Stable Implemented(ThreadGoalCleared: ThreadGoalClearedNotification);
    "thread/queue/changed" Stable Implemented(ThreadQueueChanged: ThreadQueueChangedNotification);
    "project/changed" Stable NotYet;
    "thread/project/updated" Stable
        Implemented(ThreadProjectUpdated: ThreadProjectUpdatedNotification);
    "thread/environment/connected" Stable
        Implemented(ThreadEnvironmentConnected: EnvironmentConnectionNotification);
    "thread/environment/disconnected" Stable
        Implemented(ThreadEnvironmentDisconnected: EnvironmentConnectionNotification);
    "thread/settings/updated" Experimental
        Implemented(ThreadSettingsUpdated: ThreadSettingsUpdatedNotification);
    "thread/tokenUsage/updated" Stable
        Implemented(ThreadTokenUsageUpdated: ThreadTokenUsageUpdatedNotification);
    "turn/started" Stable Implemented(TurnStarted: TurnStartedNotification);
    "hook/started" Stable Implemented(HookStarted: HookStartedNotification);
    "turn/completed" Stable Implemented(TurnCompleted: TurnCompletedNotification);
    "hook/completed" Stable Implemented(HookCompleted: HookCompletedNotification);
    "turn/diff/updated" Stable Implemented(TurnDiffUpdated: TurnDiffUpdatedNotification);
    "turn/plan/updated" Stable Implemented(TurnPlanUpdated: TurnPlanUpdatedNotification);
    "item/started" Stable Implemented(ItemStarted: ItemStartedNotification);
    "item/autoApprovalReview/started" Stable
        Implemented(ItemGuardianApprovalReviewStarted: ItemGuardianApprovalReviewStartedNotification);
    "item/autoApprovalReview/completed" Stable
        Implemented(ItemGuardianApprovalReviewCompleted: ItemGuardianApprovalReviewCompletedNotification);
    "autoApprovalReview/strictReviewRequired" Stable
        Implemented(StrictReviewRequired: StrictReviewRequiredNotification);
    "item/completed" Stable Implemented(ItemCompleted: ItemCompletedNotification);
    "item/agentMessage/delta" Stable Implemented(AgentMessageDelta: AgentMessageDeltaNotification);
    "item/plan/delta" Stable Implemented(PlanDelta: PlanDeltaNotification);
    "command/exec/outputDelta" Stable
        Implemented(CommandExecOutputDelta: CommandExecOutputDeltaNotification);
    "process/outputDelta" Experimental
        Implemented(ProcessOutputDelta: ProcessOutputDeltaNotification);
    "process/exited" Experimental Implemented(ProcessExited: ProcessExitedNotification);
    "item/commandExecution/outputDelta" Stable
        Implemented(CommandExecutionOutputDelta: CommandExecutionOutputDeltaNotification);
    "item/commandExecution/terminalInteraction" Stable
        Implemented(TerminalInteraction: TerminalInteractionNotification);
    "item/fileChange/outputDelta" Stable
        Implemented(FileChangeOutputDelta: FileChangeOutputDeltaNotification);
    "item/fileChange/patchUpdated" Stable
        Implemented(FileChangePatchUpdated: FileChangePatchUpdatedNotification);
    "serverRequest/resolved" Stable
        Implemented(ServerRequestResolved: ServerRequestResolvedNotification);
    "item/mcpToolCall/progress" Stable
        Implemented(McpToolCallProgress: McpToolCallProgressNotification);
    "mcpServer/oauthLogin/completed" Stable
        Implemented(McpServerOauthLoginCompleted: McpServerOauthLoginCompletedNotification);
    "mcpServer/startupStatus/updated" Stable
        Implemented(McpServerStatusUpdated: McpServerStatusUpdatedNotification);
    "mcpServer/event/stream/notification" Stable VendorOnly;
    "account/updated" Stable Implemented(AccountUpdated: AccountUpdatedNotification);
    "account/gatewayOAuth/changed" Stable NotYet;
    "account/rateLimits/updated" Stable
        Implemented(AccountRateLimitsUpdated: AccountRateLimitsUpdatedNotification);
    "app/list/updated" Stable VendorOnly;
    "remoteControl/status/changed" Stable
        Implemented(RemoteControlStatusChanged: RemoteControlStatusChangedNotification);
    "externalAgentConfig/import/progress" Stable NotYet;
    "externalAgentConfig/import/completed" Stable NotYet;
    "fs/changed" Stable Implemented(FsChanged: FsChangedNotification);
    "item/reasoning/summaryTextDelta" Stable
        Implemented(ReasoningSummaryTextDelta: ReasoningSummaryTextDeltaNotification);
    "item/reasoning/summaryPartAdded" Stable
        Implemented(ReasoningSummaryPartAdded: ReasoningSummaryPartAddedNotification);
    "item/reasoning/textDelta" Stable
        Implemented(ReasoningTextDelta: ReasoningTextDeltaNotification);
    "thread/compacted" Stable Implemented(ContextCompacted: ContextCompactedNotification);
    "model/rerouted" Stable Implemented(ModelRerouted: ModelReroutedNotification);
    "model/verification" Stable Implemented(ModelVerification: ModelVerificationNotification);
    "modelProvider/authRecoveryStarted" Stable
        Implemented(ModelProviderAuthRecoveryStarted: AuthRecoveryNotification);
    "modelProvider/authRecoveryCompleted" Stable
        Implemented(ModelProviderAuthRecoveryCompleted: AuthRecoveryNotification);
    "turn/moderationMetadata" Experimental
        Implemented(TurnModerationMetadata: TurnModerationMetadataNotification);
    "model/safetyBuffering/updated" Stable
        Implemented(ModelSafetyBufferingUpdated: ModelSafetyBufferingUpdatedNotification);
    "warning" Stable Implemented(Warning: WarningNotification);
    "guardianWarning" Stable Implemented(GuardianWarning: GuardianWarningNotification);
    "deprecationNotice" Stable Implemented(DeprecationNotice: DeprecationNoticeNotification);
    "configWarning" Stable Implemented(ConfigWarning: ConfigWarningNotification);
    "fuzzyFileSearch/sessionUpdated" Stable
        Implemented(FuzzyFileSearchSessionUpdated: FuzzyFileSearchSessionUpdatedNotification);
    "fuzzyFileSearch/sessionCompleted" Stable
        Implemented(FuzzyFileSearchSessionCompleted: FuzzyFileSearchSessionCompletedNotification);
    "thread/realtime/started" Experimental VendorOnly;
    "thread/realtime/itemAdded" Experimental VendorOnly;
    "thread/realtime/item/started" Experimental VendorOnly;
    "thread/realtime/item/transcript/delta" Experimental VendorOnly;
    "thread/realtime/item/completed" Experimental VendorOnly;
    "thread/realtime/transcript/delta" Experimental VendorOnly;
    "thread/realtime/transcript/done" Experimental VendorOnly;
    "thread/realtime/outputAudio/delta" Experimental VendorOnly;
    "thread/realtime/sdp" Experimental VendorOnly;
    "thread/realtime/error" Experimental VendorOnly;
    "thread/realtime/closed" Experimental VendorOnly;
    "windows/worldWritableWarning" Stable VendorOnly;
    "windowsSandbox/setupCompleted" Stable NotYet;
    "account/login/completed" Stable
        Implemented(AccountLoginCompleted: AccountLoginCompletedNotification);
    "rawResponseItem/completed" Stable
        Implemented(RawResponseItemCompleted: RawResponseItemCompletedNotification);
    "rawResponse/completed" Stable
        Implemented(RawResponseCompleted: RawResponseCompletedNotification);
}
