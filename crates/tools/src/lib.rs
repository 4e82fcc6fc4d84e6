//! loomd-tools
