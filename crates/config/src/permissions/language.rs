//! One entry of a profile's `filesystem` table.

use std::path::{Component, Path, PathBuf};

use toml::Value;

use super::{FileRule, RuleAccess, RulePlace};
use crate::environment::{Environment, clean};

/// The key beside the places that says how deep patterns are looked for.
pub(super) const DEPTH_KEY: &str = "glob_scan_max_depth";

/// How deep patterns are looked for.
pub(super) struct Depth(pub(super) usize);

impl Depth {
    pub(super) fn read(value: &Value) -> Result<Self, String> {
        match value.as_integer().map(usize::try_from) {
            Some(Ok(depth)) if depth > 0 => Ok(Self(depth)),
            Some(_) => Err(format!("{DEPTH_KEY} must be at least 1")),
            None => Err(format!("{DEPTH_KEY} must be a number")),
        }
    }
}

/// The rules that `place = value` stands for.
pub(super) fn rules(
    place: &str,
    value: &Value,
    environment: &Environment,
) -> Result<Vec<FileRule>, String> {
    let Value::Table(nested) = value else {
        let access = access(place, value)?;
        return Ok(match top(place, access, environment)? {
            Some(place) => vec![FileRule { place, access }],
            None => Vec::new(),
        });
    };
    let base = base(place, environment)?;
    let entries = nested.iter().map(|(below, value)| {
        let access = access(below, value)?;
        let place = inside(&base, below, access)?;
        Ok(FileRule { place, access })
    });
    entries.collect()
}

fn access(place: &str, value: &Value) -> Result<RuleAccess, String> {
    match value.as_str() {
        Some("read") => Ok(RuleAccess::Read),
        Some("write") => Ok(RuleAccess::Write),
        Some("deny" | "none") => Ok(RuleAccess::Deny),
        Some(_) | None => Err(format!(
            "filesystem path `{place}` must be given `read`, `write` or `deny`"
        )),
    }
}

/// A place at the top of the table. `None` for a name that a later version may know: as in
/// the reference it has no effect, and so gives nothing.
fn top(
    place: &str,
    access: RuleAccess,
    environment: &Environment,
) -> Result<Option<RulePlace>, String> {
    let special = match place {
        ":root" => RulePlace::Root,
        ":minimal" => RulePlace::Minimal,
        ":project_roots" | ":workspace_roots" => RulePlace::Workspace(PathBuf::new()),
        ":tmpdir" => RulePlace::Tmpdir,
        ":slash_tmp" => RulePlace::SlashTmp,
        // Leaving out what takes something away would give more than was meant.
        unknown if unknown.starts_with(':') && access == RuleAccess::Deny => {
            return Err(format!(
                "filesystem path `{unknown}` is not known, so it cannot be denied"
            ));
        }
        unknown if unknown.starts_with(':') => {
            return Ok(None);
        }
        path => {
            return located(&absolute(path, environment)?, path, access).map(Some);
        }
    };
    Ok(Some(special))
}

/// An absolute path, or a pattern of such.
fn located(path: &Path, written: &str, access: RuleAccess) -> Result<RulePlace, String> {
    let text = path
        .to_str()
        .ok_or_else(|| format!("filesystem path `{written}` is not text"))?;
    Ok(match exact(text, written, access)? {
        Some("") | Some("/") => RulePlace::Root,
        Some(exact) => RulePlace::Path(PathBuf::from(exact)),
        None => RulePlace::Glob(text.to_owned()),
    })
}

/// The path without a `/**` at its end, which says what a path says anyway, or `None` for a
/// pattern.
fn exact<'a>(text: &'a str, written: &str, access: RuleAccess) -> Result<Option<&'a str>, String> {
    let trimmed = text.strip_suffix("/**").unwrap_or(text);
    if !is_pattern(trimmed) {
        return Ok(Some(trimmed));
    }
    let word = match access {
        RuleAccess::Deny => return Ok(None),
        RuleAccess::Read => "read",
        RuleAccess::Write => "write",
    };
    Err(format!(
        "filesystem glob path `{written}` only supports `deny` access; use an exact path or \
         trailing `/**` for `{word}` subtree access"
    ))
}

fn is_pattern(text: &str) -> bool {
    text.contains(['*', '?', '['])
}

/// What a nested table is below.
enum Base {
    Workspace,
    Path(PathBuf),
}

fn base(place: &str, environment: &Environment) -> Result<Base, String> {
    match place {
        ":project_roots" | ":workspace_roots" => Ok(Base::Workspace),
        special if special.starts_with(':') => Err(format!(
            "filesystem path `{special}` does not support nested entries"
        )),
        path => Ok(Base::Path(absolute(path, environment)?)),
    }
}

fn inside(base: &Base, below: &str, access: RuleAccess) -> Result<RulePlace, String> {
    let is_descendant = Path::new(below)
        .components()
        .all(|part| matches!(part, Component::Normal(_)));
    if below != "." && (!is_descendant || below.is_empty()) {
        return Err(format!(
            "filesystem subpath `{below}` must be a descendant path without `.` or `..` components"
        ));
    }
    let below = if below == "." { "" } else { below };
    match base {
        Base::Path(path) => located(&path.join(below), below, access),
        Base::Workspace if below == "**" => Ok(RulePlace::Workspace(PathBuf::new())),
        Base::Workspace => Ok(match exact(below, below, access)? {
            Some(exact) => RulePlace::Workspace(PathBuf::from(exact)),
            None => RulePlace::WorkspaceGlob(below.to_owned()),
        }),
    }
}

/// A path as it is written in a profile, made absolute.
pub(super) fn absolute(path: &str, environment: &Environment) -> Result<PathBuf, String> {
    let home = environment.home_dir.as_deref();
    let located = match (path.strip_prefix('~'), home) {
        (Some(""), Some(home)) => home.to_owned(),
        (Some(rest), Some(home)) if rest.starts_with('/') => home.join(&rest[1..]),
        (Some(_) | None, _) if path.starts_with('/') => PathBuf::from(path),
        (Some(_) | None, _) => {
            return Err(format!(
                "filesystem path `{path}` must be absolute, use `~/...`, or start with `:`"
            ));
        }
    };
    Ok(clean(&located))
}
