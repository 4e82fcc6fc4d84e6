//! Orders of events, shortest first and up to a number of steps: the core beside a small
//! reference of the lifecycle, compared after each input.
//!
//! The search is breadth first. A state is reached by its shortest schedule, which is
//! played again from the start for each input that is tried there: ids are counted and
//! time is made, so a schedule always leads to the same state. Schedules whose states
//! have the same key (the reference's state and what tools and streams may still say) are
//! gone into once, so a fault that only shows in what the key leaves out can be missed.
//! For these there are random schedules, much longer ones and without a key.

mod inputs;
mod killed;
mod reference;
mod watcher;
mod world;

use std::collections::HashSet;
use std::panic::{AssertUnwindSafe, catch_unwind};

use loomd_base::Dice;

use inputs::{ALPHABET, Letter, QUEUE_ALPHABET};
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

fn explore(stored: bool, alphabet: &[Letter]) -> Found {
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
            for &letter in alphabet {
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

fn report(name: &str, found: &Found) {
    say(&format!(
        "{name}: {} states, {} steps checked, up to {} inputs long",
        found.states, found.steps, found.longest
    ));
}

#[expect(clippy::print_stderr, reason = "`cargo xtask lifecycle` shows it")]
fn say(line: &str) {
    eprintln!("lifecycle: {line}");
}

#[test]
fn a_new_thread_keeps_to_its_lifecycle_in_all_orders_of_events_that_are_tried() {
    let found = explore(false, &ALPHABET);
    report("new thread", &found);
    assert!(found.steps >= 50_000, "only {} steps", found.steps);
}

#[test]
fn a_stored_thread_keeps_to_its_lifecycle_in_all_orders_of_events_that_are_tried() {
    let found = explore(true, &ALPHABET);
    report("stored thread", &found);
    assert!(found.steps >= 50_000, "only {} steps", found.steps);
}

#[test]
fn what_waits_becomes_a_turn_once_and_only_when_it_may_in_all_orders_that_are_tried() {
    let found = explore(true, &QUEUE_ALPHABET);
    report("queue", &found);
    assert!(found.steps >= 50_000, "only {} steps", found.steps);
}

/// Random schedules, and inputs of each.
const WALKS: u64 = 4_000;
const WALK_LENGTH: usize = 60;

/// The seed: fixed in general, so that a green run stays green, and free to choose.
fn seed() -> u64 {
    let chosen = std::env::var("LOOMD_LIFECYCLE_SEED").ok();
    chosen.map_or(20_261_127, |text| text.parse().expect("a number"))
}

/// One schedule of its own seed. Ends that leave nothing to try are drawn seldom.
fn walk(seed: u64) -> usize {
    let mut dice = Dice::new(seed);
    let stored = dice.below(2) == 0;
    let first = if stored {
        Letter::Resume
    } else {
        Letter::Start
    };
    let mut schedule = vec![first(1)];
    let mut world = play(stored, &schedule);
    while schedule.len() < WALK_LENGTH && !world.is_unloaded() {
        let all = ALPHABET.len() + QUEUE_ALPHABET.len();
        let drawn = dice.below(all);
        let letter = *ALPHABET
            .iter()
            .chain(&QUEUE_ALPHABET)
            .nth(drawn)
            .expect("within");
        let ends = matches!(letter, Letter::Close | Letter::RoomNeeded | Letter::Timer);
        if !world.can(letter) || (ends && dice.below(8) != 0) {
            continue;
        }
        schedule.push(letter);
        let stepped = catch_unwind(AssertUnwindSafe(|| world.step(letter)));
        assert!(stepped.is_ok(), "seed {seed}: broken by {schedule:?}");
    }
    schedule.len()
}

#[test]
fn a_thread_keeps_to_its_lifecycle_in_long_random_orders_of_events() {
    let first = seed();
    let steps: usize = (first..first + WALKS).map(walk).sum();
    say(&format!(
        "random orders: {WALKS} of up to {WALK_LENGTH} inputs from seed {first}, {steps} steps checked"
    ));
    assert!(steps >= 100_000, "only {steps} steps");
}
