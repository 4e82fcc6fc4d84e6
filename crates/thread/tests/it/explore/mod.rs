//! Orders of events, shortest first and up to a number of steps: the core beside a small
//! reference of the lifecycle, compared after each input.
//!
//! The search is breadth first. A state is reached by its shortest schedule, which is
//! played again from the start for each input that is tried there: ids are counted and
//! time is made, so a schedule always leads to the same state. Schedules whose states
//! have the same key (the reference's state and what tools and streams may still say) are
//! gone into once: a fault that only shows in what the key leaves out can be missed.

mod inputs;
mod reference;
mod watcher;
mod world;

use std::collections::HashSet;
use std::panic::{AssertUnwindSafe, catch_unwind};

use inputs::{ALPHABET, Letter};
use world::World;

/// Checked steps after which a search ends.
const STEPS_MAX: usize = 60_000;

struct Found {
    states: usize,
    steps: usize,
    longest: usize,
}

fn play(stored: bool, schedule: &[Letter]) -> World {
    let mut world = World::new(stored);
    for letter in schedule {
        world.step(*letter);
    }
    world
}

fn explore(stored: bool) -> Found {
    let root = vec![if stored {
        Letter::Resume(1)
    } else {
        Letter::Start(1)
    }];
    let mut seen = HashSet::from([play(stored, &root).key()]);
    let mut level = vec![root];
    let mut found = Found {
        states: 1,
        steps: 0,
        longest: 0,
    };
    while !level.is_empty() && found.steps < STEPS_MAX {
        let mut next = Vec::new();
        for schedule in &level {
            if found.steps >= STEPS_MAX {
                break;
            }
            let here = play(stored, schedule);
            let mut ready = Some(here);
            for letter in ALPHABET {
                let mut world = ready.take().unwrap_or_else(|| play(stored, schedule));
                if !world.can(letter) {
                    ready = Some(world);
                    continue;
                }
                let longer: Vec<Letter> = schedule.iter().copied().chain([letter]).collect();
                let stepped = catch_unwind(AssertUnwindSafe(|| world.step(letter)));
                assert!(stepped.is_ok(), "broken by {longer:?}");
                found.steps += 1;
                found.longest = longer.len();
                if seen.insert(world.key()) {
                    next.push(longer);
                }
            }
        }
        level = next;
    }
    found.states = seen.len();
    found
}

#[expect(clippy::print_stderr, reason = "`cargo xtask lifecycle` shows it")]
fn report(name: &str, found: &Found) {
    eprintln!(
        "lifecycle: {name}: {} states, {} steps checked, up to {} inputs long",
        found.states, found.steps, found.longest
    );
}

#[test]
fn a_new_thread_keeps_to_its_lifecycle_in_all_orders_of_events_that_are_tried() {
    let found = explore(false);
    report("new thread", &found);
    assert!(found.steps >= 50_000, "only {} steps", found.steps);
}

#[test]
fn a_stored_thread_keeps_to_its_lifecycle_in_all_orders_of_events_that_are_tried() {
    let found = explore(true);
    report("stored thread", &found);
    assert!(found.steps >= 50_000, "only {} steps", found.steps);
}
