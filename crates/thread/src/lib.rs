//! loomd-thread
