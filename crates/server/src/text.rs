//! Looking for a text whatever its case, and showing where it stands.

use std::ops::Range;

/// Characters of a snippet before and behind the match.
const BEFORE_CHARS: usize = 49;
const BEHIND_CHARS: usize = 96;

/// A text that is looked for.
pub(crate) struct Needle {
    lower: String,
}

/// A match with what stands around it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Snippet {
    pub(crate) text: String,
    /// The match within the text, in UTF-16 code units.
    pub(crate) range: Range<usize>,
}

impl Needle {
    /// `None` for blanks.
    pub(crate) fn new(term: &str) -> Option<Self> {
        let lower = term.trim().to_lowercase();
        (!lower.is_empty()).then_some(Self { lower })
    }

    /// Where it stands in a text, as ranges of bytes.
    pub(crate) fn find_all<'a>(&'a self, text: &'a str) -> impl Iterator<Item = Range<usize>> + 'a {
        // Lower case can have another length, so each of its bytes knows where it is from.
        let mut lower = String::with_capacity(text.len());
        let mut from = Vec::with_capacity(text.len() + 1);
        for (at, character) in text.char_indices() {
            for small in character.to_lowercase() {
                lower.push(small);
                from.resize(lower.len(), at);
            }
        }
        from.push(text.len());
        let found: Vec<Range<usize>> = lower
            .match_indices(&self.lower)
            .map(|(at, found)| {
                let start = from[at];
                let last = from[at + found.len() - 1];
                let end = text[last..]
                    .chars()
                    .next()
                    .map_or(last, |end| last + end.len_utf8());
                start..end
            })
            .collect();
        found.into_iter()
    }

    /// Whether it stands in a text.
    pub(crate) fn is_in(&self, text: &str) -> bool {
        self.find_all(text).next().is_some()
    }
}

/// What stands around a match.
pub(crate) fn snippet(text: &str, found: Range<usize>) -> Snippet {
    let before = text[..found.start].char_indices().rev();
    let start = before
        .take(BEFORE_CHARS)
        .last()
        .map_or(found.start, |(at, _)| at);
    let mut behind = text[found.end..].char_indices().skip(BEHIND_CHARS);
    let end = behind.next().map_or(text.len(), |(at, _)| found.end + at);
    let mut out = String::new();
    if start > 0 {
        out.push_str("... ");
    }
    out.push_str(&text[start..found.start]);
    let begin = out.encode_utf16().count();
    let matched = &text[found.clone()];
    out.push_str(matched);
    out.push_str(&text[found.end..end]);
    if end < text.len() {
        out.push_str(" ...");
    }
    Snippet {
        text: out,
        range: begin..begin + matched.encode_utf16().count(),
    }
}

/// Line ends and runs of blanks as one blank each.
pub(crate) fn on_one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(term: &str, text: &str) -> Vec<String> {
        let needle = Needle::new(term).expect("a term");
        let ranges = needle.find_all(text);
        ranges.map(|range| text[range].to_owned()).collect()
    }

    #[test]
    fn finds_whatever_the_case_and_the_length_of_lower_case() {
        assert_eq!(found("hello", "Hello, HELLO hell"), ["Hello", "HELLO"]);
        assert_eq!(found(" ÜNÏ ", "ünïcode"), ["ünï"]);
        // The lower case of this letter is longer than the letter.
        assert_eq!(found("x", "İx"), ["x"]);
        assert_eq!(found("i", "aİb"), ["İ"]);
        assert!(Needle::new(" ").is_none());
    }

    #[test]
    fn a_snippet_says_where_the_match_is_in_units_of_utf_16() {
        let needle = Needle::new("here").expect("a term");
        let text = format!("{}𝄞 here {}", "a".repeat(100), "b".repeat(200));
        let range = needle.find_all(&text).next().expect("a match");
        let shown = snippet(&text, range);
        assert!(shown.text.starts_with("... aaa") && shown.text.ends_with("bbb ..."));
        let units: Vec<u16> = shown.text.encode_utf16().collect();
        assert_eq!(String::from_utf16_lossy(&units[shown.range]), "here");
        let short = snippet("here", 0..4);
        assert_eq!((short.text.as_str(), short.range), ("here", 0..4));
        assert_eq!(on_one_line(" a\n\n b "), "a b");
    }
}
