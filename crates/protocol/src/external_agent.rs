//! Taking over the configuration of other agents.

use crate::methods::methods;

methods! {
    "externalAgentConfig/detect" Stable NotYet [];
    "externalAgentConfig/import" Stable NotYet [];
    "externalAgentConfig/import/recordHistory" Stable NotYet [];
    "externalAgentConfig/import/readHistories" Stable NotYet [no_params];
}
