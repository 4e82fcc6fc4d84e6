//! The table of requests that the server makes of a client, and the enum of
//! their params.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::methods::Stability;
use crate::*;

/// What the wire says about a request of the server.
#[derive(Debug)]
pub struct ServerRequestSpec {
    /// The name on the wire.
    pub name: &'static str,
    /// Which connections may get it.
    pub stability: Stability,
    /// Names and schemas of the types.
    #[cfg(feature = "schema")]
    pub schemas: crate::methods::MethodSchemas,
}

macro_rules! server_requests {
    ($(
        $name:literal $stability:ident $variant:ident($params:ident => $response:ident);
    )*) => {
        /// Every request of the server in 0.169.0.
        pub static SERVER_REQUESTS: &[ServerRequestSpec] = &[$(
            ServerRequestSpec {
                name: $name,
                stability: Stability::$stability,
                #[cfg(feature = "schema")]
                schemas: crate::methods::MethodSchemas {
                    params: Some((stringify!($params), |schemas| schemas.subschema_for::<$params>())),
                    response: (stringify!($response), |schemas| schemas.subschema_for::<$response>()),
                },
            },
        )*];

        /// A request of the server. Serialises as its params.
        #[derive(Debug, Clone, PartialEq, Serialize)]
        #[serde(untagged)]
        pub enum ServerRequestParams {
            $(
                #[doc = concat!("`", $name, "`")]
                $variant($params),
            )*
        }

        impl ServerRequestParams {
            /// The name on the wire.
            pub fn method(&self) -> &'static str {
                match self {
                    $( Self::$variant(_) => $name, )*
                }
            }

            /// Reads a request, as a client does. `None` for unknown names.
            ///
            /// # Errors
            ///
            /// What is wrong with the params.
            pub fn parse(method: &str, params: &RawValue) -> Option<serde_json::Result<Self>> {
                match method {
                    $( $name => Some(serde_json::from_str(params.get()).map(Self::$variant)), )*
                    _ => None,
                }
            }

            /// Reads the client's answer to this request.
            ///
            /// # Errors
            ///
            /// What is wrong with the answer. It then counts as a refusal.
            pub fn parse_response(&self, result: &RawValue) -> serde_json::Result<ServerRequestResponse> {
                match self {
                    $( Self::$variant(_) => {
                        <$response>::deserialize(
                            &mut serde_json::Deserializer::from_str(result.get()),
                        )
                        .map(ServerRequestResponse::$variant)
                    } )*
                }
            }
        }

        /// A client's answer to a request of the server.
        #[derive(Debug, Clone, PartialEq, Serialize)]
        #[serde(untagged)]
        pub enum ServerRequestResponse {
            $(
                #[doc = concat!("Answer to `", $name, "`.")]
                $variant($response),
            )*
        }
    };
}

impl ServerRequestParams {
    /// Appends the params as JSON.
    pub fn write_params(&self, out: &mut Vec<u8>) {
        serde_json::to_writer(out, self)
            .expect("writing to memory cannot fail and no key of the vocabulary is not a string");
    }

    /// Removes what connections without the experimental capability may not see.
    pub fn strip_experimental(&mut self) {
        if let Self::CommandExecutionRequestApproval(params) = self {
            params.additional_permissions = None;
        }
    }
}

server_requests! {
    "item/commandExecution/requestApproval" Stable
        CommandExecutionRequestApproval(
            CommandExecutionRequestApprovalParams => CommandExecutionRequestApprovalResponse);
    "item/fileChange/requestApproval" Stable
        FileChangeRequestApproval(
            FileChangeRequestApprovalParams => FileChangeRequestApprovalResponse);
    "item/tool/requestUserInput" Stable
        ToolRequestUserInput(ToolRequestUserInputParams => ToolRequestUserInputResponse);
    "mcpServer/elicitation/request" Stable
        McpServerElicitationRequest(
            McpServerElicitationRequestParams => McpServerElicitationRequestResponse);
    "item/permissions/requestApproval" Stable
        PermissionsRequestApproval(
            PermissionsRequestApprovalParams => PermissionsRequestApprovalResponse);
    "item/tool/call" Stable DynamicToolCall(DynamicToolCallParams => DynamicToolCallResponse);
    "account/chatgptAuthTokens/refresh" Stable
        ChatgptAuthTokensRefresh(
            ChatgptAuthTokensRefreshParams => ChatgptAuthTokensRefreshResponse);
    "attestation/generate" Stable
        AttestationGenerate(AttestationGenerateParams => AttestationGenerateResponse);
    "currentTime/read" Experimental CurrentTimeRead(CurrentTimeReadParams => CurrentTimeReadResponse);
    "applyPatchApproval" Stable
        ApplyPatchApproval(ApplyPatchApprovalParams => ApplyPatchApprovalResponse);
    "execCommandApproval" Stable
        ExecCommandApproval(ExecCommandApprovalParams => ExecCommandApprovalResponse);
}
