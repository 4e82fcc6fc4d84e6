//! loomd-events
