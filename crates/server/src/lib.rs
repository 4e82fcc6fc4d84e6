//! loomd-server
