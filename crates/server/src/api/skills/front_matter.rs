//! The YAML subset that skill files use: nested keys with plain, quoted, folded and
//! literal texts.
//!
//! A whole YAML reader would be a large dependency for three short texts. What this
//! one does not know (lists, anchors, types) it passes over, and refuses only where it
//! is asked for such a value. Like the reference it takes a line such as
//! `description: has: a colon` for what was meant.

use std::collections::BTreeMap;

const FENCE: &str = "---";
const TAB: &str = "invalid YAML: a tab cannot indent a line";

/// What a skill says of itself.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct FrontMatter {
    pub(super) name: Option<String>,
    pub(super) description: String,
    pub(super) short_description: Option<String>,
}

/// Reads the front matter of a skill file; the error is for its author.
pub(super) fn parse(file: &str) -> Result<FrontMatter, String> {
    let yaml = fenced(file).ok_or("missing YAML frontmatter delimited by ---")?;
    let fields = Fields::parse(&yaml)?;
    for key in ["name", "description"] {
        if matches!(fields.0.get(key), Some(Found::Other)) {
            return Err(format!("invalid YAML: {key}: expected a string"));
        }
    }
    Ok(FrontMatter {
        name: fields.text("name"),
        description: fields
            .text("description")
            .ok_or("missing field `description`")?,
        short_description: fields.text("metadata.short-description"),
    })
}

/// The text between the fences, which begin on the first line.
fn fenced(file: &str) -> Option<String> {
    let mut lines = file.lines();
    if lines.next()?.trim_end() != FENCE {
        return None;
    }
    let mut yaml = String::new();
    for line in lines {
        if line.trim_end() == FENCE {
            return Some(yaml);
        }
        yaml.push_str(line);
        yaml.push('\n');
    }
    None
}

/// What stands behind a key.
#[derive(Debug, PartialEq, Eq)]
enum Found {
    /// A text on one line, white space joined.
    Text(String),
    /// A list or a mapping on one line.
    Other,
}

/// The texts of a document by the keys that lead to them, joined by dots.
#[derive(Debug, Default)]
pub(super) struct Fields(BTreeMap<String, Found>);

impl Fields {
    /// The text at a key; an empty one is none.
    pub(super) fn text(&self, key: &str) -> Option<String> {
        match self.0.get(key)? {
            Found::Text(text) if !text.is_empty() => Some(text.clone()),
            Found::Text(_) | Found::Other => None,
        }
    }

    pub(super) fn parse(yaml: &str) -> Result<Self, String> {
        let mut fields = Self::default();
        // The keys that lead to the current line, with their indents.
        let mut above: Vec<(usize, String)> = Vec::new();
        let mut lines = yaml.lines().map(Line::of).peekable();
        while let Some(line) = lines.next() {
            if line.is_blank() {
                continue;
            }
            if line.tab {
                return Err(TAB.to_owned());
            }
            above.retain(|(indent, _)| *indent < line.indent);
            let Some((key, rest)) = line.key() else {
                // An item of a list, or a text that belongs to nothing.
                continue;
            };
            let path = match above.last() {
                Some((_, parent)) => format!("{parent}.{key}"),
                None => key.to_owned(),
            };
            if rest.is_empty() || rest.starts_with('#') {
                above.push((line.indent, path));
                continue;
            }
            let mut more = Vec::new();
            while let Some(next) =
                lines.next_if(|next| next.indent > line.indent || next.text.is_empty())
            {
                if next.tab && !rest.starts_with(['>', '|']) {
                    return Err(TAB.to_owned());
                }
                more.push(next.text);
            }
            if fields.0.insert(path, value(rest, &more)?).is_some() {
                return Err(format!("invalid YAML: duplicate field `{key}`"));
            }
        }
        Ok(fields)
    }
}

struct Line<'a> {
    indent: usize,
    /// The indent holds a tab.
    tab: bool,
    /// Without white space at the ends.
    text: &'a str,
}

