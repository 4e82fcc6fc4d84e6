//! loomd-model
