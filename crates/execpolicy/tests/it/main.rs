//! The splitters beside a real shell.

mod beside_bash;