impl<'a> Line<'a> {
    fn of(line: &'a str) -> Self {
        let start = line.trim_start();
        let indent = &line[..line.len() - start.len()];
        Self {
            indent: indent.len(),
            tab: indent.contains('\t'),
            text: start.trim_end(),
        }
    }

    fn is_blank(&self) -> bool {
        self.text.is_empty() || self.text.starts_with('#')
    }

    fn key(&self) -> Option<(&'a str, &'a str)> {
        if self.text.starts_with("- ") {
            return None;
        }
        let (key, rest) = match self.text.split_once(": ") {
            Some(parts) => parts,
            None => (self.text.strip_suffix(':')?, ""),
        };
        let key = key.trim_end().trim_matches(['"', '\'']);
        (!key.is_empty()).then_some((key, rest.trim_start()))
    }
}

/// A value that begins with `first` and goes on with `more`.
fn value(first: &str, more: &[&str]) -> Result<Found, String> {
    let is_flow = |open, close| {
        let last = more.last().unwrap_or(&first);
        first.starts_with(open) && last.ends_with(close)
    };
    let text = match first.chars().next() {
        Some('>' | '|') => one_line(more.iter().copied()),
        Some('"') => one_line([double_quoted(&joined(first, more))?.as_str()]),
        Some('\'') => one_line([single_quoted(&joined(first, more))?.as_str()]),
        _ if is_flow('[', ']') || is_flow('{', '}') => return Ok(Found::Other),
        _ => {
            let plain = one_line([first].iter().chain(more).map(|part| uncommented(part)));
            match plain.as_str() {
                // No text is as good as an empty one.
                "~" | "null" | "Null" | "NULL" => String::new(),
                _ => plain,
            }
        }
    };
    Ok(Found::Text(text))
}

fn joined(first: &str, more: &[&str]) -> String {
    let mut text = first.to_owned();
    for part in more {
        text.push(' ');
        text.push_str(part);
    }
    text
}

fn one_line<'a>(parts: impl IntoIterator<Item = &'a str>) -> String {
    let words: Vec<&str> = parts.into_iter().flat_map(str::split_whitespace).collect();
    words.join(" ")
}

fn uncommented(text: &str) -> &str {
    match text.find(" #") {
        Some(at) => &text[..at],
        None if text.starts_with('#') => "",
        None => text,
    }
}

const UNCLOSED: &str = "invalid YAML: a quoted text does not end";

fn single_quoted(text: &str) -> Result<String, String> {
    let mut out = String::new();
    let mut chars = text.chars().skip(1).peekable();
    while let Some(c) = chars.next() {
        match c {
            '\'' if chars.next_if_eq(&'\'').is_some() => out.push('\''),
            '\'' => return Ok(out),
            c => out.push(c),
        }
    }
    Err(UNCLOSED.to_owned())
}

fn double_quoted(text: &str) -> Result<String, String> {
    let mut out = String::new();
    let mut chars = text.chars().skip(1);
    while let Some(c) = chars.next() {
        match c {
            '"' => return Ok(out),
            '\\' => match chars.next() {
                Some('n' | 'r' | 't') => out.push(' '),
                Some('x') => out.push(escaped(&mut chars, 2)?),
                Some('u') => out.push(escaped(&mut chars, 4)?),
                Some('U') => out.push(escaped(&mut chars, 8)?),
                Some(other) => out.push(other),
                None => break,
            },
            c => out.push(c),
        }
    }
    Err(UNCLOSED.to_owned())
}

