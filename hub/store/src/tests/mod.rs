//! Tests of the store as its users see it.

mod disk;
mod memory;
mod world;
