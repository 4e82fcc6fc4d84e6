//! The environment of commands. Pure: the variables come in as values.
//!
//! Order: what is inherited, less what is excluded, plus what is set, of that what
//! is included; then the variables that every command gets and nothing overrides.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};

/// Which of the server's variables commands get to see.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Inherit {
    /// All of them.
    #[default]
    All,
    /// Those that programs need to find each other and their user.
    Core,
    /// None.
    None,
}

/// `shell_environment_policy` of the configuration. Patterns know `*` and `?` and
/// ignore case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EnvironmentPolicy {
    /// What is inherited.
    pub inherit: Inherit,
    /// Whether names that look like secrets stay.
    pub ignore_default_excludes: bool,
    /// What is left out of the inherited variables.
    pub exclude: Vec<String>,
    /// What is added.
    pub set: BTreeMap<String, String>,
    /// If not empty: what of all that stays.
    pub include_only: Vec<String>,
}

impl Default for EnvironmentPolicy {
    /// Everything is inherited. Names that look like secrets stay, as seen on 0.169.0.
    fn default() -> Self {
        Self {
            inherit: Inherit::All,
            ignore_default_excludes: true,
            exclude: Vec::new(),
            set: BTreeMap::new(),
            include_only: Vec::new(),
        }
    }
}

impl EnvironmentPolicy {
    /// What the policy makes of inherited variables, without those that only the commands
    /// of a model get.
    #[must_use]
    pub fn apply(&self, inherited: BTreeMap<OsString, OsString>) -> BTreeMap<OsString, OsString> {
        let named = |name: &OsStr, patterns: &[String]| {
            let name = name.to_string_lossy();
            patterns.iter().any(|pattern| matches(pattern, &name))
        };
        let mut excluded = self.exclude.clone();
        if !self.ignore_default_excludes {
            excluded.extend(DEFAULT_EXCLUDES.map(str::to_owned));
        }
        let mut variables = inherited;
        variables.retain(|name, _| {
            let inherits = match self.inherit {
                Inherit::All => true,
                Inherit::Core => name.to_str().is_some_and(|name| CORE.contains(&name)),
                Inherit::None => false,
            };
            inherits && !named(name, &excluded)
        });
        for (name, value) in &self.set {
            variables.insert(name.into(), value.into());
        }
        if !self.include_only.is_empty() {
            variables.retain(|name, _| named(name, &self.include_only));
        }
        variables
    }
}

/// Inherited with [`Inherit::Core`].
const CORE: [&str; 9] = [
    "HOME", "LOGNAME", "PATH", "SHELL", "TEMP", "TMP", "TMPDIR", "USER", "USERNAME",
];

/// Left out unless the policy says otherwise.
const DEFAULT_EXCLUDES: [&str; 3] = ["*KEY*", "*SECRET*", "*TOKEN*"];

/// What every command of a model gets: no colours, no pagers, one text encoding.
const FIXED: [(&str, &str); 10] = [
    ("CODEX_CI", "1"),
    ("COLORTERM", ""),
    ("GH_PAGER", "cat"),
    ("GIT_PAGER", "cat"),
    ("LANG", "C.UTF-8"),
    ("LC_ALL", "C.UTF-8"),
    ("LC_CTYPE", "C.UTF-8"),
    ("NO_COLOR", "1"),
    ("PAGER", "cat"),
    ("TERM", "dumb"),
];

/// What commands inherit, worked out once and shared by threads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShellEnvironment {
    variables: BTreeMap<OsString, OsString>,
    /// The inherited search path, whatever the policy says.
    path: Option<OsString>,
}

impl ShellEnvironment {
    /// Applies a policy to the server's variables.
    #[must_use]
    pub fn new(
        inherited: impl IntoIterator<Item = (OsString, OsString)>,
        policy: &EnvironmentPolicy,
    ) -> Self {
        let inherited: BTreeMap<OsString, OsString> = inherited.into_iter().collect();
        let path = inherited.get(OsStr::new("PATH")).cloned();
        let mut variables = policy.apply(inherited);
        for (name, value) in FIXED {
            variables.insert(name.into(), value.into());
        }
        Self { variables, path }
    }

    /// The variables of every command.
    pub(crate) fn variables(&self) -> impl Iterator<Item = (&OsStr, &OsStr)> {
        self.variables
            .iter()
            .map(|(name, value)| (name.as_os_str(), value.as_os_str()))
    }

    /// A variable of every command.
    pub(crate) fn variable(&self, name: &str) -> Option<&OsStr> {
        self.variables
            .get(OsStr::new(name))
            .map(OsString::as_os_str)
    }

