//! Commands that are asked about whatever the sandbox.

use crate::inner::inner_commands;
use crate::path::base_name;

/// Whether a command removes files without asking: `rm` with `-f` in any spelling, also
/// where another program runs it (`sudo`, `env`, `xargs`, `bash -c`, …).
///
/// 0.169.0 asks about `rm -f` behind `sudo` and `env` without options and in `bash -c`;
/// the other programs that run a command are added here. `find -exec rm -f` is left as
/// there: not asked about.
pub fn forces_removal(command: &[String]) -> bool {
    inner_commands(command)
        .iter()
        .any(|words| is_forced_removal(words))
}

fn is_forced_removal(words: &[String]) -> bool {
    let Some((program, args)) = words.split_first() else {
        return false;
    };
    base_name(program) == "rm"
        && args.iter().take_while(|arg| *arg != "--").any(|arg| {
            // GNU takes every beginning of a long option that is unambiguous.
            let long = arg.len() > 2 && "--force".starts_with(arg.as_str());
            let letters = arg.strip_prefix('-').filter(|rest| !rest.starts_with('-'));
            long || letters.is_some_and(|letters| letters.contains('f'))
        })
}

#[cfg(test)]
mod tests {
    use crate::rough::rough_commands;

    fn forces(script: &str) -> bool {
        rough_commands(script)
            .iter()
            .any(|words| super::forces_removal(words))
    }

    /// What 0.169.0 asks about, and what it does not.
    #[test]
    fn sees_a_forced_removal_in_any_spelling() {
        for script in [
            "rm -f x",
            "rm -rf x",
            "rm -fr x",
            "rm -r -f x",
            "rm -vrf x",
            "rm x -f",
            "rm -if x",
            "rm -f",
            "rm --force x",
            "rm -R --force x",
            "/bin/rm -f x",
            "\"rm\" -rf x",
            "rm \"-rf\" x",
            "sudo rm -f x",
            "sudo sudo rm -rf x",
            "env A=1 rm -rf x",
            "sudo env rm -rf x",
            "bash -c \"rm -rf x\"",
            "sh -c \"rm -rf x\"",
            "X=1 rm -f x",
            "rm -f $HOME/x",
            "rm -rf *",
            "rm -f x > /dev/null",
            "rm -rf x 2>&1",
            "rm -rf x &",
            "(rm -rf x)",
            "if true; then rm -rf x; fi",
            "while true; do rm -rf x; done",
            "echo $(rm -rf x)",
            "echo \"$(rm -rf x)\"",
            "[ -d x ] && rm -rf x",
            "rm -rf x <<E\nE",
            "rm -rf x # c",
        ] {
            assert!(forces(script), "{script}");
        }
        for script in [
            "rm x",
            "rm -r x",
            "rm -- -f",
            "rm -- x -f",
            "rm --",
            "rm - x",
            "rm --verbose x",
            "rmdir -f x",
            "echo rm -f",
            "git rm -f x",
            "find . -delete",
            "find . -exec rm -rf {} +",
            "cat <<E\nrm -rf x\nE",
            "# rm -rf x\nls",
            "format -f",
            "",
        ] {
            assert!(!forces(script), "{script}");
        }
    }

    /// What 0.169.0 runs without asking.
    #[test]
    fn sees_it_behind_more_programs_than_the_reference() {
        for script in [
            "\\rm -rf x",
            "rm --forc x",
            "sudo -n rm -f x",
            "sudo -u root rm -rf x",
            "doas rm -rf x",
            "command rm -rf x",
            "nohup rm -rf x",
            "time rm -rf x",
            "exec rm -rf x",
            "nice rm -rf x",
            "timeout 5 rm -rf x",
            "ls | xargs rm -f",
            "eval \"rm -rf x\"",
        ] {
            assert!(forces(script), "{script}");
        }
    }
}
