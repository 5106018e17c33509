//! Which templates' decisions have to do with which other template, so that each finds the other
//! without a search. What is so stands in the decisions; these keys only lead there.
//!
//! - `/requires/<item>/<item>`: the second needs the first beside it, or did when this was written.
//! - `/awaits/<item>/<item>`: the second waits for the first.
//!
//! An item is `<group|core>/<kind>/<namespace|_>/<name>`; the values are [`Link`]s.

use roadstead_protocol::wire::ItemKey;
use serde::{Deserialize, Serialize};

use crate::{InvalidKey, Key};

use super::{group_part, join, namespace_part, part_group, part_namespace};

/// What all keys begin with that say who needs what.
pub const REQUIRES_PREFIX: &str = "/requires/";
/// What all keys begin with that say who waits for what.
pub const AWAITS_PREFIX: &str = "/awaits/";

/// What a link says beside its key.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Link {
    /// The uid of the second item: its decision may be gone before what it needed is.
    pub uid: String,
}

/// The key that says that `by` needs `item`, or waits for it, by its prefix.
pub fn link_key(prefix: &str, item: &ItemKey, by: &ItemKey) -> Result<Key, InvalidKey> {
    let [a, b] = [parts(item), parts(by)];
    let all: Vec<&str> = a.into_iter().chain(b).collect();
    join(prefix, &all)
}

/// What all keys begin with that say who needs `item`, or waits for it, by their prefix.
pub fn links_prefix(prefix: &str, item: &ItemKey) -> String {
    let [group, kind, namespace, name] = parts(item);
    format!("{prefix}{group}/{kind}/{namespace}/{name}/")
}

/// The item, and who needs it or waits for it, if `key` has that prefix.
pub fn parse_link_key(prefix: &str, key: &str) -> Option<(ItemKey, ItemKey)> {
    let mut rest = key.strip_prefix(prefix)?.split('/');
    let mut item = || {
        Some(ItemKey {
            group: part_group(rest.next()?).to_owned(),
            kind: rest.next()?.to_owned(),
            namespace: part_namespace(rest.next()?).to_owned(),
            name: rest.next()?.to_owned(),
        })
    };
    let both = (item()?, item()?);
    rest.next().is_none().then_some(both)
}

fn parts(item: &ItemKey) -> [&str; 4] {
    let (group, namespace) = (group_part(&item.group), namespace_part(&item.namespace));
    [group, &item.kind, namespace, &item.name]
}
