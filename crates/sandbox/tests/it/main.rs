//! The sandbox with real programs.

mod lab;
mod nested;
mod running;
