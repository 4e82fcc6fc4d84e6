//! `loomd man`: the manual page, made from the same definition as `--help`.

use std::io::Write;
use std::process::ExitCode;

use anyhow::Context;
use clap::CommandFactory;
use clap_mangen::Man;

use crate::cli::Cli;

/// Writes one page: the program, and each subcommand behind it.
pub(crate) fn run() -> anyhow::Result<ExitCode> {
    let page = page().context("cannot make the manual page")?;
    std::io::stdout()
        .write_all(&page)
        .context("cannot write to standard output")?;
    Ok(ExitCode::SUCCESS)
}

fn page() -> std::io::Result<Vec<u8>> {
    let mut command = Cli::command();
    command.build();
    let mut page = Vec::new();
    Man::new(command.clone()).title("loomd").render(&mut page)?;
    for subcommand in command.get_subcommands().filter(|c| c.get_name() != "help") {
        let man = Man::new(subcommand.clone());
        writeln!(page, ".SH loomd {}", subcommand.get_name())?;
        man.render_synopsis_section(&mut page)?;
        man.render_description_section(&mut page)?;
        man.render_options_section(&mut page)?;
    }
    Ok(page)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_covers_every_subcommand() {
        let page = String::from_utf8(page().unwrap()).unwrap();
        for name in ["app-server", "exec", "demo", "threads", "doctor"] {
            assert!(page.contains(&format!(".SH loomd {name}")), "{name}");
        }
    }
}
