//! Writes `hub/machinery/src/tables/kubernetes.txt`: the facts about Kubernetes' built-in kinds.
//!
//! Run `cargo run -p roadstead-generate` to take a newer Kubernetes; it asks Go's module proxy for
//! the sources that [`sources`] names. It takes facts only (names, types, list keys, merge keys,
//! defaults, protobuf tags) and no descriptions. Nothing else in the project depends on it.

mod discovery;
mod emit;
mod golang;
mod names;
mod openapi;
mod proto;
mod sources;

use std::path::Path;

use anyhow::Context as _;

fn main() -> anyhow::Result<()> {
    let sources = sources::Sources::fetch()?;
    let rows = discovery::read(&sources)?;
    let schemas = openapi::read(&sources)?;
    let messages = proto::read(&sources)?;
    let tags = golang::read(&sources)?;
    let text = emit::text(&rows, &schemas, &messages, &tags)?;
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../src/tables/kubernetes.txt");
    std::fs::write(&path, text).with_context(|| format!("failed to write {}", path.display()))
}
