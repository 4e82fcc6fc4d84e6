//! Hosting loaded threads: who is alive, the actor around the pure core, and what it
//! does to the world.

mod actor;
mod effects;
mod event_log;
mod fanout;
mod launch;
mod recorder;
mod registry;
mod reload;
mod residency;

pub(crate) use fanout::{broadcast, send_to};
pub(crate) use launch::{Awake, ForkKind, Launch, environment_policy, wake};
pub(crate) use registry::{Handle, Mail, Registry, Responder};
