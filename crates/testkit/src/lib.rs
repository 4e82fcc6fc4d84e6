//! loomd-testkit
