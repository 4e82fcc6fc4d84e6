//! Model providers and the gateways they are reached through.

use crate::methods::methods;

methods! {
    "account/gatewayOAuth/read" Stable NotYet [optional_params];
    "account/gatewayOAuth/login" Stable NotYet [optional_params];
    "account/gatewayOAuth/cancel" Stable NotYet [no_params];
    "modelProvider/list" Stable NotYet [];
    "modelProvider/config/write" Stable NotYet [];
}
