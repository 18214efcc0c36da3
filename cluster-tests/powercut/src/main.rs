//! The process that serves one power-cut file system.

fn main() {}
