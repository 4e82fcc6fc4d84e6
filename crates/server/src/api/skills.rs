//! `skills/list`: the skills on this machine, found and read anew for each request.
//!
//! A skill is a folder with a `SKILL.md` whose front matter names and describes it.
//! The folders they are looked for in, the order of the answer and the texts about
//! faulty files follow the reference (watched on 0.169.0). A file that cannot be used
//! is told in `errors` and hides no other.
//!
//! Deliberately absent: bundled skills, watching the folders, extra folders given by
//! a client, tools a skill depends on, and handing skills to the model.

mod front_matter;

use std::collections::BTreeSet;
use std::fs;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use loomd_config::Config;
use loomd_protocol::{
    AbsolutePathBuf, SkillErrorInfo, SkillInterface, SkillMetadata, SkillScope, SkillsListEntry,
    SkillsListParams, SkillsListResponse, methods,
};
use serde_json::Value;

use self::front_matter::{Fields, FrontMatter};
use super::config::{broken, load};
use super::extensions::folders;
use crate::Server;
use crate::errors::ApiResult;
use crate::router::{Cx, Route, on_read};

/// A skill's file.
const SKILL_FILE: &str = "SKILL.md";
/// How a skill is shown, beside that file.
const INTERFACE_FILE: &str = "agents/openai.yaml";
/// The machine's skills.
const ADMIN_FOLDER: &str = "/etc/codex/skills";
/// Folders below a root that are looked into.
const DEPTH_MAX: usize = 6;
/// Folders looked into below one root; what lies behind is not found.
const FOLDERS_MAX: usize = 2_000;
/// Bytes of a file that are read; front matter must end within them.
const HEAD_BYTES_MAX: u64 = 64 * 1024;
/// Characters of a skill's name.
const NAME_CHARS_MAX: usize = 64;

pub(crate) fn routes() -> Vec<Route> {
    vec![on_read::<methods::SkillsList, _>(list)]
}

async fn list(cx: Cx, params: SkillsListParams) -> ApiResult<SkillsListResponse> {
    let mut data = Vec::new();
    for cwd in folders(&cx.server, params.cwds) {
        let config = load(&cx.server, Some(PathBuf::from(&cwd))).await?;
        let server = Arc::clone(&cx.server);
        let found = match config {
            Ok(config) => crate::blocking(move || find(&roots(&server, &config), &config)).await?,
            Err(error) => Found {
                skills: Vec::new(),
                errors: vec![SkillErrorInfo {
                    path: cwd.clone(),
                    message: broken(&error).into_rpc().message,
                }],
            },
        };
        data.push(SkillsListEntry {
            cwd,
            skills: found.skills,
            errors: found.errors,
        });
    }
    Ok(SkillsListResponse { data })
}

/// A folder that may hold skills.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Root {
    folder: PathBuf,
    scope: SkillScope,
}

/// Where the skills for a configuration's working folder lie. What belongs to the
/// user stays the user's where the project is the home folder itself.
fn roots(server: &Server, config: &Config) -> Vec<Root> {
    let root = |folder, scope| Root { folder, scope };
    let own = server.home.join("skills");
    let mut roots = vec![
        root(own.join(".system"), SkillScope::System),
        root(own, SkillScope::User),
    ];
    if let Some(home) = &server.environment.home_dir {
        roots.push(root(home.join(".agents/skills"), SkillScope::User));
    }
    roots.push(root(PathBuf::from(ADMIN_FOLDER), SkillScope::Admin));
    if let Some(cwd) = &config.cwd {
        let top = config.project_root.as_deref().unwrap_or(cwd);
        let folders = cwd.ancestors().take_while(|folder| folder.starts_with(top));
        for folder in folders {
            for own in [".agents/skills", ".codex/skills"] {
                roots.push(root(folder.join(own), SkillScope::Repo));
            }
        }
    }
    roots
}

/// What was found.
#[derive(Debug, Default)]
struct Found {
    skills: Vec<SkillMetadata>,
    errors: Vec<SkillErrorInfo>,
}

fn find(roots: &[Root], config: &Config) -> Found {
    let mut found = Found::default();
    let mut seen = BTreeSet::new();
    for root in roots {
        for file in skill_files(&root.folder, &mut seen) {
            let path = file.display().to_string();
            match read_skill(&file, root.scope) {
                Ok(skill) => found.skills.push(SkillMetadata {
                    enabled: enabled(config, &skill.name, &path),
                    path,
                    ..skill
                }),
                Err(message) => found.errors.push(SkillErrorInfo { path, message }),
            }
        }
    }
    found.skills.sort_by(|a, b| {
        let key =
            |skill: &SkillMetadata| (rank(skill.scope), skill.name.clone(), skill.path.clone());
        key(a).cmp(&key(b))
    });
    found.errors.sort_by(|a, b| a.path.cmp(&b.path));
    found
}

