//! The helper of the sandbox as a program of its own.

fn main() -> std::process::ExitCode {
    loomd_sandbox::helper_main(loomd_tools::HELPER_TASKS)
}