fn escaped(chars: &mut impl Iterator<Item = char>, digits: usize) -> Result<char, String> {
    let hex: String = chars.take(digits).collect();
    u32::from_str_radix(&hex, 16)
        .ok()
        .filter(|_| hex.len() == digits)
        .and_then(char::from_u32)
        .ok_or_else(|| format!("invalid YAML: no character has the number `{hex}`"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(yaml: &str) -> Result<(Option<String>, String, Option<String>), String> {
        parse(&format!("---\n{yaml}---\nBody: of the skill\n"))
            .map(|found| (found.name, found.description, found.short_description))
    }

    fn description(value: &str) -> Result<String, String> {
        read(&format!("description: {value}\n")).map(|(_, description, _)| description)
    }

    fn text(value: &str) -> Result<String, String> {
        Ok(value.to_owned())
    }

    #[test]
    fn each_form_of_a_text_becomes_one_line() {
        assert_eq!(description("plain words # a comment"), text("plain words"));
        assert_eq!(description("a#b"), text("a#b"));
        assert_eq!(description("has: colon inside"), text("has: colon inside"));
        assert_eq!(description("'it''s # fine' # c"), text("it's # fine"));
        assert_eq!(description(r#""a \"q\" \n b \u00e9""#), text("a \"q\" b é"));
        assert_eq!(description("first\n  second"), text("first second"));
        assert_eq!(description(">\n  folded\n\n  text"), text("folded text"));
        assert_eq!(
            description("|-\n  line one\n  line two"),
            text("line one line two")
        );
        assert_eq!(
            description("\"quoted\n  on two lines\""),
            text("quoted on two lines")
        );
        assert_eq!(description("[x"), text("[x"));
        assert_eq!(description("34"), text("34"));
    }

    #[test]
    fn nested_keys_are_found_and_lists_passed_over() {
        let found = read(
            "# a comment\nname: n\nlist:\n  - name: inner\n    description: other\n\
             metadata:\n  short-description: s\ndescription: d\n",
        );
        assert_eq!(
            found,
            Ok((Some("n".to_owned()), "d".to_owned(), Some("s".to_owned())))
        );
    }

    #[test]
    fn the_fences_must_be_the_first_line_and_a_later_one() {
        let missing = Err("missing YAML frontmatter delimited by ---".to_owned());
        assert_eq!(parse("just text"), missing);
        assert_eq!(parse(""), missing);
        assert_eq!(parse("---\nname: x\ndescription: y\n"), missing);
        assert_eq!(parse("\n---\ndescription: y\n---\n"), missing);
        let dos = parse("---\r\ndescription: c d\r\n---\r\nx").map(|found| found.description);
        assert_eq!(dos, text("c d"));
    }

    #[test]
    fn a_description_is_needed() {
        let missing = Err("missing field `description`".to_owned());
        assert_eq!(read("name: n\n"), missing);
        assert_eq!(
            description("\"\""),
            Err("missing field `description`".to_owned())
        );
        assert_eq!(
            description("~"),
            Err("missing field `description`".to_owned())
        );
    }

    #[test]
    fn what_is_no_text_is_refused_where_a_text_is_wanted() {
        let refused = Err("invalid YAML: description: expected a string".to_owned());
        assert_eq!(description("[a, b]"), refused);
        assert_eq!(description("{a: b}"), refused);
        assert_eq!(
            read("name: a\nname: b\ndescription: c\n"),
            Err("invalid YAML: duplicate field `name`".to_owned())
        );
        assert_eq!(
            read("name: a\n\tdescription: c\n").map(|_| ()),
            Err("invalid YAML: a tab cannot indent a line".to_owned())
        );
        assert!(description("\"open").is_err() && description("'open").is_err());
        assert!(description(r#""\ud800""#).is_err() && description(r#""\u12""#).is_err());
    }

    #[test]
    fn no_text_whatever_makes_it_panic() {
        for tail in [
            "", ":", ": ", "-", "- ", "\"", "'", "\\", "é: é", "\u{feff}", " :x", "|", ">",
        ] {
            for head in ["", "description: ", "  ", "- ", "a:\n  "] {
                // Only that it returns is claimed here.
                let _any = read(&format!("{head}{tail}\n"));
            }
        }
    }
}
