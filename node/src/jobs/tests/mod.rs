//! The jobs on a real state and backends that fail as told.

mod collecting;
mod discarding;
mod looping;
mod sessions;
mod sweeping;
