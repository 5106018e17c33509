//! The pure half of the Kubernetes API: kinds as data, schemas, merging, validation, printing.
//!
//! Objects are `serde_json::Value` throughout. Nothing here is async, reads a clock, draws random
//! numbers or does I/O, and no kind is known by name outside the tables.

pub mod crd;
pub mod discovery;
pub mod jsonpath;
pub mod managed;
pub mod merge;
pub mod openapi;
pub mod patch;
pub mod print;
pub mod protobuf;
pub mod resource;
pub mod schema;
pub mod selector;
pub mod status;
pub mod tables;
pub mod validate;
