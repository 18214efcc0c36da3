//! The use cases on a real state and backends that fail as told.

mod deletes;
mod dropped;
mod outcomes;
mod puts;
mod reads;
mod uploads;