fn rank(scope: SkillScope) -> u8 {
    match scope {
        SkillScope::Repo => 0,
        SkillScope::User => 1,
        SkillScope::System => 2,
        SkillScope::Admin => 3,
    }
}

/// The last `[[skills.config]]` entry about a skill decides.
fn enabled(config: &Config, name: &str, path: &str) -> bool {
    let entries = config.skills.get("config").and_then(Value::as_array);
    let is =
        |entry: &Value, key: &str, text: &str| entry.get(key).is_some_and(|value| value == text);
    entries
        .into_iter()
        .flatten()
        .rfind(|entry| is(entry, "name", name) || is(entry, "path", path))
        .and_then(|entry| entry.get("enabled")?.as_bool())
        .unwrap_or(true)
}

/// The skill files below a root, by their real paths. Folders in `seen` are left out:
/// links may lead to one twice.
fn skill_files(root: &Path, seen: &mut BTreeSet<PathBuf>) -> Vec<PathBuf> {
    let mut files = Vec::new();
    let mut waiting = vec![(root.to_owned(), 0)];
    let mut looked = 0;
    while let Some((folder, depth)) = waiting.pop() {
        if looked == FOLDERS_MAX {
            tracing::warn!(root = %root.display(), "too many folders to look for skills in");
            break;
        }
        let Ok(real) = fs::canonicalize(&folder) else {
            continue;
        };
        if !seen.insert(real.clone()) {
            continue;
        }
        let Ok(entries) = fs::read_dir(&real) else {
            continue;
        };
        looked += 1;
        for entry in entries.flatten() {
            let name = entry.file_name();
            let kind = entry.file_type().ok();
            if name == SKILL_FILE {
                // A linked file is passed over, a linked folder is not.
                if kind.is_some_and(|kind| kind.is_file()) {
                    files.push(entry.path());
                }
            } else if !name.to_string_lossy().starts_with('.')
                && depth < DEPTH_MAX
                && kind.is_some_and(|kind| kind.is_dir() || kind.is_symlink())
            {
                waiting.push((entry.path(), depth + 1));
            }
        }
    }
    files
}

/// Reads a skill but for what the configuration says of it.
fn read_skill(file: &Path, scope: SkillScope) -> Result<SkillMetadata, String> {
    let text = head(file).map_err(|error| error.to_string())?;
    let FrontMatter {
        name,
        description,
        short_description,
    } = front_matter::parse(&text)?;
    let folder = file.parent().unwrap_or(Path::new("/"));
    let name = name.unwrap_or_else(|| {
        folder
            .file_name()
            .map_or_else(String::new, |name| name.to_string_lossy().into_owned())
    });
    if name.chars().count() > NAME_CHARS_MAX {
        return Err(format!(
            "invalid name: exceeds maximum length of {NAME_CHARS_MAX} characters"
        ));
    }
    Ok(SkillMetadata {
        name,
        description,
        short_description,
        interface: interface(folder),
        dependencies: None,
        path: String::new(),
        scope,
        enabled: true,
        plugin_id: None,
    })
}

/// The first bytes of a file as text.
fn head(file: &Path) -> std::io::Result<String> {
    let mut bytes = Vec::new();
    fs::File::open(file)?
        .take(HEAD_BYTES_MAX)
        .read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// How a skill wants to be shown. A file that cannot be read says nothing.
fn interface(folder: &Path) -> Option<SkillInterface> {
    let text = head(&folder.join(INTERFACE_FILE)).ok()?;
    let fields = Fields::parse(&text).ok()?;
    let text = |key: &str| fields.text(&format!("interface.{key}"));
    let icon = |key: &str| AbsolutePathBuf::new(folder.join(text(key)?).display().to_string());
    let interface = SkillInterface {
        display_name: text("display_name"),
        short_description: text("short_description"),
        icon_small: icon("icon_small"),
        icon_large: icon("icon_large"),
        icon_small_url: None,
        icon_large_url: None,
        brand_color: text("brand_color"),
        default_prompt: text("default_prompt"),
    };
    (interface != SkillInterface::default()).then_some(interface)
}

#[cfg(test)]
mod tests;
