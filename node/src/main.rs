//! The `holdfast` binary.

use std::process::ExitCode;

/// Returns freed memory to the system and does not fragment under many small buffers, which keeps a
/// node of a million objects within its memory.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> ExitCode {
    node::cli::run()
}
