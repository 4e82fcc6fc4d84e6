//! All cases, played side by side where they may be, and the table of what came of them.

#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "the table is for the person at the terminal"
)]

use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use loomd_base::SystemClock;

use crate::case::Case;
use crate::ground::{Ground, Helper};
use crate::play::{Outcome, Played, play};
use crate::{cases, sys};

/// Cases that are played at the same time. Most of their time they wait.
const SIDE_BY_SIDE: usize = 6;

/// A case with the name of its category.
type Named = (&'static str, Case);

/// Plays the cases on the helper as the user who calls and prints the table. Fails if
/// anything escaped.
#[must_use]
pub fn run(words: &[String]) -> ExitCode {
    let Ok(program) = std::env::current_exe() else {
        eprintln!("this program's own path is not known");
        return ExitCode::FAILURE;
    };
    sys::block_server_signal();
    let wanted: Vec<Named> = cases::all()
        .into_iter()
        .filter(|(category, case)| {
            let name = format!("{category}: {}", case.name);
            words.is_empty() || words.iter().any(|word| name.contains(word))
        })
        .collect();
    let ground = Helper::new(program.clone());
    let played = play_all(&wanted, &ground, &program);
    table(&wanted, &played)
}

/// The same as another user, by a copy of this program that the user can reach.
#[must_use]
pub fn run_as(user: Option<&String>, words: &[String]) -> ExitCode {
    match start_as(user, words) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("cannot run as another user: {error}");
            ExitCode::FAILURE
        }
    }
}

fn start_as(user: Option<&String>, words: &[String]) -> io::Result<ExitCode> {
    let user: Option<u32> = user.and_then(|user| user.parse().ok());
    let user = user.ok_or_else(|| io::Error::other("no user's number is given"))?;
    let folder = tempfile::tempdir()?;
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755))?;
    let program: PathBuf = folder.path().join("loomd-hostile");
    fs::copy(std::env::current_exe()?, &program)?;
    let status = Command::new(&program)
        .args(words)
        .current_dir("/")
        .uid(user)
        .gid(user)
        .status()?;
    let code = status.code().and_then(|code| u8::try_from(code).ok());
    Ok(code.map_or(ExitCode::FAILURE, ExitCode::from))
}

/// Plays the cases; gives what came of each, in their order.
#[must_use]
pub fn play_all(wanted: &[Named], ground: &dyn Ground, program: &Path) -> Vec<Option<Played>> {
    let clock = SystemClock::default();
    let results: Vec<Mutex<Option<Played>>> = wanted.iter().map(|_| Mutex::default()).collect();
    let one = |index: usize, alone: bool| {
        if let (Some((_, case)), Some(result)) = (wanted.get(index), results.get(index))
            && case.alone == alone
            && let Ok(mut result) = result.lock()
        {
            *result = Some(play(case, ground, program, &clock));
        }
    };
    let next = AtomicUsize::new(0);
    thread::scope(|scope| {
        for _ in 0..SIDE_BY_SIDE {
            scope.spawn(|| {
                loop {
                    let index = next.fetch_add(1, Ordering::Relaxed);
                    if index >= wanted.len() {
                        break;
                    }
                    one(index, false);
                }
            });
        }
    });
    for index in 0..wanted.len() {
        one(index, true);
    }
    results
        .into_iter()
        .map(|result| result.into_inner().ok().flatten())
        .collect()
}

fn table(wanted: &[Named], played: &[Option<Played>]) -> ExitCode {
    let user = rustix::process::getuid().as_raw();
    println!("| category | case | unconfined | confined | ms |");
    println!("| --- | --- | --- | --- | --- |");
    let (mut held, mut works, mut escapes, mut skipped, mut broken) = (0, 0, 0, 0, 0);
    for ((category, case), played) in wanted.iter().zip(played) {
        let Some(Played { outcome, took }) = played else {
            println!("| {category} | {} | did not come back | | |", case.name);
            broken += 1;
            continue;
        };
        let (count, unconfined, confined) = match outcome {
            Outcome::Held => (&mut held, "works", "held"),
            Outcome::Works => (&mut works, "works", "works, as it should"),
            Outcome::Escaped => (&mut escapes, "works", "ESCAPED"),
            Outcome::Hindered => (&mut broken, "works", "HINDERED"),
            Outcome::Skipped(why) => (&mut skipped, why.as_str(), "skipped"),
            Outcome::Broken(why) => (&mut broken, "works", why.as_str()),
        };
        *count += 1;
        println!(
            "| {category} | {} | {unconfined} | {confined} | {} |",
            case.name,
            took.as_millis()
        );
    }
    println!(
        "user {user}: {} cases, {held} held, {escapes} escapes, {skipped} skipped, {works} allowed \
         and working, {broken} broken",
        held + escapes
    );
    match escapes + broken {
        0 => ExitCode::SUCCESS,
        _ => ExitCode::FAILURE,
    }
}
