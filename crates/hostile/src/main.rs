//! `loomd-hostile`: plays every case and prints the tables.
//!
//! `loomd-hostile [--as UID] [--server LOOMD] [--every N] [WORD…]` plays the cases whose
//! category or name has one of the words in it, as the user given or as the one who
//! calls; with a server's program by that server too, there every Nth case alone.

use std::process::ExitCode;

use loomd_hostile::report;

fn main() -> ExitCode {
    if loomd_sandbox::is_helper_call() {
        return loomd_sandbox::helper_main(&[]);
    }
    let args: Vec<String> = std::env::args().skip(1).collect();
    if args.first().is_some_and(|word| word == "victim") {
        return loomd_hostile::victim::run();
    }
    report::main(args)
}
