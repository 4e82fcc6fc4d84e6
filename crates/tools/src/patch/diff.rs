//! Unified diffs of texts. Pure but for the clock inside the diff library, which
//! makes a diff that takes too long coarser instead of slower.

use std::time::Duration;

use similar::{Algorithm, TextDiff};

/// How long one diff may look for the smallest result. Past it the rest of the two
/// texts counts as replaced, which is still a correct diff.
const DIFF_TIME_MAX: Duration = Duration::from_millis(250);

/// The hunks that lead from `old` to `new`, with `context` lines around each change
/// and without a file header. Empty for equal texts. A text without a final newline
/// is marked as `git` does.
pub(crate) fn hunks(old: &str, new: &str, context: usize) -> String {
    if old == new {
        return String::new();
    }
    let old: Vec<&str> = old.split_inclusive('\n').collect();
    let new: Vec<&str> = new.split_inclusive('\n').collect();
    TextDiff::configure()
        .algorithm(Algorithm::Myers)
        .timeout(DIFF_TIME_MAX)
        .newline_terminated(true)
        .diff_slices(&old, &new)
        .unified_diff()
        .context_radius(context)
        .to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hunks_look_as_git_writes_them() {
        assert_eq!(hunks("a\n", "a\n", 3), "");
        assert_eq!(hunks("", "x\n", 3), "@@ -0,0 +1 @@\n+x\n");
        assert_eq!(
            hunks("x\ny", "x\nz\n", 1),
            "@@ -1,2 +1,2 @@\n x\n-y\n\\ No newline at end of file\n+z\n"
        );
        assert_eq!(
            hunks("one\r\ntwo\n", "one\r\nTWO\r\n", 1),
            "@@ -1,2 +1,2 @@\n one\r\n-two\n+TWO\r\n"
        );
        // A lone carriage return ends no line.
        assert_eq!(hunks("a\rb\n", "c\n", 0), "@@ -1 +1 @@\n-a\rb\n+c\n");
    }
}
