//! The loomd binary.
fn main() {}
