//! The vendor's remote control of a server.

use serde::{Deserialize, Serialize};

use crate::methods::{NoParams, methods};

methods! {
    "remoteControl/enable" Experimental VendorOnly [optional_params];
    "remoteControl/disable" Experimental VendorOnly [optional_params];
    "remoteControl/status/read" Experimental
        Implemented(RemoteControlStatusRead: NoParams => RemoteControlStatusReadResponse)
        [no_params];
    "remoteControl/pairing/start" Experimental VendorOnly [];
    "remoteControl/pairing/status" Experimental VendorOnly [];
    "remoteControl/client/list" Experimental VendorOnly [];
    "remoteControl/client/revoke" Experimental VendorOnly [];
}

/// Answer to `remoteControl/status/read`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct RemoteControlStatusReadResponse {
    pub status: RemoteControlConnectionStatus,
    pub server_name: String,
    pub installation_id: String,
    pub environment_id: Option<String>,
}

/// Payload of `remoteControl/status/changed`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct RemoteControlStatusChangedNotification {
    pub status: RemoteControlConnectionStatus,
    pub server_name: String,
    pub installation_id: String,
    pub environment_id: Option<String>,
}

/// The state of the vendor's remote control.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub enum RemoteControlConnectionStatus {
    Disabled,
    Connecting,
    Connected,
    Errored,
}
