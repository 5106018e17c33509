//! Roadstead: stub, being written.
