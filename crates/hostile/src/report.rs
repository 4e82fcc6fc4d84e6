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
use crate::command_exec::CommandExec;
use crate::ground::{Ground, Helper, Unconfined};
use crate::model_tool::{ModelCommand, ModelPatch, Terms};
use crate::play::{Outcome, Played, play};
use crate::server::Server;
use crate::{cases, sys};

/// Cases that are played at the same time. Most of their time they wait.
const SIDE_BY_SIDE: usize = 6;

/// A case with the name of its category.
type Named = (&'static str, Case);

/// A ground with its name.
type NamedGround<'a> = (&'static str, &'a dyn Ground);

/// What is wanted of a run.
#[derive(Debug, Default)]
struct Wanted {
    /// The user to run as.
    user: Option<u32>,
    /// The server's program.
    loomd: Option<PathBuf>,
    /// Which share of the cases the server plays: one of so many.
    every: usize,
    /// Cases with one of these in their name.
    words: Vec<String>,
}

impl Wanted {
    fn read(args: Vec<String>) -> Option<Self> {
        let mut wanted = Self {
            every: 1,
            ..Self::default()
        };
        let mut args = args.into_iter();
        while let Some(arg) = args.next() {
            match arg.as_str() {
                "--as" => wanted.user = Some(args.next()?.parse().ok()?),
                "--server" => wanted.loomd = Some(fs::canonicalize(args.next()?).ok()?),
                "--every" => wanted.every = args.next()?.parse().ok().filter(|n| *n > 0)?,
                _ => wanted.words.push(arg),
            }
        }
        Some(wanted)
    }

    fn filter(&self, mut cases: Vec<Named>) -> Vec<Named> {
        let words = &self.words;
        cases.retain(|(category, case)| {
            let name = format!("{category}: {}", case.name);
            words.is_empty() || words.iter().any(|word| name.contains(word))
        });
        cases
    }
}

/// Does what the program's arguments say. Fails if anything escaped.
#[must_use]
pub fn main(args: Vec<String>) -> ExitCode {
    let Some(wanted) = Wanted::read(args) else {
        eprintln!("loomd-hostile [--as UID] [--server LOOMD] [--every N] [WORD…]");
        return ExitCode::FAILURE;
    };
    let done = match wanted.user {
        Some(user) => run_as(user, &wanted),
        None => run(&wanted),
    };
    match done {
        Ok(code) => code,
        Err(error) => {
            eprintln!("the cases cannot be played: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Plays the cases as the user who calls and prints the tables.
fn run(wanted: &Wanted) -> io::Result<ExitCode> {
    let program = std::env::current_exe()?;
    sys::block_server_signal();
    let helper = Helper::new(program.clone());
    let scripts = wanted.filter(cases::all());
    let Some(loomd) = &wanted.loomd else {
        let grounds: [NamedGround<'_>; 1] = [("helper", &helper)];
        let is_held = played(&scripts, &Unconfined, &grounds, wanted.every, &program);
        return Ok(code(is_held));
    };
    let server = Server::start(loomd)?;
    let patch = |terms| ModelPatch {
        server: &server,
        loomd: loomd.clone(),
        terms,
    };
    let (free, never, declined) = (
        patch(Terms::Free),
        patch(Terms::Never),
        patch(Terms::Declined),
    );
    let grounds: [NamedGround<'_>; 2] = [
        ("model's patch, nobody asked", &never),
        ("model's patch, declined", &declined),
    ];
    // Nothing else plays these, so that a larger share of them is played.
    let share = wanted.every.div_ceil(2);
    let patches = wanted.filter(cases::patches());
    let patches: Vec<Named> = patches.into_iter().step_by(share).collect();
    let patches_held = played(&patches, &free, &grounds, 1, &program);
    println!();
    let granted = wanted.filter(cases::granted_patches());
    let ground = patch(Terms::Granted);
    let grounds: [NamedGround<'_>; 1] = [("model's patch, one granted", &ground)];
    let granted_held = played(&granted, &free, &grounds, 1, &program);
    println!();
    // Last, since one of them makes everything of this user slow for good.
    let grounds: [NamedGround<'_>; 3] = [
        ("helper", &helper),
        ("command/exec", &CommandExec(&server)),
        ("model's command", &ModelCommand(&server)),
    ];
    let scripts_held = played(&scripts, &Unconfined, &grounds, wanted.every, &program);
    Ok(code(scripts_held && patches_held && granted_held))
}

fn code(is_held: bool) -> ExitCode {
    match is_held {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    }
}

/// The same as another user, by copies of the programs that the user can reach.
fn run_as(user: u32, wanted: &Wanted) -> io::Result<ExitCode> {
    let folder = tempfile::tempdir()?;
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755))?;
    let program: PathBuf = folder.path().join("loomd-hostile");
    fs::copy(std::env::current_exe()?, &program)?;
    let mut command = Command::new(&program);
    if let Some(loomd) = &wanted.loomd {
        let copy = folder.path().join("loomd");
        fs::copy(loomd, &copy)?;
        command.arg("--server").arg(copy);
    }
    let status = command
        .args(["--every", &wanted.every.to_string()])
        .args(&wanted.words)
        .current_dir("/")
        .uid(user)
        .gid(user)
        .status()?;
    let code = status.code().and_then(|code| u8::try_from(code).ok());
    Ok(code.map_or(ExitCode::FAILURE, ExitCode::from))
}

/// Plays the cases, prints what came of them, and says whether all were held.
fn played(
    wanted: &[Named],
    free: &dyn Ground,
    grounds: &[NamedGround<'_>],
    every: usize,
    program: &Path,
) -> bool {
    let all: Vec<&dyn Ground> = grounds.iter().map(|(_, ground)| *ground).collect();
    let played = play_all(wanted, free, &all, every, program);
    let names: Vec<&str> = grounds.iter().map(|(name, _)| *name).collect();
    println!(
        "| category | case | unconfined | {} | ms |",
        names.join(" | ")
    );
    println!("| --- | --- | --- |{} --- |", " --- |".repeat(names.len()));
    for ((category, case), played) in wanted.iter().zip(&played) {
        row(category, case.name, played.as_ref(), names.len());
    }
    let user = rustix::process::getuid().as_raw();
    let mut is_held = true;
    for (index, name) in names.into_iter().enumerate() {
        let (mut held, mut works, mut escapes, mut skipped, mut broken) = (0, 0, 0, 0, 0);
        for played in &played {
            match played.as_ref().map(|it| it.outcomes.get(index)) {
                Some(Some(Outcome::Held)) => held += 1,
                Some(Some(Outcome::Works)) => works += 1,
                Some(Some(Outcome::Escaped)) => escapes += 1,
                Some(Some(Outcome::Needless(_) | Outcome::Skipped(_)) | None) => skipped += 1,
                Some(Some(Outcome::Hindered | Outcome::Broken(_))) | None => broken += 1,
            }
        }
        println!(
            "user {user}, {name}: {} cases, {held} held, {escapes} escapes, {skipped} skipped, \
             {works} allowed and working, {broken} broken",
            held + escapes
        );
        is_held &= escapes + broken == 0;
    }
    is_held
}

fn row(category: &str, name: &str, played: Option<&Played>, grounds: usize) {
    let Some(Played { outcomes, took }) = played else {
        println!(
            "| {category} | {name} | did not come back |{} |",
            " |".repeat(grounds)
        );
        return;
    };
    let mut free = "works";
    let mut cells = Vec::new();
    for index in 0..grounds {
        cells.push(match outcomes.get(index) {
            Some(Outcome::Held) => "held",
            Some(Outcome::Works) => "works, as it should",
            Some(Outcome::Escaped) => "ESCAPED",
            Some(Outcome::Hindered) => "HINDERED",
            Some(Outcome::Needless(why)) => {
                free = why;
                "skipped"
            }
            Some(Outcome::Skipped(why) | Outcome::Broken(why)) => why,
            None => "left out",
        });
    }
    let (cells, ms) = (cells.join(" | "), took.as_millis());
    println!("| {category} | {name} | {free} | {cells} | {ms} |");
}

/// Plays the cases side by side where they may be; gives what came of each, in their
/// order. The grounds after the first play one of `every` cases.
#[must_use]
pub fn play_all(
    wanted: &[Named],
    free: &dyn Ground,
    grounds: &[&dyn Ground],
    every: usize,
    program: &Path,
) -> Vec<Option<Played>> {
    let clock = SystemClock::default();
    let results: Vec<Mutex<Option<Played>>> = wanted.iter().map(|_| Mutex::default()).collect();
    let one = |index: usize, alone: bool| {
        let grounds = match grounds {
            [first, _, ..] if !index.is_multiple_of(every) => std::slice::from_ref(first),
            all => all,
        };
        if let (Some((_, case)), Some(result)) = (wanted.get(index), results.get(index))
            && case.alone == alone
            && let Ok(mut result) = result.lock()
        {
            *result = Some(play(case, free, grounds, program, &clock));
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
