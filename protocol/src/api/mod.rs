//! The kinds that people write (being written).
