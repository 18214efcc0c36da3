//! The state machine: apply and queries over an ordered key-value port. Pure, synchronous, deterministic.
