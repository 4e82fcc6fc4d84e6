//! The flags that change settings: accepted before and after the subcommand.

use anyhow::Context;
use clap::Args;

/// Settings over those of the configuration files, for this run only.
#[derive(Debug, Clone, Default, PartialEq, Eq, Args)]
pub(crate) struct SettingFlags {
    /// Set a key of config.toml for this run; `a.b` reaches into tables. The value is
    /// TOML, or a plain string where it is none: -c model=gpt-5.5 -c 'mcp_servers={}'
    #[arg(short = 'c', long = "config", value_name = "KEY=VALUE", action = clap::ArgAction::Append)]
    config: Vec<String>,

    /// Turn a feature on: the same as -c features.NAME=true
    #[arg(long, value_name = "NAME", hide_short_help = true)]
    enable: Vec<String>,

    /// Turn a feature off: the same as -c features.NAME=false
    #[arg(long, value_name = "NAME", hide_short_help = true)]
    disable: Vec<String>,

    /// Lay NAME.config.toml of the home folder, or the table [profiles.NAME], over
    /// config.toml
    #[arg(short, long, value_name = "NAME", hide_short_help = true)]
    profile: Option<String>,

    /// Accepted for compatibility. Unknown settings are warned about, not refused
    #[arg(long, hide = true)]
    strict_config: bool,
}

/// One setting: a dotted key and its value.
pub(crate) type Setting = (String, toml::Value);

impl SettingFlags {
    /// The settings in the order in which they count; later ones win.
    ///
    /// # Errors
    /// An argument has no key or no value.
    pub(crate) fn settings(&self) -> anyhow::Result<Vec<Setting>> {
        let mut settings = Vec::new();
        if let Some(profile) = &self.profile {
            settings.push(("profile".to_owned(), toml::Value::String(profile.clone())));
        }
        for (names, on) in [(&self.enable, true), (&self.disable, false)] {
            for name in names {
                settings.push((format!("features.{name}"), toml::Value::Boolean(on)));
            }
        }
        for argument in &self.config {
            let setting = loomd_config::parse_override(argument)
                .with_context(|| format!("cannot use `-c {argument}`"))?;
            settings.push(setting);
        }
        Ok(settings)
    }

    /// What stood before the subcommand, and over it what stands behind.
    ///
    /// # Errors
    /// As [`settings`](Self::settings).
    pub(crate) fn merged(outer: &Self, inner: &Self) -> anyhow::Result<Vec<Setting>> {
        let mut settings = outer.settings()?;
        settings.extend(inner.settings()?);
        Ok(settings)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(arguments: &[&str]) -> SettingFlags {
        SettingFlags {
            config: arguments.iter().map(|&text| text.to_owned()).collect(),
            ..SettingFlags::default()
        }
    }

    #[test]
    fn what_stands_behind_the_subcommand_wins() {
        let merged = SettingFlags::merged(&config(&["model=a", "x=1"]), &config(&["model=b"]));
        let keys: Vec<_> = merged
            .unwrap()
            .into_iter()
            .map(|(key, value)| format!("{key}={value}"))
            .collect();
        assert_eq!(keys, ["model=\"a\"", "x=1", "model=\"b\""]);
    }

    #[test]
    fn features_and_profile_are_settings_too() {
        let flags = SettingFlags {
            enable: vec!["a".into()],
            disable: vec!["b".into()],
            profile: Some("p".into()),
            ..config(&["features.b=true"])
        };
        let shown: Vec<_> = flags
            .settings()
            .unwrap()
            .into_iter()
            .map(|(key, value)| format!("{key}={value}"))
            .collect();
        let expected = [
            "profile=\"p\"",
            "features.a=true",
            "features.b=false",
            "features.b=true",
        ];
        assert_eq!(shown, expected);
    }

    #[test]
    fn an_argument_without_a_value_is_refused_with_its_text() {
        let error = config(&["model"]).settings().unwrap_err();
        assert_eq!(error.to_string(), "cannot use `-c model`");
        assert_eq!(
            error.root_cause().to_string(),
            "override `model` has no `=`; write key=value"
        );
    }
}
