//! loomd-rpc
