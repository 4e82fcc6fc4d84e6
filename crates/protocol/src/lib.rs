//! loomd-protocol
