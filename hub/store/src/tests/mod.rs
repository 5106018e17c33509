//! Tests of the store as its users see it.

mod crash;
mod disk;
mod memory;
mod sealed;
mod simdisk;
mod together;
pub(crate) mod world;
