//! Small helpers of the derived (de)serialisers: what an absent, a null and a
//! default member mean on this wire.

use serde::de::Error as _;
use serde::{Deserialize, Deserializer};

/// Reads a defaulted member, taking null for absent.
pub(crate) fn null_default<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: Default + Deserialize<'de>,
{
    Ok(Option::<T>::deserialize(deserializer)?.unwrap_or_default())
}

/// Reads a member where null says "clear" and absence says "keep". Use it with
/// `#[serde(default)]`: absent is `None`, null is `Some(None)`.
pub(crate) fn double_option<'de, D, T>(deserializer: D) -> Result<Option<Option<T>>, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de>,
{
    Option::<T>::deserialize(deserializer).map(Some)
}

/// Reads a reasoning effort, which must not be the empty text.
pub(crate) fn reasoning_effort<'de, D>(deserializer: D) -> Result<Option<String>, D::Error>
where
    D: Deserializer<'de>,
{
    let effort = Option::<String>::deserialize(deserializer)?;
    if effort.as_deref() == Some("") {
        return Err(D::Error::custom("reasoning_effort must not be empty"));
    }
    Ok(effort)
}

/// For members that the reference leaves out when they are false.
#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde passes a reference"
)]
pub(crate) fn is_false(value: &bool) -> bool {
    !value
}
