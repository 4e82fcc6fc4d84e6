//! What fits a query, and how well.
//!
//! The syntax is that of the library: words that must all fit, in any order; `'word` as it
//! stands, `^word` at the beginning, `word$` at the end, `!word` not at all; a backslash takes
//! the meaning from the sign behind it. Case does not count, accents only where the query has
//! them. The scores are the reference's, seen on 0.169.0: those of the library for the path,
//! and more for a query of one plain word that fits a file's name alone.

use nucleo_matcher::pattern::{Atom, AtomKind, CaseMatching, Normalization, Pattern};
use nucleo_matcher::{Config, Matcher, Utf32Str};

/// Bytes that a query may have: no path is longer.
pub const QUERY_BYTES_MAX: usize = 4096;

/// Added for a file whose name fits alone.
const IN_NAME: u32 = 1 << 16;
/// Added for a folder of that very name.
const FOLDER_NAME: u32 = 2 << 16;
/// Added for a file of that very name.
const FILE_NAME: u32 = 3 << 16;

/// What somebody typed. The default is nothing.
#[derive(Debug, Clone, Default)]
pub struct Query {
    text: String,
    pattern: Pattern,
    /// The query as a match for names; only one plain word is one.
    name: Option<Atom>,
}

impl Query {
    /// `None` if the text has more than [`QUERY_BYTES_MAX`] bytes.
    #[must_use]
    pub fn new(text: &str) -> Option<Self> {
        if text.len() > QUERY_BYTES_MAX {
            return None;
        }
        let pattern = Pattern::parse(text, CaseMatching::Ignore, Normalization::Smart);
        let name = match pattern.atoms.as_slice() {
            // With a backslash the reference looks at the path only.
            [atom] if !atom.negative && atom.kind == AtomKind::Fuzzy && !text.contains('\\') => {
                Some(atom.clone())
            }
            _ => None,
        };
        Some(Self {
            text: text.to_owned(),
            pattern,
            name,
        })
    }

    /// As it was typed.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Nothing was typed: then nothing is found.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.text.is_empty()
    }
}

/// Scores paths. Keeps memory for it, so one is used for many.
pub(super) struct Scorer {
    matcher: Matcher,
    path: Vec<char>,
    name: Vec<char>,
}

impl Default for Scorer {
    fn default() -> Self {
        Self {
            matcher: Matcher::new(Config::DEFAULT.match_paths()),
            path: Vec::new(),
            name: Vec::new(),
        }
    }
}

impl Scorer {
    /// How well a path fits; `None` if it does not.
    pub(super) fn score(&mut self, query: &Query, path: &str, is_directory: bool) -> Option<u32> {
        let haystack = characters(path, &mut self.path);
        let whole = query.pattern.score(haystack, &mut self.matcher)?;
        let Some(atom) = &query.name else {
            return Some(whole);
        };
        let name = characters(name_of(path), &mut self.name);
        let Some(in_name) = atom.score(name, &mut self.matcher) else {
            return Some(whole);
        };
        let is_name = atom.needle_text().len() == name.len();
        Some(match (is_directory, is_name) {
            (true, true) => FOLDER_NAME + whole,
            (true, false) => whole,
            (false, true) => FILE_NAME + u32::from(in_name),
            (false, false) => IN_NAME + u32::from(in_name),
        })
    }

    /// Which characters of a path fit that does.
    pub(super) fn indices(&mut self, query: &Query, path: &str, is_directory: bool) -> Vec<u32> {
        let mut indices = Vec::new();
        let haystack = characters(path, &mut self.path);
        if let Some(atom) = &query.name {
            let name = characters(name_of(path), &mut self.name);
            let counts = !is_directory || atom.needle_text().len() == name.len();
            if counts
                && atom
                    .indices(name, &mut self.matcher, &mut indices)
                    .is_some()
            {
                let before = haystack.len().saturating_sub(name.len());
                let before = u32::try_from(before).unwrap_or(u32::MAX);
                return indices.iter().map(|at| at.saturating_add(before)).collect();
            }
            indices.clear();
        }
        query
            .pattern
            .indices(haystack, &mut self.matcher, &mut indices);
        indices.sort_unstable();
        indices.dedup();
        indices
    }
}

/// A text as the characters that are matched. The library's own constructor counts bytes where
/// an accent of its own follows a plain letter, and the indices of clients would be off.
fn characters<'a>(text: &'a str, memory: &'a mut Vec<char>) -> Utf32Str<'a> {
    if text.is_ascii() && !text.contains("\r\n") {
        return Utf32Str::Ascii(text.as_bytes());
    }
    memory.clear();
    memory.extend(nucleo_matcher::chars::graphemes(text));
    Utf32Str::Unicode(memory)
}

/// The last name of a path.
fn name_of(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}
