//! loomd-rollout
