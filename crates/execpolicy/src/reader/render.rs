//! Writes rules so that they read back the same.

use std::fmt::Write as _;

/// `text` as a string of a rules file.
pub fn render_string(text: &str) -> String {
    let mut written = String::with_capacity(text.len() + 2);
    written.push('"');
    for c in text.chars() {
        match c {
            '"' => written.push_str("\\\""),
            '\\' => written.push_str("\\\\"),
            '\n' => written.push_str("\\n"),
            '\r' => written.push_str("\\r"),
            '\t' => written.push_str("\\t"),
            c if c.is_control() => {
                // Writing to a string cannot fail.
                let _ = write!(written, "\\u{:04x}", u32::from(c));
            }
            c => written.push(c),
        }
    }
    written.push('"');
    written
}

/// The line that allows the commands that begin with `prefix`, without its line end, in
/// the words of 0.169.0.
pub fn render_allow(prefix: &[String]) -> String {
    let words: Vec<String> = prefix.iter().map(|word| render_string(word)).collect();
    format!(
        "prefix_rule(pattern=[{}], decision=\"allow\")",
        words.join(", ")
    )
}
