//! loomd-store
