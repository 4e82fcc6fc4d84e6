//! The helper as a program of its own. It knows no tasks, only programs.

fn main() -> std::process::ExitCode {
    loomd_sandbox::helper_main(&[])
}
