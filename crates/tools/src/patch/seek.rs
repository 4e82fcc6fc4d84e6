//! Finds lines of a patch in a file, with growing tolerance. Pure.

/// Where `pattern` stands in `lines` at or after `start`.
///
/// Lines are compared exactly first, then without trailing blanks, then without
/// blanks at both ends, then with typographic dashes, quotes and blanks taken for
/// their ASCII forms; the first tolerance that finds a place wins. With `at_end`
/// the end of the file is tried before any other place. An empty pattern is found
/// at `start`.
pub(crate) fn seek(lines: &[&str], pattern: &[&str], start: usize, at_end: bool) -> Option<usize> {
    if pattern.is_empty() {
        return Some(start.min(lines.len()));
    }
    let last = lines.len().checked_sub(pattern.len())?;
    if at_end && last >= start {
        let found = TOLERANCES
            .iter()
            .find(|same| matches_at(lines, pattern, last, **same));
        if found.is_some() {
            return Some(last);
        }
    }
    TOLERANCES
        .iter()
        .find_map(|same| (start..=last).find(|at| matches_at(lines, pattern, *at, *same)))
}

type Same = fn(&str, &str) -> bool;

const TOLERANCES: [Same; 4] = [
    |a, b| a == b,
    |a, b| a.trim_end() == b.trim_end(),
    |a, b| a.trim() == b.trim(),
    |a, b| plain(a).eq(plain(b)),
];

fn matches_at(lines: &[&str], pattern: &[&str], at: usize, same: Same) -> bool {
    lines
        .iter()
        .skip(at)
        .zip(pattern)
        .all(|(line, wanted)| same(line, wanted))
}

fn plain(line: &str) -> impl Iterator<Item = char> {
    line.trim().chars().map(|c| match c {
        '\u{2010}'..='\u{2015}' | '\u{2212}' => '-',
        '\u{2018}'..='\u{201B}' => '\'',
        '\u{201C}'..='\u{201F}' => '"',
        '\u{00A0}' | '\u{2002}'..='\u{200A}' | '\u{202F}' | '\u{205F}' | '\u{3000}' => ' ',
        other => other,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_better_match_further_down_beats_a_tolerant_one_above() {
        let lines = ["  a ", "a  ", "a"];
        assert_eq!(seek(&lines, &["a"], 0, false), Some(2));
        assert_eq!(seek(&lines[..2], &["a"], 0, false), Some(1));
        assert_eq!(seek(&lines[..1], &["a"], 0, false), Some(0));
    }

    #[test]
    fn typographic_characters_match_their_plain_forms() {
        let lines = ["say “hi” — it’s\u{00A0}fine"];
        assert_eq!(seek(&lines, &["say \"hi\" - it's fine"], 0, false), Some(0));
    }

    #[test]
    fn the_end_is_tried_first_where_asked_for() {
        let lines = ["x", "y", "x", "y"];
        assert_eq!(seek(&lines, &["x", "y"], 0, true), Some(2));
        assert_eq!(seek(&lines, &["x", "y"], 0, false), Some(0));
        assert_eq!(seek(&lines, &["y", "x"], 0, true), Some(1));
    }

    #[test]
    fn nothing_is_found_before_the_start_or_in_too_short_a_file() {
        assert_eq!(seek(&["a", "b"], &["a"], 1, false), None);
        assert_eq!(seek(&["a"], &["a", "b"], 0, true), None);
        assert_eq!(seek(&[], &[], 3, false), Some(0));
    }
}
