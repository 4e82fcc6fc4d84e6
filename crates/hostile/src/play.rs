//! One case, on two grounds.

use std::io;
use std::path::Path;
use std::thread;
use std::time::Duration;

use loomd_base::Clock;

use crate::case::{Case, Oracle, Who};
use crate::ground::{Ground, Unconfined};
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
    Skipped(String),
    /// Could not be played confined.
    Broken(String),
}

/// Plays a case, first with nothing around it, then on `ground`.
pub fn play(case: &Case, ground: &dyn Ground, program: &Path, clock: &dyn Clock) -> Played {
    let begun = clock.now().mono;
    let outcome = outcome(case, ground, program);
    let took = clock.now().mono.saturating_sub(begun);
    Played { outcome, took }
}

/// What came of a case, and how long it took.
#[derive(Debug, Clone)]
pub struct Played {
    /// What came of it.
    pub outcome: Outcome,
    /// On both grounds together.
    pub took: Duration,
}

fn outcome(case: &Case, ground: &dyn Ground, program: &Path) -> Outcome {
    let is_root = rustix::process::getuid().is_root();
    match case.who {
        Who::Root if !is_root => return Outcome::Skipped("needs user 0".to_owned()),
        Who::Ordinary if is_root => return Outcome::Skipped("not for user 0".to_owned()),
        Who::Anyone | Who::Root | Who::Ordinary => {}
    }
    match escapes(case, &Unconfined, program, false) {
        Ok(true) => {}
        Ok(false) => {
            return Outcome::Skipped("this machine refuses it to everybody".to_owned());
        }
        Err(error) => return Outcome::Skipped(format!("cannot be tried here: {error}")),
    }
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
