use std::sync::Arc;

use loomd_config::{Environment, Loader};
use tempfile::TempDir;

use super::*;

/// A folder with a home, a project and the files a test writes there.
struct Place(TempDir);

impl Place {
    fn new() -> Self {
        Self(TempDir::new().expect("a temporary folder can be made"))
    }

    fn path(&self, path: &str) -> PathBuf {
        let real = fs::canonicalize(self.0.path()).expect("the folder is there");
        real.join(path)
    }

    fn write(&self, path: &str, text: &str) -> PathBuf {
        let path = self.path(path);
        let folder = path.parent().expect("a file lies in a folder");
        fs::create_dir_all(folder).expect("a folder can be made");
        fs::write(&path, text).expect("a file can be written");
        path
    }

    fn skill(&self, folder: &str, name: &str) -> PathBuf {
        let text = format!("---\nname: {name}\ndescription: about {name}\n---\nBody.\n");
        self.write(&format!("{folder}/SKILL.md"), &text)
    }

    fn environment(&self) -> Environment {
        Environment {
            vars: [].into(),
            home_dir: Some(self.path("user")),
            current_dir: self.path("p"),
        }
    }

    fn server(&self) -> Arc<Server> {
        Server::new(crate::ServerOptions::new(
            self.path("home"),
            self.environment(),
        ))
    }

    fn config(&self, cwd: &str) -> Arc<Config> {
        let loader = Loader::new(self.path("home"), Vec::new(), self.environment());
        loader
            .load(Some(&self.path(cwd)), &serde_json::Map::new())
            .expect("the test's configuration loads")
    }

    /// Scope and name of each skill, without those of the machine.
    fn found(&self, cwd: &str) -> (Vec<(SkillScope, String)>, Vec<SkillErrorInfo>) {
        let config = self.config(cwd);
        let found = find(&roots(&self.server(), &config), &config);
        let skills = found
            .skills
            .into_iter()
            .filter(|skill| skill.scope != SkillScope::Admin)
            .map(|skill| (skill.scope, skill.name));
        (skills.collect(), found.errors)
    }

    fn names(&self, cwd: &str) -> Vec<String> {
        let (skills, errors) = self.found(cwd);
        assert_eq!(errors, []);
        skills.into_iter().map(|(_, name)| name).collect()
    }
}

#[test]
fn skills_of_the_project_come_first_then_the_users_then_the_bundled_ones() {
    let place = Place::new();
    place.write("p/.git/HEAD", "ref: refs/heads/main\n");
    place.skill("p/.agents/skills/z", "zeta");
    place.skill("p/.codex/skills/b", "beta");
    place.skill("p/sub/.agents/skills/g", "gamma");
    place.skill("user/.agents/skills/h", "at-home");
    place.skill("home/skills/u", "users");
    place.skill("home/skills/.system/s", "bundled");
    place.skill(".agents/skills/outside", "above the project");
    let repo = |name: &str| (SkillScope::Repo, name.to_owned());
    let user = |name: &str| (SkillScope::User, name.to_owned());
    let (skills, errors) = place.found("p/sub");
    assert_eq!(errors, []);
    assert_eq!(
        skills,
        [
            repo("beta"),
            repo("gamma"),
            repo("zeta"),
            user("at-home"),
            user("users"),
            (SkillScope::System, "bundled".to_owned()),
        ]
    );
    assert_eq!(
        place.names("p"),
        ["beta", "zeta", "at-home", "users", "bundled"]
    );
}

#[test]
fn the_users_skills_stay_the_users_where_the_home_is_the_project() {
    let place = Place::new();
    place.skill("user/.agents/skills/h", "at-home");
    let (skills, _) = place.found("user");
    assert_eq!(skills, [(SkillScope::User, "at-home".to_owned())]);
}

#[test]
fn folders_are_looked_into_six_levels_deep_and_hidden_ones_not_at_all() {
    let place = Place::new();
    place.skill("p/.agents/skills/a/b/c/d/e/f", "six");
    place.skill("p/.agents/skills/a/b/c/d/e/f/g", "seven");
    place.skill("p/.agents/skills/.hidden", "hidden");
    place.skill("p/.agents/skills", "root");
    place.write(
        "p/.agents/skills/lower/skill.md",
        "---\ndescription: d\n---\n",
    );
    assert_eq!(place.names("p"), ["root", "six"]);
}

