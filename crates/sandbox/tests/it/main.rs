//! The sandbox with real programs.

mod lab;
mod running;
