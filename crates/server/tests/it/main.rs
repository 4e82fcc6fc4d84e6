//! Wire behaviour, in process: a real server on the offline model, clients over memory.
//! Every message a client gets is checked against the reference's schema by the testkit.

mod approvals;
mod coming_and_going;
mod command_exec;
mod command_exec_refusals;
mod confined;
mod extensions;
mod families;
mod forks;
mod fs;
mod fs_watch;
mod fuzzy;
mod going_on;
mod handshake;
mod lifecycle;
mod metadata;
mod model_asks;
mod process;
mod profiles;
mod races;
mod random_traffic;
mod reading;
mod reload;
mod residency;
mod resume;
mod settings;
mod streamed_patches;
mod turns;

/// The seed of what is random: fixed in general, so that a green run stays green, and free
/// to choose.
fn seed() -> u64 {
    let chosen = std::env::var("LOOMD_TRAFFIC_SEED").ok();
    chosen.map_or(20_261_127, |text| text.parse().expect("a number"))
}
