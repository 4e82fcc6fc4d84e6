//! One file per operation of the lifecycle, with its tests.

pub(crate) mod ask;
mod close;
mod inject;
mod interrupt;
mod name;
mod read_state;
pub(crate) mod reload;
mod resume;
pub(crate) mod settings;
mod start;
mod start_turn;
mod steer;
mod unload;
