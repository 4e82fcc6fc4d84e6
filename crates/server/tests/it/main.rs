//! Wire behaviour, in process: a real server on the offline model, clients over memory.
//! Every message a client gets is checked against the reference's schema by the testkit.

mod approvals;
mod coming_and_going;
mod extensions;
mod families;
mod forks;
mod going_on;
mod handshake;
mod lifecycle;
mod metadata;
mod races;
mod random_traffic;
mod reading;
mod reload;
mod residency;
mod resume;
mod settings;
mod turns;
