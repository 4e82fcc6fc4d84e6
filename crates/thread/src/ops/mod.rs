//! One file per operation of the lifecycle, with its tests.

pub(crate) mod ask;
mod close;
mod go_on;
pub(crate) mod goal;
mod inject;
mod interrupt;
pub(crate) mod metadata;
mod name;
pub(crate) mod queue;
mod read_state;
pub(crate) mod reload;
mod resume;
pub(crate) mod settings;
pub(crate) mod shell;
mod start;
mod start_turn;
mod steer;
mod unload;
pub(crate) mod wait;
