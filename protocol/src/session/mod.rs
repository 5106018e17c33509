//! The sans-IO state machines of both ends (being written).
