//! What a start does to the state, whatever fails meanwhile.

mod attaching;
mod settings;
mod starting;