#[cfg(unix)]
#[test]
fn a_linked_folder_is_followed_once_and_a_linked_file_not_at_all() {
    use std::os::unix::fs::symlink;
    let place = Place::new();
    let file = place.skill("elsewhere/linked", "linked");
    fs::create_dir_all(place.path("p/.agents/skills/file")).expect("a folder can be made");
    let skills = place.path("p/.agents/skills");
    symlink(place.path("elsewhere/linked"), skills.join("one")).expect("links can be made");
    symlink(place.path("elsewhere/linked"), skills.join("two")).expect("links can be made");
    symlink(&skills, skills.join("loop")).expect("links can be made");
    symlink(file, skills.join("file/SKILL.md")).expect("links can be made");
    assert_eq!(place.names("p"), ["linked"]);
}

#[test]
fn a_faulty_file_is_told_and_hides_no_other() {
    let place = Place::new();
    place.skill("p/.agents/skills/good", "good");
    let bare = place.write("p/.agents/skills/bare/SKILL.md", "no front matter");
    let long = place.skill("p/.agents/skills/long", &"n".repeat(65));
    let (skills, errors) = place.found("p");
    assert_eq!(skills, [(SkillScope::Repo, "good".to_owned())]);
    let told = |path: PathBuf, message: &str| SkillErrorInfo {
        path: path.display().to_string(),
        message: message.to_owned(),
    };
    assert_eq!(
        errors,
        [
            told(bare, "missing YAML frontmatter delimited by ---"),
            told(
                long,
                "invalid name: exceeds maximum length of 64 characters"
            ),
        ]
    );
}

#[test]
fn a_skill_without_a_name_is_called_as_its_folder() {
    let place = Place::new();
    place.write(
        "p/.agents/skills/folder/SKILL.md",
        "---\ndescription: d\n---\n",
    );
    assert_eq!(place.names("p"), ["folder"]);
}

#[test]
fn the_configuration_switches_skills_off_by_name_or_path() {
    let place = Place::new();
    place.skill("p/.agents/skills/a", "a");
    let by_path = place.skill("p/.agents/skills/b", "b");
    place.skill("p/.agents/skills/c", "c");
    place.write(
        "home/config.toml",
        &format!(
            "[[skills.config]]\nname = 'a'\nenabled = false\n\
             [[skills.config]]\npath = '{}'\nenabled = false\n\
             [[skills.config]]\nname = 'c'\nenabled = false\n\
             [[skills.config]]\nname = 'c'\nenabled = true\n",
            by_path.display()
        ),
    );
    let config = place.config("p");
    let found = find(&roots(&place.server(), &config), &config);
    let enabled: Vec<_> = found
        .skills
        .iter()
        .map(|skill| (skill.name.as_str(), skill.enabled))
        .collect();
    assert_eq!(enabled, [("a", false), ("b", false), ("c", true)]);
}

#[test]
fn how_a_skill_is_shown_comes_from_the_file_beside_it() {
    let place = Place::new();
    let file = place.skill("p/.agents/skills/a", "a");
    place.write(
        "p/.agents/skills/a/agents/openai.yaml",
        "interface:\n  display_name: \"The A\"\n  icon_small: assets/a.svg\n",
    );
    let skill = read_skill(&file, SkillScope::Repo).expect("it can be read");
    let interface = skill.interface.expect("it has one");
    assert_eq!(interface.display_name.as_deref(), Some("The A"));
    let icon = interface.icon_small.expect("it has an icon");
    assert_eq!(
        icon.as_path(),
        place.path("p/.agents/skills/a/assets/a.svg")
    );

    let bare = place.skill("p/.agents/skills/b", "b");
    place.write("p/.agents/skills/b/agents/openai.yaml", "policy:\n  x: y\n");
    let skill = read_skill(&bare, SkillScope::Repo).expect("it can be read");
    assert_eq!(skill.interface, None);
}
