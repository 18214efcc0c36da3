//! Attempts, their tickets and their epochs, on a real state.

mod epochs;
mod tickets;