    /// The folders where programs are looked for.
    pub(crate) fn search_path(&self) -> Option<&OsStr> {
        self.path.as_deref()
    }
}

/// Whether `name` is what `pattern` says, with `*` for any text and `?` for any
/// character, ignoring case.
fn matches(pattern: &str, name: &str) -> bool {
    let pattern: Vec<char> = pattern.to_lowercase().chars().collect();
    let name: Vec<char> = name.to_lowercase().chars().collect();
    let (mut p, mut n) = (0, 0);
    // Where the last star was and where its text ended: the way back.
    let mut star: Option<(usize, usize)> = None;
    while n < name.len() {
        match pattern.get(p) {
            Some('*') => {
                star = Some((p, n));
                p += 1;
            }
            Some(c) if *c == '?' || *c == name[n] => {
                p += 1;
                n += 1;
            }
            Some(_) | None => match star {
                Some((at, covered)) => {
                    p = at + 1;
                    n = covered + 1;
                    star = Some((at, n));
                }
                None => return false,
            },
        }
    }
    pattern[p..].iter().all(|c| *c == '*')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(policy: &EnvironmentPolicy) -> Vec<String> {
        let inherited = [
            ("PATH", "/bin"),
            ("HOME", "/root"),
            ("FOO_A", "1"),
            ("A_TOKEN", "t"),
            ("XBAR1", "1"),
            ("PAGER", "less"),
        ]
        .map(|(name, value)| (OsString::from(name), OsString::from(value)));
        ShellEnvironment::new(inherited, policy)
            .variables()
            .filter(|(name, _)| !FIXED.iter().any(|(fixed, _)| *name == OsStr::new(fixed)))
            .map(|(name, value)| format!("{}={}", name.display(), value.display()))
            .collect()
    }

    fn strings(patterns: &[&str]) -> Vec<String> {
        patterns.iter().map(|&pattern| pattern.to_owned()).collect()
    }

    #[test]
    fn everything_is_inherited_by_default() {
        assert_eq!(
            names(&EnvironmentPolicy::default()),
            ["A_TOKEN=t", "FOO_A=1", "HOME=/root", "PATH=/bin", "XBAR1=1"]
        );
    }

    #[test]
    fn secrets_go_where_the_policy_asks_for_it() {
        let policy = EnvironmentPolicy {
            ignore_default_excludes: false,
            exclude: strings(&["foo_*", "*BAR?"]),
            ..EnvironmentPolicy::default()
        };
        assert_eq!(names(&policy), ["HOME=/root", "PATH=/bin"]);
    }

    #[test]
    fn what_is_set_comes_after_exclusion_and_before_inclusion() {
        let mut policy = EnvironmentPolicy {
            inherit: Inherit::Core,
            exclude: strings(&["FOO_*"]),
            set: [("FOO_A", "2"), ("OTHER", "3")]
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
                .into(),
            ..EnvironmentPolicy::default()
        };
        assert_eq!(
            names(&policy),
            ["FOO_A=2", "HOME=/root", "OTHER=3", "PATH=/bin"]
        );
        policy.include_only = strings(&["foo*", "home"]);
        assert_eq!(names(&policy), ["FOO_A=2", "HOME=/root"]);
        policy.inherit = Inherit::None;
        assert_eq!(names(&policy), ["FOO_A=2"]);
    }

    #[test]
    fn nothing_overrides_the_fixed_variables() {
        let policy = EnvironmentPolicy {
            inherit: Inherit::None,
            set: [("PAGER".to_owned(), "less".to_owned())].into(),
            include_only: strings(&["NOTHING"]),
            ..EnvironmentPolicy::default()
        };
        let environment = ShellEnvironment::new([], &policy);
        let got: Vec<(&str, &str)> = environment
            .variables()
            .filter_map(|(name, value)| Some((name.to_str()?, value.to_str()?)))
            .collect();
        assert_eq!(got, FIXED);
    }

    #[test]
    fn patterns_match_as_in_a_shell() {
        for (pattern, name, expected) in [
            ("*", "", true),
            ("a*c", "abbc", true),
            ("a*c", "abcd", false),
            ("*key*", "MONKEYS", true),
            ("a?c", "abc", true),
            ("a?c", "ac", false),
            ("", "a", false),
            ("*a*b*", "xxaxxbxx", true),
        ] {
            assert_eq!(matches(pattern, name), expected, "{pattern} {name}");
        }
    }
}
