//! Values that many threads have in common, kept once.
//!
//! A thread's configuration, environment and instructions are usually those of
//! every other thread of the server. Each thread makes its own and trades it in here
//! for the one that is there already.

use std::sync::{Arc, Mutex, PoisonError, Weak};

use loomd_config::Config;
use loomd_events::HistoryItem;
use loomd_tools::ShellEnvironment;

/// Different values that are compared with; of more than these, old ones are forgotten,
/// which costs memory and nothing else.
const KNOWN_MAX: usize = 32;

/// Values of one kind, each kept for as long as somebody has it.
pub(crate) struct Common<T: ?Sized> {
    // Held for a few comparisons, never over an await.
    known: Mutex<Vec<Weak<T>>>,
}

impl<T: ?Sized> Default for Common<T> {
    fn default() -> Self {
        Self {
            known: Mutex::new(Vec::new()),
        }
    }
}

impl<T: PartialEq + ?Sized> Common<T> {
    /// The value, from whoever had an equal one first.
    pub(crate) fn share(&self, value: Arc<T>) -> Arc<T> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.retain(|value| value.strong_count() > 0);
        let mut alive = known.iter().filter_map(Weak::upgrade);
        if let Some(found) = alive.find(|found| *found == value) {
            return found;
        }
        if known.len() >= KNOWN_MAX {
            known.remove(0);
        }
        known.push(Arc::downgrade(&value));
        value
    }
}

/// Base instructions: their text and the first entry of each request that holds it.
/// The entry is kept for as long as somebody has the text.
#[derive(Default)]
pub(crate) struct Instructions {
    // Held for a few comparisons, never over an await.
    known: Mutex<Vec<(Weak<str>, HistoryItem)>>,
}

impl Instructions {
    /// The text, and the entry made of it; `make` makes one if there is none yet.
    pub(crate) fn share(
        &self,
        text: &str,
        make: impl FnOnce(&str) -> HistoryItem,
    ) -> (Arc<str>, HistoryItem) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.retain(|(text, _)| text.strong_count() > 0);
        let mut alive = known
            .iter()
            .filter_map(|(known, entry)| Some((known.upgrade()?, entry)));
        if let Some((text, entry)) = alive.find(|(known, _)| **known == *text) {
            return (text, entry.clone());
        }
        if known.len() >= KNOWN_MAX {
            known.remove(0);
        }
        let (text, entry) = (Arc::from(text), make(text));
        known.push((Arc::downgrade(&text), entry.clone()));
        (text, entry)
    }
}

/// All that threads have in common.
#[derive(Default)]
pub(crate) struct InCommon {
    pub(crate) configs: Common<Config>,
    pub(crate) environments: Common<ShellEnvironment>,
    pub(crate) instructions: Instructions,
    /// What models are told of the surroundings.
    pub(crate) texts: Common<str>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_values_are_one_as_long_as_somebody_has_them() {
        let text = |text: &str| Arc::new(text.to_owned());
        let common = Common::default();
        let first = common.share(text("a"));
        assert!(Arc::ptr_eq(&first, &common.share(text("a"))));
        assert!(!Arc::ptr_eq(&first, &common.share(text("b"))));
        drop(first);
        common.share(text("c"));
        let known = common.known.lock().expect("nobody panicked");
        assert_eq!(known.len(), 1, "what nobody has is forgotten");
    }
}
