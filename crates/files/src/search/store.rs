//! What the walk of a session has found, in blocks that do not change any more.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use super::walk::{Found, Visitor};

/// Bytes that one session keeps: about a million paths.
pub const SESSION_BYTES_MAX: usize = 64 * 1024 * 1024;
/// Bytes that all sessions of a process keep.
pub const SESSIONS_BYTES_MAX: usize = 512 * 1024 * 1024;
/// Entries of a block: few enough that a new query is noticed soon.
const BLOCK_ENTRIES: usize = 1024;

/// Paths, one behind the other.
#[derive(Default)]
pub(super) struct Block {
    text: String,
    entries: Vec<Entry>,
    /// What it counts, and where: given back when it goes.
    counted: Option<(usize, Arc<AtomicUsize>)>,
}

struct Entry {
    /// Where its path ends in the text.
    end: u32,
    root: u32,
    is_directory: bool,
}

impl Block {
    /// Path, number of the root, and whether it is a folder.
    pub(super) fn entries(&self) -> impl Iterator<Item = (&str, usize, bool)> {
        let mut start = 0;
        self.entries.iter().map(move |entry| {
            let end = usize::try_from(entry.end).unwrap_or(usize::MAX);
            let path = self.text.get(start..end).unwrap_or_default();
            start = end;
            let root = usize::try_from(entry.root).unwrap_or(usize::MAX);
            (path, root, entry.is_directory)
        })
    }

    fn bytes(&self) -> usize {
        self.text.len() + self.entries.len() * size_of::<Entry>()
    }
}

impl Drop for Block {
    fn drop(&mut self) {
        if let Some((bytes, total)) = self.counted.take() {
            total.fetch_sub(bytes, Ordering::Relaxed);
        }
    }
}

/// The blocks of one session.
pub(super) struct Store {
    // Held to add a block or to copy the list of them.
    blocks: Mutex<(Vec<Arc<Block>>, bool)>,
    own_bytes: AtomicUsize,
    all_bytes: Arc<AtomicUsize>,
}

impl Store {
    /// `all_bytes` counts those of every session.
    pub(super) fn new(all_bytes: Arc<AtomicUsize>) -> Self {
        Self {
            blocks: Mutex::new((Vec::new(), false)),
            own_bytes: AtomicUsize::new(0),
            all_bytes,
        }
    }

    /// Whether it takes nothing more.
    pub(super) fn is_full(&self) -> bool {
        self.own_bytes.load(Ordering::Relaxed) >= SESSION_BYTES_MAX
            || self.all_bytes.load(Ordering::Relaxed) >= SESSIONS_BYTES_MAX
    }

    /// A thread's way to add to it.
    pub(super) fn writer(&self) -> Writer<'_> {
        Writer {
            store: self,
            block: Block::default(),
        }
    }

    /// Nothing more comes.
    pub(super) fn finish(&self) {
        let mut blocks = self.blocks.lock().unwrap_or_else(PoisonError::into_inner);
        blocks.1 = true;
    }

    /// The blocks behind the first `seen`, and whether there will be no more.
    pub(super) fn since(&self, seen: usize) -> (Vec<Arc<Block>>, bool) {
        let blocks = self.blocks.lock().unwrap_or_else(PoisonError::into_inner);
        let new = blocks.0.get(seen..).unwrap_or_default().to_vec();
        (new, blocks.1)
    }

    fn add(&self, mut block: Block) {
        block.text.shrink_to_fit();
        block.entries.shrink_to_fit();
        let bytes = block.bytes();
        self.own_bytes.fetch_add(bytes, Ordering::Relaxed);
        self.all_bytes.fetch_add(bytes, Ordering::Relaxed);
        block.counted = Some((bytes, Arc::clone(&self.all_bytes)));
        let mut blocks = self.blocks.lock().unwrap_or_else(PoisonError::into_inner);
        blocks.0.push(Arc::new(block));
    }
}

/// Gathers a block.
pub(super) struct Writer<'a> {
    store: &'a Store,
    block: Block,
}

impl Writer<'_> {
    fn flush(&mut self) {
        let block = std::mem::take(&mut self.block);
        if !block.entries.is_empty() {
            self.store.add(block);
        }
    }
}

impl Visitor for Writer<'_> {
    fn take(&mut self, found: Found) {
        self.block.text.push_str(&found.path);
        self.block.entries.push(Entry {
            end: u32::try_from(self.block.text.len()).unwrap_or(u32::MAX),
            root: u32::try_from(found.root).unwrap_or(u32::MAX),
            is_directory: found.is_directory,
        });
        if self.block.entries.len() >= BLOCK_ENTRIES {
            self.flush();
        }
    }
}

impl Drop for Writer<'_> {
    fn drop(&mut self) {
        self.flush();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_is_counted_and_given_back() {
        let all = Arc::new(AtomicUsize::new(0));
        let store = Store::new(Arc::clone(&all));
        let mut writer = store.writer();
        for number in 0..3000 {
            writer.take(Found {
                root: number % 2,
                path: format!("folder/{number}"),
                is_directory: number % 3 == 0,
            });
        }
        drop(writer);
        let (blocks, is_all) = store.since(0);
        assert!(!is_all);
        let entries: Vec<_> = blocks.iter().flat_map(|block| block.entries()).collect();
        assert_eq!(entries.len(), 3000);
        assert_eq!(entries[2999], ("folder/2999", 1, false));
        store.finish();
        assert!(store.since(blocks.len()).1);
        assert!(all.load(Ordering::Relaxed) > 3000 * 10);
        drop(entries);
        drop((blocks, store));
        assert_eq!(all.load(Ordering::Relaxed), 0);
    }
}
