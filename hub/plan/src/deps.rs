//! What belongs to an object and goes where it goes, and what it waits for.
//!
//! [`references`] finds what an object needs beside it; [`requirers`] makes of that where the needed
//! objects go; [`order`] says what an object waits for; [`read`] reads all that from decisions. Nothing here looks anything up: who needs an
//! object, and how far what it waits for has got, are arguments.

pub mod order;
pub mod read;
pub mod references;
pub mod requirers;
