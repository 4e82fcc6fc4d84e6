//! The best matches so far.

use std::cmp::{Ordering, Reverse};
use std::collections::BinaryHeap;

/// How many matches a search gives. That of the reference, seen on 0.169.0.
pub const BEST_MAX: usize = 50;

/// A match with its score.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Ranked {
    pub(super) score: u32,
    pub(super) path: Box<str>,
    /// The number of its root.
    pub(super) root: usize,
    pub(super) is_directory: bool,
}

/// The greater one is shown first: the higher score, then the path that sorts first.
impl Ord for Ranked {
    fn cmp(&self, other: &Self) -> Ordering {
        self.score
            .cmp(&other.score)
            .then_with(|| other.path.cmp(&self.path))
            .then_with(|| other.root.cmp(&self.root))
    }
}

impl PartialOrd for Ranked {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// At most [`BEST_MAX`] matches, the worst at hand.
#[derive(Debug, Default)]
pub(super) struct Best {
    heap: BinaryHeap<Reverse<Ranked>>,
}

impl Best {
    /// Keeps a match if it is among the best. Whether it is.
    pub(super) fn offer(
        &mut self,
        score: u32,
        root: usize,
        path: &str,
        is_directory: bool,
    ) -> bool {
        // Most are not: they cost a comparison and no memory.
        let full = self.heap.len() >= BEST_MAX;
        let behind = |worst: &Reverse<Ranked>| {
            (
                worst.0.score,
                Reverse(&*worst.0.path),
                Reverse(worst.0.root),
            ) >= (score, Reverse(path), Reverse(root))
        };
        if full && self.heap.peek().is_some_and(behind) {
            return false;
        }
        self.push(Ranked {
            score,
            path: path.into(),
            root,
            is_directory,
        });
        true
    }

    /// Takes over what is good enough of another list.
    pub(super) fn add(&mut self, other: Self) {
        for Reverse(ranked) in other.heap {
            self.push(ranked);
        }
    }

    fn push(&mut self, ranked: Ranked) {
        self.heap.push(Reverse(ranked));
        if self.heap.len() > BEST_MAX {
            self.heap.pop();
        }
    }

    /// Best first.
    pub(super) fn sorted(&self) -> Vec<&Ranked> {
        let mut sorted: Vec<&Ranked> = self.heap.iter().map(|Reverse(ranked)| ranked).collect();
        sorted.sort_by(|one, other| other.cmp(one));
        sorted
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_best_are_kept_in_order_whatever_comes_first() {
        let paths: Vec<String> = (0..200).map(|number| format!("{number:03}")).collect();
        let mut best = Best::default();
        for (index, path) in paths.iter().enumerate().rev() {
            best.offer(u32::from(index % 2 == 0), 0, path, false);
        }
        let sorted: Vec<String> = best
            .sorted()
            .iter()
            .map(|ranked| ranked.path.to_string())
            .collect();
        let expected: Vec<String> = paths.iter().step_by(2).take(BEST_MAX).cloned().collect();
        assert_eq!(sorted, expected);
    }
}
