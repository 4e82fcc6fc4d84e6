//! `loomd-hostile`: plays every case and prints the table.
//!
//! `loomd-hostile [--as UID] [WORD…]` plays the cases whose category or name has one of
//! the words in it, as the user given or as the one who calls.

use std::process::ExitCode;

fn main() -> ExitCode {
    if loomd_sandbox::is_helper_call() {
        return loomd_sandbox::helper_main(&[]);
    }
    let args: Vec<String> = std::env::args().skip(1).collect();
    match args.first().map(String::as_str) {
        Some("victim") => loomd_hostile::victim::run(),
        Some("--as") => loomd_hostile::report::run_as(args.get(1), args.get(2..).unwrap_or(&[])),
        _ => loomd_hostile::report::run(&args),
    }
}
