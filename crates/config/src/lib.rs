//! loomd-config
