//! One case, on two grounds.

use std::io;
use std::path::Path;
use std::thread;
use std::time::Duration;

use loomd_base::Clock;

use crate::case::{Case, Oracle, Who};
use crate::ground::Ground;
use crate::lab::Lab;

/// How long the kernel may take to clear away what was killed.
const GONE_LIMIT: Duration = Duration::from_secs(3);

/// What came of a case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// Works unconfined, and not confined.
    Held,
    /// Is no escape, and works on both grounds.
    Works,
    /// Works confined too.
    Escaped,
    /// Is no escape, and does not work confined.
    Hindered,
    /// Proves nothing on this machine, for this reason.
    Needless(String),
    /// Nothing that this ground can do, for this reason.
    Skipped(String),
    /// Could not be played confined.
    Broken(String),
}

/// What came of a case on each ground, and how long all of it took.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Played {
    /// In the order of the grounds.
    pub outcomes: Vec<Outcome>,
    /// Of all grounds together.
    pub took: Duration,
}

/// Plays a case, first on `free`, where nothing confines it, then on each of `grounds`.
pub fn play(
    case: &Case,
    free: &dyn Ground,
    grounds: &[&dyn Ground],
    program: &Path,
    clock: &dyn Clock,
) -> Played {
    let begun = clock.now().mono;
    let outcomes = match why_not(case, free, program) {
        Some(why) => vec![Outcome::Needless(why); grounds.len()],
        None => {
            let confined = grounds.iter();
            confined.map(|it| outcome(case, *it, program)).collect()
        }
    };
    let took = clock.now().mono.saturating_sub(begun);
    Played { outcomes, took }
}

/// Why a case proves nothing on this machine.
fn why_not(case: &Case, free: &dyn Ground, program: &Path) -> Option<String> {
    let is_root = rustix::process::getuid().is_root();
    match case.who {
        Who::Root if !is_root => return Some("needs user 0".to_owned()),
        Who::Ordinary if is_root => return Some("not for user 0".to_owned()),
        Who::Anyone | Who::Root | Who::Ordinary => {}
    }
    match escapes(case, free, program, false) {
        Ok(true) => None,
        Ok(false) => Some("this machine refuses it to everybody".to_owned()),
        Err(error) => Some(format!("cannot be tried here: {error}")),
    }
}

fn outcome(case: &Case, ground: &dyn Ground, program: &Path) -> Outcome {
    match escapes(case, ground, program, true) {
        Ok(true) if case.allowed => Outcome::Works,
        Ok(false) if case.allowed => Outcome::Hindered,
        Ok(true) => Outcome::Escaped,
        Ok(false) => Outcome::Held,
        Err(error) if error.kind() == io::ErrorKind::Unsupported => {
            Outcome::Skipped(error.to_string())
        }
        Err(error) => Outcome::Broken(error.to_string()),
    }
}

/// Whether a case works on a ground.
fn escapes(
    case: &Case,
    ground: &dyn Ground,
    program: &Path,
    is_confined: bool,
) -> io::Result<bool> {
    let mut lab = Lab::new(case, program)?;
    let mut output = ground.play(&mut lab, case, case.attempt)?;
    if !output.starts_with("began\n") {
        return Err(io::Error::other(format!("it did not begin: {output}")));
    }
    if let Some(then) = case.then {
        output = ground.play(&mut lab, case, then)?;
    }
    if case.oracle == Oracle::Survivors {
        settle(&lab, is_confined);
    }
    Ok(lab.is_escaped(&output))
}

/// Waits for the end of what was killed, or where nothing ends it, for its rest.
fn settle(lab: &Lab, is_confined: bool) {
    const STEP: Duration = Duration::from_millis(20);
    if !is_confined {
        // What starts each other comes to rest.
        thread::sleep(STEP * 5);
        return;
    }
    let mut left = GONE_LIMIT;
    while !left.is_zero() && !lab.survivors().is_empty() {
        thread::sleep(STEP);
        left = left.saturating_sub(STEP);
    }
}
